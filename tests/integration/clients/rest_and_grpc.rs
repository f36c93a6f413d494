//! REST and gRPC on one port, behind one policy. `calls.py` runs gRPC clients against it.
//!
//! ```text
//! rest_and_grpc ADDRESS 405|501 empty|problem_details|own_status
//! ```
//!
//! With `405`, `GET /` and the call `grpc.health.v1.Health/Check` are allowed. With `501`, only `GET` is
//! recognized. The responder `own_status` answers gRPC requests with `PERMISSION_DENIED`.

#[path = "../../../examples/common/mod.rs"]
mod common;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use axum::{Router, ServiceExt};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response};
use tonic::service::Routes;
use tower::Layer;
use tower_method_policy::{
    EmptyBody, MethodPolicyLayer, Policy, ProblemDetails, Rejection, Respond,
};

fn policy(status: &str) -> Result<Policy, Box<dyn Error>> {
    match status {
        "405" => Ok(Policy::new()
            .route("/grpc.health.v1.Health/Check", [Method::POST])?
            .fallback([Method::GET])),
        "501" => Ok(Policy::new().recognize_only([Method::GET])),
        _ => Err(format!("neither 405 nor 501: {status}").into()),
    }
}

fn own_status(_: &Rejection, request: &Parts) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    if let Some(content_type) = request.headers.get(CONTENT_TYPE) {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type.clone());
        headers.insert("grpc-status", HeaderValue::from_static("7"));
        headers.insert("grpc-message", HeaderValue::from_static("own message"));
    }
    response
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let [address, status, responder] = common::arguments(["127.0.0.1:3000", "405", "empty"])?;
    let responder: Arc<dyn Respond<Body> + Send + Sync> = match &*responder {
        "empty" => Arc::new(EmptyBody),
        "problem_details" => Arc::new(ProblemDetails),
        "own_status" => Arc::new(own_status),
        _ => return Err(format!("no such responder: {responder}").into()),
    };
    let layer = MethodPolicyLayer::new(policy(&status)?)
        .respond_with_fn(move |rejection, request| responder.respond(rejection, request));
    let (_, health) = tonic_health::server::health_reporter();
    let rest = Router::new().route("/", get(async || "REST"));
    let app = layer.layer(rest.merge(Routes::new(health).into_axum_router()));

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen_on(&address).await?;
    axum::serve(listener, ServiceExt::<Request>::into_make_service(app))
        .with_graceful_shutdown(shutdown)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
