use bytes::Bytes;
use http::Response;

use super::{Respond, with_content_type};
use crate::rejection::Rejection;

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
    fn respond(&self, rejection: &Rejection<'_>) -> Response<B> {
        let mut text = sentence(rejection);
        if let Some(allow) = rejection.allow() {
            text += &format!(" Allowed: {allow}.");
        }
        text.push('\n');
        with_content_type(text, "text/plain; charset=utf-8")
    }
}

/// What the refusal says, in words that are safe in plain text and within a JSON string.
pub(super) fn sentence(rejection: &Rejection<'_>) -> String {
    let method = rejection.method_excerpt();
    match rejection.extension_problem() {
        Some(problem) => problem.to_string(),
        None if rejection.allow().is_some() => format!("The method {method} is not allowed here."),
        None => format!("This server does not implement the method {method}."),
    }
}
