//! Uploads that stall or drip, by the thousand.

use std::io::Write;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::program::{ALL, Client, Program, connect, on_each};
use crate::support::server::within;

const UPLOADS: usize = 2000;

/// Half of the uploads drip to the end, and so are answered when all of the time is up that `Drain` has
/// for them; the others stall once they have been counted, and are answered sooner.
#[tokio::test]
async fn thousands_of_slow_uploads_keep_nobody_from_being_served() {
    let connections = on_each(ALL, async |name| {
        let program = Program::start(name).await;
        let address = program.address;
        let clients = (0..UPLOADS).map(|_| match name {
            "tonic" => Slow::Http2 { address },
            _ => Slow::Http1 { address },
        });
        // hyper's buffers, above all: of 8 KiB and more for each connection.
        hang(program, clients.collect(), 40).await;
    });
    // As many on a connection as the server allows.
    let streams = on_each(ALL, async |name| {
        let program = Program::start(name).await;
        let mut clients = Vec::new();
        while clients.len() < UPLOADS {
            let client = connect(program.address).await;
            clients.extend((0..200).map(|_| Slow::Stream(client.clone())));
        }
        hang(program, clients, 10).await;
    });
    if can_open(ALL.len() * UPLOADS + 500) {
        tokio::join!(connections, streams);
    }
}

/// Whether this process, and each that it starts, can have so many files and sockets open.
fn can_open(files: usize) -> bool {
    let limits = getrlimit(Resource::Nofile);
    let can = limits.maximum.is_none_or(|maximum| maximum >= files as u64);
    if can {
        let limits = Rlimit { current: limits.maximum.or(Some(files as u64)), ..limits };
        setrlimit(Resource::Nofile, limits).unwrap();
    } else {
        // Also shown if the test passes.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "SKIPPED: the limit of open files is {limits:?}").unwrap();
    }
    can
}

/// Lets all of the clients hang, and asks meanwhile; then answers come. The memory that each takes is
/// bounded, in KiB. On a slow machine some are answered before the last one has begun.
async fn hang(program: Program, clients: Vec<Slow>, allowed: u64) {
    let name = program.name;
    let before = program.resident();
    let count = clients.len();
    let (stall, stalls) = watch::channel(false);
    let begun = Arc::<AtomicUsize>::default();
    // The kernel keeps a thousand that the program has yet to accept, and resets others.
    let beginning = Arc::new(Semaphore::new(100));
    let mut uploads = JoinSet::new();
    for (i, client) in clients.into_iter().enumerate() {
        let begun = begun.clone();
        let beginning = beginning.clone();
        let mut stalls = (i % 2 == 0).then(|| stalls.clone());
        uploads.spawn(async move {
            let permit = beginning.acquire().await;
            let start = Instant::now();
            let mut upload = client.begin().await;
            drop(permit);
            begun.fetch_add(1, Ordering::Relaxed);
            let mut ticks = tokio::time::interval(Duration::from_secs(2));
            let answer = loop {
                tokio::select! {
                    answer = &mut upload.answer => break answer,
                    _ = ticks.tick() => upload.sender.drip().await,
                    () = told(&mut stalls) => break upload.answer.await,
                }
            };
            // The least that is waited for, even if the machine is too slow to drip in time.
            assert!(start.elapsed() >= Duration::from_secs(5));
            answer
        });
    }
    within_bounds(async {
        while begun.load(Ordering::Relaxed) < count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for _ in 0..100 {
        program.serves_others().await;
    }
    let resident = program.resident();
    // On a machine that is slow, too, the time of some may be up by now.
    let mut answers: Vec<_> = std::iter::from_fn(|| uploads.try_join_next()).collect();
    let each = resident.saturating_sub(before) as f64 / count as f64;
    assert!(each <= allowed as f64, "{name}: {each:.1} KiB each");

    stall.send(true).unwrap();
    while let Some(answer) = within_bounds(uploads.join_next()).await {
        answers.push(answer);
    }
    assert_eq!(answers.len(), count);
    for answer in answers {
        assert_eq!(answer.unwrap(), StatusCode::METHOD_NOT_ALLOWED, "{name}");
    }
    program.survives().await;
}

/// As `within`, and for as long as `Drain` waits at most.
async fn within_bounds<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(30 + 120);
    tokio::time::timeout(limit, future).await.expect("no answer came within the bounds")
}

/// Ready when this client is to send nothing more.
async fn told(stalls: &mut Option<watch::Receiver<bool>>) {
    match stalls {
        Some(stalls) => drop(stalls.wait_for(|stalls| *stalls).await),
        None => std::future::pending().await,
    }
}

/// A client that declares much, and sends little of it.
pub(crate) enum Slow {
    Http1 {
        address: SocketAddr,
    },
    Http2 {
        address: SocketAddr,
    },
    /// On a connection that it shares.
    Stream(Client),
}

pub(crate) struct Upload {
    pub(crate) sender: Sender,
    /// Over HTTP/1.1 it closes the connection, and says so.
    pub(crate) answer: Pin<Box<dyn Future<Output = StatusCode> + Send>>,
}

pub(crate) enum Sender {
    Http1(OwnedWriteHalf),
    Http2(h2::SendStream<Bytes>),
}

impl Slow {
    /// Sends the first byte.
    pub(crate) async fn begin(self) -> Upload {
        let mut upload = match self {
            Self::Http1 { address } => Upload::http1(address).await,
            Self::Http2 { address } => Upload::http2(connect(address).await).await,
            Self::Stream(client) => Upload::http2(client).await,
        };
        upload.sender.drip().await;
        upload
    }
}

impl Upload {
    async fn http1(address: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(address)).await.unwrap();
        let (mut reader, mut writer) = stream.into_split();
        let head = b"DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n";
        within(writer.write_all(head)).await.unwrap();
        let answer = async move {
            let mut answer = Vec::new();
            // A reset is an end, too, to a client that is still sending.
            let _ = reader.read_to_end(&mut answer).await;
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
            let status = answer.strip_prefix("HTTP/1.1 ").unwrap();
            status[..3].parse().unwrap()
        };
        Self { sender: Sender::Http1(writer), answer: Box::pin(answer) }
    }

    async fn http2(client: Client) -> Self {
        let mut client = within(client.ready()).await.unwrap();
        let request = Request::delete("http://a/").header("content-length", 100_000);
        let request = request.body(()).unwrap();
        let (response, stream) = client.send_request(request, false).unwrap();
        let answer = async move {
            let status = response.await.unwrap().status();
            // It ends the connection if it is the last that has it.
            drop(client);
            status
        };
        Self { sender: Sender::Http2(stream), answer: Box::pin(answer) }
    }
}

impl Sender {
    /// Sends a byte, unless the server wants no more.
    pub(crate) async fn drip(&mut self) {
        match self {
            Self::Http1(writer) => drop(within(writer.write_all(b"x")).await),
            Self::Http2(stream) => drop(stream.send_data(Bytes::from_static(b"x"), false)),
        }
    }
}
