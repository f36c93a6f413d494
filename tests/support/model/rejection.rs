//! A rejection, and the response to a rejected request.

use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};

use super::{Content, Layer, Request, Response, RetryAfter};

/// The fields of content. A response that loses its content loses them.
pub(crate) const OF_CONTENT: &str = "content-type content-encoding content-language content-location \
    content-range content-disposition content-digest content-md5 digest transfer-encoding trailer etag \
    last-modified accept-ranges repr-digest signature signature-input sourcemap content-length";

/// The facts that observers, responders, and outer layers see.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rejection {
    pub(crate) status: u16,
    /// The value of `Allow`.
    pub(crate) allow: Option<String>,
    /// The text of the rule.
    pub(crate) rule: Option<String>,
    pub(crate) is_enforced: bool,
}

impl Rejection {
    pub(crate) fn of_status(status: u16) -> Self {
        Self { status, allow: None, rule: None, is_enforced: true }
    }

    /// Everything that an observer or a responder sees: this rejection, and the head of the request.
    pub(crate) fn seen(&self, head: &Parts) -> String {
        let Parts { method, uri, version, headers, .. } = head;
        format!("{method} {uri} {version:?} {headers:?} {self:?}")
    }

    /// The sentence of `PlainText`. The answer to `HEAD` is that to `GET`, without content.
    fn text(&self, method: &str) -> String {
        let mut method = if method == "HEAD" { "GET".to_owned() } else { method.to_owned() };
        if method.len() > 64 {
            method.truncate(64);
            method.push('…');
        }
        match self.allow.as_deref() {
            None => format!("This server does not recognize the method {method}.\n"),
            Some("") => format!("The method {method} is not allowed here.\n"),
            Some(allow) => {
                format!("The method {method} is not allowed here. Allowed: {allow}.\n")
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Responder {
    /// The default responder, `tower_method_policy::EmptyBody`.
    EmptyBody,
    /// `tower_method_policy::PlainText`.
    PlainText,
    /// It sets only the content.
    Content,
    /// It also sets fields that the layer, the inner service, or gRPC set.
    Fields,
    /// It also sets a gRPC status.
    GrpcStatus,
}

impl Responder {
    /// The response that it builds. The layer ignores its status and its `Allow`.
    pub(crate) fn response(self, rejection: &Rejection, head: &Parts) -> Response {
        const FIELDS: [(&str, &str); 14] = [
            ("connection", "x-hop"),
            ("cache-control", "private"),
            ("retry-after", "7"),
            ("content-length", "9"),
            ("content-type", "text/silly"),
            ("content-encoding", "silly"),
            ("etag", "silly"),
            ("grpc-message", "silly"),
            ("set-cookie", "silly=1"),
            ("set-cookie", "silly=2"),
            ("vary", "silly"),
            ("x-silly", "1"),
            ("x-silly", "2"),
            ("grpc-status", "7"),
        ];
        let fields = match self {
            Self::EmptyBody | Self::PlainText | Self::Content => &[],
            Self::Fields => &FIELDS[..13],
            Self::GrpcStatus => &FIELDS,
        };
        let field =
            |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let mut response = Response::empty();
        response.fields = fields.iter().copied().map(field).collect();
        match self {
            Self::EmptyBody => {}
            Self::PlainText => {
                let text = rejection.text(head.method.as_str());
                response.set("content-type", "text/plain; charset=utf-8");
                // The length of the answer to `GET` (RFC 9110 §8.6).
                if head.method == "HEAD" {
                    response.set("content-length", &text.len().to_string());
                }
                response.content = Content::Text(text);
            }
            Self::Content | Self::Fields | Self::GrpcStatus => {
                response.content = Content::OfResponder;
                response.marks.shared = Some("the responder");
                response.set("x-seen", &rejection.seen(head));
            }
        }
        response
    }
}

impl Layer {
    /// The response to a request that the layer rejects.
    pub(crate) fn reject(&self, request: &Request, rejection: Rejection) -> Response {
        let response = self.responder.response(&rejection, &request.head());
        self.complete(request, rejection, response)
    }

    /// Adds what the policy and not the responder decides.
    pub(super) fn complete(
        &self,
        request: &Request,
        rejection: Rejection,
        mut response: Response,
    ) -> Response {
        response.status = StatusCode::from_u16(rejection.status).expect("a status");
        response.remove("allow");
        if let Some(allow) = &rejection.allow {
            response.set("allow", allow);
        }
        if let (RetryAfter::Seconds(seconds), 501) = (self.retry_after, rejection.status) {
            response.set_default("retry-after", &seconds.to_string());
        }
        if let Some(value) = self.cache_control {
            response.set_default("cache-control", value);
        }
        // gRPC over HTTP/2, "Responses".
        let is_of_method = rejection.status == 405 || rejection.status == 501;
        if is_of_method && request.is_grpc() && !response.has("grpc-status") {
            response.content = Content::Empty;
            response.remove(OF_CONTENT);
            let content_type = request.fields["content-type"].clone();
            response.fields.insert("content-type", content_type);
            response.set("grpc-status", "12");
            response.set("grpc-message", "the HTTP method is rejected here");
        }
        response.marks.rejection = Some(rejection);
        response
    }
}
