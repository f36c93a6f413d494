//! Rejected requests with something behind them, or in them, that looks like a request: it is one only
//! where all who read the bytes have to agree on that (RFC 9112 §11.2).

use crate::program::{ALL, BOARDS, Program, ask, connect, on_each, request};
use crate::support::frames::{Frames, HEADERS, PROTOCOL_ERROR, RST_STREAM, bare_headers, data};
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
        let mut connection = head
            .lines()
            .filter_map(|line| line.strip_prefix("connection: "));
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

/// What follows the request line is followed by two requests. Where the connection is closed they are
/// never answered, and nothing is done about them.
async fn hold(cases: &[(&str, &str)]) {
    on_each(BOARDS, async |name| {
        let program = Program::start(name).await;
        let mut posted = 0;
        for (request, expected) in cases {
            let seen = answers(&program, format!("{request}{SMUGGLED}{LAST}")).await;
            assert_eq!(seen, *expected, "{name}: {request:?}");
            posted += usize::from(seen.contains("201"));
            assert_eq!(messages(&program).await, posted, "{name}: {request:?}");
        }
        let count = cases.len();
        println!("{name}: {count} requests, {posted} of them with others behind them");
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
        for method in ["DELETE", "FOO"] {
            cases.push((
                format!("{method} / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n"),
                method,
            ));
        }
    }
    let cases: Vec<_> = cases
        .iter()
        .map(|(request, method)| match *method {
            "DELETE" => (&**request, "405 close"),
            _ => (&**request, "501 close"),
        })
        .collect();
    hold(&cases).await;
}

#[tokio::test]
async fn what_follows_a_read_body_is_answered_in_order() {
    hold(&[
        (
            "DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello",
            "405, 201, 200 close",
        ),
        (
            "FOO / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n",
            "501, 201, 200 close",
        ),
        (
            "FOO / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n\
             DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx",
            "501, 405, 201, 200 close",
        ),
    ])
    .await;

    // Many at once: nothing is left over between them.
    on_each(BOARDS, async |name| {
        let program = Program::start(name).await;
        let before = program.resident();
        let upload = "DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
        let seen = answers(&program, upload.repeat(1000) + LAST).await;
        assert_eq!(seen, "405, ".repeat(1000) + "200 close");
        let grown = program.grown(before, 2048);
        println!("{name}: 1000 pipelined uploads, grew by {grown} KiB");
        program.survives().await;
    })
    .await;
}

/// RFC 9112 §6.1, §6.3, §7.1: what cannot be told for sure is the last on its connection.
#[tokio::test]
async fn lengths_that_can_be_read_in_two_ways_make_no_second_request() {
    let length = SMUGGLED.len() + LAST.len();
    let case = |fields: &str, content: &str| {
        format!("DELETE / HTTP/1.1\r\nhost: a\r\n{fields}\r\n\r\n{content}")
    };
    let mut cases = Vec::new();
    // `Transfer-Encoding` overrides `Content-Length`, and the connection is closed after the response.
    for fields in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked"),
        "content-length: 5\r\ntransfer-encoding: chunked".to_owned(),
        "transfer-encoding: chunked\r\ncontent-length: 5".to_owned(),
        "transfer-encoding: chunked\r\ncontent-length: x".to_owned(),
    ] {
        cases.push((case(&fields, "0\r\n\r\n"), "405 close"));
    }
    for fields in [
        "transfer-encoding: identity",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: xchunked",
        "transfer-encoding: \x0bchunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding:",
        "transfer-encoding : chunked",
        " transfer-encoding: chunked",
        "content-length: 0\r\ntransfer-encoding: identity",
        "content-length: 0\r\ncontent-length: 5",
        "content-length: 0, 5",
        "content-length: +0",
        "content-length: -1",
        "content-length: 0x0",
        "content-length: 0 0",
        "content-length:",
        "content-length: 18446744073709551616",
        "content-length : 0",
    ] {
        cases.push((case(fields, "0\r\n\r\n"), "400 close"));
    }
    // The head can be understood, so the layer rejects it; the body cannot.
    for size in [
        "10000000000000000",
        "FFFFFFFFFFFFFFFFF",
        // It fits, so it is waited for.
        "FFFFFFFFFFFFFFFF",
        "-1",
        "+0",
        "0x0",
        "",
        "g",
        "0 0",
        " 0",
    ] {
        let chunk = format!("{size}\r\n\r\n");
        cases.push((case("transfer-encoding: chunked", &chunk), "405 close"));
    }
    // A chunk that does not end where it says.
    cases.push((
        case("transfer-encoding: chunked", "5\r\nhello0\r\n\r\n"),
        "405 close",
    ));
    // The same, said twice, is unambiguous.
    for fields in [
        "content-length: 5\r\ncontent-length: 5",
        "content-length: 5",
    ] {
        cases.push((case(fields, "hello"), "405, 201, 200 close"));
    }
    let cases: Vec<_> = cases
        .iter()
        .map(|(request, expected)| (&**request, *expected))
        .collect();
    hold(&cases).await;
}

