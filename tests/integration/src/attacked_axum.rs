//! The axum example with rules, for `tests/attacks`. Here the policy sends the `405` and reads the uploads.

use std::error::Error;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::routing::get;
use axum::{Router, ServiceExt};
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, Policy, ProblemDetails};

#[path = "../../../examples/common/mod.rs"]
mod common;

type Board = Arc<Mutex<Vec<String>>>;

async fn list(State(board): State<Board>) -> String {
    let messages = board.lock().expect("no panic");
    let lines = (1..).zip(messages.iter());
    lines.map(|(id, message)| format!("{id}: {message}\n")).collect()
}

async fn add(State(board): State<Board>, message: String) -> StatusCode {
    board.lock().expect("no panic").push(message);
    StatusCode::CREATED
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let router = Router::new().route("/", get(list).post(add)).with_state(Board::default());
    let policy = Policy::new().route("/", [Method::GET, Method::POST])?.fallback([Method::GET]);
    let app = MethodPolicyLayer::new(policy).respond_with(ProblemDetails).layer(router);

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen().await?;
    let service = ServiceExt::<Request>::into_make_service(app);
    // The next axum returns no `Result` here.
    let _ = axum::serve(listener, service).with_graceful_shutdown(shutdown).await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
