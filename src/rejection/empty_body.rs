use http::{Response, request};

use super::Rejection;
use super::respond::Respond;

/// A responder that answers with an empty body. It is the default.
///
/// The body is `B::default()`. It is empty for axum's and tonic's `Body`, for `http_body_util`'s `Full`,
/// `Empty`, and `BoxBody`, and for `String`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EmptyBody;

#[diagnostic::do_not_recommend]
impl<B: Default> Respond<B> for EmptyBody {
    fn respond(&self, _: &Rejection, _: &request::Parts) -> Response<B> {
        Response::new(B::default())
    }
}
