//! The program over TCP, and its router compared with its document.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../../../tests/support/agreement.rs"]
mod agreement;
#[path = "../../common/tests.rs"]
mod support;

use agreement::agree;
use method_policy_openapi::{from_openapi, pets};
use support::example::Example;
use support::server::Connection;

const PROGRAM: &str = env!("CARGO_BIN_EXE_openapi");

/// The status, the header section, and the body of the answer.
async fn ask(connection: &mut Connection, request: &str, body: &str) -> (u16, String, String) {
    let length = body.len();
    let content = "content-type: application/json\r\ncontent-length";
    let request = format!("{request} HTTP/1.1\r\nhost: a\r\n{content}: {length}\r\n\r\n{body}");
    connection.send(request).await;
    let answer = connection.receive().await;
    let status = answer["HTTP/1.1 ".len()..][..3].parse().unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, format!("{head}\r\n"), body.to_owned())
}

#[tokio::test]
async fn the_program_does_what_its_header_says() {
    let (example, address) = Example::listening(PROGRAM, []).await;
    let mut connection = Connection::open(address).await;
    // The request with its content, the status, and a field of the answer or a part of its content.
    // `GET pets/1/meals` reaches the router, because the policy forwards every `GET`.
    let exchanges = r#"
GET openapi.json => 200 "servers":[{"url":"/api/v1"}]
POST pets {"name":"Rex"} => 201 location: /api/v1/pets/1
GET pets/1 => 200 {"name":"Rex","meals":0}
POST pets/1/meals => 204
POST pets/2/meals => 404
GET pets => 200 {"1":{"name":"Rex","meals":1}}
GET pets/1/meals => 405 allow: POST
DELETE pets/1/meals => 405 allow: POST, OPTIONS
DELETE pets => 405 allow: GET, HEAD, POST, OPTIONS
POST openapi.json => 405 allow: GET, HEAD, OPTIONS
PATCH pets/1 => 405 allow: GET, HEAD, PUT, DELETE, OPTIONS
PATCH pets/1 => 405 The method PATCH
OPTIONS pets => 200 allow: GET, HEAD, POST, OPTIONS
OPTIONS pets/1 => 200 allow: GET, HEAD, PUT, DELETE, OPTIONS
OPTIONS pets/1/meals => 200 allow: POST, OPTIONS
OPTIONS openapi.json => 200 allow: GET, HEAD, OPTIONS
PATCH ../../elsewhere => 404
PROPFIND pets => 501 content-type: application/problem+json
PROPFIND pets => 501 the method PROPFIND
get pets/1 => 501
FOO openapi.json => 501
PUT pets/1 {"name":"Max"} => 204
GET pets/1 => 200 {"name":"Max","meals":0}
DELETE pets/1 => 204
DELETE pets/1 => 404
PUT pets/1 {"name":"Max"} => 404
GET pets/1 => 404
"#;
    for exchange in exchanges.trim().lines() {
        let (request, answer) = exchange.split_once(" => ").unwrap();
        let mut request = request.splitn(3, ' ');
        let [method, path, body] = [(); 3].map(|()| request.next().unwrap_or_default());
        let path = format!("/api/v1/{path}").replace("/api/v1/../..", "");
        let request = format!("{method} {path}");
        let (status, head, content) = ask(&mut connection, &request, body).await;
        assert_eq!(status.to_string(), answer[..3], "{exchange}");
        let part = answer[3..].trim();
        let has_part = head.lines().any(|line| line == part) || content.contains(part);
        assert!(has_part, "{exchange}: {head}{content}");
        assert!(status != 501 || !head.contains("\r\nallow:"), "{exchange}: {head}");
    }
    example.signal("-INT");
    example.ends_cleanly().await;
}

#[tokio::test]
async fn clients_cannot_store_without_limit() {
    let (example, address) = Example::listening(PROGRAM, []).await;
    let mut connection = Connection::open(address).await;
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(1024));
    let (status, ..) = ask(&mut connection, "POST /api/v1/pets", &large).await;
    assert_eq!(status, 413);
    let mut connection = Connection::open(address).await;
    for number in 1..=1001 {
        let post = "POST /api/v1/pets";
        let (status, ..) = ask(&mut connection, post, r#"{"name":"Rex"}"#).await;
        let expected = if number <= 1000 { 201 } else { 507 };
        assert_eq!(status, expected, "{number}");
    }
    drop(connection);
    example.signal("-TERM");
    example.ends_cleanly().await;
}

#[tokio::test]
async fn the_router_and_the_document_agree() {
    let (router, document) = pets::pets().unwrap();
    let policy = from_openapi::policy(&document).unwrap();
    assert_eq!(policy.rules().len(), 4);
    let not_compared = agree(&router, &policy, &[]).await;
    assert!(not_compared.is_empty(), "{not_compared:?}");
}
