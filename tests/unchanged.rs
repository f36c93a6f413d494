//! The layer does not change the inner service's responses, bodies, errors, or readiness. `service.rs` tests
//! that forwarded requests are unchanged.

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_method_policy::{MethodPolicyLayer, Policy, RetryAfter};

use crate::support::strategies::{block_on, method};

/// A layer with every setting that could change a response. It rejects `DELETE` with 405 and `FOO` with
/// 501, and forwards `POST` and `OPTIONS`.
fn layer() -> MethodPolicyLayer {
    let methods = [Method::GET, Method::POST, Method::OPTIONS];
    MethodPolicyLayer::new(Policy::new().fallback(methods))
        .inner_decides(true)
        .answer_options(true)
        .retry_after(RetryAfter::after(Duration::from_secs(60)))
        .cache_control(HeaderValue::from_static("no-store"))
        .on_rejection(|_, _| {})
}

fn request(name: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method(name);
    request
}

/// The result when a body is polled for a frame.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Pending,
    Data(Bytes),
    Trailers(HeaderMap),
    Error(u64),
}

/// A body that follows a script.
#[derive(Clone, Debug, Default)]
struct Script {
    events: VecDeque<Event>,
    hint: SizeHint,
    end_stream: bool,
}

impl Body for Script {
    type Data = Bytes;
    type Error = u64;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, u64>>> {
        match self.events.pop_front() {
            Some(Event::Pending) => Poll::Pending,
            Some(Event::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Event::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Event::Error(error)) => Poll::Ready(Some(Err(error))),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end_stream
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

/// Polls `body` until its end and returns its events.
fn events_until_end(body: impl Body<Data = Bytes, Error = u64>) -> Vec<Event> {
    let mut body = pin!(body);
    let mut cx = Context::from_waker(Waker::noop());
    let next = || {
        Some(match body.as_mut().poll_frame(&mut cx) {
            Poll::Ready(None) => return None,
            Poll::Pending => Event::Pending,
            Poll::Ready(Some(Err(error))) => Event::Error(error),
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Event::Data(data),
                Err(frame) => {
                    Event::Trailers(frame.into_trailers().expect("a frame is data or trailers"))
                }
            },
        })
    };
    std::iter::from_fn(next).collect()
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    // The layer sets these fields on rejections and answers to `OPTIONS`.
    let set = "allow|retry-after|cache-control|connection|content-length";
    let name = prop_oneof![set, "[a-z-]{1,4}"];
    vec((name, "[ -~]{0,20}"), 0..=10).prop_map(|fields| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = value.parse().expect("a field value");
            headers.append::<HeaderName>(name.parse().expect("a token"), value);
        }
        headers
    })
}

fn scripts() -> impl Strategy<Value = Script> {
    let event = prop_oneof![
        1 => Just(Event::Pending),
        3 => vec(any::<u8>(), 0..=16).prop_map(|data| Event::Data(data.into())),
        1 => headers().prop_map(Event::Trailers),
        1 => any::<u64>().prop_map(Event::Error),
    ];
    let hint = (any::<u32>(), prop::option::of(any::<u32>()));
    (vec(event, 0..=6), hint, any::<bool>()).prop_map(|(events, (lower, more), end_stream)| {
        let mut hint = SizeHint::new();
        hint.set_lower(lower.into());
        if let Some(more) = more {
            hint.set_upper(u64::from(lower) + u64::from(more));
        }
        let events = events.into();
        Script { events, hint, end_stream }
    })
}

// Responses.

proptest! {
    #[test]
    fn responses_pass_unchanged(
        (name, is_preflight) in select(vec![
            ("GET", false), ("HEAD", false), ("POST", false), ("OPTIONS", false), ("OPTIONS", true),
        ]),
        status in prop_oneof![select(vec![200, 405, 501]), 100..=999_u16],
        version in select(vec![Version::HTTP_10, Version::HTTP_11, Version::HTTP_2]),
        headers in headers(),
        mark in any::<u64>(),
        script in scripts(),
    ) {
        // The layer may change a `405` with `Allow`. `inner_405.rs` tests this.
        prop_assume!(is_preflight || status != 405 || !headers.contains_key("allow"));

        let mut request = request(name);
        if is_preflight {
            for name in ["origin", "access-control-request-method"] {
                request.headers_mut().insert(name, HeaderValue::from_static("PUT"));
            }
        }
        let inner = service_fn(async |_: Request<Full<Bytes>>| {
            let mut response = Response::new(script.clone());
            *response.status_mut() = StatusCode::from_u16(status).expect("in range");
            *response.version_mut() = version;
            *response.headers_mut() = headers.clone();
            response.extensions_mut().insert(mark);
            Ok::<_, Infallible>(response)
        });
        let Ok(response) = block_on(layer().layer(inner).oneshot(request));

        let (parts, body) = response.into_parts();
        prop_assert_eq!(parts.status.as_u16(), status);
        prop_assert_eq!(parts.version, version);
        prop_assert!(parts.headers.iter().eq(headers.iter()), "{:?}", parts.headers);
        prop_assert_eq!(parts.extensions.get(), Some(&mark));
        prop_assert_eq!(parts.extensions.len(), 1);

        // The body was not polled.
        prop_assert_eq!(body.is_end_stream(), script.end_stream);
        prop_assert_eq!(body.size_hint().lower(), script.hint.lower());
        prop_assert_eq!(body.size_hint().upper(), script.hint.upper());
        prop_assert_eq!(events_until_end(body), Vec::from(script.events));
    }
}

