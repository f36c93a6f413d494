//! What a responder or an observer that panics costs: the request that it was called for, and over
//! HTTP/1.1 that request's connection.

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
    MethodPolicyLayer::new(Policy::new().allow([Method::POST]))
}

fn panicking_observer() -> MethodPolicyLayer {
    layer().on_rejection(panic_for_501)
}

fn panicking_responder() -> MethodPolicyLayer<impl Respond<Body> + Clone + Send + Sync + 'static> {
    layer().respond_with(|rejection: &Rejection, request: &Parts| {
        panic_for_501(rejection, request);
        PlainText.respond(rejection, request)
    })
}

fn panic_for_501(rejection: &Rejection, _: &Parts) {
    let reason = rejection.reason();
    assert_ne!(reason, Reason::NotImplemented, "a panic for the test");
}

/// A server in front of a service whose answer to `/slow` waits for a word.
struct Site {
    address: SocketAddr,
    word: Arc<Notify>,
    _hyper: Option<Server>,
}

impl Site {
    async fn hyper<R>(layer: MethodPolicyLayer<R>) -> Self
    where
        R: Respond<Body> + Clone + Send + Sync + 'static,
    {
        let word = Arc::new(Notify::new());
        let waiting = word.clone();
        let inner = service_fn(move |request: Request<Incoming>| answer(request, waiting.clone()));
        let server = Server::start(layer.layer(inner)).await;
        Self {
            address: server.address,
            word,
            _hyper: Some(server),
        }
    }

    async fn axum<R>(layer: MethodPolicyLayer<R>) -> Self
    where
        R: Respond<Body> + Clone + Send + Sync + 'static,
    {
        let word = Arc::new(Notify::new());
        let waiting = word.clone();
        let inner = service_fn(move |request: Request<Body>| answer(request, waiting.clone()));
        let service = ServiceExt::<Request<Body>>::into_make_service(layer.layer(inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, service).into_future());
        Self {
            address,
            word,
            _hyper: None,
        }
    }
}

async fn answer<B>(request: Request<B>, word: Arc<Notify>) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/slow" {
        word.notified().await;
    }
    Ok(Response::new(Body::from("answer")))
}

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer";

/// hyper polls the service in the connection's task, so the connection ends without another answer.
async fn over_http1_it_costs_the_connection(server: Site) {
    let mut busy = Connection::open(server.address).await;
    busy.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let mut idle = Connection::open(server.address).await;
    idle.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(idle.receive().await, ANSWER);

    for _ in 0..3 {
        let mut unlucky = Connection::open(server.address).await;
        unlucky.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(unlucky.receive().await, ANSWER);
        unlucky
            .send("FOO / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        assert_eq!(unlucky.receive_rest().await, "");
    }

    server.word.notify_one();
    assert_eq!(busy.receive().await, ANSWER);
    for mut connection in [busy, idle, Connection::open(server.address).await] {
        connection
            .send("DELETE / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        let rejection = connection.receive().await;
        assert!(rejection.starts_with("HTTP/1.1 405 "), "{rejection}");
    }
}

/// hyper spawns a task for each stream, and there `TowerToHyperService` calls the service.
async fn over_http2_it_costs_the_stream(server: Site) {
    let mut client = http2(server.address).await;
    let slow = tokio::spawn(client.send_request(request("GET", "http://a/slow")));
    let mut other = http2(server.address).await;

    for _ in 0..3 {
        let unlucky = client.send_request(request("FOO", "http://a/"));
        let error = within(unlucky).await.unwrap_err();
        assert!(format!("{error:?}").contains("Reset("), "{error:?}");
        let response = client.send_request(request("DELETE", "http://a/"));
        assert_eq!(read(response).await.0, 405);
    }

    server.word.notify_one();
    assert_eq!(read(async { slow.await.unwrap() }).await.0, 200);
    let response = other.send_request(request("DELETE", "http://a/"));
    assert_eq!(read(response).await.0, 405);
}

#[tokio::test]
async fn a_panic_costs_others_nothing_over_http_1() {
    over_http1_it_costs_the_connection(Site::hyper(panicking_observer()).await).await;
    over_http1_it_costs_the_connection(Site::axum(panicking_observer()).await).await;
    over_http1_it_costs_the_connection(Site::hyper(panicking_responder()).await).await;
    over_http1_it_costs_the_connection(Site::axum(panicking_responder()).await).await;
}

#[tokio::test]
async fn a_panic_costs_others_nothing_over_http_2() {
    over_http2_it_costs_the_stream(Site::hyper(panicking_observer()).await).await;
    over_http2_it_costs_the_stream(Site::axum(panicking_observer()).await).await;
    over_http2_it_costs_the_stream(Site::hyper(panicking_responder()).await).await;
    over_http2_it_costs_the_stream(Site::axum(panicking_responder()).await).await;
}
