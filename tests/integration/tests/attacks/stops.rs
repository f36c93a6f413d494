//! Programs that get a signal to stop during an attack. They end, and clients that can still be answered get their
//! answer.

use std::cell::Cell;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use http::StatusCode;

use crate::program::{ALL, BOARDS, ask, connect, rejection, request, start_each};
use crate::slow::Upload;
use crate::smuggling::SMUGGLED;
use crate::support::frames::Frames;
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
                (1, "axum" | "hyper") => Upload::http1(address).await,
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

#[tokio::test]
async fn a_flood_of_streams_does_not_keep_the_program_from_ending() {
    const IN_FLIGHT: usize = 100;
    const BEFORE: usize = 2000;

    start_each(ALL, async |program| {
        let name = program.name;
        let client = connect(program.address).await;
        let is_over = Cell::new(false);
        let mut answers = stream::iter((0..).take_while(|_| !is_over.get()))
            .map(|i| {
                let method = ["DELETE", "FOO"][i % 2];
                let client = &client;
                async move { (method, ask(client, request(method), b"content").await) }
            })
            .buffer_unordered(IN_FLIGHT);
        let mut answered = 0;
        while let Some((method, answer)) = answers.next().await {
            match answer {
                Ok((status, _)) => {
                    assert_eq!(status, rejection(method), "{name}");
                    answered += 1;
                    if answered == BEFORE {
                        program.terminate();
                    }
                }
                // RFC 9113 §6.8: the client knows that the server did not process the request.
                Err(error) => {
                    assert!(error.is_go_away() && error.is_remote(), "{name}: {error}");
                    assert_eq!(error.reason(), Some(h2::Reason::NO_ERROR), "{name}");
                    is_over.set(true);
                }
            }
        }
        drop(answers);
        drop(client);
        program.ends().await;
    })
    .await;
}

/// Each client keeps its end of the connection open.
#[tokio::test]
async fn connections_that_http_1_clients_keep_open_do_not_keep_the_program_from_ending() {
    const KEPT: [&str; 2] =
        ["FOO / HTTP/1.1\r\nhost: a\r\n\r\n", "FOO / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"];
    /// The answer announces that the connection is closed. Bytes after the request have no meaning.
    const CLOSED: [&str; 4] = [
        "FOO / HTTP/1.1\r\nhost: a\r\ncontent-length: 67108865\r\n\r\n",
        "FOO / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
        "FOO / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n",
    ];

    start_each(BOARDS, async |program| {
        let name = program.name;
        let mut connections = Vec::new();
        for request in KEPT.into_iter().chain(CLOSED) {
            let mut connection = Connection::open(program.address).await;
            connection.send(request).await;
            let answer = connection.receive().await;
            let is_closed = answer.contains("\r\nconnection: close\r\n");
            assert_eq!(is_closed, CLOSED.contains(&request), "{name}: {answer}");
            connections.push((connection, is_closed));
        }
        let mut half = Connection::open(program.address).await;
        let upload = "DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhe";
        half.send(format!("{}{upload}", KEPT[0])).await;
        // After this answer, the server has also read the bytes behind the request.
        half.receive().await;
        program.serves_others().await;

        program.terminate();
        for (connection, is_closed) in &mut connections {
            if *is_closed {
                // The server may accept no more bytes.
                connection.try_send(SMUGGLED).await;
            }
            assert_eq!(connection.receive_rest().await, "", "{name}");
        }
        half.send("llo").await;
        let answer = half.receive_rest().await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{name}: {answer}");
        program.ends().await;
    })
    .await;
}

/// Over HTTP/2, hyper closes a connection after the client has answered a `PING`, because the client then knows of the
/// `GOAWAY`. Over HTTP/1.1, it closes a connection after it has sent the answer that it has begun.
#[tokio::test]
async fn a_client_that_sends_or_reads_nothing_more_does_not_keep_the_program_from_ending() {
    let sends_nothing = start_each(ALL, async |program| {
        let mut frames = Frames::open(program.address).await;
        frames.ping().await.unwrap();
        program.gives_up().await;
    });
    let reads_nothing = start_each(BOARDS, async |program| {
        let mut connection = Connection::open(program.address).await;
        let message = "m".repeat(60_000);
        let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 60000\r\n\r\n";
        // All messages together are larger than all buffers.
        for _ in 0..300 {
            connection.send(format!("{post}{message}")).await;
            connection.receive().await;
        }
        connection.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        connection.receive_head().await;
        program.gives_up().await;
    });
    tokio::join!(sends_nothing, reads_nothing);
}
