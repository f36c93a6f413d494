//! Rejected uploads on real sockets: every answer arrives, and no connection is closed that did not
//! say so.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::serve::Server;
use support::server::{Connection, within};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tower::{Layer, service_fn};
use tower_method_policy::{Drain, MethodPolicyLayer, Policy, Respond};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A server behind a layer.
struct Site {
    server: Server,
    /// The requests that the inner service was asked.
    forwarded: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn start<R>(layer: MethodPolicyLayer<R>) -> Self
    where
        R: Respond<Full<Bytes>> + Clone + Send + Sync + 'static,
    {
        let forwarded = Arc::<Mutex<Vec<String>>>::default();
        let seen = forwarded.clone();
        let inner = service_fn(move |request: Request<Incoming>| {
            let line = format!("{} {}", request.method(), request.uri().path());
            seen.lock().unwrap().push(line);
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("inner"))) }
        });
        Self {
            server: Server::start(layer.layer(inner)).await,
            forwarded,
        }
    }

    async fn connect(&self) -> Connection {
        Connection::open(self.server.address).await
    }

    async fn connect_http2<B>(&self) -> (SendRequest<B>, JoinHandle<hyper::Result<()>>)
    where
        B: Body<Data: Send, Error = Infallible> + Send + Unpin + 'static,
    {
        let stream = TokioIo::new(TcpStream::connect(self.server.address).await.unwrap());
        let handshake = http2::handshake(TokioExecutor::new(), stream);
        let (client, connection) = within(handshake).await.unwrap();
        (client, tokio::spawn(connection))
    }

    fn forwarded(&self) -> Vec<String> {
        self.forwarded.lock().unwrap().clone()
    }
}

fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().allow([Method::POST]))
}

fn clockless() -> Drain {
    #[cfg(feature = "tokio")]
    return Drain::default().without_clock();
    #[cfg(not(feature = "tokio"))]
    Drain::default()
}

/// What is to be known of a response.
#[derive(Debug)]
struct Answer {
    status: u16,
    closes: bool,
}

/// The next response, unless the connection ends before it.
async fn receive(connection: &mut Connection) -> Option<Answer> {
    let response = connection.try_receive().await.ok()?;
    let mut lines = response.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let connection = lines.find_map(|line| line.strip_prefix("connection: "));
    Some(Answer {
        status: status.unwrap().parse().unwrap(),
        // RFC 9112 §9.3: where there is `close` it counts, whatever is beside it. To an HTTP/1.0 client
        // that asked for it, hyper 1.12 adds `keep-alive`, and closes.
        closes: connection
            .is_some_and(|options| options.split(',').any(|option| option.trim() == "close")),
    })
}

/// Whether there is nothing more, and never will be.
async fn is_closed(connection: &mut Connection) -> bool {
    connection.receive_rest().await.is_empty()
}

/// Whether the connection serves another request.
async fn is_usable(connection: &mut Connection) -> bool {
    connection
        .try_send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await;
    receive(connection)
        .await
        .is_some_and(|answer| answer.status == 200)
}

/// How a body is sent.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunked,
}

fn upload(framing: Framing, size: usize) -> Vec<u8> {
    let mut request = b"DELETE / HTTP/1.1\r\nhost: a\r\n".to_vec();
    match framing {
        Framing::Length => {
            request.extend(format!("content-length: {size}\r\n\r\n").bytes());
            request.resize(request.len() + size, b'x');
        }
        Framing::Chunked => {
            request.extend(b"transfer-encoding: chunked\r\n\r\n");
            for start in (0..size).step_by(16 * KIB) {
                let length = (size - start).min(16 * KIB);
                request.extend(format!("{length:x}\r\n").bytes());
                request.resize(request.len() + length, b'x');
                request.extend(b"\r\n");
            }
            request.extend(b"0\r\n\r\n");
        }
    }
    request
}

/// What came of a number of uploads, each on a connection of its own.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    kept_alive: usize,
    closed_as_announced: usize,
    closed_unannounced: usize,
    lost: usize,
}

const REPETITIONS: usize = 20;

