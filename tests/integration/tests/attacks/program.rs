//! An example under attack, and the client that it must serve at the same time.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{Stream, StreamExt};
use h2::PingPong;
use h2::client::SendRequest;
use http::{Request, StatusCode};
use tokio::net::TcpStream;

use crate::support::example::Example;
use crate::support::server::within;

pub(crate) const ALL: [&str; 2] = ["hyper", "tonic"];

/// In KiB, the unit of memory here.
pub(crate) const MIB: u64 = 1024;

fn executable(name: &str) -> &'static str {
    match name {
        "hyper" => env!("CARGO_BIN_EXE_attacked_hyper"),
        _ => env!("CARGO_BIN_EXE_attacked_tonic"),
    }
}

/// Starts these examples and runs `attack` on all of them at the same time.
pub(crate) async fn start_each(
    names: impl IntoIterator<Item = &'static str>,
    attack: impl AsyncFn(Program),
) {
    let attack = &attack;
    let attacks = names.into_iter().map(|name| async move {
        attack(Program::start(name).await).await;
    });
    join_all(attacks).await;
}

/// Starts these examples, runs `attack` on all of them at the same time, and then checks that nothing of it is left.
pub(crate) async fn attack_each(
    names: impl IntoIterator<Item = &'static str>,
    attack: impl AsyncFn(&Program),
) {
    start_each(names, async |program| {
        attack(&program).await;
        program.survives().await;
    })
    .await;
}

pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    example: Example,
    /// The number of its open files and sockets without a connection.
    descriptors: usize,
}

impl Program {
    pub(crate) async fn start(name: &'static str) -> Self {
        let (example, address) = Example::listening(executable(name), []).await;
        let program = Self { name, address, descriptors: example.descriptors(), example };
        // The first requests allocate memory that is never freed.
        for method in ["DELETE", "FOO"] {
            let client = connect(address).await;
            let answer = ask(&client, request(method), "content").await;
            assert_eq!(answer.unwrap().0, rejection(method));
            serves(name, &client).await;
        }
        program
    }

    /// Serves a client that is not part of the attack.
    pub(crate) async fn serves_others(&self) {
        serves(self.name, &connect(self.address).await).await;
    }

    /// Its resident memory.
    pub(crate) fn resident(&self) -> u64 {
        self.example.resident()
    }

    /// Asserts that its memory has grown by at most `allowed`.
    #[track_caller]
    pub(crate) fn has_grown_at_most(&self, allowed: u64, before: u64) {
        let grown = self.resident().saturating_sub(before);
        assert!(grown <= allowed, "{}: grew by {grown} KiB", self.name);
    }

    /// Waits for all answers. Asserts that its memory grows by at most 2 MiB after the first `warm` answers.
    pub(crate) async fn grows_little(&self, answers: impl Stream<Item = ()>, warm: usize) {
        let mut answers = pin!(answers);
        for _ in 0..warm {
            answers.next().await;
        }
        let before = self.resident();
        answers.for_each(async |()| {}).await;
        self.has_grown_at_most(2 * MIB, before);
    }

    pub(crate) fn terminate(&self) {
        self.example.signal("-TERM");
    }

    /// Asserts that it ends without an error.
    pub(crate) async fn ends(self) {
        self.example.ends_cleanly().await;
    }

    /// Terminates it. Asserts that it ends with an error, because a client keeps its connection.
    pub(crate) async fn gives_up(self) {
        self.terminate();
        // The examples give clients 40 seconds. `within` waits for only 30.
        tokio::time::sleep(Duration::from_secs(30)).await;
        let (status, errors) = self.example.end().await;
        assert_eq!(status.code(), Some(1), "{errors}");
        assert_eq!(errors, "error: clients kept their connections open for 40s after the signal\n");
    }

    /// Asserts that it serves others, closes all connections, and ends when it is terminated.
    async fn survives(self) {
        self.serves_others().await;
        within(async {
            while self.example.descriptors() > self.descriptors {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        self.terminate();
        self.ends().await;
    }
}

/// A client for HTTP/2 with prior knowledge. hyper uses the same library, but hides parts of it.
pub(crate) type Client = SendRequest<Bytes>;

pub(crate) async fn connect(address: SocketAddr) -> Client {
    connect_with_pings(address).await.0
}

pub(crate) async fn connect_with_pings(address: SocketAddr) -> (Client, PingPong) {
    let stream = within(TcpStream::connect(address)).await.unwrap();
    let (client, mut connection) = within(h2::client::handshake(stream)).await.unwrap();
    let pings = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    (client, pings)
}

/// A request for `/`.
pub(crate) fn request(method: &str) -> Request<()> {
    let request = Request::builder().method(method).uri("http://a/");
    request.body(()).unwrap()
}

/// The status of every example's answer to a request with this method.
pub(crate) fn rejection(method: &str) -> StatusCode {
    if method == "DELETE" { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_IMPLEMENTED }
}

pub(crate) async fn ask(
    client: &Client,
    request: Request<()>,
    content: impl Into<Bytes>,
) -> Result<(StatusCode, Bytes), h2::Error> {
    let content = content.into();
    let mut client = within(client.clone().ready()).await?;
    let (response, mut stream) = client.send_request(request, content.is_empty())?;
    if !content.is_empty() {
        stream.send_data(content, true)?;
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

/// Asserts that the client gets the messages of the board, or the health of the gRPC server.
pub(crate) async fn serves(name: &str, client: &Client) {
    if name == "tonic" {
        let (_, reply) = ask(client, call(), &[0; 5][..]).await.unwrap();
        assert_eq!(reply, HEALTHY);
    } else {
        let (status, _) = ask(client, request("GET"), "").await.unwrap();
        assert_eq!(status, 200, "{name}");
    }
}

/// A call of the gRPC health service.
pub(crate) fn call() -> Request<()> {
    let call = Request::post("http://a/grpc.health.v1.Health/Check");
    let call = call.header("content-type", "application/grpc");
    call.header("te", "trailers").body(()).unwrap()
}

/// The gRPC message that says `SERVING`.
pub(crate) const HEALTHY: &[u8] = &[0, 0, 0, 0, 2, 8, 1];
