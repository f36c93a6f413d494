//! The program over TCP, compared with the document that it serves.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use method_policy_openapi::{from_openapi, pets};
use serde_json::Value;
use support::agreement::agree;
use support::example::Example;
use support::server::Connection;
use tower_method_policy::MethodSet;

const PROGRAM: &str = env!("CARGO_BIN_EXE_openapi");

/// Status, header section and body of the answer.
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

/// The methods of `Allow` in a header section.
fn allow(head: &str) -> Option<MethodSet> {
    let allow = head.lines().find_map(|line| line.strip_prefix("allow: "))?;
    Some(allow.parse().unwrap())
}

#[tokio::test]
async fn it_answers_as_its_document_says() {
    let (example, address) = Example::listening(PROGRAM, []).await;
    let mut connection = Connection::open(address).await;
    let (_, _, document) = ask(&mut connection, "GET /api/v1/openapi.json", "").await;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["servers"][0]["url"], "/api/v1");

    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 4);
    for (path, item) in paths {
        let path = format!("/api/v1{}", path.replace("{id}", "1"));
        let names: Vec<_> = item.as_object().unwrap().keys().map(String::as_str).collect();
        let mut documented: MethodSet = names.join(",").to_uppercase().parse().unwrap();
        if documented.contains(&http::Method::GET) {
            documented.insert(http::Method::HEAD);
        }
        let with_options = &documented | http::Method::OPTIONS;
        for method in MethodSet::STANDARD.iter() {
            // These have no content or no path. The router answers HEAD where it answers GET.
            if matches!(method.as_str(), "HEAD" | "CONNECT") {
                continue;
            }
            let request = format!("{method} {path}");
            let (status, head, _) = ask(&mut connection, &request, "").await;
            let allow = allow(&head);
            match method.as_str() {
                "OPTIONS" => assert_eq!((status, allow.as_ref()), (200, Some(&with_options))),
                // It reaches the router.
                "GET" if status == 405 => assert_eq!(allow.as_ref(), Some(&documented)),
                _ if documented.contains(method) => assert!(!matches!(status, 405 | 501)),
                _ => assert_eq!((status, allow.as_ref()), (405, Some(&with_options))),
            }
        }
        for method in ["FOO", "PROPFIND", "get"] {
            let request = format!("{method} {path}");
            let (status, head, _) = ask(&mut connection, &request, "").await;
            assert_eq!((status, allow(&head)), (501, None), "{request}");
        }
    }
    example.signal("-TERM");
    example.ends_cleanly().await;
}

#[tokio::test]
async fn it_does_what_its_header_says() {
    let (example, address) = Example::listening(PROGRAM, []).await;
    let mut connection = Connection::open(address).await;
    // The request with its content, the status, and a part of the answer.
    let exchanges = r#"
POST pets {"name":"Rex"} => 201 location: /api/v1/pets/1
GET pets/1 => 200 {"name":"Rex","meals":0}
POST pets/1/meals => 204
POST pets/2/meals => 404
GET pets => 200 {"1":{"name":"Rex","meals":1}}
DELETE pets/1/meals => 405 allow: POST, OPTIONS
PATCH pets/1 => 405 allow: GET, HEAD, PUT, DELETE, OPTIONS
PATCH pets/1 => 405 the method PATCH
OPTIONS pets => 200 allow: GET, HEAD, POST, OPTIONS
PATCH ../../elsewhere => 404
PROPFIND pets => 501 content-type: application/problem+json
PROPFIND pets => 501 the method PROPFIND
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
        let seen = (head + &content).to_lowercase();
        let part = answer[3..].trim().to_lowercase();
        assert!(seen.contains(&part), "{exchange}: {seen}");
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
async fn router_and_document_agree() {
    let (router, document) = pets::pets().unwrap();
    let policy = from_openapi::policy(&document).unwrap();
    assert_eq!(policy.rules().len(), 4);
    let not_compared = agree(&router, &policy, &[]).await;
    assert!(not_compared.is_empty(), "{not_compared:?}");
}
