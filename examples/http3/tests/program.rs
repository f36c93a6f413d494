//! The program as a user runs it. A test starts it, sends requests over QUIC, and stops it with a signal.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::net::{SocketAddr, UdpSocket};

use h3::error::Code;
use http::{HeaderMap, HeaderValue, Request};
use quinn::{ReadError, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use support::example::Example;
use support::server::within;
use support::{Answer, Client, MIB, declared, quic, request};

const PROGRAM: &str = env!("CARGO_BIN_EXE_http3");

/// The code with which quinn stops an upload after a read. HTTP/3 treats it like `H3_NO_ERROR`.
const STOPPED: u64 = 0;

/// The running program.
struct Server {
    example: Example,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Server {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pem = directory.path().join("certificate.pem");
        let (example, address) = Example::listening(PROGRAM, [pem.to_str().unwrap()]).await;
        Self { example, address, certificate: CertificateDer::from_pem_file(&pem).unwrap() }
    }

    async fn client(&self) -> Client {
        Client::open(self.address, self.certificate.clone()).await
    }

    async fn quic(&self) -> quinn::Connection {
        quic(self.address, self.certificate.clone()).await
    }

    async fn stop(self) {
        self.example.signal("-TERM");
        self.example.ends_cleanly().await;
    }
}

fn has_length(answer: &Answer) {
    let length = answer.content.len().to_string();
    assert_eq!(answer.field("content-length"), Some(&*length), "{answer:?}");
    assert!(answer.headers.contains_key("date"), "{answer:?}");
}

/// Asserts a complete `501`.
fn is_rejected(answer: &Answer) {
    assert_eq!(answer.status, 501, "{answer:?}");
    assert_eq!(answer.field("allow"), None, "{answer:?}");
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    has_length(answer);
    assert!(!answer.content.is_empty());
}

#[tokio::test]
async fn the_policy_rejects_only_methods_that_the_application_does_not_implement() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for message in ["Hello!\n\nIt's me.", ""] {
        let mut exchange = client.begin(request("POST", "/")).await;
        if !message.is_empty() {
            exchange.send(message).await;
        }
        exchange.finish().await;
        let answer = exchange.answer().await;
        assert_eq!((answer.status.as_u16(), &*answer.content), (200, message.as_bytes()));
        has_length(&answer);
    }
    let (read_write, echo) = (Some("GET,HEAD,POST"), Some("PUT"));
    for (method, path, status, content, allow) in [
        ("GET", "/", 200, "Hello over HTTP/3!\n", None),
        ("GET", "/3", 404, "", None),
        ("GET", "/1/2", 404, "", None),
        ("DELETE", "/", 405, "", read_write),
        ("TRACE", "/", 405, "", read_write),
        ("POST", "/echo", 405, "", echo),
        ("OPTIONS", "/", 200, "", Some("GET, HEAD, POST, OPTIONS")),
        ("OPTIONS", "/echo", 200, "", Some("PUT, OPTIONS")),
    ] {
        let answer = client.ask(method, path).await;
        assert_eq!((answer.status.as_u16(), &*answer.content), (status, content.as_bytes()));
        assert_eq!(answer.field("allow"), allow, "{method} {path}");
        has_length(&answer);
        if method == "GET" {
            let head = client.ask("HEAD", path).await;
            assert_eq!((head.status.as_u16(), &*head.content), (status, &b""[..]));
            assert_eq!(head.field("content-length"), answer.field("content-length"));
        }
    }
    let long = "M".repeat(70_000);
    for (method, path) in [("PROPFIND", "/"), ("FOO", "/"), ("get", "/1/2"), (&long, "/")] {
        is_rejected(&client.ask(method, path).await);
    }
    // The stream of a CONNECT stays open (RFC 9114 §4.4). h3's client should not send a path, but it does.
    let connect = Request::connect("localhost:443").body(()).unwrap();
    let mut exchange = client.begin(connect).await;
    let answer = exchange.answer().await;
    assert_eq!(answer.field("allow"), read_write, "{answer:?}");
    assert_eq!(client.ask("GET", "/").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_rejected_upload_is_read_to_its_end_or_stopped_at_a_limit() {
    let server = Server::start().await;
    let mut client = server.client().await;
    // The server reads these uploads to the end.
    for head in [declared("FOO", "/", MIB), request("FOO", "/")] {
        let mut exchange = client.begin(head).await;
        exchange.send(vec![0; MIB]).await;
        exchange.finish().await;
        is_rejected(&exchange.answer().await);
    }
    // The first upload declares more than the limit. The others stall.
    for (head, content, code) in [
        (declared("FOO", "/", 64 * MIB + 1), "", Code::H3_NO_ERROR.value()),
        (declared("FOO", "/", 100), "abc", STOPPED),
        (request("FOO", "/"), "abc", STOPPED),
    ] {
        let mut exchange = client.begin(head).await;
        exchange.send(content).await;
        is_rejected(&exchange.answer().await);
        assert_eq!(exchange.stop_code().await.value(), code);
    }
    // This upload exceeds the limit without declaring a length.
    let mut exchange = client.begin(request("FOO", "/")).await;
    exchange.send(vec![0; 64 * MIB]).await;
    assert_eq!(exchange.stop_code().await.value(), STOPPED);
    is_rejected(&exchange.answer().await);
    // The application has a smaller limit.
    let mut exchange = client.begin(request("POST", "/")).await;
    assert_eq!(exchange.stop_code().await.value(), STOPPED);
    assert_eq!(exchange.answer().await.status, 413);
    // The connection stays open.
    assert_eq!(client.ask("GET", "/").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_request_without_its_declared_length_is_malformed() {
    let server = Server::start().await;
    let mut client = server.client().await;
    // The last response has begun when the content ends. It does not look complete.
    for (method, path, length) in [("POST", "/", 4), ("POST", "/", 2), ("PUT", "/echo", 6)] {
        let mut exchange = client.begin(declared(method, path, length)).await;
        exchange.send("abc").await;
        exchange.finish().await;
        assert_eq!(exchange.error_code().await, Code::H3_MESSAGE_ERROR);
    }
    for lengths in [&["+3"][..], &["3, 3"], &["3", "4"], &[""]] {
        let mut head = request("POST", "/");
        for length in lengths {
            let length = HeaderValue::from_static(length);
            head.headers_mut().append("content-length", length);
        }
        let mut exchange = client.begin(head).await;
        assert_eq!(exchange.error_code().await, Code::H3_MESSAGE_ERROR);
    }
    assert_eq!(client.ask("GET", "/").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_stopped_server_answers_open_requests_and_closes_its_connections() {
    for signal in ["-TERM", "-INT"] {
        let server = Server::start().await;
        // This client has not opened a control stream.
        let silent = server.quic().await;
        let unused = server.client().await;
        let mut idle = server.client().await;
        idle.ask("GET", "/").await;
        let mut busy = server.client().await;
        let mut message = busy.begin(declared("POST", "/", 5)).await;
        message.send("Hel").await;
        let mut large = busy.begin(request("POST", "/")).await;
        large.send(vec![0; MIB]).await;
        let mut rejected = server.client().await;
        let mut stalled = rejected.begin(declared("FOO", "/", 100)).await;
        stalled.send("abc").await;
        let mut slow = server.client().await;
        let mut endless = slow.begin(declared("POST", "/", 5)).await;
        endless.send("Hel").await;
        // After these answers, all uploads have arrived.
        busy.ask("GET", "/").await;
        rejected.ask("GET", "/").await;
        slow.ask("GET", "/").await;

        server.example.signal(signal);
        idle.until_closed().await;
        unused.until_closed().await;
        within(silent.closed()).await;
        message.send("lo").await;
        message.finish().await;
        assert_eq!(message.answer().await.content, "Hello");
        large.finish().await;
        // The answer is complete, although it takes time to send it.
        assert_eq!(large.answer().await.content.len(), MIB);
        busy.until_closed().await;
        is_rejected(&stalled.answer().await);
        rejected.until_closed().await;
        // The server does not wait for this client.
        endless.try_answer().await.unwrap_err();
        slow.until_closed().await;
        server.example.ends_cleanly().await;
    }
}

#[tokio::test]
async fn the_server_sends_100_only_if_the_application_reads_the_content() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for (method, path, status) in [("POST", "/", 100), ("POST", "/1", 404), ("FOO", "/", 501)] {
        let mut head = declared(method, path, 5);
        let expected = HeaderValue::from_static("100-continue");
        head.headers_mut().insert("expect", expected);
        let mut exchange = client.begin(head).await;
        let head = within(exchange.0.recv_response()).await.unwrap();
        assert_eq!(head.status(), status, "{method} {path}");
        if status == 100 {
            exchange.send("Hello").await;
            exchange.finish().await;
            assert_eq!(exchange.answer().await.content, "Hello");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn content_and_trailers_pass_both_ways() {
    let server = Server::start().await;
    let mut client = server.client().await;
    for (head, length) in
        [(declared("PUT", "/echo", 6), Some("6")), (request("PUT", "/echo"), None)]
    {
        let mut exchange = client.begin(head).await;
        exchange.send("abc").await;
        exchange.send("def").await;
        let mut trailers = HeaderMap::new();
        trailers.insert("checksum", HeaderValue::from_static("1"));
        within(exchange.0.send_trailers(trailers.clone())).await.unwrap();
        exchange.finish().await;
        let answer = exchange.answer().await;
        assert_eq!(answer.field("content-length"), length);
        assert_eq!(answer.content, "abcdef");
        assert_eq!(answer.trailers, Some(trailers));
    }
    server.stop().await;
}

/// Sends `PUT https://localhost/echo` as the bytes of HTTP/3: a frame with the header section, and `more`.
async fn put(connection: &quinn::Connection, more: &[u8]) -> (SendStream, RecvStream) {
    const PUT: &[u8] = b"\x01\x16\0\0\xd5\xd7\x51\x05/echo\x50\x09localhost";

    let (mut send, receive) = within(connection.open_bi()).await.unwrap();
    send.write_all(&[PUT, more].concat()).await.unwrap();
    (send, receive)
}

/// A client can send the other requests again elsewhere (RFC 9114 §5.2).
#[tokio::test]
async fn a_stopped_server_reports_the_first_request_that_it_does_not_answer() {
    let server = Server::start().await;
    let connection = server.quic().await;
    let (mut send, mut receive) = put(&connection, b"\0\x03abc").await;
    within(receive.read_chunk(1, true)).await.unwrap().unwrap();

    server.example.signal("-TERM");
    // The control stream begins with its type, 0.
    let mut control = loop {
        let mut stream = within(connection.accept_uni()).await.unwrap();
        let first = within(stream.read_chunk(1, true)).await.unwrap().unwrap();
        if first.bytes == b"\0"[..] {
            break stream;
        }
    };
    let mut frames = Vec::new();
    // GOAWAY contains the first stream that is not answered. The streams of requests are 0, 4, 8, and so on.
    while !frames.ends_with(b"\x07\x01\x04") {
        let chunk = within(control.read_chunk(1024, true)).await.unwrap();
        frames.extend_from_slice(&chunk.unwrap().bytes);
    }
    for _ in [4, 8] {
        let (_late, mut rejected) = put(&connection, b"").await;
        let error = within(rejected.read_chunk(1, true)).await.unwrap_err();
        assert_eq!(error, ReadError::Reset(VarInt::from_u32(0x10b)));
    }
    send.finish().unwrap();
    let answer = within(receive.read_to_end(1024)).await.unwrap();
    // h3 ends its first response with a frame of a reserved type (RFC 9114 §7.2.8).
    assert!(answer.windows(5).any(|frame| frame == b"\0\x03abc"), "{answer:?}");
    server.example.ends_cleanly().await;
}

/// h3 panics instead of returning an error.
#[tokio::test]
async fn an_incomplete_frame_ends_only_its_own_request() {
    let server = Server::start().await;
    let connection = server.quic().await;
    let (mut send, mut receive) = put(&connection, b"\0\x05abc").await;
    // The answer begins: the header section, and three of the five bytes.
    let mut seen = Vec::new();
    while !seen.ends_with(b"\0\x03abc") {
        let chunk = within(receive.read_chunk(1024, true)).await.unwrap();
        seen.extend_from_slice(&chunk.unwrap().bytes);
    }
    send.finish().unwrap();
    let error = within(receive.read_chunk(1024, true)).await.unwrap_err();
    assert_eq!(error, ReadError::Reset(VarInt::from_u32(0x102)));

    let (mut send, mut receive) = put(&connection, b"\0\x03abc").await;
    send.finish().unwrap();
    let answer = within(receive.read_to_end(1024)).await.unwrap();
    assert!(answer.ends_with(b"\0\x03abc"), "{answer:?}");
    server.example.signal("-TERM");
    let (status, errors) = server.example.end().await;
    assert!(status.success(), "{status}: {errors}");
    assert!(errors.contains("There is still data to read"), "{errors}");
}

#[tokio::test]
async fn the_error_for_a_bad_argument_names_it() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let used = socket.local_addr().unwrap().to_string();
    let used_error = format!("cannot listen on {used}: ");
    for (arguments, expected) in [
        (&["nonsense"][..], "cannot listen on nonsense: invalid"),
        (&[&used], &used_error),
        (&["127.0.0.1:0", "/nowhere/a"], "cannot write /nowhere/a: "),
        (&["127.0.0.1:0", "", "more"], "unexpected argument: more\n"),
    ] {
        let (status, errors) = Example::start(PROGRAM, arguments).end().await;
        assert_eq!(status.code(), Some(1), "{arguments:?}");
        let expected = format!("error: {expected}");
        assert!(errors.starts_with(&expected), "{errors}");
    }
}
