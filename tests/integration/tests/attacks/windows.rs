//! Uploads that fill the flow-control window that all streams of a connection share (RFC 9113 §5.2).

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_LENGTH;

use crate::program::{ALL, HEALTHY, MIB, ask, attack_each, call, connect, request};
use crate::support::server::within;

/// One byte more than the default bound. The layer does not read such a body.
const ABOVE_THE_BOUND: usize = 67_108_865;

/// Four of these fill hyper's default window.
const PART: &[u8] = &[0; 256 * 1024];

const UPLOADS: usize = 32;

/// No rejected upload ends, and the client resets none.
#[tokio::test]
async fn after_rejected_uploads_that_fill_the_window_the_next_upload_is_read() {
    attack_each(ALL, async |program| {
        let client = connect(program.address).await;
        let before = program.resident();
        let mut uploads = Vec::new();
        // The last two are read until nothing arrives for a second, and for five seconds.
        for length in [Some(ABOVE_THE_BOUND), None, Some(60_000_000)] {
            for _ in 0..UPLOADS {
                let mut client = within(client.clone().ready()).await.unwrap();
                let mut upload = request("DELETE");
                upload.headers_mut().extend(length.map(|length| (CONTENT_LENGTH, length.into())));
                let (answer, mut content) = client.send_request(upload, false).unwrap();
                content.send_data(Bytes::from_static(PART), false).unwrap();
                uploads.push((answer, content));
            }
        }
        let mut content = vec![b'm'; 60_000];
        let post = if program.name == "tonic" {
            // A message with only field number 15, which the service does not know and ignores.
            content[..9].copy_from_slice(&[0, 0, 0, 0xea, 0x5b, 0x7a, 0xd7, 0xd4, 0x03]);
            call()
        } else {
            Request::post("http://a/").body(()).unwrap()
        };
        let length = content.len();
        let (_, answer) = ask(&client, post, content).await.unwrap();
        program.has_grown_at_most(4 * MIB, before);
        if program.name == "tonic" {
            assert_eq!(answer, HEALTHY);
        } else {
            let (_, messages) = ask(&client, request("GET"), "").await.unwrap();
            assert_eq!(messages.len(), "1: \n".len() + length);
        }
    })
    .await;
}
