//! Rejected uploads on real sockets. Within the bounds, every answer arrives. No HTTP/1.1 connection closes
//! unannounced.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::serve::Server;
use support::server::{Connection, within};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tower::{Layer, service_fn};
use tower_method_policy::{BodyDrain, MethodPolicyLayer, Policy};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A server whose service has the layer.
struct Site {
    server: Server,
    /// The requests that the inner service received.
    forwarded: Arc<Mutex<Vec<String>>>,
}

impl Site {
    async fn start(layer: MethodPolicyLayer) -> Self {
        let forwarded = Arc::<Mutex<Vec<String>>>::default();
        let seen = forwarded.clone();
        let inner = service_fn(move |request: Request<Incoming>| {
            let line = format!("{} {}", request.method(), request.uri().path());
            seen.lock().unwrap().push(line);
            async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("inner"))) }
        });
        Self { server: Server::start(layer.layer(inner)).await, forwarded }
    }

    async fn connect(&self) -> Connection {
        Connection::open(self.server.address).await
    }

    /// Sends `request`. Returns `lost`, or the status of the answer and what then happens to the connection: it
    /// is `kept`, `closed` as announced, or closed `unannounced`.
    async fn outcome(&self, request: impl AsRef<[u8]>) -> String {
        let mut connection = self.connect().await;
        connection.try_send(request).await;
        let Some((status, closes)) = receive(&mut connection).await else {
            return "lost".to_owned();
        };
        let get = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let connection = if closes {
            assert_eq!(connection.receive_rest().await, "");
            "closed"
        } else {
            connection.try_send(get).await;
            match receive(&mut connection).await {
                Some((200, _)) => "kept",
                _ => "unannounced",
            }
        };
        format!("{status} {connection}")
    }

    async fn connect_http2(&self) -> (SendRequest<Body>, JoinHandle<hyper::Result<()>>) {
        let stream = TokioIo::new(TcpStream::connect(self.server.address).await.unwrap());
        let handshake = http2::handshake(TokioExecutor::new(), stream);
        let (client, connection) = within(handshake).await.unwrap();
        (client, tokio::spawn(connection))
    }

    fn forwarded(&self) -> Vec<String> {
        self.forwarded.lock().unwrap().clone()
    }
}

type Body = BoxBody<Bytes, Infallible>;

fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]))
}

fn up_to(max_bytes: usize) -> MethodPolicyLayer {
    layer().body_drain(BodyDrain::default().max_bytes(max_bytes as u64))
}

/// The status of the next response, and whether it announces that the connection closes. `None` if the
/// connection ends before the response does.
async fn receive(connection: &mut Connection) -> Option<(u16, bool)> {
    let response = connection.try_receive().await.ok()?;
    let mut lines = response.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let connection = lines.find_map(|line| line.strip_prefix("connection: "));
    // RFC 9112 §9.3: `close` has priority over other options. hyper 1.12 also sends `keep-alive` if an HTTP/1.0
    // client asked for it, and then closes the connection.
    let mut options = connection.unwrap_or_default().split(',');
    let closes = options.any(|option| option.trim() == "close");
    Some((status.unwrap().parse().unwrap(), closes))
}

/// How a request declares the length of its body.
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

const REPETITIONS: usize = 20;

#[tokio::test]
async fn every_answer_arrives_and_every_connection_is_kept() {
    let server = Site::start(layer()).await;
    for framing in [Framing::Length, Framing::Chunked] {
        for size in [0, 1, 1000, 64 * KIB, MIB, 2 * MIB + 1, 16 * MIB] {
            let request = upload(framing, size);
            for _ in 0..REPETITIONS {
                let outcome = server.outcome(&request).await;
                assert_eq!(outcome, "405 kept", "{framing:?}, {size} bytes");
            }
        }
    }
}

#[tokio::test]
async fn no_connection_is_closed_unannounced() {
    let never = Site::start(up_to(0)).await;
    let small = Site::start(up_to(1000)).await;
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
        let request = upload(framing, size);
        for _ in 0..REPETITIONS {
            let outcome = server.outcome(&request).await;
            assert_ne!(outcome, "405 unannounced", "{framing:?} {size}");
            // The answer may be lost only if unread bytes make the kernel reset the connection.
            assert!(outcome == "405 closed" || size > 1, "{outcome}");
        }
    }
}

