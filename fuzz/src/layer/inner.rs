//! The service behind the layer.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use arbitrary::Unstructured;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use tower_method_policy::Rejection;
use tower_service::Service;

use super::body::Script;
use super::policy::Names;
use super::settings::{Mark, Payload};

/// What it answers.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How often it is not ready yet.
    busy: u8,
    is_out_of_order: bool,
    /// How often the response is not ready yet.
    pending: u8,
    pub(super) answer: Result<Head, Failure>,
}

#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) mark: Option<Mark>,
    /// Whether it has the mark of a policy further inside.
    pub(super) is_rejection: bool,
}

/// Values of `Allow`, and the methods that they list; `None` if it is not a list of methods that exist.
const ALLOW: &[(&[u8], Option<&[&str]>)] = &[
    (b"GET, HEAD", Some(&["GET", "HEAD"])),
    (b"PUT,FOO\t,, BAR ,PUT", Some(&["PUT", "FOO", "BAR"])),
    (b"OPTIONS, get", Some(&["OPTIONS", "get"])),
    (b"", Some(&[])),
    (b" ,\t,", Some(&[])),
    (b"GET, *", None),
    (b"*", None),
    (b"PRI, POST", None),
    (b"pri, !#$%&'*+-.^_`|~", Some(&["pri", "!#$%&'*+-.^_`|~"])),
    (b"GET POST", None),
    (b"GET; POST", None),
    (b"\"GET\"", None),
    (b"GET, \xc3\xa9", None),
];

/// Fields that describe content, which a response without content does not have.
pub(super) const OF_CONTENT: [&str; 14] = [
    "content-type",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-disposition",
    "content-digest",
    "transfer-encoding",
    "trailer",
    "etag",
    "last-modified",
    "accept-ranges",
    "repr-digest",
];

/// Other fields.
const FIELDS: &[(&str, &str)] = &[
    ("connection", "keep-alive"),
    ("connection", "close, C-EXT"),
    ("cache-control", "public"),
    ("cache-control", "private,No-Cache=\"Ext\""),
    ("ext", "x"),
    ("c-ext", "x"),
    ("expires", "0"),
    ("retry-after", "1"),
    ("vary", "accept"),
    ("vary", "origin"),
    ("content-security-policy", "sandbox"),
    ("content-security-policy-report-only", "sandbox"),
    ("access-control-allow-origin", "*"),
    ("dav", "1"),
    ("set-cookie", "a=b"),
    ("grpc-status", "0"),
];

impl Head {
    /// The methods that all `Allow` fields list together; `None` if there is no such field, or one is not a
    /// list of methods.
    pub(super) fn allow(&self) -> Option<Names> {
        let mut methods = Names::new();
        let values: Vec<_> = self.headers.get_all("allow").iter().collect();
        if values.is_empty() {
            return None;
        }
        for value in values {
            let known = ALLOW.iter().find(|(text, _)| value == *text);
            let (_, listed) = known.expect("drawn from these");
            methods.extend((*listed)?.iter().map(|name| (*name).to_owned()));
        }
        Some(methods)
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Failure {
    NotReady,
    NoAnswer,
}

impl Plan {
    pub(super) fn draw(u: &mut Unstructured<'_>) -> arbitrary::Result<Self> {
        let mut headers = HeaderMap::new();
        for _ in 0..u.int_in_range(0..=4)? {
            let (name, value) = match u.int_in_range(0..=3)? {
                0 | 1 => ("allow", u.choose(ALLOW)?.0),
                2 => (*u.choose(&OF_CONTENT)?, &b"7"[..]),
                _ => {
                    let (name, value) = u.choose(FIELDS)?;
                    (*name, value.as_bytes())
                }
            };
            let value = HeaderValue::from_bytes(value).expect("a field value");
            headers.append(HeaderName::from_static(name), value);
        }
        let status = match u.int_in_range(0..=1)? {
            0 => 405,
            _ => *u.choose(&[200, 204, 299, 100, 300, 404, 406, 500, 501])?,
        };
        let head = Head {
            status: StatusCode::from_u16(status).expect("a status"),
            version: *u.choose(&[Version::HTTP_11, Version::HTTP_2])?,
            headers,
            mark: u.ratio(1, 2)?.then_some(Mark(2)),
            is_rejection: u.ratio(1, 2)?,
        };
        Ok(Self {
            busy: u.int_in_range(0..=2)?,
            is_out_of_order: !u.ratio(31, 32)?,
            pending: u.int_in_range(0..=2)?,
            answer: match !u.ratio(7, 8)? {
                true => Err(Failure::NoAnswer),
                false => Ok(head),
            },
        })
    }

    /// The result of `poll_ready`.
    pub(super) fn readiness(&self) -> Result<(), Failure> {
        match self.is_out_of_order {
            true => Err(Failure::NotReady),
            false => Ok(()),
        }
    }
}

/// The mark of a policy further inside.
pub(super) fn inner_rejection() -> Rejection {
    Rejection::not_allowed([Method::TRACE])
}

/// The requests that arrived, and whether their bodies are as they were sent.
pub(super) type Arrived = Rc<RefCell<Vec<(Parts, bool)>>>;

pub(super) struct Inner {
    plan: Plan,
    is_ready: bool,
    arrived: Arrived,
}

impl Inner {
    pub(super) fn new(plan: Plan, arrived: Arrived) -> Self {
        Self {
            plan,
            is_ready: false,
            arrived,
        }
    }
}

impl Service<Request<Script>> for Inner {
    type Response = Response<Payload>;
    type Error = Failure;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        if self.plan.busy > 0 {
            self.plan.busy -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(self.plan.readiness())
    }

    fn call(&mut self, request: Request<Script>) -> Answer {
        assert!(
            std::mem::take(&mut self.is_ready),
            "called without being ready"
        );
        let (parts, body) = request.into_parts();
        self.arrived.borrow_mut().push((parts, body.is_untouched()));
        Answer {
            pending: self.plan.pending,
            answer: Some(self.plan.answer.clone()),
        }
    }
}

pub(super) struct Answer {
    pending: u8,
    answer: Option<Result<Head, Failure>>,
}

impl Future for Answer {
    type Output = Result<Response<Payload>, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.pending > 0 {
            self.pending -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let answer = self.answer.take().expect("polled after completion");
        Poll::Ready(answer.map(|head| {
            let mut response = Response::new(Payload::Inner(3));
            *response.status_mut() = head.status;
            *response.version_mut() = head.version;
            *response.headers_mut() = head.headers;
            if let Some(mark) = head.mark {
                response.extensions_mut().insert(mark);
            }
            if head.is_rejection {
                response.extensions_mut().insert(inner_rejection());
            }
            response
        }))
    }
}
