//! The layer does not change forwarded requests or the inner service's responses, bodies, errors, and
//! readiness. Rejected requests never reach the inner service.

mod support;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::noop_waker;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_method_policy::{MethodPolicy, MethodPolicyLayer, Policy, Reason, Rejection, RetryAfter};

use crate::support::strategies::{block_on, method, set};

/// A layer with every setting that could touch a response. It rejects `DELETE` with 405 and `FOO` with
/// 501, and forwards `POST` and `OPTIONS`.
fn layer() -> MethodPolicyLayer {
    let methods = [Method::GET, Method::POST, Method::OPTIONS];
    MethodPolicyLayer::new(Policy::new().fallback(methods))
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

/// What a body does when it is polled for a frame.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Pending,
    Data(Bytes),
    Trailers(HeaderMap),
    Error(u64),
}

/// A body that follows a script.
#[derive(Clone, Debug, Default, PartialEq)]
struct Script {
    events: VecDeque<Event>,
    hint: (u64, Option<u64>),
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
        let mut hint = SizeHint::new();
        hint.set_lower(self.hint.0);
        if let Some(upper) = self.hint.1 {
            hint.set_upper(upper);
        }
        hint
    }
}

/// The events of `body` until its end.
fn performance(body: impl Body<Data = Bytes, Error = u64>) -> Vec<Event> {
    let mut body = pin!(body);
    let waker = noop_waker();
    let mut events = Vec::new();
    loop {
        events.push(
            match body.as_mut().poll_frame(&mut Context::from_waker(&waker)) {
                Poll::Pending => Event::Pending,
                Poll::Ready(Some(Err(error))) => Event::Error(error),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Event::Data(data),
                    Err(frame) => Event::Trailers(frame.into_trailers().expect("no third kind")),
                },
                Poll::Ready(None) => return events,
            },
        );
    }
}

/// Something in the extensions of a response.
#[derive(Clone, Debug, PartialEq)]
struct Mark(u64);

fn headers() -> impl Strategy<Value = HeaderMap> {
    let names = prop_oneof![
        // The fields that the layer sets on rejections and answers to `OPTIONS`.
        select(vec![
            "allow",
            "retry-after",
            "cache-control",
            "connection",
            "content-length"
        ])
        .prop_map(HeaderName::from_static),
        "[a-z-]{1,4}".prop_map(|name| name.parse().expect("a token")),
    ];
    let values = "[ -~]{0,20}".prop_map(|value| value.parse().expect("a field value"));
    vec((names, values), 0..=10).prop_map(|fields| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value: HeaderValue = value;
            headers.append::<HeaderName>(name, value);
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
    let hint = prop_oneof![
        any::<u64>().prop_map(|lower| (lower, None)),
        any::<u64>().prop_map(|exact| (exact, Some(exact))),
        (0..=1000_u64, 1000..=2000_u64).prop_map(|(lower, upper)| (lower, Some(upper))),
    ];
    (vec(event, 0..=6), hint, any::<bool>()).prop_map(|(events, hint, end_stream)| Script {
        events: events.into(),
        hint,
        end_stream,
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
        mark in any::<u64>().prop_map(Mark),
        script in scripts(),
    ) {
        // The one response that is changed: see `options.rs`.
        let is_turned = status == 405 && headers.contains_key("allow");
        prop_assume!(name != "OPTIONS" || is_preflight || !is_turned);

        let mut request = request(name);
        if is_preflight {
            let value = HeaderValue::from_static("PUT");
            request.headers_mut().insert("origin", HeaderValue::from_static("http://a"));
            request.headers_mut().insert("access-control-request-method", value);
        }
        let inner = service_fn(async |_: Request<Full<Bytes>>| {
            let mut response = Response::new(script.clone());
            *response.status_mut() = StatusCode::from_u16(status).expect("in range");
            *response.version_mut() = version;
            *response.headers_mut() = headers.clone();
            response.extensions_mut().insert(mark.clone());
            Ok::<_, Infallible>(response)
        });
        let Ok(response) = block_on(layer().layer(inner).oneshot(request));

        let (parts, body) = response.into_parts();
        prop_assert_eq!(parts.status.as_u16(), status);
        prop_assert_eq!(parts.version, version);
        prop_assert!(parts.headers.iter().eq(headers.iter()), "{:?}", parts.headers);
        prop_assert_eq!(parts.extensions.get(), Some(&mark));
        prop_assert_eq!(parts.extensions.len(), 1);

        // It is the same body, and it was not polled.
        prop_assert_eq!(&body, &script);
        prop_assert_eq!(body.is_end_stream(), script.end_stream);
        prop_assert_eq!(body.size_hint().lower(), script.hint.0);
        prop_assert_eq!(body.size_hint().upper(), script.hint.1);
        prop_assert_eq!(performance(body), Vec::from(script.events));
    }
}

/// The inner service's `405` and `501` are not the policy's.
#[tokio::test]
async fn the_inner_service_s_own_allow_is_left_alone() {
    for status in [200, 204, 404, 405, 501] {
        for allow in [&[][..], &["FOO"], &[""], &["POST, GET,GET", "*"]] {
            let inner = service_fn(async |_: Request<Full<Bytes>>| {
                let mut response = Response::builder().status(status);
                for value in allow {
                    response = response.header("allow", *value);
                }
                response.body(Script::default())
            });
            for name in ["GET", "POST"] {
                let response = layer().layer(inner).oneshot(request(name)).await.unwrap();
                assert_eq!(response.status(), status);
                assert!(response.headers().get_all("allow").iter().eq(allow));
                assert_eq!(response.headers().len(), allow.len());
                assert!(response.extensions().get::<Rejection>().is_none());
            }
        }
    }
}

/// One policy for the server, and a stricter one for a part of it.
#[tokio::test]
async fn the_rejection_of_a_policy_further_in_passes_unchanged() {
    let innermost = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Script::default()))
    });
    let strict = MethodPolicy::new(innermost, Policy::new().fallback([Method::GET]));
    let response = layer()
        .layer(strict)
        .oneshot(request("POST"))
        .await
        .unwrap();

    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET, HEAD");
    assert_eq!(response.headers().len(), 1);
    let rejected = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejected.reason(), Reason::NotAllowed);
    assert_eq!(rejected.allow().unwrap().to_string(), "GET, HEAD");
}