/// The layer, the outcome, and the request, with `|` at the end of each line.
///
/// RFC 9110 §10.1.1: a client that expects `100 Continue` gets the final status and nothing before it. An
/// HTTP/1.0 connection closes unless the client sends `keep-alive`. A body of exactly `max_bytes` may have trailers.
const OUTCOMES: &str = "\
default 405 closed DELETE / HTTP/1.1|host: a|transfer-encoding: chunked||
default 405 closed DELETE / HTTP/1.1|host: a|transfer-encoding: chunked||5|hello|
default 405 closed DELETE / HTTP/1.1|host: a|expect: 100-continue|content-length: 5||
default 405 closed DELETE / HTTP/1.1|host: a|expect: 100-continue|transfer-encoding: chunked||
default 405 unannounced DELETE / HTTP/1.0|content-length: 5||hello
default 405 kept DELETE / HTTP/1.0|connection: keep-alive|content-length: 5||hello
4 405 closed DELETE / HTTP/1.0|connection: keep-alive|content-length: 5||hello
5 405 kept DELETE / HTTP/1.1|host: a|transfer-encoding: chunked||5|hello|0||
5 405 kept DELETE / HTTP/1.1|host: a|transfer-encoding: chunked||5|hello|0|x-a: 1||
5 405 kept DELETE / HTTP/1.1|host: a|transfer-encoding: chunked||5|hello|0|x-a: 1|x-b: 2||
5 405 kept DELETE / HTTP/1.1|host: a|transfer-encoding: chunked||2|he|3|llo|0|x-a: 1||
5 405 closed DELETE / HTTP/1.1|host: a|transfer-encoding: chunked||6|hello!|0|x-a: 1||
default 200 kept OPTIONS / HTTP/1.1|host: a|content-length: 5||hello
default 200 kept OPTIONS * HTTP/1.1|host: a|content-length: 5||hello
0 200 closed OPTIONS / HTTP/1.1|host: a|content-length: 5||hello
0 200 closed OPTIONS * HTTP/1.1|host: a|content-length: 5||hello";

#[tokio::test]
async fn each_request_in_the_table_has_its_outcome() {
    for line in OUTCOMES.lines() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        let layer = words[0].parse().map_or_else(|_| layer(), up_to);
        let server = Site::start(layer.answer_options(true)).await;
        let outcome = server.outcome(words[3].replace('|', "\r\n")).await;
        assert_eq!(outcome, words[1..3].join(" "), "{line}");
    }
}

/// The next request on the connection is answered in order or not at all.
#[tokio::test]
async fn a_rejected_body_is_never_parsed_as_a_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let length = smuggled.len();
    let declared = format!("content-length: {length}\r\n\r\n{smuggled}");
    let chunked =
        format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n{smuggled}\r\n0\r\n\r\n");
    let expects = format!("expect: 100-continue\r\n{declared}");
    let partly = format!("content-length: {}\r\n\r\n{smuggled}", length + 1);
    for bound in [0, length - 1, 2 * MIB] {
        let server = Site::start(up_to(bound)).await;
        for rest in [&declared, &chunked, &expects, &partly] {
            let mut connection = server.connect().await;
            let rejected = format!("DELETE / HTTP/1.1\r\nhost: a\r\n{rest}");
            let next = if rest == &partly { "" } else { "GET /next HTTP/1.1\r\nhost: a\r\n\r\n" };
            connection.try_send(format!("{rejected}{next}")).await;
            if next.is_empty() {
                // Afterward, the server has read everything.
                connection.close().await;
                continue;
            }
            let (status, closes) = receive(&mut connection).await.unwrap();
            assert_eq!(status, 405, "{rejected}");
            if closes {
                assert_eq!(connection.receive_rest().await, "", "{rejected}");
            } else {
                assert_eq!(receive(&mut connection).await, Some((200, false)));
            }
        }
        assert!(server.forwarded().iter().all(|request| request == "GET /next"));
    }
}

