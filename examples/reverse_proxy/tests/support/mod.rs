//! The proxy in front of a test's own upstream, and the support of the crate's own tests.

#![allow(dead_code, reason = "not every test uses all of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../../../../tests/support/example.rs"]
pub(crate) mod example;
#[path = "../../../../tests/support/server.rs"]
pub(crate) mod server;

use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::example::Example;
use self::server::{Connection, http2, within};

pub(crate) const PROXY: &str = env!("CARGO_BIN_EXE_reverse_proxy");

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// The upstream closes its connection after this response. Otherwise, the proxy may use the connection again.
pub(crate) const EMPTY_OK: &str =
    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// The same response, as the client receives it.
pub(crate) const OK: &str =
    "HTTP/1.1 200 OK\r\nvia: 1.1 method-policy\r\ncontent-length: 0\r\n\r\n";

/// The running proxy.
///
/// After a connection to the upstream has broken, the proxy may open more than one new connection. A test that
/// breaks several connections starts a proxy for each.
pub(crate) struct Proxy {
    pub(crate) example: Example,
    pub(crate) address: SocketAddr,
    pub(crate) upstream: TcpListener,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", upstream.local_addr().unwrap());
        let (example, address) = Example::listening(PROXY, [&url]).await;
        Self { example, address, upstream }
    }

    pub(crate) async fn client(&self) -> Connection {
        Connection::open(self.address).await
    }

    pub(crate) async fn upstream(&self) -> Connection {
        Connection::accept(&self.upstream).await
    }

    /// Sends `request`. Returns the connections of the client and of the upstream.
    pub(crate) async fn asked(&self, request: impl AsRef<[u8]>) -> (Connection, Connection) {
        let mut client = self.client().await;
        client.send(request).await;
        (client, self.upstream().await)
    }

    /// Like `asked`, but the upstream has received the head.
    pub(crate) async fn begun(&self, request: impl AsRef<[u8]>) -> (Connection, Connection) {
        let (client, mut upstream) = self.asked(request).await;
        upstream.receive_head().await;
        (client, upstream)
    }

    /// Sends `request` over HTTP/2. Returns the response and the connection of the upstream.
    pub(crate) async fn asked_http2(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> (JoinHandle<hyper::Result<Response<Incoming>>>, Connection) {
        let mut client = http2(self.address).await;
        // The client must stay until the response has arrived.
        let response = tokio::spawn(async move { client.send_request(request).await });
        (response, self.upstream().await)
    }

    /// Sends a request on a new connection, and returns the proxy's own answer.
    pub(crate) async fn rejected(&self, request: impl AsRef<[u8]>) -> String {
        let mut client = self.client().await;
        client.send(request).await;
        client.receive().await
    }

    /// Sends a request, and returns the lines of its head as the upstream receives it.
    pub(crate) async fn forwarded(&self, request: impl AsRef<[u8]>) -> String {
        let (mut client, mut upstream) = self.asked(request).await;
        let head = upstream.receive_head().await;
        upstream.send(EMPTY_OK).await;
        client.receive_head().await;
        // The proxy must not use this connection again.
        upstream.close().await;
        lines(&head)
    }

    /// Sends `method` to an upstream that answers with `response` and closes the connection. Returns the
    /// lines of the head and the content.
    pub(crate) async fn answered(&self, method: &str, response: &str) -> (String, String) {
        let request = format!("{method} / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let (mut client, mut upstream) = self.begun(request).await;
        upstream.send(response).await;
        upstream.close().await;
        let head = client.receive_head().await;
        (lines(&head), client.receive_rest().await)
    }

    /// Waits until the proxy has this number of open descriptors.
    pub(crate) async fn has_descriptors(&self, descriptors: usize) {
        within(async {
            while self.example.descriptors() != descriptors {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// The peak of the proxy's resident memory, in bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.example.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
        1024 * kib.parse::<usize>().unwrap()
    }

    pub(crate) async fn stop(self) {
        self.example.signal("-TERM");
        self.example.ends_cleanly().await;
    }
}

/// The lines of a header section, sorted by name, because fields of different names have no order (RFC 9110
/// §5.3).
pub(crate) fn lines(head: &str) -> String {
    let head = head.strip_suffix("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").collect();
    lines[1..].sort_by_key(|line| line.split(':').next());
    lines.join("\n")
}

/// Asserts the lines of the next message's head, and its content.
pub(crate) async fn expect(connection: &mut Connection, head: &str, content: &str) {
    assert_eq!(lines(&connection.receive_head().await), head);
    expect_content(connection, content).await;
}

pub(crate) async fn expect_content(connection: &mut Connection, content: &str) {
    for byte in content.bytes() {
        assert_eq!(connection.receive_bytes().await, [byte], "{content}");
    }
}

pub(crate) fn starts_with(answer: &str, status: impl Display) {
    let status = format!("HTTP/1.1 {status}");
    assert!(answer.starts_with(&status), "{answer}");
}
