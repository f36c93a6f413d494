//! Runs the examples as a user does: starts them, sends requests over TCP, and stops them with a signal.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::net::{SocketAddr, TcpListener};

use http::{HeaderMap, HeaderValue, StatusCode};
use support::example::Example;
use support::server::{Connection, http2, read, request};

async fn stop(example: Example) {
    example.signal("-TERM");
    example.ends_cleanly().await;
}

/// Sends a request without content and returns the answer.
async fn ask(connection: &mut Connection, request: &str) -> String {
    let head = format!("{request} HTTP/1.1\r\nhost: a\r\n\r\n");
    connection.send(head).await;
    connection.receive().await
}

async fn post(connection: &mut Connection, message: &str) -> String {
    let length = message.len();
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    connection.send(head + message).await;
    connection.receive().await
}

/// Sends a request over HTTP/2. Returns the status, the header fields, and the content of the answer.
async fn ask_http2(
    address: SocketAddr,
    method: &str,
    path: &str,
    fields: &[(&'static str, &'static str)],
) -> (StatusCode, HeaderMap, bytes::Bytes) {
    let mut request = request(method, format!("http://a{path}"));
    for (name, value) in fields {
        let value = HeaderValue::from_static(value);
        request.headers_mut().insert(*name, value);
    }
    read(http2(address).await.send_request(request)).await
}

fn field<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

/// Status, `Allow`, and `Content-Type`.
type Answer = (u16, Option<&'static str>, Option<&'static str>);

/// Checks that a message board works, and that its answers to `REQUESTS` are the `expected` ones.
async fn check_board(name: &str, expected: [Answer; 9]) {
    const REQUESTS: &str = "DELETE /,POST /1,POST /1/2,OPTIONS /,OPTIONS /1,OPTIONS /1/2,\
        OPTIONS *,PROPFIND /,get /1/2";
    let (example, address) = Example::listening(name, []).await;
    let mut connection = Connection::open(address).await;
    for (message, id) in [("Hello!\n\nIt's me.", 1), ("", 2)] {
        assert_eq!(
            post(&mut connection, message).await,
            format!("HTTP/1.1 201 Created\r\nlocation: /{id}\r\ncontent-length: 0\r\n\r\n")
        );
    }
    for (path, content) in [("/", "1: Hello!\n2: \n"), ("/1", "Hello!\n\nIt's me."), ("/2", "")] {
        let length = content.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n\
             content-length: {length}\r\n\r\n"
        );
        let request = format!("HEAD {path} HTTP/1.1\r\nhost: a\r\n\r\n");
        connection.send(request).await;
        assert_eq!(connection.receive_head().await, head, "{path}");
        let answer = ask(&mut connection, &format!("GET {path}")).await;
        assert_eq!(answer, head + content, "{path}");
    }
    for path in ["/0", "/3", "/x", "/1/2"] {
        let answer = ask(&mut connection, &format!("GET {path}")).await;
        let expected = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(answer, expected, "{path}");
    }
    for (request, (status, allow, content_type)) in REQUESTS.split(',').zip(expected) {
        let answer = ask(&mut connection, request).await;
        let field = |name| answer.lines().find_map(|line| line.strip_prefix(name));
        assert_eq!(answer[9..12], status.to_string(), "{name} {request}");
        assert_eq!(field("allow: "), allow, "{name} {request}");
        assert_eq!(field("content-type: "), content_type, "{name} {request}");
    }
    drop(connection);
    let answers = [("HEAD", 200), ("POST", 201), ("OPTIONS", 200), ("DELETE", 405), ("FOO", 501)];
    for (method, status) in answers {
        let answer = ask_http2(address, method, "/", &[]).await;
        assert_eq!(answer.0, status, "{name}: {method}");
        let has_allow = answer.1.contains_key("allow");
        assert_eq!(has_allow, ["OPTIONS", "DELETE"].contains(&method), "{name}: {method}");
    }
    stop(example).await;
}

#[tokio::test]
async fn the_axum_board_answers_as_its_documentation_says() {
    const PROBLEM: Option<&str> = Some("application/problem+json");
    let answers = [
        // Sent by the router.
        (405, Some("GET,HEAD,POST"), None),
        (405, Some("GET,HEAD"), None),
        (404, None, None),
        // Sent by the router. The layer turns a `405` into `200`.
        (200, Some("GET, HEAD, POST, OPTIONS"), None),
        (200, Some("GET, HEAD, OPTIONS"), None),
        (404, None, None),
        // Sent by the layer.
        (200, None, None),
        (501, None, PROBLEM),
        (501, None, PROBLEM),
    ];
    check_board("axum", answers).await;
}

#[tokio::test]
async fn the_hyper_board_answers_as_its_documentation_says() {
    const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
    let answers = [
        (405, Some("GET, HEAD, POST, OPTIONS"), TEXT),
        (405, Some("GET, HEAD, OPTIONS"), TEXT),
        (405, Some("GET, HEAD, OPTIONS"), TEXT),
        (200, Some("GET, HEAD, POST, OPTIONS"), None),
        (200, Some("GET, HEAD, OPTIONS"), None),
        (200, Some("GET, HEAD, OPTIONS"), None),
        (200, None, None),
        (501, None, TEXT),
        (501, None, TEXT),
    ];
    check_board("hyper", answers).await;
}

