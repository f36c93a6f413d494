//! The examples as a user runs them: started, asked over TCP, and stopped by a signal.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::net::{SocketAddr, TcpListener};

use http::HeaderValue;
use support::example::Example;
use support::server::{Connection, http2, read, request};

/// Stops an example and returns what it wrote to stderr.
async fn stop(example: Example) -> String {
    example.signal("-TERM");
    let (status, errors) = example.end().await;
    assert!(status.success(), "{status}: {errors}");
    errors
}

/// The value of a header field in the head of a message.
fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = message.split_once("\r\n\r\n").unwrap();
    let mut fields = head.lines().filter_map(|line| line.split_once(": "));
    fields
        .find(|(field, _)| *field == name)
        .map(|(_, value)| value)
}

const ASK: [&str; 9] = [
    "DELETE /",
    "POST /1",
    "POST /1/2",
    "OPTIONS /",
    "OPTIONS /1",
    "OPTIONS /1/2",
    "OPTIONS *",
    "PROPFIND /",
    "get /1/2",
];

#[tokio::test]
async fn the_axum_board_does_what_its_header_says() {
    const PROBLEM: Option<&str> = Some("application/problem+json");

    let (example, address) = Example::listening("axum", []).await;
    a_board_works(address).await;
    assert_eq!(
        answers(address, ASK).await,
        [
            // The router's own.
            ("405", Some("GET,HEAD,POST"), None),
            ("405", Some("GET,HEAD"), None),
            ("404", None, None),
            // The router's with `200` and `OPTIONS`.
            ("200", Some("GET, HEAD, POST, OPTIONS"), None),
            ("200", Some("GET, HEAD, OPTIONS"), None),
            ("404", None, None),
            // The layer's own.
            ("200", None, None),
            ("501", None, PROBLEM),
            ("501", None, PROBLEM),
        ]
        .map(owned)
    );
    assert_eq!(stop(example).await, "");
}

#[tokio::test]
async fn the_hyper_board_does_what_its_header_says() {
    const TEXT: Option<&str> = Some("text/plain; charset=utf-8");

    let (example, address) = Example::listening("hyper", []).await;
    a_board_works(address).await;
    assert_eq!(
        answers(address, ASK).await,
        [
            ("405", Some("GET, HEAD, POST, OPTIONS"), TEXT),
            ("405", Some("GET, HEAD, OPTIONS"), TEXT),
            ("405", Some("GET, HEAD, OPTIONS"), TEXT),
            ("200", Some("GET, HEAD, POST, OPTIONS"), None),
            ("200", Some("GET, HEAD, OPTIONS"), None),
            ("200", Some("GET, HEAD, OPTIONS"), None),
            ("200", None, None),
            ("501", None, TEXT),
            ("501", None, TEXT),
        ]
        .map(owned)
    );
    assert_eq!(stop(example).await, "");
}

/// Status, `Allow`, and `Content-Type`.
type Answer = (String, Option<String>, Option<String>);

fn owned((status, allow, content_type): (&str, Option<&str>, Option<&str>)) -> Answer {
    let [allow, content_type] = [allow, content_type].map(|value| value.map(str::to_owned));
    (status.to_owned(), allow, content_type)
}

