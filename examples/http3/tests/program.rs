//! The program as a user runs it: started, asked over QUIC, stopped by a signal.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::net::{SocketAddr, UdpSocket};

use h3::error::Code;
use http::{HeaderValue, Request};
use rustls::pki_types::CertificateDer;
use support::client::{Answer, CHUNK, Client, Exchange, declared, quic, read_certificate, request};
use support::example::Example;

const PROGRAM: &str = env!("CARGO_BIN_EXE_http3");

/// The code with which quinn stops what has been read from, see `Upload`: to HTTP/3 it is like
/// `H3_NO_ERROR`.
const STOPPED: u64 = 0;

const MIB: u64 = 1024 * 1024;

/// The program as it runs.
struct Board {
    example: Example,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Board {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pem = directory.path().join("certificate.pem");
        let (example, address) = Example::listening(PROGRAM, [pem.to_str().unwrap()]).await;
        Self {
            example,
            address,
            certificate: read_certificate(&pem),
        }
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

fn is_rejected(answer: &Answer, status: u16, allow: Option<&str>) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.field("allow"), allow, "{answer:?}");
    assert_eq!(
        answer.field("content-type"),
        Some("text/plain; charset=utf-8")
    );
    has_length(answer);
    assert!(!answer.content.is_empty());
}

fn has_length(answer: &Answer) {
    let length = answer.content.len().to_string();
    assert_eq!(answer.field("content-length"), Some(&*length), "{answer:?}");
    assert!(answer.headers.contains_key("date"), "{answer:?}");
}

/// What a rejected upload to `/` is answered.
async fn upload_is_rejected(exchange: &mut Exchange) {
    is_rejected(&exchange.answer().await, 405, Some("GET, HEAD, POST"));
}

#[tokio::test]
async fn the_board_does_what_its_header_says() {
    let board = Board::start().await;
    let mut client = board.client().await;
    for (message, location) in [("Hello!\n\nIt's me.", "/1"), ("", "/2")] {
        let mut exchange = client.begin(request("POST", "/")).await;
        if !message.is_empty() {
            exchange.send(message).await;
        }
        exchange.finish().await;
        let answer = exchange.answer().await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.field("location"), Some(location));
        has_length(&answer);
    }
    for (path, status, content) in [
        ("/", 200, "1: Hello!\n2: \n"),
        ("/1", 200, "Hello!\n\nIt's me."),
        ("/2", 200, ""),
        ("/3", 404, ""),
        ("/1/2", 404, ""),
    ] {
        let answer = client.ask("GET", path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.content, content, "{path}");
        has_length(&answer);

        let head = client.ask("HEAD", path).await;
        assert_eq!(head.status, status, "{path}");
        assert_eq!(head.content, "", "{path}");
        if !content.is_empty() {
            assert_eq!(head.field("content-length"), answer.field("content-length"));
        }
    }
    board.stop().await;
}

#[tokio::test]
async fn what_the_policy_does_not_allow_is_rejected() {
    let board = Board::start().await;
    let mut client = board.client().await;
    let long = "M".repeat(70_000);
    for (method, path, status, allow) in [
        ("DELETE", "/", 405, Some("GET, HEAD, POST")),
        ("OPTIONS", "/", 405, Some("GET, HEAD, POST")),
        ("TRACE", "/", 405, Some("GET, HEAD, POST")),
        ("POST", "/1", 405, Some("GET, HEAD")),
        ("DELETE", "/1/2", 405, Some("GET, HEAD")),
        ("PROPFIND", "/", 501, None),
        ("FOO", "/", 501, None),
        ("get", "/1/2", 501, None),
        (&long, "/", 501, None),
    ] {
        let answer = client.ask(method, path).await;
        is_rejected(&answer, status, allow);
    }
    board.stop().await;
}

/// It asks for a stream that stays open (RFC 9114 §4.4), and is answered nonetheless. h3's client gives it
/// a path, which it should not.
#[tokio::test]
async fn connect_is_rejected() {
    let board = Board::start().await;
    let mut client = board.client().await;
    let connect = Request::connect("localhost:443").body(()).unwrap();
    let mut exchange = client.begin(connect).await;
    is_rejected(&exchange.answer().await, 405, Some("GET, HEAD, POST"));
    assert_eq!(client.ask("GET", "/").await.status, 200);
    board.stop().await;
}

#[tokio::test]
async fn a_rejected_upload_is_read_and_answered() {
    let board = Board::start().await;
    let mut client = board.client().await;
    for head in [declared("DELETE", "/", MIB), request("DELETE", "/")] {
        let mut exchange = client.begin(head).await;
        for _ in 0..MIB as usize / CHUNK.len() {
            exchange.send(CHUNK).await;
        }
        exchange.finish().await;
        upload_is_rejected(&mut exchange).await;
        assert_eq!(client.ask("GET", "/").await.status, 200);
    }
    board.stop().await;
}

#[tokio::test]
async fn an_upload_that_declares_more_than_is_read_is_stopped() {
    let board = Board::start().await;
    let mut client = board.client().await;
    let mut exchange = client.begin(declared("DELETE", "/", 64 * MIB + 1)).await;
    upload_is_rejected(&mut exchange).await;
    assert_eq!(exchange.is_stopped().await, Code::H3_NO_ERROR);
    assert_eq!(client.ask("GET", "/").await.status, 200);
    board.stop().await;
}

