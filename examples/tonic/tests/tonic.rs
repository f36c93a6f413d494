//! The server, as a client of the health checking protocol uses it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use http::HeaderValue;
use support::example::Example;
use support::grpc::grpc;
use support::server::{http2, read, request, within};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tonic");

#[tokio::test]
async fn the_grpc_server_answers_calls_and_rejects_other_methods() {
    let (example, address) = Example::listening(PROGRAM, []).await;
    let mut client = grpc(address).await;
    let reply = within(client.check(HealthCheckRequest::default())).await;
    assert_eq!(reply.unwrap().into_inner().status(), ServingStatus::Serving);

    let mut client = http2(address).await;
    for (method, status) in [("DELETE", 405), ("PROPFIND", 501)] {
        let mut request = request(method, "http://a/grpc.health.v1.Health/Check");
        let grpc = HeaderValue::from_static("application/grpc");
        request.headers_mut().insert("content-type", grpc);
        let (received, headers, _) = read(client.send_request(request)).await;
        assert_eq!(received, status);
        // Only a `POST` is a call.
        assert!(!headers.contains_key("grpc-status"));
        let allow = headers.get("allow").map(|allow| allow.to_str().unwrap());
        assert_eq!(allow, (status == 405).then_some("POST"));
    }
    // It is not in `Allow`, and it is no call: tonic looks at the message, not at the method.
    let mut get = request("GET", "http://a/grpc.health.v1.Health/Check");
    let grpc = HeaderValue::from_static("application/grpc");
    get.headers_mut().insert("content-type", grpc);
    let (_, headers, _) = read(client.send_request(get)).await;
    assert_ne!(headers["grpc-status"], "0");
    example.signal("-TERM");
    example.ends_cleanly().await;
}

#[tokio::test]
async fn the_stopped_grpc_server_tells_those_who_watch_it() {
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
