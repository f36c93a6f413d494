//! The examples, each as a user runs it: started, asked over TCP, stopped by a signal.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::net::{SocketAddr, TcpListener};

use http::HeaderValue;
use support::example::Example;
use support::server::{Connection, http2, read, request};

#[tokio::test]
async fn the_boards_do_what_their_headers_say() {
    for (name, content_type) in [
        ("axum", "application/problem+json"),
        ("hyper", "text/plain; charset=utf-8"),
    ] {
        let (example, address) = Example::listening(name, []).await;
        a_board_works(address, content_type).await;
        example.signal("-TERM");
        example.ends_cleanly().await;
    }
}

async fn a_board_works(address: SocketAddr, content_type_of_rejections: &str) {
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
    for (request, status, allow) in [
        (
            "DELETE /",
            "405 Method Not Allowed",
            "allow: GET, HEAD, POST\r\n",
        ),
        ("POST /1", "405 Method Not Allowed", "allow: GET, HEAD\r\n"),
        (
            "POST /1/2",
            "405 Method Not Allowed",
            "allow: GET, HEAD\r\n",
        ),
        ("PROPFIND /", "501 Not Implemented", ""),
        ("get /1/2", "501 Not Implemented", ""),
    ] {
        connection
            .send(format!("{request} HTTP/1.1\r\nhost: a\r\n\r\n"))
            .await;
        let rejection = connection.receive().await;
        let expected = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type_of_rejections}\r\n{allow}content-length: "
        );
        assert!(rejection.starts_with(&expected), "{request}: {rejection}");
    }
}

#[tokio::test]
async fn the_boards_speak_http_2() {
    for name in ["axum", "hyper"] {
        let (example, address) = Example::listening(name, []).await;
        let mut client = http2(address).await;
        for (method, status) in [("GET", 200), ("HEAD", 200), ("POST", 201), ("HEAD", 200)] {
            let response = client.send_request(request(method, "http://a/"));
            assert_eq!(read(response).await.0, status, "{name}: {method}");
        }
        for (method, status, allow) in
            [("DELETE", 405, Some("GET, HEAD, POST")), ("FOO", 501, None)]
        {
            let response = client.send_request(request(method, "http://a/"));
            let (received, headers, _) = read(response).await;
            assert_eq!(received, status, "{name}: {method}");
            let received = headers.get("allow").map(|allow| allow.to_str().unwrap());
            assert_eq!(received, allow, "{name}: {method}");
        }
        example.signal("-TERM");
        example.ends_cleanly().await;
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
            // It announces the close if the signal has come as far as to this connection.
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
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use http::header::{
        ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CONTENT_ENCODING, ORIGIN,
    };
    use http::{HeaderMap, HeaderName, StatusCode};

    use super::*;

    /// What it answers over HTTP/2.
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
    async fn the_policy_answers_inside_of_cors_and_request_ids() {
        let (example, address) = Example::listening("axum_stack", []).await;
        let origin = (ORIGIN, "https://example.com");
        for (method, path, status, allow) in [
            ("GET", "/", 200, None),
            ("POST", "/", 200, None),
            ("DELETE", "/", 405, Some("GET, HEAD, POST")),
            ("DELETE", "/nowhere", 405, Some("GET, HEAD")),
            ("POST", "/poem", 405, Some("GET, HEAD")),
            ("PROPFIND", "/", 501, None),
            ("PROPFIND", "/nowhere", 501, None),
            ("GET", "/nowhere", 404, None),
        ] {
            let (answered, headers, _) = ask(address, method, path, origin.clone()).await;
            assert_eq!(answered, status, "{method} {path}");
            let field = headers.get(ALLOW).map(|allow| allow.to_str().unwrap());
            assert_eq!(field, allow, "{method} {path}");
            assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            assert_eq!(headers[ACCESS_CONTROL_EXPOSE_HEADERS], "allow");
            assert!(headers.contains_key("x-request-id"), "{method} {path}");
        }
        // No preflight, but the CORS layer answers each `OPTIONS`.
        let (status, headers, _) = ask(address, "OPTIONS", "/", origin).await;
        assert_eq!(status, 200);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "*");
        assert_eq!(headers.get(ALLOW), None);
        example.signal("-TERM");
        example.ends_cleanly().await;
    }

    #[tokio::test]
    async fn what_the_router_and_the_policy_answer_is_compressed() {
        const GZIP: [u8; 2] = [0x1f, 0x8b];

        let (example, address) = Example::listening("axum_stack", []).await;
        for (method, path, status) in [("GET", "/poem", 200), ("DELETE", "/", 405)] {
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
    async fn a_handler_is_told_the_address_of_the_client() {
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
            // The rest of the content never comes.
            "DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc",
        ] {
            let mut connection = Connection::open(address).await;
            let start = Instant::now();
            connection.send(request).await;
            let response = connection.receive_head().await;
            assert!(response.starts_with("HTTP/1.1 503 "), "{response}");
            assert!(start.elapsed() >= Duration::from_secs(1));
        }
        example.signal("-TERM");
        example.ends_cleanly().await;
    }
}
