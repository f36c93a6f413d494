//! Rejected requests that are followed by bytes, or contain bytes, that look like a request. They count as a request
//! only if every reader of the bytes must agree on that (RFC 9112 §11.2).

use crate::program::{ALL, BOARDS, MIB, Program, ask, attack_each, connect, request};
use crate::support::frames::{Frame, Frames, HEADERS, PROTOCOL_ERROR, RST_STREAM, data, headers};
use crate::support::server::Connection;

/// If the server reads this as a request, a message is on the board.
pub(crate) const SMUGGLED: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nsmuggled";

/// If the server reads this as a request, it closes the connection. So every test can wait for the end.
pub(crate) const LAST: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// The statuses of the answers until the server closes the connection. `close` follows the status of an answer
/// that announces it.
pub(crate) async fn answers(program: &Program, bytes: impl AsRef<[u8]>) -> String {
    let mut connection = Connection::open(program.address).await;
    connection.send(bytes).await;
    let received = connection.receive_rest().await;
    let answers = received.split("HTTP/1.").skip(1).map(|answer| {
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        let mut connection = head.lines().filter_map(|line| line.strip_prefix("connection: "));
        // If an HTTP/1.0 client asked for it, hyper adds `keep-alive`. `close` wins (RFC 9112 §9.3).
        let closes = connection.any(|options| options.contains("close"));
        format!("{}{}", &head[2..5], if closes { " close" } else { "" })
    });
    answers.collect::<Vec<_>>().join(", ")
}

/// The number of messages on the board.
async fn messages(program: &Program) -> usize {
    let client = connect(program.address).await;
    let (_, list) = ask(&client, request("GET"), b"").await.unwrap();
    list.split(|byte| *byte == b'\n').count() - 1
}

/// Sends two other requests after each request. If the server closes the connection, it neither answers them nor
/// acts on them.
async fn check(cases: &[(String, &str)]) {
    attack_each(BOARDS, async |program| {
        let mut posted = 0;
        for (request, expected) in cases {
            let seen = answers(program, format!("{request}{SMUGGLED}{LAST}")).await;
            assert_eq!(seen, *expected, "{}: {request:?}", program.name);
            posted += usize::from(seen.contains("201"));
            assert_eq!(messages(program).await, posted, "{}: {request:?}", program.name);
        }
    })
    .await;
}

#[tokio::test]
async fn bytes_after_an_unread_body_are_never_a_request() {
    let mut cases = Vec::new();
    for framing in [
        // One byte more than the default bound.
        "content-length: 67108865",
        "content-length: 18446744073709551613",
        // RFC 9110 §10.1.1.
        "expect: 100-continue\r\ncontent-length: 5",
        "expect: 100-continue\r\ntransfer-encoding: chunked",
    ] {
        for (method, expected) in [("DELETE", "405 close"), ("FOO", "501 close")] {
            let head = format!("{method} / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n");
            cases.push((head, expected));
        }
    }
    check(&cases).await;
}

#[tokio::test]
async fn requests_after_a_read_body_are_answered_in_order() {
    let upload = "DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    let chunked = "FOO / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                   5;a=b\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n";
    let empty = "FOO / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    check(&[
        (upload.to_owned(), "405, 201, 200 close"),
        (chunked.to_owned(), "501, 201, 200 close"),
        (format!("{empty}{upload}"), "501, 405, 201, 200 close"),
    ])
    .await;

    // Many at once take no memory.
    attack_each(BOARDS, async |program| {
        let before = program.resident();
        let seen = answers(program, upload.repeat(1000) + LAST).await;
        assert_eq!(seen, "405, ".repeat(1000) + "200 close");
        program.has_grown_at_most(2 * MIB, before);
    })
    .await;
}

/// RFC 9112 §6.1, §6.3, §7.1: a request of ambiguous length is the last one on its connection.
#[tokio::test]
async fn after_a_request_of_ambiguous_length_there_is_no_second_request() {
    let length = SMUGGLED.len() + LAST.len();
    let case = |fields: &str, content: &str| {
        let fields = fields.replace("te:", "transfer-encoding:").replace("cl:", "content-length:");
        let fields = fields.replace('|', "\r\n");
        format!("DELETE / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{content}")
    };
    let mut cases = Vec::new();
    // `Transfer-Encoding` overrides `Content-Length`, and the connection is closed after the response.
    let both = format!(
        "cl: {length}|te: chunked; cl: 5|te: chunked; te: chunked|cl: 5; te: chunked|cl: x"
    );
    for fields in both.split("; ") {
        cases.push((case(fields, "0\r\n\r\n"), "405 close"));
    }
    let faulty = "te: identity; te: chunked, identity; te: xchunked; te: \x0bchunked; te: chunked|te: identity; te:; \
                  transfer-encoding : chunked;  te: chunked; cl: 0|te: identity; cl: 0|cl: 5; cl: 0, 5; cl: +0; \
                  cl: -1; cl: 0x0; cl: 0 0; cl:; cl: 18446744073709551616; content-length : 0";
    for fields in faulty.split("; ") {
        cases.push((case(fields, "0\r\n\r\n"), "400 close"));
    }
    // The head is valid, so the layer rejects the request, but the body is not. The third size is possible, so the
    // layer waits for the body.
    let sizes = "10000000000000000|FFFFFFFFFFFFFFFFF|FFFFFFFFFFFFFFFF|-1|+0|0x0||g|0 0| 0";
    let chunks = sizes.split('|').map(|size| format!("{size}\r\n\r\n"));
    // In the last case, the chunk is longer than its size.
    for chunk in chunks.chain(["5\r\nhello0\r\n\r\n".to_owned()]) {
        cases.push((case("te: chunked", &chunk), "405 close"));
    }
    // The same length twice is unambiguous.
    for fields in ["cl: 5|cl: 5", "cl: 5"] {
        cases.push((case(fields, "hello"), "405, 201, 200 close"));
    }
    check(&cases).await;
}

