//! Thousands of uploads that stall, or that send a byte now and then.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, StatusCode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::program::{ALL, Client, Program, attack_each, connect};
use crate::support::server::within;

const UPLOADS: usize = 2000;

/// Half of the uploads never stall. They are answered when the time limit of `BodyDrain` is over. The others
/// stall after all have begun and are answered earlier.
#[tokio::test]
async fn other_clients_are_served_during_thousands_of_slow_uploads() {
    let connections = attack_each(ALL, async |program| {
        let address = program.address;
        let uploads = (0..UPLOADS).map(|_| match program.name {
            "tonic" => async move { Upload::http2(connect(address).await).await }.boxed(),
            _ => Upload::http1(address).boxed(),
        });
        // Most of it is hyper's buffers: at least 8 KiB for each connection.
        hang(program, uploads.collect(), 40).await;
    });
    // As many on a connection as the server allows.
    let streams = attack_each(ALL, async |program| {
        let mut uploads = Vec::new();
        while uploads.len() < UPLOADS {
            let client = connect(program.address).await;
            uploads.extend((0..200).map(|_| Upload::http2(client.clone()).boxed()));
        }
        hang(program, uploads, 10).await;
    });
    if can_open(ALL.len() * UPLOADS + 500) {
        tokio::join!(connections, streams);
    }
}

/// Whether this process and each process that it starts can have so many files and sockets open.
fn can_open(files: usize) -> bool {
    let limits = getrlimit(Resource::Nofile);
    let can = limits.maximum.is_none_or(|maximum| maximum >= files as u64);
    if can {
        let limits = Rlimit { current: limits.maximum.or(Some(files as u64)), ..limits };
        setrlimit(Resource::Nofile, limits).unwrap();
    } else {
        // Unlike `eprintln!`, this is shown even if the test passes.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED: the limit of open files is {limits:?}").unwrap();
    }
    can
}

/// Begins all uploads. Asserts that others are served, that each upload takes at most `allowed` KiB, and that each
/// one is answered. On a slow machine, some are answered before the last one has begun.
async fn hang(program: &Program, to_begin: Vec<BoxFuture<'static, Upload>>, allowed: u64) {
    let name = program.name;
    let before = program.resident();
    let count = to_begin.len();
    let (stall, stalls) = watch::channel(());
    let begun = Arc::new(Semaphore::new(0));
    // The kernel queues a thousand connections that the program has not yet accepted, and resets others.
    let beginning = Arc::new(Semaphore::new(100));
    let mut uploads = JoinSet::new();
    for (i, begin) in to_begin.into_iter().enumerate() {
        let begun = begun.clone();
        let beginning = beginning.clone();
        let mut stalls = stalls.clone();
        uploads.spawn(async move {
            let permit = beginning.acquire().await;
            let start = Instant::now();
            let mut upload = begin.await;
            drop(permit);
            begun.add_permits(1);
            let mut ticks = tokio::time::interval(Duration::from_secs(2));
            let answer = loop {
                tokio::select! {
                    answer = &mut upload.answer => break answer,
                    _ = ticks.tick() => upload.sender.drip().await,
                    Ok(()) = stalls.changed(), if i % 2 == 0 => break upload.answer.await,
                }
            };
            // The shortest wait, even if the machine is too slow to send a byte in time.
            assert!(start.elapsed() >= Duration::from_secs(5));
            answer
        });
    }
    let all_begun = within_bounds(begun.acquire_many(count as u32)).await;
    drop(all_begun.unwrap());
    for _ in 0..100 {
        program.serves_others().await;
    }
    let resident = program.resident();
    // On a slow machine, the time limit of some uploads may be over.
    let mut answers: Vec<_> = std::iter::from_fn(|| uploads.try_join_next()).collect();
    let each = resident.saturating_sub(before) as f64 / count as f64;
    assert!(each <= allowed as f64, "{name}: {each:.1} KiB each");

    stall.send(()).unwrap();
    while let Some(answer) = within_bounds(uploads.join_next()).await {
        answers.push(answer);
    }
    assert_eq!(answers.len(), count);
    for answer in answers {
        assert_eq!(answer.unwrap(), StatusCode::METHOD_NOT_ALLOWED, "{name}");
    }
}

/// Like `within`, plus the longest time that `BodyDrain` waits.
async fn within_bounds<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(30 + 120);
    tokio::time::timeout(limit, future).await.expect("no answer came within the bounds")
}

/// An upload that declares 100,000 bytes. It begins with one of them.
pub(crate) struct Upload {
    pub(crate) sender: Sender,
    /// The status. Over HTTP/1.1, the answer announces that the connection is closed.
    pub(crate) answer: BoxFuture<'static, StatusCode>,
}

pub(crate) enum Sender {
    Http1(OwnedWriteHalf),
    Http2(h2::SendStream<Bytes>),
}

impl Upload {
    pub(crate) async fn http1(address: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(address)).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let request = b"DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\nx";
        within(writer.write_all(request)).await.unwrap();
        let answer = async move {
            let mut answer = Vec::new();
            // The client may still be sending, so the connection may end with a reset.
            let _ = reader.read_to_end(&mut answer).await;
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
            let status = answer.strip_prefix("HTTP/1.1 ").unwrap();
            status[..3].parse().unwrap()
        };
        Self { sender: Sender::Http1(writer), answer: answer.boxed() }
    }

    pub(crate) async fn http2(client: Client) -> Self {
        let mut client = within(client.ready()).await.unwrap();
        let request = Request::delete("http://a/").header("content-length", 100_000);
        let request = request.body(()).unwrap();
        let (response, mut stream) = client.send_request(request, false).unwrap();
        stream.send_data(Bytes::from_static(b"x"), false).unwrap();
        let answer = async move {
            let status = response.await.unwrap().status();
            // The last client of a connection ends it.
            drop(client);
            status
        };
        Self { sender: Sender::Http2(stream), answer: answer.boxed() }
    }
}

impl Sender {
    /// Sends a byte, unless the server accepts no more.
    async fn drip(&mut self) {
        match self {
            Self::Http1(writer) => drop(within(writer.write_all(b"x")).await),
            Self::Http2(stream) => drop(stream.send_data(Bytes::from_static(b"x"), false)),
        }
    }
}
