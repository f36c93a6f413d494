//! Rejected requests with something behind them, or in them, that looks like a request: it is one only
//! where all who read the bytes have to agree on that (RFC 9112 §11.2).

use crate::program::{ALL, BOARDS, Program, ask, connect, on_each, request};
use crate::support::frames::{
    Frame, Frames, HEADERS, PROTOCOL_ERROR, RST_STREAM, bare_headers, data,
};
use crate::support::server::Connection;

/// It leaves a message on the board if it is taken for a request.
pub(crate) const SMUGGLED: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\nsmuggled";

/// It closes the connection if it is taken for a request, so that there is an end to wait for.
pub(crate) const LAST: &str = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// The statuses of what the server answers until it closes the connection, with `close` after those that
/// announce it.
pub(crate) async fn answers(program: &Program, bytes: impl AsRef<[u8]>) -> String {
    let mut connection = Connection::open(program.address).await;
    connection.send(bytes).await;
    let received = connection.receive_rest().await;
    let answers = received.split("HTTP/1.").skip(1).map(|answer| {
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        let mut connection = head.lines().filter_map(|line| line.strip_prefix("connection: "));
        // To an HTTP/1.0 client that asked for it hyper adds `keep-alive`; `close` counts (RFC 9112 §9.3).
        let closes = connection.any(|options| options.contains("close"));
        format!("{}{}", &head[2..5], if closes { " close" } else { "" })
    });
    answers.collect::<Vec<_>>().join(", ")
}

/// How many there are on the board.
async fn messages(program: &Program) -> usize {
    let client = connect(program.address).await;
    let (_, list) = ask(&client, request("GET"), b"").await.unwrap();
    list.split(|byte| *byte == b'\n').count() - 1
}

/// Sends each request with two others behind it. Where the connection is closed they are never answered, and
/// nothing is done about them.
async fn hold(cases: &[(String, &str)]) {
    on_each(BOARDS, async |name| {
        let program = Program::start(name).await;
        let mut posted = 0;
        for (request, expected) in cases {
            let seen = answers(&program, format!("{request}{SMUGGLED}{LAST}")).await;
            assert_eq!(seen, *expected, "{name}: {request:?}");
            posted += usize::from(seen.contains("201"));
            assert_eq!(messages(&program).await, posted, "{name}: {request:?}");
        }
        program.survives().await;
    })
    .await;
}

#[tokio::test]
async fn what_follows_an_unread_body_is_never_a_request() {
    let mut cases = Vec::new();
    for framing in [
        // One byte more than is read by default.
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
    hold(&cases).await;
}

#[tokio::test]
async fn what_follows_a_read_body_is_answered_in_order() {
    let upload = "DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    let chunked = "FOO / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n";
    let empty = "FOO / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n";
    hold(&[
        (upload.to_owned(), "405, 201, 200 close"),
        (chunked.to_owned(), "501, 201, 200 close"),
        (format!("{empty}{upload}"), "501, 405, 201, 200 close"),
    ])
    .await;

    // Many at once: nothing is left over between them.
    on_each(BOARDS, async |name| {
        let program = Program::start(name).await;
        let before = program.resident();
        let seen = answers(&program, upload.repeat(1000) + LAST).await;
        assert_eq!(seen, "405, ".repeat(1000) + "200 close");
        program.grown(before, 2048);
        program.survives().await;
    })
    .await;
}

/// RFC 9112 §6.1, §6.3, §7.1: what cannot be told for sure is the last on its connection.
#[tokio::test]
async fn lengths_that_can_be_read_in_two_ways_make_no_second_request() {
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
    // The head can be understood, so the layer rejects it; the body cannot. The third fits, so it is waited for.
    let sizes = "10000000000000000|FFFFFFFFFFFFFFFFF|FFFFFFFFFFFFFFFF|-1|+0|0x0||g|0 0| 0";
    let chunks = sizes.split('|').map(|size| format!("{size}\r\n\r\n"));
    // A chunk that does not end where it says.
    for chunk in chunks.chain(["5\r\nhello0\r\n\r\n".to_owned()]) {
        cases.push((case("te: chunked", &chunk), "405 close"));
    }
    // The same, said twice, is unambiguous.
    for fields in ["cl: 5|cl: 5", "cl: 5"] {
        cases.push((case(fields, "hello"), "405, 201, 200 close"));
    }
    hold(&cases).await;
}

/// A client of HTTP/1.0 is never told to continue, and its connection ends unless it asks otherwise.
#[tokio::test]
async fn http_1_0_makes_no_second_request_either() {
    let keep = "connection: keep-alive\r\n";
    let length = "content-length: 5\r\n";
    // RFC 9110 §10.1.1: the expectation is ignored, so the body is read.
    let expect = format!("expect: 100-continue\r\n{length}");
    let (kept, faulty) = ("405, 201, 200 close", "400 close");
    // RFC 9112 §6.1: with `Transfer-Encoding` the framing is faulty.
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
    hold(&cases).await;
}

/// RFC 9110 §9.3.6: another protocol may follow. Content has no meaning in it.
#[tokio::test]
async fn what_follows_a_rejected_connect_is_never_a_request() {
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
    hold(&cases).await;
}

/// RFC 9113 §8.5, RFC 8441 §4: a tunnel is a stream, and so are the bytes that are meant for it.
#[tokio::test]
async fn over_http_2_what_follows_a_rejected_connect_is_never_a_request() {
    on_each(ALL, async |name| {
        let program = Program::start(name).await;
        let mut frames = Frames::open(program.address).await;
        let connect = [(":method", "CONNECT"), (":authority", "b:443")];
        let extended = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", "/"),
        ];
        for (fields, is_known) in [
            (&connect[..], true),
            // The other two do not say that they know it.
            (&extended[..], name == "axum"),
        ] {
            for ends in [true, false] {
                let stream = frames.stream();
                let mut bytes = bare_headers(stream, fields);
                bytes.extend(data(stream, SMUGGLED.as_bytes(), ends));
                frames.send(bytes).await;
                let answer = loop {
                    let frame = frames.receive().await.unwrap();
                    if matches!(frame.kind, HEADERS | RST_STREAM) && frame.stream == stream {
                        break frame;
                    }
                };
                if is_known {
                    assert_eq!(answer.kind, HEADERS, "{name}: {answer:?}");
                } else {
                    assert_eq!(answer.error(), Some(PROTOCOL_ERROR), "{name}: {answer:?}");
                }
            }
        }
        // The connection goes on, and on no other stream was anything answered.
        let received = frames.ping().await.unwrap();
        let last = frames.stream();
        let is_before = |frame: &Frame| frame.stream < last;
        assert!(received.iter().all(is_before), "{received:?}");
        if name != "tonic" {
            assert_eq!(messages(&program).await, 0, "{name}");
        }
        drop(frames);
        program.survives().await;
    })
    .await;
}