/// A client of HTTP/1.0 is never told to continue, and its connection ends unless it asks otherwise.
#[tokio::test]
async fn http_1_0_makes_no_second_request_either() {
    let case = |fields: &str, content: &str| format!("DELETE / HTTP/1.0\r\n{fields}\r\n{content}");
    let keep = "connection: keep-alive\r\n";
    let cases = [
        (case("", ""), "405"),
        (case(keep, ""), "405, 201, 200 close"),
        (case("content-length: 5\r\n", "hello"), "405"),
        (
            case(&format!("{keep}content-length: 5\r\n"), "hello"),
            "405, 201, 200 close",
        ),
        // RFC 9110 §10.1.1: the expectation is ignored, so the body is read.
        (
            case("expect: 100-continue\r\ncontent-length: 5\r\n", "hello"),
            "405",
        ),
        (
            case(
                &format!("{keep}expect: 100-continue\r\ncontent-length: 5\r\n"),
                "hello",
            ),
            "405, 201, 200 close",
        ),
        (case("content-length: 67108865\r\n", ""), "405 close"),
        (
            case(&format!("{keep}content-length: 67108865\r\n"), ""),
            "405 close",
        ),
        // RFC 9112 §6.1: its framing is faulty.
        (
            case("transfer-encoding: chunked\r\n", "0\r\n\r\n"),
            "400 close",
        ),
        (
            case(
                &format!("{keep}content-length: 5\r\ntransfer-encoding: chunked\r\n"),
                "hello",
            ),
            "400 close",
        ),
        (
            case(
                &format!("{keep}content-length: 0\r\ncontent-length: 5\r\n"),
                "",
            ),
            "400 close",
        ),
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|(request, expected)| (&**request, *expected))
        .collect();
    hold(&cases).await;
}

/// RFC 9110 §9.3.6: another protocol may follow. Content has no meaning in it.
#[tokio::test]
async fn what_follows_a_rejected_connect_is_never_a_request() {
    let mut cases = Vec::new();
    for version in ["1.1", "1.0"] {
        for fields in [
            "",
            "content-length: 0\r\n",
            "content-length: 5\r\n",
            "connection: keep-alive\r\n",
            "expect: 100-continue\r\ncontent-length: 5\r\n",
        ] {
            cases.push(format!(
                "CONNECT b:443 HTTP/{version}\r\nhost: b:443\r\n{fields}\r\n"
            ));
        }
    }
    for fields in [
        "transfer-encoding: chunked\r\n",
        "content-length: 0\r\ntransfer-encoding: chunked\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\n",
    ] {
        cases.push(format!(
            "CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n{fields}\r\n"
        ));
    }
    let cases: Vec<_> = cases
        .iter()
        .map(|request| (&**request, "405 close"))
        .collect();
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
        assert!(
            received.iter().all(|frame| frame.stream < last),
            "{received:?}"
        );
        if name != "tonic" {
            assert_eq!(messages(&program).await, 0, "{name}");
        }
        drop(frames);
        program.survives().await;
    })
    .await;
}
