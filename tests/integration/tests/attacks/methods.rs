//! Methods that no server knows, of any length and with any byte.

use futures_util::{StreamExt, stream};

use crate::program::{ALL, BOARDS, ask, attack_each, connect, request};
use crate::smuggling::{LAST, answers};
use crate::support::frames::{Frames, GOAWAY, HEADERS, PROTOCOL_ERROR, headers};

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The longest names almost fill the header section that hyper accepts over HTTP/2.
#[tokio::test]
async fn long_and_invented_names_take_no_memory_over_http_2() {
    const NAMES: usize = 500;

    attack_each(ALL, async |program| {
        let client = &connect(program.address).await;
        for (length, times) in [(0, 5000), (16_000, 1000)] {
            let answer = async |i: usize| {
                let invented = format!("{}-OF-MY-OWN-{:M<length$}", i % NAMES, "");
                let answer = ask(client, request(&invented), b"content").await;
                assert_eq!(answer.unwrap().0, 501);
            };
            let answers = stream::iter(0..times).map(answer).buffer_unordered(50);
            program.grows_little(answers, times / 10).await;
        }
    })
    .await;
}

#[tokio::test]
async fn over_http_1_only_a_token_is_a_method() {
    attack_each(BOARDS, async |program| {
        for byte in 0..=u8::MAX {
            let rest = format!("X / HTTP/1.1\r\nhost: a\r\n\r\n{LAST}");
            let request = [b"X", &[byte][..], rest.as_bytes()].concat();
            let expected = if is_token(byte) { "501, 200 close" } else { "400 close" };
            let seen = answers(program, request).await;
            assert_eq!(seen, expected, "{}: {byte:#04x}", program.name);
        }
    })
    .await;
}

/// h2 cannot decode a header section with another method, so it ends the connection.
#[tokio::test]
async fn over_http_2_only_a_token_is_a_method() {
    attack_each(ALL, async |program| {
        let mut shared = Frames::open(program.address).await;
        for byte in 0..=u8::MAX {
            let mut other = Frames::open(program.address).await;
            let (frames, expected) = if is_token(byte) {
                (&mut shared, None)
            } else {
                (&mut other, Some(PROTOCOL_ERROR))
            };
            let request = headers(frames.stream(), [b'X', byte, b'X'], &[], true);
            frames.send(request).await;
            let answer = frames.receive_until(|frame| matches!(frame.kind, HEADERS | GOAWAY)).await;
            assert_eq!(answer.error(), expected, "{}: {byte:#04x}: {answer:?}", program.name);
        }
    })
    .await;
}
