//! A client that speaks HTTP/3 and trusts one certificate, and the support of the crate's own tests.

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

/// The content of 64 KiB that large uploads are made of.
pub(crate) const CHUNK: Bytes = Bytes::from_static(&[0; 64 * 1024]);

/// A connection over which nothing was sent except TLS.
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

pub(crate) struct Exchange(client::RequestStream<BidiStream<Bytes>, Bytes>);

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

    /// Waits until the server closes the connection, which it has to do without an error.
    pub(crate) async fn until_closed(self) {
        let error = within(self.closed).await.unwrap();
        assert!(error.is_h3_no_error(), "{error}");
    }
}

impl Exchange {
    pub(crate) async fn send(&mut self, data: impl Into<Bytes>) {
        within(self.0.send_data(data.into())).await.unwrap();
    }

    pub(crate) async fn send_trailers(&mut self, trailers: HeaderMap) {
        within(self.0.send_trailers(trailers)).await.unwrap();
    }

    pub(crate) async fn finish(&mut self) {
        within(self.0.finish()).await.unwrap();
    }

    /// Sends until it is told to stop; the code that it is told.
    pub(crate) async fn is_stopped(&mut self) -> Code {
        loop {
            match within(self.0.send_data(CHUNK)).await {
                Ok(()) => {}
                Err(StreamError::RemoteTerminate { code, .. }) => return code,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// That of the next header section, which may be an interim response.
    pub(crate) async fn status(&mut self) -> StatusCode {
        within(self.0.recv_response()).await.unwrap().status()
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.unwrap()
    }

    /// Waits until the answer is broken off; the code that says why.
    pub(crate) async fn is_broken_off(&mut self) -> Code {
        match self.try_answer().await {
            Err(StreamError::RemoteTerminate { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    }

    /// The answer, as a whole. Whatever it is, it has no connection-specific fields (RFC 9114 §4.2).
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
        Ok(Answer {
            status: head.status(),
            headers: head.headers().clone(),
            content: content.freeze(),
            trailers,
        })
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

/// A request that declares how long its content is.
pub(crate) fn declared(method: &str, path: &str, length: u64) -> Request<()> {
    let mut request = request(method, path);
    request.headers_mut().insert("content-length", length.into());
    request
}
