//! The program over TCP, held against the document that it serves.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::collections::BTreeSet;

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
fn allow(head: &str) -> Option<BTreeSet<String>> {
    let allow = head.lines().find_map(|line| line.strip_prefix("allow: "))?;
    let names = allow.split(',').map(|name| name.trim().to_owned());
    Some(names.collect())
}

#[tokio::test]
async fn it_answers_as_the_document_says_that_it_serves() {
    let (example, address) = Example::listening(PROGRAM, []).await;
    let mut connection = Connection::open(address).await;
    let document = "GET /api/v1/openapi.json";
    let (_, _, document) = ask(&mut connection, document, "").await;
    let document: Value = serde_json::from_str(&document).unwrap();
    let prefix = document["servers"][0]["url"].as_str().unwrap();
    assert_eq!(prefix, "/api/v1");

    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 4);
    for (path, item) in paths {
        let path = format!("{prefix}{}", path.replace("{id}", "1"));
        let methods = item.as_object().unwrap().keys();
        let mut documented: BTreeSet<_> = methods.map(|name| name.to_uppercase()).collect();
        if documented.contains("GET") {
            documented.insert("HEAD".to_owned());
        }
        for method in MethodSet::STANDARD.iter() {
            let request = format!("{method} {path}");
            // Over HTTP/1.1 it has no path.
            if method == "CONNECT" {
                continue;
            }
            if method == "HEAD" && documented.contains("HEAD") {
                connection
                    .send(format!("{request} HTTP/1.1\r\nhost: a\r\n\r\n"))
                    .await;
                let head = connection.receive_head().await;
                assert!(!head.starts_with("HTTP/1.1 405 "), "{request}: {head}");
                continue;
            }
            let (status, head, _) = ask(&mut connection, &request, "").await;
            if documented.contains(method.as_str()) {
                assert!(!matches!(status, 405 | 501), "{request}: {head}");
            } else {
                assert_eq!(status, 405, "{request}");
                assert_eq!(allow(&head).as_ref(), Some(&documented), "{request}");
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
    for (request, body, status, field, content) in [
        (
            "POST /api/v1/pets",
            r#"{"name":"Rex"}"#,
            201,
            "location: /api/v1/pets/1",
            "",
        ),
        (
            "GET /api/v1/pets/1",
            "",
            200,
            "",
            r#"{"name":"Rex","meals":0}"#,
        ),
        ("POST /api/v1/pets/1/meals", "", 204, "", ""),
        ("POST /api/v1/pets/2/meals", "", 404, "", ""),
        (
            "GET /api/v1/pets",
            "",
            200,
            "",
            r#"{"1":{"name":"Rex","meals":1}}"#,
        ),
        (
            "DELETE /api/v1/pets/1/meals",
            "",
            405,
            "allow: POST",
            "DELETE",
        ),
        (
            "PATCH /api/v1/pets/1",
            "",
            405,
            "allow: GET, HEAD, PUT, DELETE",
            "PATCH",
        ),
        ("PATCH /elsewhere", "", 404, "", ""),
        (
            "PROPFIND /api/v1/pets",
            "",
            501,
            "content-type: application/problem+json",
            "PROPFIND",
        ),
        ("PUT /api/v1/pets/1", r#"{"name":"Max"}"#, 204, "", ""),
        (
            "GET /api/v1/pets/1",
            "",
            200,
            "",
            r#"{"name":"Max","meals":0}"#,
        ),
        ("DELETE /api/v1/pets/1", "", 204, "", ""),
        ("DELETE /api/v1/pets/1", "", 404, "", ""),
        ("PUT /api/v1/pets/1", r#"{"name":"Max"}"#, 404, "", ""),
        ("GET /api/v1/pets/1", "", 404, "", ""),
    ] {
        let (answered, head, received) = ask(&mut connection, request, body).await;
        assert_eq!(answered, status, "{request}");
        assert!(head.contains(&format!("{field}\r\n")), "{request}: {head}");
        assert!(received.contains(content), "{request}: {received}");
    }
    example.signal("-INT");
    example.ends_cleanly().await;
}

#[tokio::test]
async fn clients_cannot_store_without_limit() {
    let (example, address) = Example::listening(PROGRAM, []).await;
    let mut connection = Connection::open(address).await;
    let name = "x".repeat(1024);
    let large = format!(r#"{{"name":"{name}"}}"#);
    let (status, ..) = ask(&mut connection, "POST /api/v1/pets", &large).await;
    assert_eq!(status, 413);
    let mut connection = Connection::open(address).await;
    for number in 1..=1001 {
        let (status, head, _) =
            ask(&mut connection, "POST /api/v1/pets", r#"{"name":"Rex"}"#).await;
        assert_eq!(
            status,
            if number <= 1000 { 201 } else { 507 },
            "{number}: {head}"
        );
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
