//! The service behind the layer.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use arbitrary::Unstructured;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use tower_service::Service;

use super::body::Script;
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
        for _ in 0..u.int_in_range(0..=3)? {
            let (name, value) = *u.choose(&[
                ("allow", "INNER"),
                ("allow", ""),
                ("connection", "keep-alive"),
                ("cache-control", "public"),
                ("ext", "x"),
                ("c-ext", "x"),
                ("expires", "0"),
                ("retry-after", "1"),
                ("content-length", "0"),
            ])?;
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        let status = *u.choose(&[200, 204, 299, 100, 300, 404, 405, 500, 501])?;
        let head = Head {
            status: StatusCode::from_u16(status).expect("a status"),
            version: *u.choose(&[Version::HTTP_11, Version::HTTP_2])?,
            headers,
            mark: u.ratio(1, 2)?.then_some(Mark(2)),
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

    /// What `poll_ready` comes to.
    pub(super) fn readiness(&self) -> Result<(), Failure> {
        match self.is_out_of_order {
            true => Err(Failure::NotReady),
            false => Ok(()),
        }
    }
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
            response
        }))
    }
}
