//! Programs that get a signal to stop during an attack. They end, and clients that can still be answered get their
//! answer.

use futures_util::future::join_all;
use http::StatusCode;

use crate::program::{ALL, connect, start_each};
use crate::slow::Upload;
use crate::support::server::{Connection, within};

#[tokio::test]
async fn slow_uploads_are_answered_before_the_program_ends() {
    const UPLOADS: usize = 100;

    start_each(ALL, async |program| {
        let (name, address) = (program.name, program.address);
        let shared = connect(address).await;
        let mut uploads = Vec::new();
        for i in 0..UPLOADS {
            uploads.push(match (i % 3, name) {
                (0, _) => Upload::http2(shared.clone()).await,
                (1, "hyper") => Upload::http1(address).await,
                _ => Upload::http2(connect(address).await).await,
            });
        }
        drop(shared);
        program.serves_others().await;
        program.terminate();
        // Each client keeps its end of the connection open.
        let (answers, _senders): (Vec<_>, Vec<_>) =
            uploads.into_iter().map(|upload| (upload.answer, upload.sender)).unzip();
        let answers = within(join_all(answers)).await;
        assert_eq!(answers, [StatusCode::METHOD_NOT_ALLOWED; UPLOADS], "{name}");
        program.ends().await;
    })
    .await;
}

/// hyper closes a connection after the client has answered a `PING`, because the client then knows of the `GOAWAY`.
#[tokio::test]
async fn a_client_that_sends_nothing_more_does_not_keep_the_program_from_ending() {
    start_each(ALL, async |program| {
        let mut client = Connection::open(program.address).await;
        // The preface and empty settings (RFC 9113 §3.4). The server answers with its settings.
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
        client.receive_bytes::<9>().await;
        program.gives_up().await;
    })
    .await;
}