#[tokio::test]
async fn an_upload_that_is_longer_than_is_read_is_stopped() {
    let board = Board::start().await;
    let mut client = board.client().await;
    let mut exchange = client.begin(request("DELETE", "/")).await;
    for _ in 0..64 * MIB as usize / CHUNK.len() {
        exchange.send(CHUNK).await;
    }
    assert_eq!(exchange.is_stopped().await.value(), STOPPED);
    upload_is_rejected(&mut exchange).await;
    assert_eq!(client.ask("GET", "/").await.status, 200);
    board.stop().await;
}

#[tokio::test]
async fn an_upload_that_stalls_is_answered_and_stopped() {
    let board = Board::start().await;
    for head in [declared("DELETE", "/", 100), request("DELETE", "/")] {
        let mut client = board.client().await;
        let mut exchange = client.begin(head).await;
        exchange.send("abc").await;
        upload_is_rejected(&mut exchange).await;
        assert_eq!(exchange.is_stopped().await.value(), STOPPED);
        assert_eq!(client.ask("GET", "/").await.status, 200);
    }
    board.stop().await;
}

#[tokio::test]
async fn a_message_that_is_too_long_is_stopped() {
    let board = Board::start().await;
    let mut client = board.client().await;
    let mut exchange = client.begin(request("POST", "/")).await;
    assert_eq!(exchange.is_stopped().await.value(), STOPPED);
    assert_eq!(exchange.answer().await.status, 413);
    board.stop().await;
}

#[tokio::test]
async fn a_message_of_another_length_than_declared_is_malformed() {
    let board = Board::start().await;
    let mut client = board.client().await;
    for (length, message) in [(4, "abc"), (2, "abc")] {
        let mut exchange = client.begin(declared("POST", "/", length)).await;
        exchange.send(message).await;
        exchange.finish().await;
        assert_eq!(exchange.is_broken_off().await, Code::H3_MESSAGE_ERROR);
    }
    for lengths in [&["+3"][..], &["3, 3"], &["3", "4"], &[""]] {
        let mut head = request("POST", "/");
        for length in lengths {
            let length = HeaderValue::from_static(length);
            head.headers_mut().append("content-length", length);
        }
        let mut exchange = client.begin(head).await;
        assert_eq!(exchange.is_broken_off().await, Code::H3_MESSAGE_ERROR);
    }
    assert_eq!(client.ask("GET", "/").await.content, "");
    board.stop().await;
}

#[tokio::test]
async fn a_terminated_board_answers_what_it_was_asked_and_closes_the_rest() {
    stops_in_order("-TERM").await;
}

#[tokio::test]
async fn an_interrupted_board_answers_what_it_was_asked_and_closes_the_rest() {
    stops_in_order("-INT").await;
}

async fn stops_in_order(signal: &str) {
    let board = Board::start().await;
    // One has not even opened a control stream.
    let silent = board.quic().await;
    let unused = board.client().await;
    let mut idle = board.client().await;
    idle.ask("GET", "/").await;
    let mut busy = board.client().await;
    let mut message = busy.begin(declared("POST", "/", 5)).await;
    message.send("Hel").await;
    let mut rejected = board.client().await;
    let mut stalled = rejected.begin(declared("DELETE", "/", 100)).await;
    stalled.send("abc").await;
    // So both have arrived: they are on connections of their own.
    busy.ask("GET", "/").await;
    rejected.ask("GET", "/").await;

    board.example.signal(signal);
    idle.until_closed().await;
    unused.until_closed().await;
    support::server::within(silent.closed()).await;
    message.send("lo").await;
    message.finish().await;
    assert_eq!(message.answer().await.status, 201);
    busy.until_closed().await;
    upload_is_rejected(&mut stalled).await;
    rejected.until_closed().await;
    board.example.ends_cleanly().await;
}

#[tokio::test]
async fn a_message_is_asked_for_if_its_client_waits_for_that() {
    let board = Board::start().await;
    let mut client = board.client().await;
    for (path, status) in [("/", 100), ("/1", 405)] {
        let mut head = declared("POST", path, 5);
        let expected = HeaderValue::from_static("100-continue");
        head.headers_mut().insert("expect", expected);
        let mut exchange = client.begin(head).await;
        assert_eq!(exchange.status().await, status, "{path}");
        if status == 100 {
            exchange.send("Hello").await;
            exchange.finish().await;
            assert_eq!(exchange.answer().await.status, 201);
        }
    }
    board.stop().await;
}

#[tokio::test]
async fn a_message_that_never_ends_does_not_keep_the_board_from_stopping() {
    let board = Board::start().await;
    let mut client = board.client().await;
    let mut message = client.begin(declared("POST", "/", 5)).await;
    message.send("Hel").await;
    client.ask("GET", "/").await;
    board.example.signal("-TERM");
    message.try_answer().await.unwrap_err();
    client.until_closed().await;
    board.example.ends_cleanly().await;
}

#[tokio::test]
async fn a_bad_argument_is_named() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let used = socket.local_addr().unwrap().to_string();
    for (arguments, expected) in [
        (
            &["nonsense"][..],
            "cannot listen on nonsense: invalid socket address\n",
        ),
        (&[&used], &format!("cannot listen on {used}: ")),
        (
            &["127.0.0.1:0", "/nowhere/a.pem"],
            "cannot write /nowhere/a.pem: ",
        ),
        (&["127.0.0.1:0", "", "more"], "unexpected argument: more\n"),
    ] {
        let (status, errors) = Example::start(PROGRAM, arguments).end().await;
        assert_eq!(status.code(), Some(1), "{arguments:?}");
        assert!(
            errors.starts_with(&format!("error: {expected}")),
            "{errors}"
        );
    }
}