// Requests.

#[tokio::test]
async fn a_forwarded_request_arrives_as_it_was_sent() {
    let methods = set("POST FOO TRACE CONNECT OPTIONS");
    let layer = MethodPolicyLayer::new(Policy::new().fallback(methods)).answer_options(true);
    let inner = service_fn(async |request: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Some(request)))
    });
    for name in ["POST", "FOO", "TRACE", "CONNECT", "OPTIONS"] {
        let sent = Request::builder()
            .method(name)
            .uri("http://example.com/%61//..?b#")
            .version(Version::HTTP_2)
            .header("x-a", "1")
            .header("origin", "https://example.org")
            .header("access-control-request-method", "PUT")
            .header("x-a", "2")
            .header("x-http-method-override", "DELETE")
            .extension(Mark(1))
            .body(Full::from("content"))
            .unwrap();
        let response = layer.layer(inner).oneshot(sent.clone()).await.unwrap();
        let (arrived, body) = response.into_body().unwrap().into_parts();

        assert_eq!(arrived.method, name);
        assert_eq!(&arrived.uri, sent.uri());
        assert_eq!(arrived.version, Version::HTTP_2);
        assert!(arrived.headers.iter().eq(sent.headers()));
        assert_eq!(arrived.extensions.get(), Some(&Mark(1)));
        assert_eq!(arrived.extensions.len(), 1);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "content");
    }
}

#[tokio::test]
async fn a_rejected_request_does_not_reach_the_inner_service() {
    let calls = Mutex::new(Vec::new());
    let mut service = layer().layer(service_fn(|request: Request<Full<Bytes>>| {
        calls.lock().unwrap().push(request.method().clone());
        std::future::ready(Ok::<_, Infallible>(Response::new(Script::default())))
    }));
    for name in [
        "DELETE", "FOO", "GET", "TRACE", "get", "HEAD", "PRI", "POST", "*", "OPTIONS",
    ] {
        service
            .ready()
            .await
            .unwrap()
            .call(request(name))
            .await
            .unwrap();
    }
    assert_eq!(*calls.lock().unwrap(), ["GET", "HEAD", "POST", "OPTIONS"]);
}

// Errors and readiness.

/// An error that is equal only to itself.
#[derive(Clone, Debug)]
struct Failure(Arc<()>);