// Errors and readiness.

/// A service with scripted readiness. Each call fails with the error 1.
#[derive(Debug, Default)]
struct Scripted {
    readiness: VecDeque<Poll<Result<(), u64>>>,
    waker: Option<Waker>,
}

impl Service<Request<Full<Bytes>>> for Scripted {
    type Response = Response<Script>;
    type Error = u64;
    type Future = Ready<Result<Response<Script>, u64>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), u64>> {
        self.waker = Some(cx.waker().clone());
        self.readiness.pop_front().expect("each poll of the layer polls the inner service once")
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        ready(Err(1))
    }
}

#[tokio::test]
async fn readiness_is_that_of_the_inner_service() {
    let ready = Poll::Ready(Ok(()));
    let failed = Poll::Ready(Err(2));
    let readiness = [Poll::Pending, Poll::Pending, ready, Poll::Pending, ready, failed];
    let mut service = layer().layer(Scripted { readiness: readiness.into(), waker: None });
    poll_fn(|cx| {
        for expected in readiness {
            assert_eq!(service.poll_ready(cx), expected);
            // `will_wake` may return false for a clone in an optimized build.
            let waker = service.get_mut().waker.take().expect("polled with a waker");
            assert_eq!(waker.data(), cx.waker().data());
        }
        Poll::Ready(())
    })
    .await;
    assert!(service.get_ref().readiness.is_empty());
    assert!(service.into_inner().readiness.is_empty());
}

/// A rejection waits until the inner service is ready. If `poll_ready` fails, the request fails.
#[tokio::test]
async fn errors_come_only_from_the_inner_service() {
    for (name, status) in [
        ("GET", Err(1)),
        ("HEAD", Err(1)),
        ("POST", Err(1)),
        ("OPTIONS", Err(1)),
        ("DELETE", Ok(405)),
        ("FOO", Ok(501)),
    ] {
        for (readiness, expected) in [(Ok(()), status), (Err(2), Err(2))] {
            let readiness = [Poll::Ready(readiness)].into();
            let service = layer().layer(Scripted { readiness, waker: None });
            let answer = service.oneshot(request(name)).await;
            let status = answer.map(|response| response.status().as_u16());
            assert_eq!(status, expected, "{name}");
        }
    }
}

// The future.

/// A future that is ready at its third poll. It counts polls and drops.
struct ReadyAtThirdPoll(Arc<[AtomicUsize; 2]>);

impl Future for ReadyAtThirdPoll {
    type Output = Result<Response<Script>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0[0].fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Poll::Pending,
            _ => Poll::Ready(Ok(Response::default())),
        }
    }
}

impl Drop for ReadyAtThirdPoll {
    fn drop(&mut self) {
        self.0[1].fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_future_polls_and_drops_the_inner_future() {
    // The layer may change the response to `OPTIONS`.
    for name in ["GET", "OPTIONS"] {
        let counts = Arc::<[AtomicUsize; 2]>::default();
        let counted = || counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let inner = service_fn(|_: Request<Full<Bytes>>| ReadyAtThirdPoll(counts.clone()));
        let mut service = layer().layer(inner);
        let mut future = Box::pin(service.call(request(name)));
        assert_eq!(format!("{future:?}"), "ResponseFuture { .. }");
        for polled in 1..=3 {
            let mut cx = Context::from_waker(Waker::noop());
            assert_eq!(future.as_mut().poll(&mut cx).is_ready(), polled == 3);
            assert_eq!(counted()[0], polled);
        }
        drop(future);
        assert_eq!(counted(), [3, 1]);

        // If the client disconnects, the server drops the future. This cancels the inner service's work.
        drop(service.call(request(name)));
        assert_eq!(counted(), [3, 2]);
    }
}