#[tokio::test]
async fn the_hyper_board_rejects_a_message_that_is_too_long() {
    let (example, address) = Example::listening("hyper", []).await;
    let mut connection = Connection::open(address).await;
    let answer = post(&mut connection, &"M".repeat(64 * 1024 + 1)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    stop(example).await;
}

#[tokio::test]
async fn a_stopped_board_closes_idle_connections_and_answers_the_request_in_flight() {
    const SLOW: &str =
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
    for name in ["axum", "hyper"] {
        for signal in ["-TERM", "-INT"] {
            let (example, address) = Example::listening(name, []).await;
            let mut silent = Connection::open(address).await;
            let mut idle = Connection::open(address).await;
            ask(&mut idle, "GET /").await;
            let mut busy = Connection::open(address).await;
            busy.send(SLOW).await;
            assert_eq!(busy.receive().await, "HTTP/1.1 100 Continue\r\n\r\n");

            example.signal(signal);
            assert!(silent.is_closed().await);
            assert!(idle.is_closed().await);
            busy.send("Hello").await;
            // The answer has this field if the connection has already noticed the signal.
            let answer = busy.receive().await.replace("connection: close\r\n", "");
            let expected = "HTTP/1.1 201 Created\r\nlocation: /1\r\ncontent-length: 0\r\n\r\n";
            assert_eq!(answer, expected);
            assert!(busy.is_closed().await);
            example.ends_cleanly().await;
        }
    }
}

#[tokio::test]
async fn a_start_error_names_the_address_or_the_argument() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = &*listener.local_addr().unwrap().to_string();
    for (arguments, expected) in [
        (&[address][..], &*format!("cannot listen on {address}: ")),
        (&["a"], "cannot listen on a: invalid socket address\n"),
        (&["127.0.0.1:0", "b"], "unexpected argument: b\n"),
    ] {
        for name in ["axum", "hyper"] {
            let (status, errors) = Example::start(name, arguments).end().await;
            assert_eq!(status.code(), Some(1), "{name}");
            let expected = format!("error: {expected}");
            assert!(errors.starts_with(&expected), "{name}: {errors}");
            assert_eq!(errors.lines().count(), 1, "{name}: {errors}");
        }
    }
}

#[tokio::test]
async fn the_axum_stack_adds_a_request_id_to_every_answer_and_cors_fields_to_all_but_501() {
    let (example, address) = Example::listening("axum_stack", []).await;
    for (method, path, status, allow) in [
        ("GET", "/", 200, None),
        ("POST", "/", 200, None),
        ("DELETE", "/", 405, Some("GET,HEAD,POST")),
        ("POST", "/poem", 405, Some("GET,HEAD")),
        ("GET", "/nowhere", 404, None),
        ("DELETE", "/nowhere", 404, None),
        // The CORS layer answers, and axum adds `Allow`.
        ("OPTIONS", "/poem", 200, Some("GET,HEAD")),
        ("PROPFIND", "/", 501, None),
        ("PROPFIND", "/nowhere", 501, None),
    ] {
        let origin = [("origin", "https://example.com")];
        let (answered, headers, _) = ask_http2(address, method, path, &origin).await;
        assert_eq!(answered, status, "{method} {path}");
        assert_eq!(field(&headers, "allow"), allow, "{method} {path}");
        assert!(headers.contains_key("x-request-id"), "{method} {path}");
        let has_cors_fields = headers.contains_key("access-control-allow-origin");
        assert_eq!(has_cors_fields, status != 501, "{method} {path}");
    }
    stop(example).await;
}

#[tokio::test]
async fn the_axum_stack_compresses_answers_and_knows_the_address_of_the_client() {
    let (example, address) = Example::listening("axum_stack", []).await;
    for (method, path, status) in [("GET", "/poem", 200), ("PROPFIND", "/", 501)] {
        let gzip = [("accept-encoding", "gzip")];
        let (answered, headers, content) = ask_http2(address, method, path, &gzip).await;
        assert_eq!(answered, status);
        assert_eq!(headers["content-encoding"], "gzip");
        assert!(content.starts_with(&[0x1f, 0x8b]), "{content:?}");
    }
    let mut connection = Connection::open(address).await;
    let answer = ask(&mut connection, "GET /peer").await;
    let peer = format!("\r\n\r\n{}\n", connection.local_address());
    assert!(answer.ends_with(&peer), "{answer}");
    drop(connection);
    stop(example).await;
}

#[tokio::test]
async fn the_timeout_of_the_axum_stack_ends_slow_handlers_and_rejected_uploads() {
    let (example, address) = Example::listening("axum_stack", []).await;
    for request in [
        "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n",
        // The rest of the body never arrives.
        "PROPFIND / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc",
    ] {
        let mut connection = Connection::open(address).await;
        connection.send(request).await;
        let response = connection.receive_head().await;
        assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
    }
    stop(example).await;
}

#[tokio::test]
async fn scripts_of_other_origins_can_read_every_answer_of_the_cors_example() {
    let (example, address) = Example::listening("cors", []).await;
    for (method, status, allow) in [
        ("GET", 200, None),
        ("POST", 200, None),
        ("DELETE", 405, Some("GET,HEAD,POST")),
        ("PROPFIND", 501, None),
        ("patch", 501, None),
    ] {
        let origin = ("origin", "http://b");
        let fields = [origin, ("access-control-request-method", method)];
        let (answered, headers, _) = ask_http2(address, "OPTIONS", "/", &fields).await;
        assert_eq!(answered, 200);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-allow-methods"], "*");

        let (answered, headers, _) = ask_http2(address, method, "/", &[origin]).await;
        assert_eq!(answered, status, "{method}");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(field(&headers, "allow"), allow, "{method}");
        let exposed = field(&headers, "access-control-expose-headers");
        assert!(allow.is_none() || exposed == Some("allow"), "{exposed:?}");
    }
    stop(example).await;
}
