//! Many streams on one connection, answered or reset (CVE-2023-44487, CVE-2025-8671).

use std::collections::VecDeque;

use futures_util::{StreamExt, stream};

use crate::program::{ALL, Program, ask, connect, on_each, rejection, request, serves};
use crate::support::frames::{
    DATA, ENHANCE_YOUR_CALM, Frame, Frames, GOAWAY, HEADERS, RST_STREAM, data, headers, reset,
    window_update,
};

const MIB: u64 = 1024;

const STREAMS: usize = 100_000;

const IN_FLIGHT: usize = 100;

#[tokio::test]
async fn every_one_of_a_flood_of_streams_is_answered_and_takes_no_memory() {
    on_each(ALL, async |name| {
        let program = Program::start(name).await;
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
        serves(name, &client).await;
        drop(client);
        program.survives().await;
    })
    .await;
}

/// What became of resets.
#[derive(Debug, Default)]
struct Tally {
    resets: usize,
    connections: usize,
    /// How many of the connections the server ended, by `GOAWAY` and this error.
    calmed: usize,
}

/// Sends one burst after the other, as many as there are to be, on as few connections as it takes. Others
/// are served, and the memory that is taken is bounded, in KiB.
async fn resets(
    name: &'static str,
    total: usize,
    burst: usize,
    allowed: u64,
    mut send: impl AsyncFnMut(&mut Frames) -> Result<Vec<Frame>, Vec<Frame>>,
) -> Tally {
    let program = Program::start(name).await;
    let before = program.resident();
    let mut tally = Tally::default();
    while tally.resets < total {
        let mut frames = Frames::open(program.address).await;
        tally.connections += 1;
        while tally.resets < total {
            tally.resets += burst;
            let received = send(&mut frames).await;
            let ended = received.is_err();
            for frame in received.unwrap_or_else(|frames| frames) {
                if frame.kind == GOAWAY {
                    assert_eq!(frame.error(), Some(ENHANCE_YOUR_CALM));
                    tally.calmed += 1;
                }
            }
            if ended {
                break;
            }
        }
        program.serves_others().await;
    }
    program.grown(before, allowed);
    program.survives().await;
    tally
}

/// Each stream is reset before it can be answered, so the limit on concurrent streams does not help.
#[tokio::test]
async fn rapid_resets_are_calmed_and_leave_nothing_behind() {
    const RESETS: usize = 30_000;
    const BURST: usize = 500;

    on_each(ALL, async |name| {
        let tally = resets(name, RESETS, BURST, 4 * MIB, async |frames| {
            let mut burst = Vec::new();
            for i in 0..BURST {
                let stream = frames.stream();
                let method = ["DELETE", "FOO"][i % 2];
                burst.extend(headers(stream, method, &[], i % 4 < 2));
                burst.extend(reset(stream));
            }
            frames.try_send(burst).await;
            frames.ping().await
        })
        .await;
        assert!(tally.calmed > 0, "{name}: {tally:?}");
    })
    .await;
}

/// The answer is still being held back when the stream is reset.
#[tokio::test]
async fn resets_of_uploads_that_are_being_read_leave_nothing_behind() {
    const RESETS: usize = 20_000;
    /// How many others have begun when one is reset: the server has looked at it by then, so the reset is
    /// none of the rapid ones.
    const OPEN: usize = 100;

    on_each(ALL, async |name| {
        let mut open = VecDeque::new();
        let tally = resets(name, RESETS, 1, 2 * MIB, async |frames| {
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
        assert_eq!((tally.connections, tally.calmed), (1, 0));
    })
    .await;
}

/// The server itself resets streams whose client breaks the protocol; as many as it likes, it must not.
#[tokio::test]
async fn provoked_resets_are_calmed_and_leave_nothing_behind() {
    const RESETS: usize = 10_000;
    const BURST: usize = 20;

    on_each(ALL, async |name| {
        let tally = resets(name, RESETS, BURST, 4 * MIB, async |frames| {
            let mut burst = Vec::new();
            for i in 0..BURST {
                let stream = frames.stream();
                burst.extend(headers(stream, "DELETE", &[("content-length", "5")], false));
                burst.extend(match i % 2 {
                    // RFC 9113 §8.1.1: more than was declared.
                    0 => data(stream, b"content", false),
                    // RFC 9113 §6.9.1: a window larger than any can be.
                    _ => window_update(stream, i32::MAX as u32),
                });
            }
            frames.try_send(burst).await;
            frames.ping().await
        })
        .await;
        assert!(tally.calmed > 0, "{name}: {tally:?}");
    })
    .await;
}