async fn tally(server: &Site, framing: Framing, size: usize) -> Tally {
    let request = upload(framing, size);
    let mut tally = Tally::default();
    for _ in 0..REPETITIONS {
        let mut connection = server.connect().await;
        connection.try_send(&request).await;
        let Some(answer) = receive(&mut connection).await else {
            tally.lost += 1;
            continue;
        };
        assert_eq!(answer.status, 405);
        if answer.closes {
            assert!(is_closed(&mut connection).await);
            tally.closed_as_announced += 1;
        } else if is_usable(&mut connection).await {
            tally.kept_alive += 1;
        } else {
            tally.closed_unannounced += 1;
        }
    }
    tally
}

#[cfg(feature = "tokio")]
const ALL_KEPT_ALIVE: Tally = Tally {
    kept_alive: REPETITIONS,
    closed_as_announced: 0,
    closed_unannounced: 0,
    lost: 0,
};

#[cfg(feature = "tokio")]
#[tokio::test]
async fn every_answer_arrives_and_every_connection_is_kept() {
    let server = Site::start(layer()).await;
    for framing in [Framing::Length, Framing::Chunked] {
        for size in [0, 1, 1000, 64 * KIB, MIB, 2 * MIB + 1, 16 * MIB] {
            assert_eq!(
                tally(&server, framing, size).await,
                ALL_KEPT_ALIVE,
                "{framing:?}, {size} bytes"
            );
        }
    }
}

