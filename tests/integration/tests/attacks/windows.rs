//! Uploads that fill the flow-control window that all streams of a connection share (RFC 9113 §5.2).

use crate::program::{ALL, HEALTHY, MIB, ask, attack_each, connect, request};
use crate::support::frames::{DATA, Frame, Frames, GOAWAY, LARGEST, data, headers};

/// One byte more than the default bound. The layer does not read such a body.
const ABOVE_THE_BOUND: &str = "67108865";

/// hyper's default window, which it announces at once.
const FULL: usize = 1 << 20;

const ROUNDS: usize = 8;

const STREAMS: usize = 4;

/// No rejected upload ends, and the client resets none.
#[tokio::test]
async fn after_rejected_uploads_that_fill_the_window_the_next_upload_is_read() {
    attack_each(ALL, async |program| {
        let mut frames = Frames::open(program.address).await;
        while frames.window < FULL {
            frames.receive().await.unwrap();
        }
        let before = program.resident();
        for fields in [
            &[("content-length", ABOVE_THE_BOUND)][..],
            // Read until nothing arrives for a second.
            &[],
            // Read until nothing arrives for five seconds.
            &[("content-length", "60000000")],
        ] {
            for _ in 0..ROUNDS {
                // The whole window, before the server can answer.
                let part = vec![0; frames.window / STREAMS];
                let mut bytes = Vec::new();
                for _ in 0..STREAMS {
                    bytes.extend(upload(frames.stream(), "DELETE", fields, &part, false));
                    frames.window -= part.len();
                }
                assert!(frames.window < STREAMS, "{}", frames.window);
                frames.send(bytes).await;
                while frames.window < FULL / 2 {
                    let frame = frames.receive().await.unwrap();
                    assert_ne!(frame.kind, GOAWAY, "{frame:?}");
                }
            }
        }
        program.has_grown_at_most(4 * MIB, before);

        let stream = frames.stream();
        let mut content = vec![b'm'; 60_000];
        let mut fields = vec![("content-length", "60000")];
        if program.name == "tonic" {
            // A message with only field number 15, which the service does not know and ignores.
            content[..9].copy_from_slice(&[0, 0, 0, 0xea, 0x5b, 0x7a, 0xd7, 0xd4, 0x03]);
            fields.splice(..0, [(":path", "/grpc.health.v1.Health/Check")]);
            fields.extend([("content-type", "application/grpc"), ("te", "trailers")]);
        }
        frames.send(upload(stream, "POST", &fields, &content, true)).await;
        let has_content_or_ends = |frame: &Frame| frame.kind == DATA || frame.flags & 1 != 0;
        let answer = frames
            .receive_until(|frame| frame.stream == stream && has_content_or_ends(frame))
            .await;
        if program.name == "tonic" {
            assert_eq!(answer.payload, HEALTHY);
        } else {
            let client = connect(program.address).await;
            let (_, messages) = ask(&client, request("GET"), b"").await.unwrap();
            assert_eq!(messages.len(), "1: \n".len() + content.len());
        }
    })
    .await;
}

/// The frames of a request with content.
fn upload(
    stream: u32,
    method: &str,
    fields: &[(&str, &str)],
    content: &[u8],
    ends: bool,
) -> Vec<u8> {
    let mut bytes = headers(stream, method, fields);
    let mut pieces = content.chunks(LARGEST).peekable();
    while let Some(piece) = pieces.next() {
        bytes.extend(data(stream, piece, ends && pieces.peek().is_none()));
    }
    bytes
}
