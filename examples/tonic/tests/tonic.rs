//! The server, as a client of the health checking protocol uses it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../../../tests/integration/tests/support/grpc.rs"]
mod grpc;
#[path = "../../common/tests.rs"]
mod support;

use grpc::grpc;
use http::HeaderValue;
use support::example::Example;
use support::server::{self, http2, read, request, within};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tonic");

#[tokio::test]
async fn the_server_answers_calls_and_rejects_other_methods() {
    let (example, address) = Example::listening(PROGRAM, []).await;
    let mut client = grpc(address).await;
    let reply = within(client.check(HealthCheckRequest::default())).await;
    assert_eq!(reply.unwrap().into_inner().status(), ServingStatus::Serving);

    let mut client = http2(address).await;
    for (method, status, allow) in [
        ("DELETE", 405, Some("POST")),
        ("PROPFIND", 501, None),
        // The policy forwards `GET`. tonic ignores the method and finds no message.
        ("GET", 200, None),
    ] {
        let mut request = request(method, "http://a/grpc.health.v1.Health/Check");
        let content_type = HeaderValue::from_static("application/grpc");
        request.headers_mut().insert("content-type", content_type);
        let (received, headers, _) = read(client.send_request(request)).await;
        assert_eq!(received, status, "{method}");
        let field = |name| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(field("allow"), allow, "{method}");
        // A rejection of another method than `POST` has no gRPC status.
        assert_eq!(field("grpc-status").is_some(), method == "GET", "{method}");
        assert_ne!(field("grpc-status"), Some("0"), "{method}");
    }
    example.signal("-TERM");
    example.ends_cleanly().await;
}

#[tokio::test]
async fn a_stopped_server_sends_its_status_to_the_clients_that_watch_it() {
    for signal in ["-TERM", "-INT"] {
        let (example, address) = Example::listening(PROGRAM, []).await;
        let mut client = grpc(address).await;
        let stream = within(client.watch(HealthCheckRequest::default())).await;
        let mut stream = stream.unwrap().into_inner();
        let message = within(stream.message()).await.unwrap().unwrap();
        assert_eq!(message.status(), ServingStatus::Serving);

        example.signal(signal);
        let message = within(stream.message()).await.unwrap().unwrap();
        assert_eq!(message.status(), ServingStatus::NotServing);
        assert_eq!(within(stream.message()).await.unwrap(), None);
        example.ends_cleanly().await;
    }
}
