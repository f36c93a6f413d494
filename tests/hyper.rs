//! The layer around services of hyper.

#![cfg(feature = "hyper")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, PlainText, Policy};

use crate::support::server::{Connection, http2, read, request};

/// A service that cannot be cloned, and counts its requests and its drops.
struct Handler {
    handled: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// Handles `GET` and `IMPORT` at each path, and answers everything else with its own `405`.
impl Service<Request<Incoming>> for Handler {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.handled.fetch_add(1, Ordering::Relaxed);
        let mut response = Response::new(Full::from(request.method().to_string()));
        if !["GET", "IMPORT"].contains(&request.method().as_str()) {
            *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
            let allow = HeaderValue::from_static("GET, IMPORT");
            response.headers_mut().insert("allow", allow);
        }
        ready(Ok(response))
    }
}

/// The service needs neither `Clone` nor a type of tower. It is shared behind `Arc`.
#[tokio::test]
async fn a_service_of_hyper_that_cannot_be_cloned_is_served_over_http_1_and_http_2() {
    let (handled, dropped) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let handler = Handler { handled: handled.clone(), dropped: dropped.clone() };
    let policy = Policy::new().route("/login", [Method::POST]).unwrap();
    let layer = MethodPolicyLayer::new(policy).inner_decides(true).respond_with(PlainText);
    let service = Arc::new(layer.layer(handler));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        for _ in 0..2 {
            let (stream, _) = listener.accept().await.unwrap();
            let server = auto::Builder::new(TokioExecutor::new());
            server.serve_connection(TokioIo::new(stream), service.clone()).await.unwrap();
        }
    });
    let answers = [
        ("GET", "/", 200, None, true),
        ("IMPORT", "/", 200, None, true),
        ("DELETE", "/", 405, Some("GET, IMPORT"), true),
        ("FOO", "/", 501, None, true),
        ("DELETE", "/login", 405, Some("POST"), false),
        ("FOO", "/login", 501, None, false),
    ];
    let mut connection = Connection::open(address).await;
    for (method, path, status, allow, is_handled) in answers {
        connection.send(format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
        let answer = connection.receive().await;
        assert_eq!(answer[9..12], status.to_string(), "{method} {path}");
        let sent = answer.lines().find_map(|line| line.strip_prefix("allow: "));
        assert_eq!(sent, allow, "{method} {path}");
        assert_eq!(handled.swap(0, Ordering::Relaxed), usize::from(is_handled));
    }
    connection.close().await;

    let mut client = http2(address).await;
    for (method, path, status, allow, is_handled) in answers {
        let sent = client.send_request(request(method, format!("http://a{path}")));
        let (seen, headers, _) = read(sent).await;
        let sent = headers.get("allow").map(|allow| allow.to_str().unwrap());
        assert_eq!((seen.as_u16(), sent), (status, allow), "{method} {path}");
        assert_eq!(handled.swap(0, Ordering::Relaxed), usize::from(is_handled));
    }
    drop(client);
    server.await.unwrap();
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}
