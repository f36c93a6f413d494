//! A message board on axum, behind a policy that wraps the whole application.
//!
//! The board allows `GET`, `HEAD` and `POST` at `/`, `GET` and `HEAD` everywhere else, and rejects
//! the rest with problem details (RFC 9457).
//!
//! ```text
//! cargo run --example axum [-- ADDRESS]       # by default 127.0.0.1:3000
//!
//! curl -i http://127.0.0.1:3000/ -d 'Hello!'  # 201, Location: /1
//! curl -i http://127.0.0.1:3000/              # 200, a line for each message
//! curl -i http://127.0.0.1:3000/1             # 200, the message
//! curl -i http://127.0.0.1:3000/1 -X POST     # 405, Allow: GET, HEAD
//! curl -i http://127.0.0.1:3000/ -X DELETE    # 405, Allow: GET, HEAD, POST
//! curl -i http://127.0.0.1:3000/ -X PROPFIND  # 501
//! ```

mod common;

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, Policy, PolicyError, ProblemDetails};

/// The messages; the first one's id is 1.
type Board = Arc<Mutex<Vec<String>>>;

pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(list).post(add))
        .route("/{id}", get(show))
        .with_state(Board::default())
}

/// What each path allows beside `GET` and `HEAD`: nothing, unless it has a rule of its own.
pub(crate) fn policy() -> Result<Policy, PolicyError> {
    Policy::new().allow([]).route("/", [Method::POST])
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
    // Around the router, so that every path is covered, whether there is a route for it or not. Then
    // the fallback of an empty router, which takes further layers and is served as any router is.
    let policy = MethodPolicyLayer::new(policy()?).respond_with(ProblemDetails);
    let app = Router::new().fallback_service(policy.layer(router()));

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen().await?;
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
