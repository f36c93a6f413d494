//! What a service gets of a request, and the client of its response.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h3::error::Code;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt, Either, Full};
use method_policy_http3::{Upload, UploadError, serve};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, ReadError, ServerConfig, VarInt};
use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use support::client::{CHUNK, Client, declared, quic, request};
use support::server::within;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::service_fn;

/// What it says of a request goes into the header section, its content comes back: as it arrives or,
/// at `/whole`, once all is there.
async fn echo(
    request: Request<Upload>,
) -> Result<Response<Either<Upload, Full<Bytes>>>, UploadError> {
    assert_eq!(request.version(), Version::HTTP_3);
    let is_whole = request.uri().path() == "/whole";
    let upload = request.into_body();
    let known = format!(
        "{} {:?}",
        upload.is_end_stream(),
        upload.size_hint().exact()
    );
    let content = match is_whole {
        true => Either::Right(Full::new(upload.collect().await?.to_bytes())),
        false => Either::Left(upload),
    };
    let mut response = Response::new(content);
    let known = HeaderValue::try_from(known).unwrap();
    response.headers_mut().insert("known", known);
    Ok(response)
}

struct Server {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Server {
    fn start() -> Self {
        let names = ["localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let mut tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let tls = QuicServerConfig::try_from(tls).unwrap();
        let config = ServerConfig::with_crypto(Arc::new(tls));
        let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { stopped.await.unwrap() };
        Self {
            address,
            certificate: cert.into(),
            stop,
            served: tokio::spawn(serve(endpoint, service_fn(echo), shutdown)),
        }
    }

    async fn client(&self) -> Client {
        Client::open(self.address, self.certificate.clone()).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        within(self.served).await.unwrap();
    }
}

#[tokio::test]
async fn content_and_trailers_pass_both_ways() {
    let server = Server::start();
    let mut client = server.client().await;
    for (head, known, length) in [
        (declared("PUT", "/", 6), "false Some(6)", Some("6")),
        (request("PUT", "/"), "false None", None),
    ] {
        let mut exchange = client.begin(head).await;
        exchange.send("abc").await;
        exchange.send("def").await;
        let mut trailers = HeaderMap::new();
        trailers.insert("checksum", HeaderValue::from_static("1"));
        exchange.send_trailers(trailers.clone()).await;
        exchange.finish().await;
        let answer = exchange.answer().await;
        assert_eq!(answer.field("known"), Some(known));
        assert_eq!(answer.field("content-length"), length);
        assert_eq!(answer.content, "abcdef");
        assert_eq!(answer.trailers, Some(trailers));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_response_that_is_broken_off_does_not_look_complete() {
    let server = Server::start();
    let mut client = server.client().await;
    let mut exchange = client.begin(declared("PUT", "/", 6)).await;
    exchange.send("abc").await;
    exchange.finish().await;
    assert_eq!(exchange.is_broken_off().await, Code::H3_MESSAGE_ERROR);
    server.stop().await;
}

/// `PUT https://localhost/`, in the frame of a header section.
const PUT: &[u8] = b"\x01\x10\0\0\xd5\xd7\xc1\x50\x09localhost";

#[tokio::test]
async fn a_server_that_stops_sends_its_answers_to_the_end() {
    let server = Server::start();
    let mut client = server.client().await;
    let mut exchange = client.begin(request("PUT", "/whole")).await;
    for _ in 0..16 {
        exchange.send(CHUNK).await;
    }
    // So the one before has come in.
    client.ask("GET", "/").await;
    server.stop.send(()).unwrap();
    exchange.finish().await;
    assert_eq!(exchange.answer().await.content.len(), 16 * CHUNK.len());
    within(server.served).await.unwrap();
}

/// So a client knows which requests it can make again elsewhere (RFC 9114 §5.2).
#[tokio::test]
async fn a_server_that_stops_says_which_requests_it_does_not_answer() {
    let server = Server::start();
    let connection = quic(server.address, server.certificate.clone()).await;
    let (mut send, mut receive) = within(connection.open_bi()).await.unwrap();
    send.write_all(&[PUT, b"\0\x03abc"].concat()).await.unwrap();
    within(receive.read_chunk(1, true)).await.unwrap().unwrap();

    server.stop.send(()).unwrap();
    // The control stream is the one that begins with its type, 0.
    let mut control = loop {
        let mut stream = within(connection.accept_uni()).await.unwrap();
        let first = within(stream.read_chunk(1, true)).await.unwrap().unwrap();
        if first.bytes == b"\0"[..] {
            break stream;
        }
    };
    let mut frames = Vec::new();
    // GOAWAY: of the streams of requests, 0, 4 and so on, the first that is not answered is 4.
    while !frames.ends_with(b"\x07\x01\x04") {
        let chunk = within(control.read_chunk(1024, true)).await.unwrap();
        frames.extend_from_slice(&chunk.unwrap().bytes);
    }
    for _ in [4, 8] {
        let (mut late, mut rejected) = within(connection.open_bi()).await.unwrap();
        late.write_all(PUT).await.unwrap();
        let error = within(rejected.read_chunk(1, true)).await.unwrap_err();
        assert_eq!(error, ReadError::Reset(VarInt::from_u32(0x10b)));
    }
    send.finish().unwrap();
    let answer = within(receive.read_to_end(1024)).await.unwrap();
    // h3 ends its first response with a frame that means nothing (RFC 9114 §7.2.8).
    assert!(
        answer.windows(5).any(|frame| frame == b"\0\x03abc"),
        "{answer:?}"
    );
    within(server.served).await.unwrap();
}

/// h3 panics where it could be an error.
#[tokio::test]
async fn a_frame_that_is_cut_short_costs_its_request_alone() {
    let server = Server::start();
    let connection = quic(server.address, server.certificate.clone()).await;
    let (mut send, mut receive) = within(connection.open_bi()).await.unwrap();
    send.write_all(&[PUT, b"\0\x05abc"].concat()).await.unwrap();
    // Three bytes of the five, and the header section before, have come back.
    let mut seen = Vec::new();
    while !seen.ends_with(b"\0\x03abc") {
        let chunk = within(receive.read_chunk(1024, true)).await.unwrap();
        seen.extend_from_slice(&chunk.unwrap().bytes);
    }
    send.finish().unwrap();
    let error = within(receive.read_chunk(1024, true)).await.unwrap_err();
    assert_eq!(error, ReadError::Reset(VarInt::from_u32(0x102)));

    let (mut send, mut receive) = within(connection.open_bi()).await.unwrap();
    send.write_all(&[PUT, b"\0\x03abc"].concat()).await.unwrap();
    send.finish().unwrap();
    let answer = within(receive.read_to_end(1024)).await.unwrap();
    assert!(answer.ends_with(b"\0\x03abc"), "{answer:?}");
    server.stop().await;
}
