//! The layer over HTTP/3, with h3 and quinn.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "support/http3.rs"]
mod http3;
#[path = "../../support/server.rs"]
#[allow(dead_code, reason = "this test uses only a part of it")]
mod server;

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use http3::{App, Server};
use tower::{Layer, service_fn};
use tower_method_policy::{BodyDrain, MethodPolicyLayer, PlainText, Policy};

const MIB: usize = 1024 * 1024;

/// Longer than a test may take, so a wait of the layer ends only with the upload.
const NEVER: Duration = Duration::from_secs(3600);

/// `GET` and `POST` reach a service that sends the content back.
fn app() -> App {
    let drain = BodyDrain::default().timeout(NEVER).idle_timeout(NEVER);
    let service = MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]))
        .answer_options(true)
        .respond_with(PlainText)
        .body_drain(drain.idle_timeout_unknown_length(NEVER))
        .layer(service_fn(async |request: Request<Body>| {
            let content = request.into_body().collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(Response::new(Body::from(content)))
        }));
    App::new(service)
}

#[tokio::test]
async fn the_policy_decides_over_http3() {
    let server = Server::start(app());
    let mut client = server.client().await;
    let long = "M".repeat(60_000);
    for (method, status, allow) in [
        ("GET", 200, None),
        ("HEAD", 200, None),
        ("DELETE", 405, Some("GET, HEAD, POST, OPTIONS")),
        ("OPTIONS", 200, Some("GET, HEAD, POST, OPTIONS")),
        ("PROPFIND", 501, None),
        ("get", 501, None),
        (&long, 501, None),
    ] {
        let (answered, fields, content) = client.ask(method).await;
        assert_eq!(answered, status);
        let seen = fields.get("allow").map(|allow| allow.to_str().unwrap());
        assert_eq!(seen, allow, "{status}");
        assert_eq!(content.is_empty(), status == 200, "{status}");
        // RFC 9114 §4.2.
        assert!(!fields.contains_key("connection"), "{fields:?}");
    }
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_rejected_upload_is_read_to_its_end_and_answered() {
    let server = Server::start(app());
    let mut client = server.client().await;
    for (method, status) in [("FOO", 501), ("PUT", 405), ("POST", 200)] {
        let mut upload = client.begin(method).await;
        for _ in 0..4 {
            upload.send(vec![b'a'; MIB]).await;
        }
        upload.finish().await;
        let (answered, _, content) = upload.answer().await;
        assert_eq!(answered, status, "{method}");
        assert_eq!(content.len() == 4 * MIB, status == 200, "{method}");
    }
    drop(client);
    server.stop().await;
}

#[tokio::test]
async fn a_graceful_shutdown_answers_an_upload_that_has_begun() {
    let server = Server::start(app());
    let mut client = server.client().await;
    let mut upload = client.begin("FOO").await;
    upload.send("abc").await;
    // After this answer, the upload has arrived.
    client.ask("GET").await;
    let stopped = server.stop();
    upload.send("def").await;
    upload.finish().await;
    assert_eq!(upload.answer().await.0, 501);
    drop((client, upload));
    stopped.await;
}

/// `CONNECT` has no content, and its stream stays open (RFC 9114 §4.4).
#[tokio::test]
async fn a_rejected_connect_is_answered_while_its_stream_is_open() {
    let server = Server::start(app());
    let mut client = server.client().await;
    let mut connect = client.begin("CONNECT").await;
    let (status, fields, _) = connect.answer().await;
    assert_eq!(status, 405);
    assert_eq!(fields["allow"], "GET, HEAD, POST, OPTIONS");
    // The connection stays open.
    assert_eq!(client.ask("GET").await.0, 200);
    drop((client, connect));
    server.stop().await;
}