/// The answers to requests without a body, on one connection.
async fn answers<const N: usize>(address: SocketAddr, requests: [&str; N]) -> Vec<Answer> {
    let mut connection = Connection::open(address).await;
    let mut answers = Vec::new();
    for request in requests {
        connection
            .send(format!("{request} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        let message = connection.receive().await;
        let status = message.split(' ').nth(1).unwrap();
        answers.push(owned((
            status,
            field(&message, "allow"),
            field(&message, "content-type"),
        )));
    }
    answers
}

async fn a_board_works(address: SocketAddr) {
    let mut connection = Connection::open(address).await;
    for (message, id) in [("Hello!\n\nIt's me.", 1), ("", 2)] {
        let length = message.len();
        connection
            .send(format!(
                "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{message}"
            ))
            .await;
        assert_eq!(
            connection.receive().await,
            format!("HTTP/1.1 201 Created\r\nlocation: /{id}\r\ncontent-length: 0\r\n\r\n")
        );
    }
    for (path, content) in [
        ("/", "1: Hello!\n2: \n"),
        ("/1", "Hello!\n\nIt's me."),
        ("/2", ""),
    ] {
        let length = content.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n\
             content-length: {length}\r\n\r\n"
        );
        connection
            .send(format!("HEAD {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert_eq!(connection.receive_head().await, head, "{path}");
        connection
            .send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert_eq!(connection.receive().await, head + content, "{path}");
    }
    for path in ["/0", "/3", "/x", "/1/2"] {
        connection
            .send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        assert_eq!(
            connection.receive().await,
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_boards_speak_http_2() {
    for name in ["axum", "hyper"] {
        let (example, address) = Example::listening(name, []).await;
        let mut client = http2(address).await;
        for (method, status) in [
            ("GET", 200),
            ("HEAD", 200),
            ("POST", 201),
            ("HEAD", 200),
            ("DELETE", 405),
            ("OPTIONS", 200),
            ("FOO", 501),
        ] {
            let response = client.send_request(request(method, "http://a/"));
            let (received, headers, _) = read(response).await;
            assert_eq!(received, status, "{name}: {method}");
            let has_allow = matches!(method, "DELETE" | "OPTIONS");
            assert_eq!(headers.contains_key("allow"), has_allow, "{name}: {method}");
        }
        stop(example).await;
    }
}

#[tokio::test]
async fn the_hyper_board_rejects_a_message_that_is_too_long() {
    let (example, address) = Example::listening("hyper", []).await;
    let mut connection = Connection::open(address).await;
    let message = "M".repeat(64 * 1024 + 1);
    connection
        .send(format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{message}",
            message.len()
        ))
        .await;
    let response = connection.receive().await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    example.signal("-TERM");
    example.ends_cleanly().await;
}

#[tokio::test]
async fn a_stopped_board_closes_idle_connections_and_answers_the_request_in_flight() {
    for name in ["axum", "hyper"] {
        for signal in ["-TERM", "-INT"] {
            let (example, address) = Example::listening(name, []).await;
            let mut silent = Connection::open(address).await;
            let mut idle = Connection::open(address).await;
            idle.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
            idle.receive().await;
            let mut busy = Connection::open(address).await;
            busy.send(
                "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n",
            )
            .await;
            assert_eq!(busy.receive().await, "HTTP/1.1 100 Continue\r\n\r\n");

            example.signal(signal);
            assert!(silent.is_closed().await);
            assert!(idle.is_closed().await);
            busy.send("Hello").await;
            let answer = busy.receive().await;
            // It announces the close if this connection has seen the signal already.
            let answer = answer.replace("connection: close\r\n", "");
            assert_eq!(
                answer,
                "HTTP/1.1 201 Created\r\nlocation: /1\r\ncontent-length: 0\r\n\r\n"
            );
            assert!(busy.is_closed().await);
            example.ends_cleanly().await;
        }
    }
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for name in ["axum", "hyper"] {
        let (status, errors) = Example::start(name, &[&address]).end().await;
        assert_eq!(status.code(), Some(1), "{name}");
        let expected = format!("error: cannot listen on {address}: ");
        assert!(errors.starts_with(&expected), "{name}: {errors}");
    }
}

#[tokio::test]
async fn a_bad_argument_is_named() {
    for name in ["axum", "hyper"] {
        let (status, errors) = Example::start(name, &["nonsense"]).end().await;
        assert_eq!(status.code(), Some(1), "{name}");
        assert_eq!(
            errors, "error: cannot listen on nonsense: invalid socket address\n",
            "{name}"
        );

        let (status, errors) = Example::start(name, &["127.0.0.1:0", "more"]).end().await;
        assert_eq!(status.code(), Some(1), "{name}");
        assert_eq!(errors, "error: unexpected argument: more\n", "{name}");
    }
}

mod axum_stack {
    use bytes::Bytes;
    use http::header::{
        ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_ENCODING, ORIGIN,
    };
    use http::{HeaderMap, HeaderName, StatusCode};

    use super::*;

    /// Its answer over HTTP/2.
    async fn ask(
        address: SocketAddr,
        method: &str,
        path: &str,
        field: (HeaderName, &'static str),
    ) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = request(method, format!("http://a{path}"));
        let (name, value) = field;
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        read(http2(address).await.send_request(request)).await
    }

    #[tokio::test]
    async fn every_answer_has_a_request_id_and_the_router_s_answers_have_cors_fields() {
        let (example, address) = Example::listening("axum_stack", []).await;
        let origin = (ORIGIN, "https://example.com");
        for (method, path, status, allow) in [
            ("GET", "/", 200, None),
            ("POST", "/", 200, None),
            ("DELETE", "/", 405, Some("GET,HEAD,POST")),
            ("POST", "/poem", 405, Some("GET,HEAD")),
            ("GET", "/nowhere", 404, None),
            ("DELETE", "/nowhere", 404, None),
            // The CORS layer answers, and axum adds its `Allow`.
            ("OPTIONS", "/poem", 200, Some("GET,HEAD")),
            ("PROPFIND", "/", 501, None),
            ("PROPFIND", "/nowhere", 501, None),
        ] {
            let (answered, headers, _) = ask(address, method, path, origin.clone()).await;
            assert_eq!(answered, status, "{method} {path}");
            let field = headers.get(ALLOW).map(|allow| allow.to_str().unwrap());
            assert_eq!(field, allow, "{method} {path}");
            assert!(headers.contains_key("x-request-id"), "{method} {path}");
            let is_rejection = status == 501;
            let has_cors_fields = headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_ne!(has_cors_fields, is_rejection, "{method} {path}");
        }
        example.signal("-TERM");
        example.ends_cleanly().await;
    }

    #[tokio::test]
    async fn the_answers_of_router_and_policy_are_compressed() {
        const GZIP: [u8; 2] = [0x1f, 0x8b];

        let (example, address) = Example::listening("axum_stack", []).await;
        for (method, path, status) in [("GET", "/poem", 200), ("PROPFIND", "/", 501)] {
            let (answered, headers, content) =
                ask(address, method, path, (ACCEPT_ENCODING, "gzip")).await;
            assert_eq!(answered, status);
            assert_eq!(headers[CONTENT_ENCODING], "gzip");
            assert!(content.starts_with(&GZIP), "{content:?}");
        }
        example.signal("-TERM");
        example.ends_cleanly().await;
    }

    #[tokio::test]
    async fn a_handler_gets_the_address_of_the_client() {
        let (example, address) = Example::listening("axum_stack", []).await;
        let mut connection = Connection::open(address).await;
        connection
            .send("GET /peer HTTP/1.1\r\nhost: a\r\n\r\n")
            .await;
        let response = connection.receive().await;
        let peer = format!("\r\n\r\n{}\n", connection.local_address());
        assert!(response.ends_with(&peer), "{response}");
        drop(connection);
        example.signal("-TERM");
        example.ends_cleanly().await;
    }

    #[tokio::test]
    async fn the_timeout_bounds_a_slow_handler_and_the_wait_for_a_rejected_upload() {
        let (example, address) = Example::listening("axum_stack", []).await;
        for request in [
            "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n",
            // The rest of the body never comes.
            "PROPFIND / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc",
        ] {
            let mut connection = Connection::open(address).await;
            connection.send(request).await;
            let response = connection.receive_head().await;
            assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
        }
        example.signal("-TERM");
        example.ends_cleanly().await;
    }
}

#[tokio::test]
async fn scripts_of_other_origins_can_read_every_answer_of_the_cors_example() {
    let (example, address) = Example::listening("cors", []).await;
    for (method, status, allow) in [
        ("GET", "200", None),
        ("POST", "200", None),
        ("DELETE", "405", Some("GET,HEAD,POST")),
        ("PROPFIND", "501", None),
        ("patch", "501", None),
    ] {
        let mut connection = Connection::open(address).await;
        connection
            .send(format!(
                "OPTIONS / HTTP/1.1\r\nhost: a\r\norigin: http://b\r\n\
                 access-control-request-method: {method}\r\n\r\n"
            ))
            .await;
        let preflight = connection.receive().await;
        assert!(preflight.starts_with("HTTP/1.1 200 "), "{preflight}");
        assert_eq!(field(&preflight, "access-control-allow-origin"), Some("*"));
        assert_eq!(field(&preflight, "access-control-allow-methods"), Some("*"));

        connection
            .send(format!(
                "{method} / HTTP/1.1\r\nhost: a\r\norigin: http://b\r\ncontent-length: 0\r\n\r\n"
            ))
            .await;
        let answer = connection.receive().await;
        let status_line = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&status_line), "{answer}");
        assert_eq!(field(&answer, "access-control-allow-origin"), Some("*"));
        assert_eq!(field(&answer, "allow"), allow, "{method}");
        let exposed = field(&answer, "access-control-expose-headers");
        assert!(allow.is_none() || exposed == Some("allow"), "{answer}");
    }
    assert_eq!(stop(example).await, "");
}
