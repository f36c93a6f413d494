//! If a responder or an observer panics, its request fails, and an HTTP/1.1 connection is dropped. Nothing
//! else is affected.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use support::serve::Server;
use support::server::Connection;
use tokio::sync::Notify;
use tower::{Layer, service_fn};
use tower_method_policy::{MethodPolicyLayer, PlainText, Policy, Rejection, Respond};

/// The answer to `/slow` waits for a notification.
async fn answer(
    request: Request<Incoming>,
    go_on: Arc<Notify>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() == "/slow" {
        go_on.notified().await;
    }
    Ok(Response::new(Full::from("answer")))
}

/// hyper polls the service in the task of the connection, so the connection ends without an answer. Over HTTP/2, hyper
/// resets the stream.
#[tokio::test]
async fn over_http_1_a_panic_drops_only_its_connection() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer";
    let head = |request: &str| format!("{request} HTTP/1.1\r\nhost: a\r\n\r\n");

    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]));
    for observer_panics in [true, false] {
        let panic_for_501 = move |in_observer, rejection: &Rejection| {
            let panics = in_observer == observer_panics;
            assert!(!panics || rejection.status() != 501, "a panic for the test");
        };
        let layer = layer.clone().on_rejection(move |rejection, _| panic_for_501(true, rejection));
        let layer = layer.respond_with_fn(move |rejection, request| {
            panic_for_501(false, rejection);
            PlainText.respond(rejection, request)
        });
        let go_on = Arc::new(Notify::new());
        let waiting = go_on.clone();
        let inner = service_fn(move |request| answer(request, waiting.clone()));
        let server = Server::start(layer.layer(inner)).await;
        let open = || Connection::open(server.address);

        let mut busy = open().await;
        busy.send(head("GET /slow")).await;
        let mut idle = open().await;
        idle.send(head("GET /")).await;
        assert_eq!(idle.receive().await, ANSWER);

        for _ in 0..3 {
            let mut failing = open().await;
            failing.send(head("GET /")).await;
            assert_eq!(failing.receive().await, ANSWER);
            failing.send(head("FOO /") + &head("GET /")).await;
            assert_eq!(failing.receive_rest().await, "");
        }

        go_on.notify_one();
        assert_eq!(busy.receive().await, ANSWER);
        for mut connection in [busy, idle, open().await] {
            connection.send(head("DELETE /")).await;
            let rejection = connection.receive().await;
            assert!(rejection.starts_with("HTTP/1.1 405 "), "{rejection}");
        }
    }
}
