//! A second implementation of the crate's decisions and answers, as plain data and pure functions.
//!
//! It is written from RFC 9110 and the tables in the documentation, and it uses nothing of the crate. Only `subject.rs`
//! names the crate: it builds a layer from a [`Layer`], and it reads responses.
//!
//! `tests/support/random` compares the crate with [`Layer::outcome`].

#![allow(dead_code, reason = "no user needs everything")]

pub(crate) mod decision;
pub(crate) mod inner_405;
pub(crate) mod methods;
pub(crate) mod patterns;
pub(crate) mod policy;
pub(crate) mod rejection;
pub(crate) mod subject;

use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri, Version};

use self::decision::Decision;
use self::methods::method;
use self::policy::Policy;
use self::rejection::{Rejection, Responder};

/// A layer with all its settings, except the bounds of its body drain.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) policy: Policy,
    pub(crate) inner_decides: bool,
    pub(crate) answer_options: bool,
    pub(crate) report_only: bool,
    pub(crate) responder: Responder,
    pub(crate) has_observer: bool,
    pub(crate) retry_after: RetryAfter,
    pub(crate) cache_control: Option<&'static str>,
    /// Whether it handles the declarations of extensions (RFC 2774).
    pub(crate) examines_extensions: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum RetryAfter {
    Unset,
    /// The time is past, so the field is not sent.
    Past,
    Seconds(u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: Uri,
    pub(crate) version: Version,
    pub(crate) fields: HeaderMap,
    /// The extensions that the fields declare.
    pub(crate) extensions: Extensions,
    pub(crate) body: Body,
}

/// The facts that a server knows of a body before it reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Body {
    /// Whether there is nothing to read.
    pub(crate) is_at_end: bool,
    pub(crate) length: Option<u64>,
}

/// All extensions that a request declares as mandatory (RFC 2774 §3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Extensions {
    None,
    Supported,
    /// One of them is not supported.
    Unsupported,
    /// A declaration is malformed.
    Malformed,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) fields: HeaderMap,
    pub(crate) content: Content,
    pub(crate) marks: Marks,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Content {
    #[default]
    Empty,
    Text(String),
    OfResponder,
    OfInnerService,
}

/// The extensions of a response.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Marks {
    pub(crate) rejection: Option<Rejection>,
    pub(crate) would_reject: Option<Rejection>,
    /// A type that only the inner service uses.
    pub(crate) of_inner_service: bool,
    /// A type that the inner service and the responder use. The value names the last one that set it.
    pub(crate) shared: Option<&'static str>,
}

/// The result of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Whether the inner service receives the request.
    pub(crate) is_forwarded: bool,
    /// Whether the inner service receives the declarations that it has to fulfill (RFC 2774).
    pub(crate) is_fulfilled: bool,
    /// The calls of the observer: [what it has seen](Rejection::seen).
    pub(crate) observed: Vec<String>,
    pub(crate) response: Response,
}

impl Request {
    pub(crate) fn build<B>(&self, body: B) -> http::Request<B> {
        let mut request = http::Request::new(body);
        *request.method_mut() = method(&self.method);
        *request.uri_mut() = self.target.clone();
        *request.version_mut() = self.version;
        *request.headers_mut() = self.fields.clone();
        request
    }

    fn head(&self) -> Parts {
        self.build(()).into_parts().0
    }

    /// Checks that a request has arrived unchanged.
    pub(crate) fn assert_arrived(&self, head: &Parts) {
        assert_eq!(head.method.as_str(), self.method);
        assert_eq!(head.uri, self.target);
        assert_eq!(head.version, self.version);
        assert_eq!(head.headers, self.fields);
    }

    pub(crate) fn path(&self) -> &str {
        self.target.path()
    }

    pub(crate) fn is_http_1(&self) -> bool {
        self.version <= Version::HTTP_11
    }

    /// Fetch, "CORS-preflight request".
    pub(crate) fn is_preflight(&self) -> bool {
        let has = |name| self.fields.contains_key(name);
        self.method == "OPTIONS" && has("origin") && has("access-control-request-method")
    }

