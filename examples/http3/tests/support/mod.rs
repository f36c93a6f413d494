//! An HTTP/3 client that trusts one certificate, and the support of the crate's own tests.

#![allow(dead_code, reason = "not every test uses all of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../../../../tests/support/example.rs"]
pub(crate) mod example;
#[path = "../../../../tests/support/server.rs"]
pub(crate) mod server;

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use h3::client::{self, SendRequest};
use h3::error::{Code, ConnectionError, StreamError};
use h3_quinn::{BidiStream, OpenStreams};
use http::{HeaderMap, Request, StatusCode, Version};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::task::JoinHandle;

use self::server::within;

pub(crate) const MIB: usize = 1024 * 1024;

/// Opens a connection without HTTP/3.
pub(crate) async fn quic(
    address: SocketAddr,
    certificate: CertificateDer<'_>,
) -> quinn::Connection {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut tls =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let tls = QuicClientConfig::try_from(tls).unwrap();
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(tls)));
    let connecting = endpoint.connect(address, "localhost").unwrap();
    within(connecting).await.unwrap()
}

pub(crate) struct Client {
    requests: SendRequest<OpenStreams, Bytes>,
    closed: JoinHandle<ConnectionError>,
}

pub(crate) struct Exchange(pub(crate) client::RequestStream<BidiStream<Bytes>, Bytes>);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Client {
    pub(crate) async fn open(address: SocketAddr, certificate: CertificateDer<'_>) -> Self {
        let quic = quic(address, certificate).await;
        let connection = client::new(h3_quinn::Connection::new(quic));
        let (mut connection, requests) = within(connection).await.unwrap();
        let closed = tokio::spawn(async move { connection.wait_idle().await });
        Self { requests, closed }
    }

    /// Sends a header section.
    pub(crate) async fn begin(&mut self, request: Request<()>) -> Exchange {
        Exchange(within(self.requests.send_request(request)).await.unwrap())
    }

    /// The answer to a request without content.
    pub(crate) async fn ask(&mut self, method: &str, path: &str) -> Answer {
        let mut exchange = self.begin(request(method, path)).await;
        exchange.finish().await;
        exchange.answer().await
    }

    /// Waits until the server closes the connection without an error.
    pub(crate) async fn until_closed(self) {
        let error = within(self.closed).await.unwrap();
        assert!(error.is_h3_no_error(), "{error}");
    }
}

impl Exchange {
    pub(crate) async fn send(&mut self, data: impl Into<Bytes>) {
        within(self.0.send_data(data.into())).await.unwrap();
    }

    pub(crate) async fn finish(&mut self) {
        within(self.0.finish()).await.unwrap();
    }

    /// Sends content until the server stops the upload, and returns the server's code.
    pub(crate) async fn stop_code(&mut self) -> Code {
        let data = Bytes::from_static(&[0; 64 * 1024]);
        loop {
            if let Err(error) = within(self.0.send_data(data.clone())).await {
                return code(&error);
            }
        }
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.unwrap()
    }

    /// Waits until the server breaks off the answer, and returns the server's code.
    pub(crate) async fn error_code(&mut self) -> Code {
        code(&self.try_answer().await.unwrap_err())
    }

    /// The whole answer. It must have no connection-specific fields (RFC 9114 §4.2).
    pub(crate) async fn try_answer(&mut self) -> Result<Answer, StreamError> {
        let head = within(self.0.recv_response()).await?;
        assert_eq!(head.version(), Version::HTTP_3);
        for field in ["connection", "transfer-encoding", "keep-alive", "upgrade"] {
            assert!(!head.headers().contains_key(field), "{field}");
        }
        let mut content = BytesMut::new();
        while let Some(data) = within(self.0.recv_data()).await? {
            content.put(data);
        }
        let trailers = within(self.0.recv_trailers()).await?;
        let (head, content) = (head.into_parts().0, content.freeze());
        Ok(Answer { status: head.status, headers: head.headers, content, trailers })
    }
}

/// The code with which the server ended a stream.
fn code(error: &StreamError) -> Code {
    match error {
        StreamError::RemoteTerminate { code, .. } => *code,
        error => panic!("{error}"),
    }
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }
}

pub(crate) fn request(method: &str, path: &str) -> Request<()> {
    let url = format!("https://localhost{path}");
    Request::builder().method(method).uri(url).body(()).unwrap()
}

/// A request that declares the length of its content.
pub(crate) fn declared(method: &str, path: &str, length: usize) -> Request<()> {
    let mut request = request(method, path);
    request.headers_mut().insert("content-length", length.into());
    request
}
