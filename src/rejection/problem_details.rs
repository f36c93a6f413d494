use bytes::Bytes;
use http::{Response, request};

use super::Rejection;
use super::plain_text::sentence;
use super::respond::{Respond, with_content_type};

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
/// {"type":"about:blank","title":"Not Implemented","status":501,"detail":"This server does not implement the method FOO."}
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
        with_content_type(json, "application/problem+json")
    }
}
