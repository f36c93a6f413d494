//! Sends requests through the layer where there is no clock. `.ci/run` builds this for `wasm32-unknown-unknown` and
//! runs it in node. A panic ends the program with an error.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::{MethodPolicyLayer, Policy, ProblemDetails, RetryAfter};

type Content = &'static [u8];

/// Polls `future` until it is ready. Nothing here waits for an event of another program.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..10 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("the layer waits");
}

fn main() {
    // The year 2001. Without a clock, nobody knows that it is past.
    let past = RetryAfter::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::GET]))
        .respond_with(ProblemDetails)
        .retry_after(past);
    let inner = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    for (method, status, retry_after) in [
        ("GET", 200, None),
        ("DELETE", 405, None),
        ("FOO", 501, Some("Sun, 09 Sep 2001 01:46:40 GMT")),
    ] {
        let body = StreamBody::new(stream::pending::<Result<Frame<Content>, Infallible>>());
        let request = Request::builder().method(method).body(body).expect("valid");
        let Ok(response) = block_on(layer.layer(inner).oneshot(request));
        assert_eq!(response.status(), status, "{method}");
        let sent = response.headers().get("retry-after");
        assert_eq!(sent.map(|sent| sent.as_bytes()), retry_after.map(str::as_bytes), "{method}");
    }
}
