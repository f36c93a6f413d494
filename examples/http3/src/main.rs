//! A message board over HTTP/3, on h3 and quinn, behind a policy.
//!
//! It is that of `examples/hyper.rs`: it allows `GET`, `HEAD` and `POST` at `/`, `GET` and `HEAD`
//! everywhere else, and rejects the rest with a sentence of text. What there is to know about HTTP/3
//! is in `lib.rs`.
//!
//! ```text
//! cargo run [-- ADDRESS [CERTIFICATE]]  # by default 127.0.0.1:3000; the file is written, for clients
//!
//! # with a curl that has HTTP/3, after `cargo run -- 127.0.0.1:3000 board.pem`
//! alias curl='curl --http3-only --cacert board.pem'
//! curl -i https://localhost:3000/ -d 'Hello!'  # 201, Location: /1
//! curl -i https://localhost:3000/              # 200, a line for each message
//! curl -i https://localhost:3000/1             # 200, the message
//! curl -i https://localhost:3000/1 -X POST     # 405, Allow: GET, HEAD
//! curl -i https://localhost:3000/ -X PROPFIND  # 501
//! ```

#[path = "../../common/mod.rs"]
mod common;

use std::error::Error;
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use method_policy_http3::{Upload, serve};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use rcgen::CertifiedKey;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tower::{Layer, service_fn};
use tower_method_policy::{MethodPolicyLayer, PlainText, Policy, PolicyError};

type BoxError = Box<dyn Error + Send + Sync>;

/// The messages; the first one's id is 1.
type Board = Mutex<Vec<String>>;

/// The size of the longest message that is taken, in bytes.
const LIMIT: usize = 64 * 1024;

/// What each path allows beside `GET` and `HEAD`: nothing, unless it has a rule of its own.
fn policy() -> Result<Policy, PolicyError> {
    Policy::new().allow([]).route("/", [Method::POST])
}

/// Answers what the policy forwards: `GET` and `HEAD`, and at `/` also `POST`.
async fn board(
    board: Arc<Board>,
    request: Request<Upload>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let (request, body) = request.into_parts();
    let response = match (&request.method, request.uri.path()) {
        (&Method::POST, _) => match Limited::new(body, LIMIT).collect().await {
            Ok(body) => add(&board, &body.to_bytes())?,
            Err(error) if error.is::<LengthLimitError>() => empty(StatusCode::PAYLOAD_TOO_LARGE)?,
            Err(error) => return Err(error),
        },
        (_, "/") => list(&board)?,
        (_, path) => show(&board, path)?,
    };
    Ok(response)
}

fn list(board: &Board) -> http::Result<Response<Full<Bytes>>> {
    let messages = board.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = (1..).zip(messages.iter()).map(|(id, message)| {
        let first_line = message.lines().next().unwrap_or_default();
        format!("{id}: {first_line}\n")
    });
    text(lines.collect())
}

fn add(board: &Board, message: &[u8]) -> http::Result<Response<Full<Bytes>>> {
    let mut messages = board.lock().unwrap_or_else(PoisonError::into_inner);
    messages.push(String::from_utf8_lossy(message).into_owned());
    Response::builder()
        .status(StatusCode::CREATED)
        .header(LOCATION, format!("/{}", messages.len()))
        .body(Full::default())
}

fn show(board: &Board, path: &str) -> http::Result<Response<Full<Bytes>>> {
    let messages = board.lock().unwrap_or_else(PoisonError::into_inner);
    let id = path.strip_prefix('/').and_then(|id| id.parse().ok());
    match id.and_then(|id: usize| messages.get(id.checked_sub(1)?)) {
        Some(message) => text(message.clone()),
        None => empty(StatusCode::NOT_FOUND),
    }
}

fn text(text: String) -> http::Result<Response<Full<Bytes>>> {
    Response::builder()
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(Full::from(text))
}

fn empty(status: StatusCode) -> http::Result<Response<Full<Bytes>>> {
    Response::builder().status(status).body(Full::default())
}

/// Listens on `address` with a certificate of its own, which is written to the file `pem` if that has
/// a name.
fn listen(address: &str, pem: &str) -> Result<Endpoint, Box<dyn Error>> {
    let socket =
        UdpSocket::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let address = socket.local_addr()?;
    let config = with_certificate(address, pem)?;
    let endpoint = Endpoint::new(
        EndpointConfig::default(),
        Some(config),
        socket,
        Arc::new(TokioRuntime),
    )?;
    println!("listening on https://{address}");
    Ok(endpoint)
}

fn with_certificate(address: SocketAddr, pem: &str) -> Result<ServerConfig, Box<dyn Error>> {
    let names = ["localhost".to_owned(), address.ip().to_string()];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names)?;
    if !pem.is_empty() {
        fs::write(pem, cert.pem()).map_err(|error| format!("cannot write {pem}: {error}"))?;
    }
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.into()], key.into())?;
    // RFC 9114 §3.1.
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let tls = QuicServerConfig::try_from(tls)?;
    Ok(ServerConfig::with_crypto(Arc::new(tls)))
}

async fn run() -> Result<(), Box<dyn Error>> {
    let messages = Arc::new(Board::default());
    let service = MethodPolicyLayer::new(policy()?)
        .respond_with(PlainText)
        .layer(service_fn(move |request| board(messages.clone(), request)));

    let [address, pem] = common::arguments(["127.0.0.1:3000", ""])?;
    let shutdown = common::shutdown_signal()?;
    let endpoint = listen(&address, &pem)?;
    serve(endpoint, service, shutdown).await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(run()).await
}
