//! Programs that are told to stop in the middle of an attack: they end by themselves, and whoever can be
//! answered is.

use std::cell::Cell;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use http::StatusCode;

use crate::program::{ALL, BOARDS, Program, ask, connect, on_each, rejection, request};
use crate::slow::Slow;
use crate::smuggling::SMUGGLED;
use crate::support::frames::Frames;
use crate::support::server::{Connection, within};

#[tokio::test]
async fn slow_uploads_are_answered_before_the_program_ends() {
    const UPLOADS: usize = 100;

    on_each(ALL, async |name| {
        let program = Program::start(name).await;
        let address = program.address;
        let shared = connect(address).await;
        let mut uploads = Vec::new();
        for i in 0..UPLOADS {
            let slow = match (i % 3, name) {
                (0, _) => Slow::Stream(shared.clone()),
                (1, "axum" | "hyper") => Slow::Http1 { address },
                _ => Slow::Http2 { address },
            };
            uploads.push(slow.begin().await);
        }
        drop(shared);
        program.serves_others().await;
        program.terminate();
        // Each keeps its end of the connection.
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

    on_each(ALL, async |name| {
        let program = Program::start(name).await;
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
                // RFC 9113 §6.8: they were not looked at, and the client knows it.
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

/// Each of the clients keeps its end of the connection open.
#[tokio::test]
async fn what_http_1_clients_hold_on_to_does_not_keep_the_program_from_ending() {
    const GOES_ON: [&str; 2] =
        ["FOO / HTTP/1.1\r\nhost: a\r\n\r\n", "FOO / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"];
    /// What follows has no meaning.
    const IS_OVER: [&str; 4] = [
        "FOO / HTTP/1.1\r\nhost: a\r\ncontent-length: 67108865\r\n\r\n",
        "FOO / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
        "FOO / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "CONNECT b:443 HTTP/1.1\r\nhost: b:443\r\n\r\n",
    ];

    on_each(BOARDS, async |name| {
        let program = Program::start(name).await;
        let mut connections = Vec::new();
        for request in GOES_ON.into_iter().chain(IS_OVER) {
            let mut connection = Connection::open(program.address).await;
            connection.send(request).await;
            let answer = connection.receive().await;
            let is_over = answer.contains("\r\nconnection: close\r\n");
            assert_eq!(is_over, IS_OVER.contains(&request), "{name}: {answer}");
            connections.push((connection, is_over));
        }
        let mut half = Connection::open(program.address).await;
        let upload = "DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhe";
        half.send(format!("{}{upload}", GOES_ON[0])).await;
        // So what came with it has been read, too.
        half.receive().await;
        program.serves_others().await;

        program.terminate();
        for (connection, is_over) in &mut connections {
            if *is_over {
                // The server may have closed it for writing, too.
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

/// hyper closes a connection once the client has answered a `PING`, which makes sure that it knows of the
/// `GOAWAY` before; and over HTTP/1.1 once it has sent the answer that it has begun.
#[tokio::test]
async fn a_client_that_says_or_hears_nothing_more_does_not_keep_the_program_from_ending() {
    let says_nothing = on_each(ALL, async |name| {
        let program = Program::start(name).await;
        let mut frames = Frames::open(program.address).await;
        frames.ping().await.unwrap();
        gives_up(program).await;
    });
    let hears_nothing = on_each(BOARDS, async |name| {
        let program = Program::start(name).await;
        let mut connection = Connection::open(program.address).await;
        let message = "m".repeat(60_000);
        let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 60000\r\n\r\n";
        // All of them together are more than is buffered anywhere.
        for _ in 0..300 {
            connection.send(format!("{post}{message}")).await;
            connection.receive().await;
        }
        connection.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        // It hears that the answer begins.
        connection.receive_head().await;
        gives_up(program).await;
    });
    tokio::join!(says_nothing, hears_nothing);
}

async fn gives_up(program: Program) {
    program.terminate();
    program.gives_up().await;
}
