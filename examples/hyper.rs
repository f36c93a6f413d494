//! A message board on hyper, over HTTP/1.1 and cleartext HTTP/2.
//!
//! No router sends `Allow` here, so the policy has rules. The body of a rejection is plain text. With the feature
//! `hyper`, the layer wraps a service of hyper.
//!
//! ```text
//! cargo run --features hyper --example hyper [-- ADDRESS]
//!                                             # the default is 127.0.0.1:3000
//!
//! curl -i http://127.0.0.1:3000/ -d 'Hello!'  # 201, Location: /1
//! curl -i http://127.0.0.1:3000/              # 200, one line for each message
//! curl -i http://127.0.0.1:3000/1             # 200, the message
//! curl -i http://127.0.0.1:3000/1 -X POST     # 405, Allow: GET, HEAD, OPTIONS
//! curl -i http://127.0.0.1:3000/ -X OPTIONS   # 200, Allow: GET, HEAD, POST, OPTIONS
//! curl -i http://127.0.0.1:3000/ -X PROPFIND  # 501
//! curl -i http://127.0.0.1:3000/ -X DELETE --http2-prior-knowledge
//!                                             # 405, Allow: GET, HEAD, POST, OPTIONS, over HTTP/2
//! ```

mod common;

use std::error::Error;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, PlainText, Policy, PolicyError};

type BoxError = Box<dyn Error + Send + Sync>;

/// The messages. The first one has the id 1.
type Board = Mutex<Vec<String>>;

/// The maximum size of a message in bytes.
const LIMIT: usize = 64 * 1024;

/// The methods that `board` handles. `/` accepts new messages. Any other path is a message or does not exist.
fn policy() -> Result<Policy, PolicyError> {
    Ok(Policy::new().route("/", [Method::GET, Method::POST])?.fallback([Method::GET]))
}

/// Answers the requests that the policy forwards: `GET` and `HEAD`, and `POST` at `/`.
async fn board(
    board: Arc<Board>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let (request, body) = request.into_parts();
    let mut response = match (&request.method, request.uri.path()) {
        (&Method::POST, _) => match Limited::new(body, LIMIT).collect().await {
            Ok(body) => add(&board, &body.to_bytes())?,
            Err(error) if error.is::<LengthLimitError>() => empty(StatusCode::PAYLOAD_TOO_LARGE)?,
            Err(error) => return Err(error),
        },
        (_, "/") => list(&board)?,
        (_, path) => show(&board, path)?,
    };
    if request.method == Method::HEAD {
        // hyper leaves the body out over HTTP/1.1, but sends it over HTTP/2.
        let length = response.body().size_hint().exact();
        let length = length.map(|length| (CONTENT_LENGTH, length.into()));
        response.headers_mut().extend(length);
        *response.body_mut() = Full::default();
    }
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
    Response::builder().header(CONTENT_TYPE, "text/plain; charset=utf-8").body(Full::from(text))
}

fn empty(status: StatusCode) -> http::Result<Response<Full<Bytes>>> {
    Response::builder().status(status).body(Full::default())
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let messages = Arc::new(Board::default());
    let service = MethodPolicyLayer::new(policy()?)
        .answer_options(true)
        .respond_with(PlainText)
        .layer(service_fn(move |request| board(messages.clone(), request)));

    let mut server = auto::Builder::new(TokioExecutor::new());
    // The timer closes HTTP/1.1 connections that never complete a request's header section. A connection
    // without any byte stays open, because its version is not known.
    server.http1().timer(TokioTimer::new());

    let mut shutdown = pin!(common::shutdown_signal()?);
    let listener = common::listen().await?;

    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Probably the process is out of file descriptors. Wait until some are closed.
                    eprintln!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        let connection = server.serve_connection(TokioIo::new(stream), service.clone());
        // An error usually means that the client went away.
        tokio::spawn(connections.watch(connection.into_owned()));
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
