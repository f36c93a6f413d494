//! The layer does not change the inner service's errors, readiness, or future. `service.rs` and `inner_405.rs` test
//! that requests and responses are unchanged.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use http::{Method, Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_method_policy::{MethodPolicyLayer, Policy};

/// A layer with the settings that could change a response. It rejects `DELETE` with 405 and `FOO` with 501, and
/// forwards `POST` and `OPTIONS`.
fn layer() -> MethodPolicyLayer {
    let methods = [Method::GET, Method::POST, Method::OPTIONS];
    let layer = MethodPolicyLayer::new(Policy::new().fallback(methods));
    layer.inner_decides(true).answer_options(true).on_rejection(|_, _| {})
}

fn request(name: &str) -> Request<String> {
    Request::builder().method(name).body(String::new()).unwrap()
}

/// A service with scripted readiness. Each call fails with the error 1.
#[derive(Debug, Default)]
struct Scripted {
    readiness: VecDeque<Poll<Result<(), u64>>>,
    waker: Option<Waker>,
}

impl Service<Request<String>> for Scripted {
    type Response = Response<String>;
    type Error = u64;
    type Future = Ready<Result<Response<String>, u64>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), u64>> {
        self.waker = Some(cx.waker().clone());
        self.readiness.pop_front().expect("each poll of the layer polls the inner service once")
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
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
        for (readiness, report_only, expected) in
            [(Ok(()), false, status), (Ok(()), true, Err(1)), (Err(2), false, Err(2))]
        {
            let readiness = [Poll::Ready(readiness)].into();
            let layer = layer().report_only(report_only);
            let service = layer.layer(Scripted { readiness, waker: None });
            let answer = service.oneshot(request(name)).await;
            let status = answer.map(|response| response.status().as_u16());
            assert_eq!(status, expected, "{name}");
        }
    }
}

/// A future that is ready at its third poll. It counts polls and drops.
struct ReadyAtThirdPoll(Arc<[AtomicUsize; 2]>);

impl Future for ReadyAtThirdPoll {
    type Output = Result<Response<String>, Infallible>;

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
        let inner = service_fn(|_: Request<String>| ReadyAtThirdPoll(counts.clone()));
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