impl Failure {
    fn new() -> Self {
        Self(Arc::new(()))
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A service with scripted readiness that fails each call.
#[derive(Clone, Debug)]
struct Scripted {
    readiness: VecDeque<Poll<Result<(), Failure>>>,
    waker: Option<Waker>,
    failure: Failure,
}

impl Service<Request<Full<Bytes>>> for Scripted {
    type Response = Response<Script>;
    type Error = Failure;
    type Future = std::future::Ready<Result<Response<Script>, Failure>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.waker = Some(cx.waker().clone());
        self.readiness
            .pop_front()
            .expect("not polled more often than asked")
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        std::future::ready(Err(self.failure.clone()))
    }
}

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn readiness_is_the_inner_service_s() {
    let failure = Failure::new();
    let readiness = [
        Poll::Pending,
        Poll::Pending,
        Poll::Ready(Ok(())),
        Poll::Pending,
        Poll::Ready(Ok(())),
        Poll::Ready(Err(failure.clone())),
    ];
    let mut service = layer().layer(Scripted {
        readiness: readiness.clone().into(),
        waker: None,
        failure: Failure::new(),
    });

    let woken = Arc::<Woken>::default();
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    for (polls, expected) in (1..).zip(&readiness) {
        match (service.poll_ready(&mut cx), expected) {
            (Poll::Ready(Err(error)), Poll::Ready(Err(expected))) => {
                assert!(error.is(expected))
            }
            (got, expected) => {
                assert_eq!(got.is_ready(), expected.is_ready());
                assert!(!matches!(got, Poll::Ready(Err(_))), "{got:?}");
            }
        }
        // `will_wake` may return false for a clone in an optimized build.
        let waker = service.get_mut().waker.take().expect("polled with a waker");
        waker.wake();
        assert_eq!(woken.0.load(Ordering::Relaxed), polls);
    }
    assert!(service.get_ref().readiness.is_empty());
    assert!(service.into_inner().readiness.is_empty());
}

#[tokio::test]
async fn an_error_is_the_inner_service_s_own() {
    let failure = Failure::new();
    let inner = Scripted {
        readiness: [Poll::Ready(Ok(()))].into(),
        waker: None,
        failure: failure.clone(),
    };
    for name in ["GET", "HEAD", "POST", "OPTIONS"] {
        let error = layer()
            .layer(inner.clone())
            .oneshot(request(name))
            .await
            .unwrap_err();
        assert!(error.is(&failure), "{name}");
    }
    for name in ["DELETE", "FOO"] {
        assert!(
            layer()
                .layer(inner.clone())
                .oneshot(request(name))
                .await
                .is_ok()
        );
    }
}

/// It also fails if the inner service fails to get ready.
#[tokio::test]
async fn a_rejection_waits_for_readiness() {
    let failure = Failure::new();
    let inner = Scripted {
        readiness: [Poll::Ready(Err(failure.clone()))].into(),
        waker: None,
        failure: Failure::new(),
    };
    let error = layer()
        .layer(inner)
        .oneshot(request("FOO"))
        .await
        .unwrap_err();
    assert!(error.is(&failure));
}

// The future.

/// A future that is ready at its third poll and counts polls and drops.
struct Third {
    polls: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Future for Third {
    type Output = Result<Response<Script>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.polls.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Poll::Pending,
            _ => Poll::Ready(Ok(Response::default())),
        }
    }
}

impl Drop for Third {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn the_future_is_polled_and_dropped_as_the_inner_one() {
    let polls = Arc::new(AtomicUsize::new(0));
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut service = layer().layer(service_fn(|_: Request<Full<Bytes>>| Third {
        polls: polls.clone(),
        dropped: dropped.clone(),
    }));

    // The second one may be changed.
    for name in ["GET", "OPTIONS"] {
        polls.store(0, Ordering::Relaxed);
        dropped.store(0, Ordering::Relaxed);
        let mut future = Box::pin(service.call(request(name)));
        assert_eq!(format!("{future:?}"), "ResponseFuture(Forward)");
        poll_fn(|cx| {
            for polled in 1..=3 {
                assert_eq!(future.as_mut().poll(cx).is_ready(), polled == 3);
                assert_eq!(polls.load(Ordering::Relaxed), polled);
            }
            Poll::Ready(())
        })
        .await;
        drop(future);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);

        // A client that goes away cancels the work of the inner service.
        drop(service.call(request(name)));
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
    }
}

#[tokio::test]
async fn a_rejection_is_given_out_once() {
    let mut service = layer().layer(service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Script::default()))
    }));
    let future = service.call(request("FOO"));
    assert_eq!(format!("{future:?}"), "ResponseFuture(Own)");
    let mut future = pin!(future);
    let response = future.as_mut().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);

    let waker = noop_waker();
    let polled_again = catch_unwind(AssertUnwindSafe(|| {
        future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
    }));
    assert!(polled_again.is_err());
}
