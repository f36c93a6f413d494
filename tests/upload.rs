//! Rejected uploads on real sockets: every answer arrives, and no connection closes unannounced.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

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
use tower_method_policy::{BodyDrain, MethodPolicyLayer, Policy, Respond};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Longer than any test waits.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

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
    MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]))
}

/// The status of a response, and whether it closes the connection.
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
        // RFC 9112 §9.3: `close` wins over any other option. hyper 1.12 adds `keep-alive` for an HTTP/1.0
        // client that asked for it, and closes.
        closes: connection
            .is_some_and(|options| options.split(',').any(|option| option.trim() == "close")),
    })
}

/// Whether the connection ends without another byte.
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

/// How the length of a body is sent.
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

/// The outcomes of uploads, each on its own connection.
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

const ALL_KEPT_ALIVE: Tally = Tally {
    kept_alive: REPETITIONS,
    closed_as_announced: 0,
    closed_unannounced: 0,
    lost: 0,
};

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
    let never = Site::start(layer().body_drain(BodyDrain::none())).await;
    let small = Site::start(layer().body_drain(BodyDrain::default().max_bytes(1000))).await;
    for (server, framing, size) in [
        (&small, Framing::Length, 1001),
        (&small, Framing::Length, 16 * MIB),
        (&small, Framing::Chunked, 1001),
        (&small, Framing::Chunked, 64 * KIB),
        (&small, Framing::Chunked, MIB),
        (&never, Framing::Length, 1),
        (&never, Framing::Length, 64 * KIB),
        (&never, Framing::Length, MIB),
        (&never, Framing::Chunked, 1),
        (&never, Framing::Chunked, MIB),
    ] {
        let tally = tally(server, framing, size).await;
        assert_eq!(tally.closed_unannounced, 0, "{framing:?} {size}: {tally:?}");
        // If nothing is left to read, nothing is reset.
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

/// A request after the body is answered in order or not at all.
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
        let server = Site::start(layer().body_drain(BodyDrain::default().max_bytes(bound))).await;
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

/// RFC 9110 §9.3.6: the client may use another protocol already.
#[tokio::test]
async fn bytes_after_a_rejected_connect_are_not_parsed() {
    let server = Site::start(layer()).await;
    let mut connection = server.connect().await;
    let connect = "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n";
    let tunnelled = "GET /tunnelled HTTP/1.1\r\nhost: a\r\n\r\n";
    connection
        .try_send(format!("{connect}{tunnelled}").as_bytes())
        .await;
    let answer = receive(&mut connection).await.unwrap();
    assert_eq!(answer.status, 405);
    assert!(answer.closes);
    assert!(is_closed(&mut connection).await);
    assert!(server.forwarded().is_empty());
}

#[tokio::test]
async fn pipelined_uploads_are_answered_in_order() {
    let server = Site::start(layer()).await;
    let mut connection = server.connect().await;
    let mut requests = upload(Framing::Length, 64 * KIB);
    requests.extend(b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n");
    requests.extend(b"FOO / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
    requests.extend(upload(Framing::Chunked, 100));
    requests.extend(b"GET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(connection.try_send(&requests).await);
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = receive(&mut connection).await.unwrap();
        assert!(!answer.closes);
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [405, 200, 501, 405, 200]);
    assert_eq!(server.forwarded(), ["GET /1", "GET /2"]);
}

#[tokio::test]
async fn a_request_may_arrive_byte_by_byte() {
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
async fn http_1_0_clients_receive_the_same_answers() {
    let server = Site::start(layer()).await;
    for (fields, kept) in [("", false), ("connection: keep-alive\r\n", true)] {
        let mut connection = server.connect().await;
        let request = format!("DELETE / HTTP/1.0\r\n{fields}content-length: 5\r\n\r\nhello");
        connection.try_send(request.as_bytes()).await;
        let answer = receive(&mut connection).await.unwrap();
        assert_eq!((answer.status, answer.closes), (405, false));
        assert_eq!(is_usable(&mut connection).await, kept);
    }
    // Above the bound, the connection closes although the client asked to keep it.
    let server = Site::start(layer().body_drain(BodyDrain::default().max_bytes(4))).await;
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

/// An `OPTIONS` that the layer answers drains its body as a rejected request does.
#[tokio::test]
async fn an_answered_options_with_a_body_keeps_its_connection() {
    let layer = layer().answer_options(true);
    let kept = Site::start(layer.clone()).await;
    let closed = Site::start(layer.body_drain(BodyDrain::none())).await;
    for (server, closes) in [(&kept, false), (&closed, true)] {
        for target in ["/", "*"] {
            let mut connection = server.connect().await;
            let request =
                format!("OPTIONS {target} HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
            connection.try_send(request.as_bytes()).await;
            let answer = receive(&mut connection).await.unwrap();
            assert_eq!((answer.status, answer.closes), (200, closes), "{target}");
            if closes {
                assert!(is_closed(&mut connection).await);
            } else {
                assert!(is_usable(&mut connection).await);
            }
        }
        let expected = usize::from(!closes) * 2;
        assert_eq!(server.forwarded().len(), expected);
    }
}

/// A chunked body of exactly the bound, and its trailer section, is read to its end.
#[tokio::test]
async fn an_upload_of_exactly_the_bound_with_trailers_keeps_its_connection() {
    let server = Site::start(layer().body_drain(BodyDrain::default().max_bytes(5))).await;
    for (body, closes) in [
        ("5\r\nhello\r\n0\r\n\r\n", false),
        ("5\r\nhello\r\n0\r\nx-a: 1\r\n\r\n", false),
        ("5\r\nhello\r\n0\r\nx-a: 1\r\nx-b: 2\r\n\r\n", false),
        ("2\r\nhe\r\n3\r\nllo\r\n0\r\nx-a: 1\r\n\r\n", false),
        ("6\r\nhello!\r\n0\r\nx-a: 1\r\n\r\n", true),
    ] {
        let mut connection = server.connect().await;
        let head = "DELETE / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\
            trailer: x-a\r\n\r\n";
        connection
            .try_send(format!("{head}{body}").as_bytes())
            .await;
        let answer = receive(&mut connection).await.unwrap();
        assert_eq!((answer.status, answer.closes), (405, closes), "{body:?}");
        if !closes {
            assert!(is_usable(&mut connection).await, "{body:?}");
        }
    }
}

/// HTTP/2 `HEADERS` with `content-length: 0` and without `END_STREAM`. The answer comes while the stream
/// stays open: nothing can arrive that is worth a wait.
#[tokio::test]
async fn an_http_2_body_that_declares_length_zero_and_stays_open_is_answered() {
    for drain in [
        BodyDrain::none(),
        BodyDrain::default()
            .timeout(FOREVER)
            .idle_timeout(FOREVER)
            .idle_timeout_unknown_length(FOREVER),
    ] {
        let server = Site::start(layer().body_drain(drain)).await;
        for method in ["DELETE", "FOO"] {
            let (mut client, connection) = server.connect_http2().await;
            let request = Request::builder()
                .method(method)
                .uri("http://a/")
                .header("content-length", "0");
            let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
            let response = client.send_request(request.body(body).unwrap());
            let response = within(response).await.unwrap();
            assert!([405, 501].contains(&response.status().as_u16()));
            within(response.into_body().collect()).await.unwrap();
            drop(client);
            connection.abort();
        }
    }
}
