//! A message board on axum, with the policy around the whole application.
//!
//! The policy has no rules. The router knows the methods of each path and sends each `405`. The layer sends
//! each `501`, with problem details (RFC 9457), and turns the router's `405` to `OPTIONS` into `200`.
//!
//! ```text
//! cargo run --example axum [-- ADDRESS]       # the default is 127.0.0.1:3000
//!
//! curl -i http://127.0.0.1:3000/ -d 'Hello!'  # 201, Location: /1
//! curl -i http://127.0.0.1:3000/              # 200, one line for each message
//! curl -i http://127.0.0.1:3000/1             # 200, the message
//! curl -i http://127.0.0.1:3000/1 -X POST     # 405, Allow: GET,HEAD
//! curl -i http://127.0.0.1:3000/1 -X OPTIONS  # 200, Allow: GET, HEAD, OPTIONS
//! curl -i http://127.0.0.1:3000/ -X PROPFIND  # 501
//! ```

mod common;

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, ServiceExt};
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, ProblemDetails};

/// The messages. The first one has the id 1.
type Board = Arc<Mutex<Vec<String>>>;

fn router() -> Router {
    Router::new()
        .route("/", get(list).post(add))
        .route("/{id}", get(show))
        .with_state(Board::default())
}

async fn list(State(board): State<Board>) -> String {
    let messages = board.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = (1..).zip(messages.iter()).map(|(id, message)| {
        let first_line = message.lines().next().unwrap_or_default();
        format!("{id}: {first_line}\n")
    });
    lines.collect()
}

async fn add(State(board): State<Board>, message: String) -> impl IntoResponse {
    let mut messages = board.lock().unwrap_or_else(PoisonError::into_inner);
    messages.push(message);
    let location = format!("/{}", messages.len());
    (StatusCode::CREATED, [(header::LOCATION, location)])
}

async fn show(State(board): State<Board>, Path(id): Path<String>) -> Result<String, StatusCode> {
    let messages = board.lock().unwrap_or_else(PoisonError::into_inner);
    let id: Option<usize> = id.parse().ok();
    let message = id.and_then(|id| messages.get(id.checked_sub(1)?));
    message.cloned().ok_or(StatusCode::NOT_FOUND)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    // Wrap the finished application last. With `Router::layer`, axum would add `Allow` to a `501`.
    let app = MethodPolicyLayer::default()
        .answer_options(true)
        .respond_with(ProblemDetails)
        .layer(router());

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen().await?;
    let service = ServiceExt::<Request>::into_make_service(app);
    // axum 0.8 never returns an error here. In the next axum, `serve` returns `()`, so `?` would not compile.
    let _ = axum::serve(listener, service).with_graceful_shutdown(shutdown).await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
