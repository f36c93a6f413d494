//! Methods that no server knows, of any length and of any bytes.

use futures_util::{StreamExt, stream};

use crate::program::{ALL, BOARDS, Program, ask, connect, on_each, request};
use crate::smuggling::{LAST, answers};
use crate::support::frames::{Frames, GOAWAY, HEADERS, PROTOCOL_ERROR, headers};

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// All that the limit of hyper on header sections leaves room for over HTTP/2.
#[tokio::test]
async fn long_and_invented_names_take_no_memory_over_http_2() {
    const NAMES: usize = 500;

    on_each(ALL, async |name| {
        let program = Program::start(name).await;
        let client = connect(program.address).await;
        for (length, times) in [(0, 5000), (16_000, 1000)] {
            let answer = |i: usize| {
                let client = &client;
                async move {
                    let invented = format!("{}-OF-MY-OWN-{:M<length$}", i % NAMES, "");
                    let answer = ask(client, request(&invented), b"content").await;
                    assert_eq!(answer.unwrap().0, 501);
                }
            };
            let answers = stream::iter(0..times).map(answer).buffer_unordered(50);
            program.grows_little(answers, times / 10).await;
        }
        drop(client);
        program.survives().await;
    })
    .await;
}

#[tokio::test]
async fn of_any_bytes_only_a_token_is_a_method() {
    on_each(BOARDS, async |name| {
        let program = Program::start(name).await;
        for byte in 0..=u8::MAX {
            let rest = format!("X / HTTP/1.1\r\nhost: a\r\n\r\n{LAST}");
            let request = [b"X", &[byte][..], rest.as_bytes()].concat();
            let expected = if is_token(byte) { "501, 200 close" } else { "400 close" };
            let seen = answers(&program, request).await;
            assert_eq!(seen, expected, "{name}: {byte:#04x}");
        }
        program.survives().await;
    })
    .await;

    // Over HTTP/2 h2 takes a header section with another method for one that it cannot decode.
    on_each(ALL, async |name| {
        let program = Program::start(name).await;
        let mut frames = Frames::open(program.address).await;
        for byte in 0..=u8::MAX {
            let mut other = Frames::open(program.address).await;
            let (sender, expected) = match is_token(byte) {
                true => (&mut frames, None),
                false => (&mut other, Some(PROTOCOL_ERROR)),
            };
            let stream = sender.stream();
            let request = headers(stream, [b'X', byte, b'X'], &[], true);
            sender.send(request).await;
            let answer = loop {
                let frame = sender.receive().await.unwrap();
                if matches!(frame.kind, HEADERS | GOAWAY) {
                    break frame;
                }
            };
            assert_eq!(answer.error(), expected, "{name}: {byte:#04x}: {answer:?}");
        }
        drop(frames);
        program.survives().await;
    })
    .await;
}