#[tokio::test]
async fn no_connection_is_closed_unannounced() {
    let never = Site::start(layer().drain(Drain::none())).await;
    let clockless = Site::start(layer().drain(clockless())).await;
    for (server, framing, size) in [
        (&clockless, Framing::Length, 2 * MIB + 1),
        (&clockless, Framing::Length, 16 * MIB),
        (&clockless, Framing::Chunked, 64 * KIB),
        (&clockless, Framing::Chunked, MIB),
        (&clockless, Framing::Chunked, 16 * MIB),
        (&never, Framing::Length, 1),
        (&never, Framing::Length, 64 * KIB),
        (&never, Framing::Length, MIB),
        (&never, Framing::Chunked, 1),
        (&never, Framing::Chunked, MIB),
    ] {
        let tally = tally(server, framing, size).await;
        assert_eq!(tally.closed_unannounced, 0, "{framing:?} {size}: {tally:?}");
        // With nothing left to read, nothing is reset either.
        if size == 1 {
            assert_eq!(
                tally.closed_as_announced, REPETITIONS,
                "{framing:?} {size}: {tally:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_chunked_upload_that_never_ends_is_answered() {
    let server = Site::start(layer()).await;
    for start in ["", "5\r\nhello\r\n"] {
        let mut connection = server.connect().await;
        let head = "DELETE / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(
            connection
                .try_send(format!("{head}{start}").as_bytes())
                .await
        );
        let answer = receive(&mut connection).await.unwrap();
        assert_eq!(answer.status, 405);
        assert!(answer.closes);
        assert!(is_closed(&mut connection).await);
    }
}

/// RFC 9110 §10.1.1.
#[tokio::test]
async fn a_client_that_expects_100_gets_the_final_status_and_nothing_before_it() {
    let server = Site::start(layer()).await;
    for length in ["content-length: 5", "transfer-encoding: chunked"] {
        let mut connection = server.connect().await;
        let head =
            format!("DELETE / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n{length}\r\n\r\n");
        assert!(connection.try_send(head.as_bytes()).await);
        let answer = receive(&mut connection).await.unwrap();
        assert_eq!(answer.status, 405);
        assert!(answer.closes);
        assert!(is_closed(&mut connection).await);
    }
}

/// A body is never taken for requests, and what follows it is answered in order or not at all.
#[tokio::test]
async fn a_rejected_body_is_never_parsed_as_a_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let length = smuggled.len();
    let declared = format!("content-length: {length}\r\n\r\n{smuggled}");
    let chunked =
        format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n{smuggled}\r\n0\r\n\r\n");
    let expects = format!("expect: 100-continue\r\n{declared}");
    let partly = format!("content-length: {}\r\n\r\n{smuggled}", length + 1);
    for bound in [0, length as u64 - 1, 2 * MIB as u64] {
        let server = Site::start(layer().drain(Drain::default().bytes(bound))).await;
        for rest in [&declared, &chunked, &expects] {
            let mut connection = server.connect().await;
            let rejected = format!("DELETE / HTTP/1.1\r\nhost: a\r\n{rest}");
            let next = "GET /next HTTP/1.1\r\nhost: a\r\n\r\n";
            connection
                .try_send(format!("{rejected}{next}").as_bytes())
                .await;
            let answer = receive(&mut connection).await.unwrap();
            assert_eq!(answer.status, 405, "{rejected}");
            if answer.closes {
                assert!(is_closed(&mut connection).await, "{rejected}");
            } else {
                assert_eq!(
                    receive(&mut connection).await.unwrap().status,
                    200,
                    "{rejected}"
                );
                assert_eq!(server.forwarded().pop().unwrap(), "GET /next");
            }
        }
        let mut connection = server.connect().await;
        connection
            .try_send(format!("DELETE / HTTP/1.1\r\nhost: a\r\n{partly}").as_bytes())
            .await;
        drop(connection);
        assert!(
            !server
                .forwarded()
                .iter()
                .any(|request| request == "GET /smuggled")
        );
    }
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let server = Site::start(layer()).await;
    let mut connection = server.connect().await;
    for byte in b"DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello" {
        assert!(connection.try_send(&[*byte]).await);
        tokio::task::yield_now().await;
    }
    let answer = receive(&mut connection).await.unwrap();
    assert_eq!((answer.status, answer.closes), (405, false));
    assert!(is_usable(&mut connection).await);
}

#[tokio::test]
async fn http_1_0_gets_the_same_answers() {
    let server = Site::start(layer()).await;
    for (fields, kept) in [("", false), ("connection: keep-alive\r\n", true)] {
        let mut connection = server.connect().await;
        let request = format!("DELETE / HTTP/1.0\r\n{fields}content-length: 5\r\n\r\nhello");
        connection.try_send(request.as_bytes()).await;
        let answer = receive(&mut connection).await.unwrap();
        assert_eq!((answer.status, answer.closes), (405, false));
        assert_eq!(is_usable(&mut connection).await, kept);
    }
    // Above the bound a kept connection is not kept.
    let server = Site::start(layer().drain(Drain::default().bytes(4))).await;
    let mut connection = server.connect().await;
    let request = "DELETE / HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello";
    connection.try_send(request.as_bytes()).await;
    let answer = receive(&mut connection).await.unwrap();
    assert_eq!((answer.status, answer.closes), (405, true));
    assert!(is_closed(&mut connection).await);
}

/// A body that goes on until it is dropped.
fn endless()
-> StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> + Unpin> {
    let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"first")))]);
    StreamBody::new(first.chain(stream::pending()))
}

#[tokio::test]
async fn an_http_2_stream_that_never_ends_is_answered_and_the_connection_goes_on() {
    let server = Site::start(layer()).await;
    let (mut client, connection) = server.connect_http2().await;
    for (method, status) in [
        ("DELETE", 405),
        ("FOO", 501),
        ("POST", 200),
        ("DELETE", 405),
    ] {
        let request = Request::builder()
            .method(method)
            .uri("http://a/")
            .body(endless())
            .unwrap();
        within(client.ready()).await.unwrap();
        let response = within(client.send_request(request)).await.unwrap();
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("connection"));
        within(response.into_body().collect()).await.unwrap();
    }
    drop(client);
    within(connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_http_2_upload_within_the_bound_is_read() {
    let server = Site::start(layer()).await;
    let (mut client, connection) = server.connect_http2().await;
    for size in [1, 64 * KIB, 2 * MIB] {
        for _ in 0..REPETITIONS {
            let body = Full::new(Bytes::from(vec![0; size]));
            let request = Request::delete("http://a/").body(body).unwrap();
            within(client.ready()).await.unwrap();
            let response = within(client.send_request(request)).await.unwrap();
            assert_eq!(response.status(), 405);
            assert!(!response.headers().contains_key("connection"));
        }
    }
    drop(client);
    within(connection).await.unwrap().unwrap();
}
