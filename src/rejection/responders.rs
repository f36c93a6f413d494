//! The three responders.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, request};

use super::respond::{Needs, Respond};
use super::{Reason, Rejection};
use crate::methods::method_excerpt;

/// A responder that answers with an empty body. It is the default.
///
/// The body is `B::default()`. It is empty for axum's and tonic's `Body`, for `http_body_util`'s `Full`,
/// `Empty`, and `BoxBody`, and for `String`. If the layer answers in place of the inner service's `405`
/// ([`inner_decides`](crate::MethodPolicyLayer::inner_decides)) with its own `405`, the content of that response stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EmptyBody;

#[diagnostic::do_not_recommend]
impl<B: Default> Respond<B> for EmptyBody {
    fn respond(&self, _: &Rejection, _: &request::Parts) -> Response<B> {
        Response::new(B::default())
    }

    fn needs(&self) -> Needs {
        Needs::Nothing
    }
}

/// A responder that answers with a sentence in `text/plain`.
///
/// ```text
/// The method DELETE is not allowed here. Allowed: GET, HEAD, POST.
/// ```
///
/// ```text
/// This server does not recognize the method FOO.
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
        with_content(text, "text/plain; charset=utf-8", request)
    }

    fn needs(&self) -> Needs {
        Needs::Method
    }
}

/// A responder that answers with problem details as `application/problem+json` (RFC 9457).
///
/// `type` is `about:blank`, so `title` is the status phrase (RFC 9457 §4.2.1). For a `405`, the extension
/// member `allow` repeats the `Allow` field for clients that cannot read the field, such as scripts of another
/// origin behind a CORS layer that is outside the policy.
///
/// ```json
/// {"type":"about:blank","title":"Method Not Allowed","status":405,"detail":"The method DELETE is not allowed here.","allow":["GET","HEAD","POST"]}
/// ```
///
/// ```json
/// {"type":"about:blank","title":"Not Implemented","status":501,"detail":"This server does not recognize the method FOO."}
/// ```
///
/// It shows at most 64 bytes of the method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProblemDetails;

#[diagnostic::do_not_recommend]
impl<B: From<Bytes>> Respond<B> for ProblemDetails {
    fn respond(&self, rejection: &Rejection, request: &request::Parts) -> Response<B> {
        let status = rejection.status();
        let title = status.canonical_reason().unwrap_or_default();
        let detail = sentence(rejection, request);
        let allow = rejection.allow().map_or_else(String::new, |allow| {
            let names: Vec<_> = allow.iter().map(|method| format!("\"{method}\"")).collect();
            format!(r#","allow":[{}]"#, names.join(","))
        });
        // A method is a token, and a token has no character that JSON escapes.
        let mut json = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{},"detail":"{detail}"{allow}}}"#,
            status.as_u16(),
        );
        json.push('\n');
        with_content(json, "application/problem+json", request)
    }

    fn needs(&self) -> Needs {
        Needs::Method
    }
}

/// A sentence about the rejection that is safe in plain text and inside a JSON string.
fn sentence(rejection: &Rejection, request: &request::Parts) -> String {
    let is_head = request.method == Method::HEAD;
    let method = method_excerpt(if is_head { &Method::GET } else { &request.method });
    match rejection.reason() {
        Reason::NotAllowed => format!("The method {method} is not allowed here."),
        Reason::NotImplemented => format!("This server does not recognize the method {method}."),
        #[cfg(feature = "rfc2774")]
        Reason::NotExtended | Reason::MalformedDeclaration => {
            rejection.extension_problem().unwrap_or_default().to_owned()
        }
    }
}

/// A response with content. The answer to `HEAD` has the length of the answer to `GET` (RFC 9110 §8.6).
fn with_content<B: From<Bytes>>(
    content: String,
    content_type: &'static str,
    request: &request::Parts,
) -> Response<B> {
    let length = HeaderValue::from(content.len());
    let mut response = Response::new(B::from(Bytes::from(content)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if request.method == Method::HEAD {
        headers.insert(CONTENT_LENGTH, length);
    }
    response
}