/// An HTTP/1.0 client never gets `100 Continue`, and its connection ends unless it asks to keep it.
#[tokio::test]
async fn over_http_1_0_there_is_a_second_request_only_on_a_kept_connection() {
    let keep = "connection: keep-alive\r\n";
    let length = "content-length: 5\r\n";
    // RFC 9110 §10.1.1: the expectation is ignored, so the body is read.
    let expect = format!("expect: 100-continue\r\n{length}");
    let (kept, faulty) = ("405, 201, 200 close", "400 close");
    // RFC 9112 §6.1: with `Transfer-Encoding`, the framing is faulty.
    let chunked = "transfer-encoding: chunked\r\n";
    let cases = [
        (String::new(), "", "405"),
        (keep.to_owned(), "", kept),
        (length.to_owned(), "hello", "405"),
        (format!("{keep}{length}"), "hello", kept),
        (expect.clone(), "hello", "405"),
        (format!("{keep}{expect}"), "hello", kept),
        ("content-length: 67108865\r\n".to_owned(), "", "405 close"),
        (format!("{keep}content-length: 67108865\r\n"), "", "405 close"),
        (chunked.to_owned(), "0\r\n\r\n", faulty),
        (format!("{keep}{length}{chunked}"), "hello", faulty),
        (format!("{keep}content-length: 0\r\n{length}"), "", faulty),
    ];
    let cases = cases.map(|(fields, content, expected)| {
        (format!("DELETE / HTTP/1.0\r\n{fields}\r\n{content}"), expected)
    });
    check(&cases).await;
}

/// RFC 9110 §9.3.6: another protocol may follow. Content in a CONNECT has no meaning.
#[tokio::test]
async fn bytes_after_a_rejected_connect_are_never_a_request() {
    let of_both = "|content-length: 0#|content-length: 5#|connection: keep-alive#|\
                   expect: 100-continue#content-length: 5#";
    let only_1_1 = "transfer-encoding: chunked#|content-length: 0#transfer-encoding: chunked#|\
                    connection: upgrade#upgrade: websocket#";
    let mut cases = Vec::new();
    for (version, all) in [("1.1", of_both), ("1.0", of_both), ("1.1", only_1_1)] {
        for fields in all.split('|') {
            let fields = fields.replace('#', "\r\n");
            let head = format!("CONNECT b:443 HTTP/{version}\r\nhost: b:443\r\n{fields}\r\n");
            cases.push((head, "405 close"));
        }
    }
    check(&cases).await;
}

/// RFC 9113 §8.5, RFC 8441 §4: a tunnel is a stream, so its bytes stay in the stream.
#[tokio::test]
async fn over_http_2_bytes_after_a_rejected_connect_are_never_a_request() {
    const CONNECT: [(&str, &str); 1] = [(":authority", "b:443")];
    const EXTENDED: [(&str, &str); 4] =
        [(":protocol", "websocket"), (":scheme", "http"), (":authority", "a"), (":path", "/")];

    attack_each(ALL, async |program| {
        let name = program.name;
        let mut frames = Frames::open(program.address).await;
        // Only axum announces that it accepts an extended CONNECT.
        for (fields, is_accepted) in [(&CONNECT[..], true), (&EXTENDED, name == "axum")] {
            for ends in [true, false] {
                let stream = frames.stream();
                let mut bytes = headers(stream, "CONNECT", fields, false);
                bytes.extend(data(stream, SMUGGLED.as_bytes(), ends));
                frames.send(bytes).await;
                let is_answer = |frame: &Frame| {
                    matches!(frame.kind, HEADERS | RST_STREAM) && frame.stream == stream
                };
                let answer = frames.receive_until(is_answer).await;
                let error = (!is_accepted).then_some(PROTOCOL_ERROR);
                assert_eq!(answer.error(), error, "{name}: {answer:?}");
            }
        }
        // The connection continues, and the server answered on no other stream.
        let received = frames.ping().await.unwrap();
        let next = frames.stream();
        assert!(received.iter().all(|frame| frame.stream < next), "{received:?}");
        if name != "tonic" {
            assert_eq!(messages(program).await, 0, "{name}");
        }
    })
    .await;
}
