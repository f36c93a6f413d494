//! Many streams on one connection, answered or reset.

use std::collections::VecDeque;

use futures_util::{FutureExt, StreamExt, stream};
use h2::Ping;

use crate::program::{
    ALL, MIB, ask, attack_each, connect, connect_with_pings, rejection, request, serves,
};
use crate::slow::Upload;
use crate::support::server::within;

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

/// The longest names almost fill the header section that hyper accepts over HTTP/2.
#[tokio::test]
async fn long_and_invented_names_take_no_memory() {
    const NAMES: usize = 500;

    attack_each(ALL, async |program| {
        let client = &connect(program.address).await;
        for (length, times) in [(0, 5000), (16_000, 1000)] {
            let answer = async |i: usize| {
                let invented = format!("{}-OF-MY-OWN-{:M<length$}", i % NAMES, "");
                let answer = ask(client, request(&invented), "content").await;
                assert_eq!(answer.unwrap().0, 501);
            };
            let answers = stream::iter(0..times).map(answer).buffer_unordered(50);
            program.grows_little(answers, times / 10).await;
        }
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
        let before = program.resident();
        let (client, mut pings) = connect_with_pings(program.address).await;
        let mut open = VecDeque::new();
        for _ in 0..20_000 {
            open.push_back(Upload::http2(client.clone()).await);
            if open.len() > OPEN {
                // The client resets the stream, because both parts of the upload are dropped.
                let Upload { sender: _sender, answer } = open.pop_front().unwrap();
                assert_eq!(answer.now_or_never(), None);
            }
            within(pings.ping(Ping::opaque())).await.expect("the connection stays open");
        }
        program.serves_others().await;
        program.has_grown_at_most(2 * MIB, before);
    })
    .await;
}
