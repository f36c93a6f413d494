//! An example under attack, and the honest client that it has to serve meanwhile.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{Stream, StreamExt};
use h2::client::SendRequest;
use http::{Request, StatusCode};
use tokio::net::TcpStream;

use crate::support::example::Example;
use crate::support::server::within;

/// The examples that speak HTTP/1.1, too.
pub(crate) const BOARDS: [&str; 2] = ["axum", "hyper"];

pub(crate) const ALL: [&str; 3] = ["axum", "hyper", "tonic"];

fn executable(name: &str) -> &'static str {
    match name {
        "axum" => env!("CARGO_BIN_EXE_attacked_axum"),
        "hyper" => env!("CARGO_BIN_EXE_attacked_hyper"),
        _ => env!("CARGO_BIN_EXE_attacked_tonic"),
    }
}

/// Runs `attack` on examples, on all of them at the same time.
pub(crate) async fn on_each<F: Future<Output = ()>>(
    names: impl IntoIterator<Item = &'static str>,
    attack: impl Fn(&'static str) -> F,
) {
    join_all(names.into_iter().map(attack)).await;
}

pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    example: Example,
    /// What it has open without a connection.
    descriptors: usize,
}

impl Program {
    pub(crate) async fn start(name: &'static str) -> Self {
        let (example, address) = Example::listening(executable(name), []).await;
        let program = Self { name, address, descriptors: example.descriptors(), example };
        // The first requests of all take memory that is kept.
        for method in ["DELETE", "FOO"] {
            let client = connect(address).await;
            let answer = ask(&client, request(method), b"content").await;
            assert_eq!(answer.unwrap().0, rejection(method));
            serves(name, &client).await;
        }
        program
    }

    /// Serves somebody who has nothing to do with the attack.
    pub(crate) async fn serves_others(&self) {
        serves(self.name, &connect(self.address).await).await;
    }

    /// The memory that it has resident, in KiB.
    pub(crate) fn resident(&self) -> u64 {
        self.example.resident()
    }

    /// Asserts that it has not grown by more than `allowed` since it was `before`.
    #[track_caller]
    pub(crate) fn grown(&self, before: u64, allowed: u64) {
        let grown = self.resident().saturating_sub(before);
        assert!(grown <= allowed, "{}: grew by {grown} KiB", self.name);
    }

    /// Waits for all answers. Asserts that it grows by at most 2 MiB after the first `warm` of them.
    pub(crate) async fn grows_little(&self, answers: impl Stream<Item = ()>, warm: usize) {
        let mut answers = pin!(answers);
        for _ in 0..warm {
            answers.next().await;
        }
        let before = self.resident();
        answers.for_each(async |()| {}).await;
        self.grown(before, 2048);
    }

    /// Waits until it has closed all connections.
    async fn becomes_idle(&self) {
        within(async {
            while self.example.descriptors() > self.descriptors {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    pub(crate) fn terminate(&self) {
        self.example.signal("-TERM");
    }

    /// Ends by itself, and has nothing to complain of.
    pub(crate) async fn ends(self) {
        self.example.ends_cleanly().await;
    }

    /// Ends by itself although a client holds on to its connection.
    pub(crate) async fn gives_up(self) {
        // The examples wait for 40 seconds, which is longer than tests do.
        tokio::time::sleep(Duration::from_secs(30)).await;
        let (status, errors) = self.example.end().await;
        assert_eq!(status.code(), Some(1), "{errors}");
        assert_eq!(errors, "error: clients kept their connections open for 40s after the signal\n");
    }

    /// There is nothing left of the attack, so it ends when it is told to.
    pub(crate) async fn survives(self) {
        self.serves_others().await;
        self.becomes_idle().await;
        self.terminate();
        self.ends().await;
    }
}

/// HTTP/2 with prior knowledge, by the library that hyper is made of, which hides nothing of it.
pub(crate) type Client = SendRequest<Bytes>;

pub(crate) async fn connect(address: SocketAddr) -> Client {
    let stream = within(TcpStream::connect(address)).await.unwrap();
    let (client, connection) = within(h2::client::handshake(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A request for `/`.
pub(crate) fn request(method: &str) -> Request<()> {
    let request = Request::builder().method(method).uri("http://a/");
    request.body(()).unwrap()
}

/// What each of the examples says to it.
pub(crate) fn rejection(method: &str) -> StatusCode {
    match method {
        "DELETE" => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::NOT_IMPLEMENTED,
    }
}

pub(crate) async fn ask(
    client: &Client,
    request: Request<()>,
    content: &'static [u8],
) -> Result<(StatusCode, Bytes), h2::Error> {
    let mut client = within(client.clone().ready()).await?;
    let (response, mut stream) = client.send_request(request, content.is_empty())?;
    if !content.is_empty() {
        stream.send_data(content.into(), true)?;
    }
    let (head, mut body) = within(response).await?.into_parts();
    let mut received = Vec::new();
    while let Some(data) = within(body.data()).await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        received.extend(data);
    }
    Ok((head.status, received.into()))
}

/// Serves the client: the board with its messages, gRPC with the server's health, which is well.
pub(crate) async fn serves(name: &str, client: &Client) {
    if name == "tonic" {
        let call = Request::post("http://a/grpc.health.v1.Health/Check");
        let call = call.header("content-type", "application/grpc");
        let call = call.header("te", "trailers").body(()).unwrap();
        let (_, reply) = ask(client, call, &[0; 5]).await.unwrap();
        assert_eq!(reply, HEALTHY);
    } else {
        let (status, _) = ask(client, request("GET"), b"").await.unwrap();
        assert_eq!(status, 200, "{name}");
    }
}

/// The gRPC message that says `SERVING`.
pub(crate) const HEALTHY: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