    /// A call of gRPC (gRPC over HTTP/2, "Requests").
    pub(crate) fn is_grpc(&self) -> bool {
        const GRPC: &str = "application/grpc";
        let content_type =
            self.fields.get("content-type").map_or(&b""[..], |value| value.as_bytes());
        let start = content_type.get(..GRPC.len()).unwrap_or_default();
        self.method == "POST" && start.eq_ignore_ascii_case(GRPC.as_bytes())
    }
}

impl Layer {
    /// The default settings.
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            inner_decides: false,
            answer_options: false,
            report_only: false,
            responder: Responder::EmptyBody,
            has_observer: false,
            retry_after: RetryAfter::Unset,
            cache_control: None,
            examines_extensions: false,
        }
    }

    /// The result of `request`. The inner service answers with `inner` if it is asked. `is_drained` is whether the
    /// layer has read the body of a request that it answers itself to the end.
    pub(crate) fn outcome(&self, request: &Request, inner: &Response, is_drained: bool) -> Outcome {
        let decision = self.decide(request);
        let is_fulfilled = decision == Decision::Fulfill;
        let (is_forwarded, observed, mut response) = match decision {
            Decision::Forward => {
                let (rejection, response) = self.replace_405(request, inner);
                (true, rejection, response)
            }
            Decision::ForwardUnchanged => (true, None, inner.clone()),
            Decision::Fulfill => (true, None, acknowledge(request, inner)),
            Decision::Report(rejection) => {
                let mut response = inner.clone();
                response.marks.would_reject = Some(rejection.clone());
                (true, Some(rejection), response)
            }
            Decision::AnswerOptions(allow) => (false, None, Response::to_options(allow)),
            Decision::Reject(rejection) => {
                let response = self.reject(request, rejection.clone());
                (false, Some(rejection), response)
            }
        };
        if !is_forwarded && request.is_http_1() && !is_drained {
            response.close();
        }
        let head = request.head();
        let observed = observed.iter().filter(|_| self.has_observer);
        let observed = observed.map(|rejection| rejection.seen(&head)).collect();
        Outcome { is_forwarded, is_fulfilled, observed, response }
    }
}

impl Response {
    /// A `200` without fields and content.
    pub(crate) fn empty() -> Self {
        Self {
            status: StatusCode::OK,
            fields: HeaderMap::new(),
            content: Content::Empty,
            marks: Marks::default(),
        }
    }

    /// The layer's own answer to `OPTIONS` (RFC 9110 §9.3.7).
    fn to_options(allow: Option<String>) -> Self {
        let mut response = Self::empty();
        if let Some(allow) = allow {
            response.set("allow", &allow);
        }
        response.set("content-length", "0");
        response
    }

    fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    fn set(&mut self, name: &'static str, value: &str) {
        self.fields.insert(name, value.parse().expect("a field value"));
    }

    fn set_default(&mut self, name: &'static str, value: &str) {
        if !self.has(name) {
            self.set(name, value);
        }
    }

    fn close(&mut self) {
        if !self.fields.get_all("connection").iter().any(|value| value == "close") {
            self.append("connection", "close");
        }
    }

    fn append(&mut self, name: &'static str, value: &str) {
        self.fields.append(name, value.parse().expect("a field value"));
    }

    fn remove(&mut self, names: &str) {
        for name in names.split_whitespace() {
            self.fields.remove(name);
        }
    }
}

/// The response to a request whose extensions the inner service has fulfilled (RFC 2774 §5.1).
fn acknowledge(request: &Request, inner: &Response) -> Response {
    let mut response = inner.clone();
    if response.status.is_success() {
        response.set("ext", "");
        let mut values = inner.fields.get_all("cache-control").iter();
        if !values.any(|value| value == "private, no-cache=\"ext\"") {
            response.append("cache-control", "no-cache=\"Ext\"");
        }
        if request.version < Version::HTTP_11 {
            response.set("expires", "Thu, 01 Jan 1970 00:00:00 GMT");
        }
    }
    response
}
