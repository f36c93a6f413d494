//! Clients for servers on real sockets, the upstream of a proxy, and a time limit for every wait.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Waits for `future`. Only a bug can reach the time limit.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(30), future)
        .await
        .expect("the future is ready within the time limit")
}

/// A connection on which the test, as client or server, writes and reads the bytes of HTTP/1.x itself.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(address)).await.unwrap();
        let stream = BufReader::new(stream);
        Self { stream }
    }

    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = within(listener.accept()).await.unwrap();
        let stream = BufReader::new(stream);
        Self { stream }
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().unwrap()
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends `bytes` and reads nothing. Returns `false` if the peer does not accept all of them.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        within(self.stream.write_all(bytes.as_ref())).await.is_ok()
    }

    /// The next message, without its `Date`.
    pub(crate) async fn receive(&mut self) -> String {
        self.try_receive().await.unwrap()
    }

    /// The next message, or an error if the connection ends before the message does.
    pub(crate) async fn try_receive(&mut self) -> io::Result<String> {
        let head = self.try_receive_head().await?;
        let length = head.lines().find_map(|line| {
            let length = line.strip_prefix("content-length: ")?;
            Some(length.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap_or(0)];
        within(self.stream.read_exact(&mut body)).await?;
        Ok(head + std::str::from_utf8(&body).unwrap())
    }

    /// The start line and the header section of the next message, without its `Date`.
    pub(crate) async fn receive_head(&mut self) -> String {
        self.try_receive_head().await.unwrap()
    }

    async fn try_receive_head(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(self.stream.read_u8()).await?);
        }
        let head = String::from_utf8(head).unwrap();
        let lines = head.split_inclusive("\r\n");
        Ok(lines.filter(|line| !line.starts_with("date: ")).collect())
    }

    /// The next `N` bytes.
    pub(crate) async fn receive_bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        within(self.stream.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// All bytes until the peer closes or resets the connection.
    pub(crate) async fn receive_rest(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is also an end.
        let _ = within(self.stream.read_to_end(&mut rest)).await;
        String::from_utf8(rest).unwrap()
    }

    /// Closes this side of the connection, and waits until the peer closes the other side.
    pub(crate) async fn close(mut self) {
        // The peer may have reset the connection.
        let _ = within(self.stream.shutdown()).await;
        self.receive_rest().await;
    }

    /// Whether the peer closes the connection without another byte. Panics if the peer resets it.
    pub(crate) async fn is_closed(&mut self) -> bool {
        within(self.stream.read(&mut [0])).await.unwrap() == 0
    }
}

/// Connects over HTTP/2 with prior knowledge (RFC 9113 §3.3).
pub(crate) async fn http2<B>(address: SocketAddr) -> conn::http2::SendRequest<B>
where
    B: Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static,
{
    let stream = within(TcpStream::connect(address)).await.unwrap();
    let handshake = conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (client, connection) = within(handshake).await.unwrap();
    tokio::spawn(connection);
    client
}

pub(crate) fn request(method: &str, uri: impl AsRef<str>) -> Request<Empty<Bytes>> {
    let request = Request::builder().method(method).uri(uri.as_ref());
    request.header("host", "a").body(Empty::new()).unwrap()
}

/// Status, header fields except `Date`, and body.
pub(crate) async fn read(
    response: impl Future<Output = hyper::Result<Response<Incoming>>>,
) -> (StatusCode, HeaderMap, Bytes) {
    let (mut head, body) = within(response).await.unwrap().into_parts();
    head.headers.remove("date");
    let body = within(body.collect()).await.unwrap().to_bytes();
    (head.status, head.headers, body)
}
