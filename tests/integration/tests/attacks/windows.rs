//! Uploads that fill the flow-control window which all streams of a connection share (RFC 9113 §5.2).

use crate::program::{ALL, HEALTHY, Program, ask, connect, on_each, request};
use crate::support::frames::{DATA, Frames, GOAWAY, LARGEST, data, headers};

const MIB: u64 = 1024;

/// What is left unread by default is one byte more than the bound.
const ABOVE_THE_BOUND: &str = "67108865";

const FULL: usize = 1 << 20;

const ROUNDS: usize = 8;

/// None of the rejected uploads ends, and none is reset.
#[tokio::test]
async fn rejected_uploads_that_fill_the_window_leave_it_to_the_next_one() {
    on_each(ALL, async |name| {
        let program = Program::start(name).await;
        let mut frames = Frames::open(program.address).await;
        // hyper's default, which it says at once.
        while frames.window < FULL {
            frames.receive().await.unwrap();
        }
        let before = program.resident();
        for (fields, streams) in [
            // Left unread.
            (&[("content-length", ABOVE_THE_BOUND)][..], 4),
            // Read, until nothing comes for a second.
            (&[], 4),
            // Read, until nothing comes for five.
            (&[("content-length", "60000000")], 4),
        ] {
            for _ in 0..ROUNDS {
                // All of the window, before the server can say a word.
                let mut bytes = Vec::new();
                let part = frames.window / streams;
                for _ in 0..streams {
                    let stream = frames.stream();
                    bytes.extend(headers(stream, "DELETE", fields, false));
                    for length in pieces(part) {
                        bytes.extend(data(stream, &vec![0; length], false));
                        frames.window -= length;
                    }
                }
                assert!(frames.window < streams, "{}", frames.window);
                frames.send(bytes).await;
                while frames.window < FULL / 2 {
                    let frame = frames.receive().await.unwrap();
                    assert_ne!(frame.kind, GOAWAY, "{frame:?}");
                }
            }
        }
        program.grown(before, 4 * MIB);

        let stream = frames.stream();
        let mut content = vec![b'm'; 60_000];
        let mut fields = vec![("content-length", "60000")];
        if name == "tonic" {
            // A message whose only field, number 15, is none that the service knows.
            content[..9].copy_from_slice(&[0, 0, 0, 0xea, 0x5b, 0x7a, 0xd7, 0xd4, 0x03]);
            fields.splice(..0, [(":path", "/grpc.health.v1.Health/Check")]);
            fields.extend([("content-type", "application/grpc"), ("te", "trailers")]);
        }
        let mut bytes = headers(stream, "POST", &fields, false);
        let last = pieces(content.len()).count() - 1;
        for (i, piece) in content.chunks(LARGEST).enumerate() {
            bytes.extend(data(stream, piece, i == last));
        }
        frames.send(bytes).await;
        let answer = loop {
            let frame = frames.receive().await.unwrap();
            if frame.stream == stream && (frame.kind == DATA || frame.flags & 1 != 0) {
                break frame;
            }
        };
        if name == "tonic" {
            assert_eq!(answer.payload, HEALTHY);
        } else {
            let client = connect(program.address).await;
            let (_, messages) = ask(&client, request("GET"), b"").await.unwrap();
            assert_eq!(messages.len(), "1: \n".len() + content.len());
        }
        drop(frames);
        program.survives().await;
    })
    .await;
}

/// The lengths of the frames that content of this length takes.
fn pieces(length: usize) -> impl Iterator<Item = usize> {
    (0..length).step_by(LARGEST).map(move |start| LARGEST.min(length - start))
}
