//! An axum application behind a policy, over HTTP/3 with h3 (0.0.8) and quinn.
//!
//! ```text
//! cargo run -p example-http3 -- 127.0.0.1:3000 server.pem  # writes its certificate to the file
//! curl -i --http3-only --cacert server.pem https://localhost:3000/ -d 'Hello!'  # 200, the text
//! curl -i --http3-only --cacert server.pem https://localhost:3000/ -X OPTIONS   # 200 and Allow
//! curl -i --http3-only --cacert server.pem https://localhost:3000/ -X FOO       # 501
//! ```
//!
//! The layer handles HTTP/3 like HTTP/2. A rejected upload is stopped at the limits of `BodyDrain`, and the
//! connection stays open.
//!
//! The other files contain the parts of a server that hyper has and h3 does not have. One problem of h3 remains:
//! it keeps frames of any size in memory until they are complete, except `DATA` frames.

#[path = "../../common/mod.rs"]
mod common;
mod exchange;
mod server;

use std::error::Error;
use std::fs;
use std::net::UdpSocket;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, put};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use rcgen::CertifiedKey;
use tower::Layer;
use tower_method_policy::{MethodPolicy, MethodPolicyLayer, PlainText};

type App = MethodPolicy<Router, PlainText>;

/// Listens with a new certificate. Writes the certificate to the file `pem`, unless that name is empty.
fn listen(address: &str, pem: &str) -> Result<Endpoint, Box<dyn Error>> {
    let socket =
        UdpSocket::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = socket.local_addr()?;
    let names = ["localhost".to_owned(), address.ip().to_string()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names)?;
    if !pem.is_empty() {
        fs::write(pem, cert.pem()).map_err(|error| format!("cannot write {pem}: {error}"))?;
    }
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.into()], signing_key.into())?;
    tls.alpn_protocols = vec![b"h3".to_vec()]; // RFC 9114 §3.1
    let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new(EndpointConfig::default(), Some(config), socket, runtime)?;
    println!("listening on https://{address}");
    Ok(endpoint)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let [address, pem] = common::arguments(["127.0.0.1:3000", ""])?;
    let shutdown = common::shutdown_signal()?;
    // axum reads at most 2 MiB for a `String`.
    let router = Router::new()
        .route("/", get("Hello over HTTP/3!\n").post(async |text: String| text))
        .route("/echo", put(async |content: Body| content));
    let app =
        MethodPolicyLayer::default().answer_options(true).respond_with(PlainText).layer(router);
    server::serve(listen(&address, &pem)?, app, shutdown).await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(run()).await
}
