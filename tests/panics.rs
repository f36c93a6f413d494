//! If a responder or an observer panics, its request fails, and an HTTP/1.1 connection is dropped. Nothing
//! else is affected.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::ServiceExt;
use axum::body::Body;
use http::request::Parts;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use support::serve::Server;
use support::server::{Connection, http2, read, request, within};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tower::{Layer, service_fn};
use tower_method_policy::{MethodPolicyLayer, PlainText, Policy, Reason, Rejection, Respond};

fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]))
}

fn panicking_observer() -> MethodPolicyLayer {
    layer().on_rejection(panic_for_501)
}

fn panicking_responder() -> MethodPolicyLayer<impl Respond<Body> + Clone + Send + Sync + 'static> {
    layer().respond_with_fn(|rejection, request| {
        panic_for_501(rejection, request);
        PlainText.respond(rejection, request)
    })
}

fn panic_for_501(rejection: &Rejection, _: &Parts) {
    let reason = rejection.reason();
    assert_ne!(reason, Reason::NotImplemented, "a panic for the test");
}

/// A server whose answer to `/slow` waits for a notification.
struct Site {
    address: SocketAddr,
    go_on: Arc<Notify>,
    _hyper: Option<Server>,
}

impl Site {
    async fn hyper<R>(layer: MethodPolicyLayer<R>) -> Self
    where
        R: Respond<Body> + Clone + Send + Sync + 'static,
    {
        let go_on = Arc::new(Notify::new());
        let waiting = go_on.clone();
        let inner = service_fn(move |request: Request<Incoming>| answer(request, waiting.clone()));
        let server = Server::start(layer.layer(inner)).await;
        Self {
            address: server.address,
            go_on,
            _hyper: Some(server),
        }
    }

    async fn axum<R>(layer: MethodPolicyLayer<R>) -> Self
    where
        R: Respond<Body> + Clone + Send + Sync + 'static,
    {
        let go_on = Arc::new(Notify::new());
        let waiting = go_on.clone();
        let inner = service_fn(move |request: Request<Body>| answer(request, waiting.clone()));
        let service = ServiceExt::<Request<Body>>::into_make_service(layer.layer(inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, service).into_future());
        Self {
            address,
            go_on,
            _hyper: None,
        }
    }
}

async fn answer<B>(request: Request<B>, go_on: Arc<Notify>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/slow" {
        go_on.notified().await;
    }
    Ok(Response::new(Body::from("answer")))
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer";

/// hyper polls the service in the task of the connection, so the connection ends without an answer.
async fn over_http_1_only_the_connection_is_dropped(server: Site) {
    let mut busy = Connection::open(server.address).await;
    busy.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut idle = Connection::open(server.address).await;
    idle.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(idle.receive().await, ANSWER);

    for _ in 0..3 {
        let mut failing = Connection::open(server.address).await;
        failing.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(failing.receive().await, ANSWER);
        failing
            .send("FOO / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        assert_eq!(failing.receive_rest().await, "");
    }

    server.go_on.notify_one();
    assert_eq!(busy.receive().await, ANSWER);
    for mut connection in [busy, idle, Connection::open(server.address).await] {
        connection
            .send("DELETE / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        let rejection = connection.receive().await;
        assert!(rejection.starts_with("HTTP/1.1 405 "), "{rejection}");
    }
}

/// hyper spawns a task for each stream, and `TowerToHyperService` calls the service there.
async fn over_http_2_only_the_stream_is_reset(server: Site) {
    let mut client = http2(server.address).await;
    let slow = tokio::spawn(client.send_request(request("GET", "http://a/slow")));
    let mut other = http2(server.address).await;

    for _ in 0..3 {
        let failing = client.send_request(request("FOO", "http://a/"));
        let error = within(failing).await.unwrap_err();
        assert!(format!("{error:?}").contains("Reset("), "{error:?}");
        let response = client.send_request(request("DELETE", "http://a/"));
        assert_eq!(read(response).await.0, 405);
    }

    server.go_on.notify_one();
    assert_eq!(read(async { slow.await.unwrap() }).await.0, 200);
    let response = other.send_request(request("DELETE", "http://a/"));
    assert_eq!(read(response).await.0, 405);
}

#[tokio::test]
async fn a_panic_affects_no_other_request_over_http_1() {
    over_http_1_only_the_connection_is_dropped(Site::hyper(panicking_observer()).await).await;
    over_http_1_only_the_connection_is_dropped(Site::axum(panicking_observer()).await).await;
    over_http_1_only_the_connection_is_dropped(Site::hyper(panicking_responder()).await).await;
    over_http_1_only_the_connection_is_dropped(Site::axum(panicking_responder()).await).await;
}

#[tokio::test]
async fn a_panic_affects_no_other_request_over_http_2() {
    over_http_2_only_the_stream_is_reset(Site::hyper(panicking_observer()).await).await;
    over_http_2_only_the_stream_is_reset(Site::axum(panicking_observer()).await).await;
    over_http_2_only_the_stream_is_reset(Site::hyper(panicking_responder()).await).await;
    over_http_2_only_the_stream_is_reset(Site::axum(panicking_responder()).await).await;
}
