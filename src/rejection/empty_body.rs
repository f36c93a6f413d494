use http::{Response, request};

use super::Rejection;
use super::respond::Respond;

/// Answers with an empty body: the responder of a layer that is given no other.
///
/// The body is `B::default()`, so `B` must be a type whose default is empty, as it is for axum's
/// and tonic's `Body`, `http_body_util`'s `Full` and `Empty`, and `String`. For one without a
/// default, such as hyper's `Incoming`, give the layer a closure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EmptyBody;

impl<B: Default> Respond<B> for EmptyBody {
    fn respond(&self, _: &Rejection, _: &request::Parts) -> Response<B> {
        Response::new(B::default())
    }
}