/// RFC 9110 §9.3.6: the client may already use another protocol.
#[tokio::test]
async fn bytes_after_a_rejected_connect_are_not_parsed() {
    let server = Site::start(layer()).await;
    let connect = "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n";
    let tunneled = "GET /tunneled HTTP/1.1\r\nhost: a\r\n\r\n";
    let outcome = server.outcome(format!("{connect}{tunneled}")).await;
    assert_eq!(outcome, "405 closed");
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
    for status in [405, 200, 501, 405, 200] {
        assert_eq!(receive(&mut connection).await, Some((status, false)));
    }
    assert_eq!(server.forwarded(), ["GET /1", "GET /2"]);
    // A request may arrive byte by byte.
    for byte in upload(Framing::Length, 5) {
        assert!(connection.try_send([byte]).await);
        tokio::task::yield_now().await;
    }
    assert_eq!(receive(&mut connection).await, Some((405, false)));
}

/// Sends a request over HTTP/2 and returns its status.
async fn ask_http2(client: &mut SendRequest<Body>, request: Request<Body>) -> u16 {
    within(client.ready()).await.unwrap();
    let response = within(client.send_request(request)).await.unwrap();
    assert!(!response.headers().contains_key("connection"));
    let status = response.status().as_u16();
    within(response.into_body().collect()).await.unwrap();
    status
}

/// Some uploads never end. The others are within `max_bytes`.
#[tokio::test]
async fn an_http_2_upload_is_answered_and_the_connection_stays_open() {
    let server = Site::start(layer()).await;
    let (mut client, connection) = server.connect_http2().await;
    let request = |method, body: Body| {
        let request = Request::builder().method(method).uri("http://a/");
        request.body(body).unwrap()
    };
    for (method, status) in [("DELETE", 405), ("FOO", 501), ("POST", 200), ("DELETE", 405)] {
        let first = stream::iter([Ok(Frame::data(Bytes::from_static(b"first")))]);
        let endless = StreamBody::new(first.chain(stream::pending()));
        let request = request(method, BodyExt::boxed(endless));
        assert_eq!(ask_http2(&mut client, request).await, status);
    }
    for size in [1, 64 * KIB, 2 * MIB] {
        for _ in 0..REPETITIONS {
            let body = Full::new(Bytes::from(vec![0; size])).boxed();
            assert_eq!(ask_http2(&mut client, request("DELETE", body)).await, 405);
        }
    }
    drop(client);
    within(connection).await.unwrap().unwrap();
}

/// The client sends `HEADERS` without `END_STREAM`. The layer does not wait for the end of the stream if no content can
/// arrive, as after `content-length: 0` and for `CONNECT`, or if the client of a gRPC call may wait for the answer.
#[tokio::test]
async fn an_http_2_request_without_more_content_whose_stream_stays_open_is_answered() {
    // The test fails before this time has passed.
    let day = Duration::from_secs(24 * 60 * 60);
    let patient = BodyDrain::default().timeout(day).idle_timeout(day);
    for drain in [BodyDrain::none(), patient.idle_timeout_unknown_length(day)] {
        let policy = Policy::new().fallback([Method::GET]);
        let server = Site::start(MethodPolicyLayer::new(policy).body_drain(drain)).await;
        for (method, uri, name, value, status) in [
            ("DELETE", "http://a/", "content-length", "0", 405),
            ("FOO", "http://a/", "content-length", "0", 501),
            ("CONNECT", "b:443", "user-agent", "a", 405),
            ("POST", "http://a/service/method", "content-type", "application/grpc", 405),
        ] {
            let (mut client, connection) = server.connect_http2().await;
            let request = Request::builder().method(method).uri(uri);
            let body = BodyExt::boxed(StreamBody::new(stream::pending()));
            let request = request.header(name, value).body(body).unwrap();
            assert_eq!(ask_http2(&mut client, request).await, status, "{method}");
            connection.abort();
        }
    }
}

/// Over HTTP/1.1, the client would lose the answer if the layer did not read the call.
#[tokio::test]
async fn a_grpc_web_upload_over_http_1_is_read_and_answered() {
    let server = Site::start(MethodPolicyLayer::new(Policy::new().fallback([]))).await;
    let length = 30 * MIB;
    let mut request =
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web\r\n".to_vec();
    request.extend(format!("content-length: {length}\r\n\r\n").bytes());
    request.resize(request.len() + length, 0);
    assert_eq!(server.outcome(request).await, "405 kept");
}
