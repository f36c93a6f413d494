use bytes::Bytes;
use http::{Response, request};

use super::Rejection;
use super::respond::{Respond, with_content_type};
use crate::methods::method_excerpt;

/// Answers with a sentence as `text/plain`, for people who look at it with curl or in a browser.
///
/// ```text
/// The method DELETE is not allowed here. Allowed: GET, HEAD, POST.
/// ```
///
/// ```text
/// This server does not implement the method FOO.
/// ```
///
/// Of the method at most 64 bytes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PlainText;

impl<B: From<Bytes>> Respond<B> for PlainText {
    fn respond(&self, rejection: &Rejection, request: &request::Parts) -> Response<B> {
        let mut text = sentence(rejection, request);
        if let Some(allow) = rejection.allow() {
            text += &format!(" Allowed: {allow}.");
        }
        text.push('\n');
        with_content_type(text, "text/plain; charset=utf-8")
    }
}

/// What the rejection says, in words that are safe in plain text and within a JSON string.
pub(super) fn sentence(rejection: &Rejection, request: &request::Parts) -> String {
    #[cfg(feature = "rfc2774")]
    if let Some(problem) = rejection.extension_problem() {
        return problem.to_string();
    }
    let method = method_excerpt(&request.method);
    match rejection.allow() {
        Some(_) => format!("The method {method} is not allowed here."),
        None => format!("This server does not implement the method {method}."),
    }
}
