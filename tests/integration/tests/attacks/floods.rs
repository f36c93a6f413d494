//! Many streams on one connection, answered or reset (CVE-2023-44487, CVE-2025-8671).

use std::collections::VecDeque;

use futures_util::{StreamExt, stream};

use crate::program::{ALL, MIB, Program, ask, attack_each, connect, rejection, request, serves};
use crate::support::frames::{
    DATA, ENHANCE_YOUR_CALM, Frame, Frames, GOAWAY, HEADERS, RST_STREAM, data, headers, reset,
    window_update,
};

#[tokio::test]
async fn a_flood_of_streams_is_answered_and_takes_no_memory() {
    const STREAMS: usize = 100_000;
    const IN_FLIGHT: usize = 100;

    attack_each(ALL, async |program| {
        let client = connect(program.address).await;
        let answer = |i: usize| {
            let method = ["DELETE", "PROPFIND", "FOO"][i % 3];
            let content: &[u8] = [b"", b"content".as_slice(), &[0; 1024]][i / 3 % 3];
            let client = &client;
            async move {
                let (status, _) = ask(client, request(method), content).await.unwrap();
                assert_eq!(status, rejection(method), "{i}");
            }
        };
        let answers = stream::iter(0..STREAMS).map(answer);
        program.grows_little(answers.buffer_unordered(IN_FLIGHT), STREAMS / 10).await;
        serves(program.name, &client).await;
    })
    .await;
}

/// Calls `send`, which resets `burst` streams, until `total` streams are reset. Opens a new connection when the
/// server ends one. Others are served, and the memory grows by at most `allowed`.
///
/// Returns the number of connections, and how many of them the server ended with `ENHANCE_YOUR_CALM`.
async fn resets(
    program: &Program,
    total: usize,
    burst: usize,
    allowed: u64,
    mut send: impl AsyncFnMut(&mut Frames) -> Result<Vec<Frame>, Vec<Frame>>,
) -> (usize, usize) {
    let before = program.resident();
    let (mut resets, mut connections, mut calmed) = (0, 0, 0);
    while resets < total {
        let mut frames = Frames::open(program.address).await;
        connections += 1;
        let mut ended = false;
        while resets < total && !ended {
            resets += burst;
            let received = send(&mut frames).await;
            ended = received.is_err();
            for frame in received.unwrap_or_else(|frames| frames) {
                if frame.kind == GOAWAY {
                    assert_eq!(frame.error(), Some(ENHANCE_YOUR_CALM));
                    calmed += 1;
                }
            }
        }
        program.serves_others().await;
    }
    program.has_grown_at_most(allowed, before);
    (connections, calmed)
}

/// Sends bursts of requests that are reset. The server must end a connection because of them.
async fn check_bursts(total: usize, burst: usize, request: impl Fn(usize, u32) -> Vec<u8>) {
    attack_each(ALL, async |program| {
        let (_, calmed) = resets(program, total, burst, 4 * MIB, async |frames| {
            let requests: Vec<_> = (0..burst).map(|i| request(i, frames.stream())).collect();
            frames.try_send(requests.concat()).await;
            frames.ping().await
        })
        .await;
        assert!(calmed > 0, "{}", program.name);
    })
    .await;
}

/// Each stream is reset before it can be answered, so the limit on concurrent streams does not help.
#[tokio::test]
async fn rapid_resets_end_the_connection_and_leave_nothing_behind() {
    check_bursts(30_000, 500, |i, stream| {
        let method = ["DELETE", "FOO"][i % 2];
        [headers(stream, method, &[], i % 4 < 2), reset(stream)].concat()
    })
    .await;
}

/// The server resets streams whose client breaks the protocol. A client must not cause many such resets.
#[tokio::test]
async fn provoked_resets_end_the_connection_and_leave_nothing_behind() {
    check_bursts(10_000, 20, |i, stream| {
        let request = headers(stream, "DELETE", &[("content-length", "5")], false);
        let mistake = if i % 2 == 0 {
            // RFC 9113 §8.1.1: more content than declared.
            data(stream, b"content", false)
        } else {
            // RFC 9113 §6.9.1: a window that is too large.
            window_update(stream, i32::MAX as u32)
        };
        [request, mistake].concat()
    })
    .await;
}

/// The layer still waits for the body when the stream is reset.
#[tokio::test]
async fn resets_of_unanswered_uploads_leave_nothing_behind() {
    /// The number of uploads that begin before one is reset. The server has then accepted the stream, so hyper
    /// does not count it as a rapid reset.
    const OPEN: usize = 100;

    attack_each(ALL, async |program| {
        let mut open = VecDeque::new();
        let tally = resets(program, 20_000, 1, 2 * MIB, async |frames| {
            let stream = frames.stream();
            let mut bytes = headers(stream, "DELETE", &[("content-length", "100")], false);
            bytes.extend(data(stream, b"content", false));
            open.push_back(stream);
            if open.len() > OPEN {
                bytes.extend(reset(open.pop_front().unwrap()));
            }
            frames.send(bytes).await;
            let received = frames.ping().await?;
            let is_answer = |frame: &Frame| matches!(frame.kind, HEADERS | DATA | RST_STREAM);
            assert!(!received.iter().any(is_answer), "{received:?}");
            Ok(received)
        })
        .await;
        assert_eq!(tally, (1, 0), "{}", program.name);
    })
    .await;
}
