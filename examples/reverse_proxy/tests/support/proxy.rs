//! The proxy in front of an upstream that the test plays.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use super::example::Example;
use super::server::{Connection, within};

pub(crate) const PROXY: &str = env!("CARGO_BIN_EXE_reverse_proxy");

/// The proxy as it runs, in front of an upstream that the test plays.
///
/// After a connection to the upstream has broken, the proxy may open more than one in its place, so a
/// test that breaks several starts a proxy for each.
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
        Self {
            example,
            address,
            upstream,
        }
    }

    pub(crate) async fn client(&self) -> Connection {
        Connection::open(self.address).await
    }

    pub(crate) async fn upstream(&self) -> Connection {
        Connection::accept(&self.upstream).await
    }

    /// A client that has sent `request`, and the upstream's end of the connection that it arrives on.
    pub(crate) async fn asked(&self, request: impl AsRef<[u8]>) -> (Connection, Connection) {
        let mut client = self.client().await;
        client.send(request).await;
        (client, self.upstream().await)
    }

    /// How many sockets the proxy has open.
    pub(crate) fn sockets(&self) -> usize {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.example.id())).unwrap();
        // One that was closed since it was listed has no link any more.
        let links =
            descriptors.filter_map(|descriptor| fs::read_link(descriptor.unwrap().path()).ok());
        links
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .count()
    }

    /// Waits until the proxy has closed all but so many sockets. It does not tell, so it is asked.
    pub(crate) async fn has_closed_all_but(&self, sockets: usize) {
        within(async {
            while self.sockets() != sockets {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// The most memory that the proxy ever had, in bytes.
    pub(crate) fn peak_memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.example.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.unwrap().trim().strip_suffix(" kB").unwrap();
        1024 * kib.parse::<usize>().unwrap()
    }

    /// Stops the proxy, which has said of the upstream what was wrong with it.
    pub(crate) async fn stop_after(self, error: &str) {
        self.example.signal("-TERM");
        let (status, errors) = self.example.end().await;
        assert!(status.success(), "{status}");
        let upstream = self.upstream.local_addr().unwrap();
        let start = format!("no response from {upstream}: ");
        assert!(
            errors.starts_with(&start) && errors.contains(error),
            "{errors}"
        );
    }

    pub(crate) async fn stop(self) {
        self.example.signal("-TERM");
        self.example.ends_cleanly().await;
    }
}

pub(crate) const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
pub(crate) const BAD_GATEWAY: &str = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";

/// The lines of a header section; fields of different names have no order (RFC 9110 §5.3), so they
/// are sorted here.
pub(crate) fn lines(head: &str) -> Vec<&str> {
    let mut lines: Vec<_> = head
        .strip_suffix("\r\n\r\n")
        .unwrap()
        .split("\r\n")
        .collect();
    lines[1..].sort_by_key(|line| line.split(':').next());
    lines
}

/// A response after which the upstream's connection is of no more use: the proxy may keep one that is,
/// and a test that counted on whether it does would count on the proxy's being fast.
pub(crate) const EMPTY_OK: &str =
    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
