use bytes::Bytes;
use http::{Response, request};

use super::respond::{Respond, with_content_type};
use super::{Reason, Rejection};
use crate::methods::method_excerpt;

/// A responder that answers with a sentence in `text/plain`.
///
/// ```text
/// The method DELETE is not allowed here. Allowed: GET, HEAD, POST.
/// ```
///
/// ```text
/// This server does not implement the method FOO.
/// ```
///
/// It shows at most 64 bytes of the method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlainText;

#[diagnostic::do_not_recommend]
impl<B: From<Bytes>> Respond<B> for PlainText {
    fn respond(&self, rejection: &Rejection, request: &request::Parts) -> Response<B> {
        let mut text = sentence(rejection, request);
        if let Some(allow) = rejection.allow().filter(|allow| !allow.is_empty()) {
            text += &format!(" Allowed: {allow}.");
        }
        text.push('\n');
        with_content_type(text, "text/plain; charset=utf-8")
    }
}

/// A sentence about the rejection that is safe in plain text and inside a JSON string.
pub(super) fn sentence(rejection: &Rejection, request: &request::Parts) -> String {
    let method = method_excerpt(&request.method);
    match rejection.reason() {
        Reason::NotAllowed => format!("The method {method} is not allowed here."),
        Reason::NotImplemented => format!("This server does not implement the method {method}."),
        #[cfg(feature = "rfc2774")]
        Reason::NotExtended | Reason::MalformedDeclaration => {
            rejection.extension_problem().unwrap_or_default().to_owned()
        }
    }
}
