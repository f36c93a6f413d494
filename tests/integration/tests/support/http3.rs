//! A small HTTP/3 server, and a client that trusts it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use bytes::{Buf, Bytes};
use futures_util::stream::poll_fn;
use h3::client::{self, SendRequest};
use h3::server::{self, RequestResolver};
use h3_quinn::{BidiStream, Connection, OpenStreams};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, Incoming, ServerConfig};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::server::within;

pub(crate) type App = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

pub(crate) struct Server {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    /// The server stops when it is dropped.
    stop: watch::Sender<()>,
    stopped: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(app: App) -> Self {
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate: CertificateDer<'static> = certified.cert.into();
        let mut tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], certified.signing_key.into())
            .unwrap();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let tls = QuicServerConfig::try_from(tls).unwrap();
        let config = ServerConfig::with_crypto(Arc::new(tls));
        let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = endpoint.local_addr().unwrap();
        let (stop, stopping) = watch::channel(());
        let stopped = tokio::spawn(serve(endpoint, app, stopping));
        Self { address, certificate, stop, stopped }
    }

    pub(crate) async fn client(&self) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut tls =
            rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let tls = QuicClientConfig::try_from(tls).unwrap();
        let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(ClientConfig::new(Arc::new(tls)));
        let quic = within(endpoint.connect(self.address, "localhost").unwrap()).await.unwrap();
        let (mut driver, requests) = within(client::new(Connection::new(quic))).await.unwrap();
        let driver = tokio::spawn(async move {
            driver.wait_idle().await;
        });
        Client { requests, driver }
    }

    /// Begins a graceful shutdown. The returned future completes when all requests are answered and all clients
    /// are gone.
    pub(crate) fn stop(self) -> impl Future<Output = ()> {
        drop(self.stop);
        async { within(self.stopped).await.unwrap() }
    }
}

async fn serve(endpoint: Endpoint, app: App, mut stopping: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopping.changed() => break,
            Some(incoming) = endpoint.accept() => {
                connections.spawn(connection(incoming, app.clone(), stopping.clone()));
            }
        }
    }
    endpoint.set_server_config(None);
    connections.join_all().await;
}

/// Answers the requests of a connection until the client closes it, or until the server stops.
async fn connection(incoming: Incoming, app: App, mut stopping: watch::Receiver<()>) {
    let quic = incoming.await.unwrap();
    let mut connection = server::Connection::new(Connection::new(quic.clone())).await.unwrap();
    let mut exchanges = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopping.changed() => break,
            request = connection.accept() => match request {
                Ok(Some(request)) => drop(exchanges.spawn(exchange(request, app.clone()))),
                // The client is gone.
                Ok(None) | Err(_) => break,
            }
        }
    }
    exchanges.join_all().await;
    // Until then, the last answer may not have arrived.
    quic.closed().await;
}

async fn exchange(request: RequestResolver<Connection, Bytes>, app: App) {
    let (request, stream) = request.resolve_request().await.unwrap();
    let (mut send, mut receive) = stream.split();
    let content = poll_fn(move |cx| {
        let content = receive.poll_recv_data(cx).map(Result::transpose);
        content.map_ok(|mut data| data.copy_to_bytes(data.remaining()))
    });
    let body = Body::from_stream(content);
    let response = app.oneshot(request.map(|()| body)).await.unwrap();
    let (head, mut body) = response.into_parts();
    send.send_response(Response::from_parts(head, ())).await.unwrap();
    while let Some(frame) = body.frame().await {
        send.send_data(frame.unwrap().into_data().unwrap()).await.unwrap();
    }
    send.finish().await.unwrap();
}

/// A connection to the server. It is closed when the value is dropped.
pub(crate) struct Client {
    requests: SendRequest<OpenStreams, Bytes>,
    driver: JoinHandle<()>,
}

pub(crate) struct Exchange(client::RequestStream<BidiStream<Bytes>, Bytes>);

impl Client {
    /// Sends the header section of a request.
    pub(crate) async fn begin(&mut self, method: &str) -> Exchange {
        let request = Request::builder().method(method).uri("https://localhost/");
        let request = request.body(()).unwrap();
        Exchange(within(self.requests.send_request(request)).await.unwrap())
    }

    /// The answer to a request without content.
    pub(crate) async fn ask(&mut self, method: &str) -> (StatusCode, HeaderMap, String) {
        let mut exchange = self.begin(method).await;
        exchange.finish().await;
        exchange.answer().await
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Exchange {
    pub(crate) async fn send(&mut self, data: impl Into<Bytes>) {
        within(self.0.send_data(data.into())).await.unwrap();
    }

    pub(crate) async fn finish(&mut self) {
        within(self.0.finish()).await.unwrap();
    }

    pub(crate) async fn answer(&mut self) -> (StatusCode, HeaderMap, String) {
        let (head, ()) = within(self.0.recv_response()).await.unwrap().into_parts();
        let mut content = Vec::new();
        while let Some(data) = within(self.0.recv_data()).await.unwrap() {
            content.extend_from_slice(data.chunk());
        }
        (head.status, head.headers, String::from_utf8(content).unwrap())
    }
}
