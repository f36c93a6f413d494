//! A server for `infrastructure.py`.
//!
//! Usage: `infrastructure ADDRESS MODE`. MODE is `501`, `400` (with the function of the operator guide), or
//! `no-options` (`501`, and `405` to `OPTIONS`).

#[path = "../../../examples/common/mod.rs"]
mod common;

use std::error::Error;
use std::process::ExitCode;

use axum::extract::Request;
use axum::routing::get;
use axum::{Router, ServiceExt};
use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use tower::ServiceBuilder;
use tower_method_policy::{MethodPolicyLayer, Reason, Rejection};

fn bad_request_instead_of_501<B>(mut response: Response<B>) -> Response<B> {
    let rejection = response.extensions().get::<Rejection>();
    if rejection.is_some_and(|rejection| rejection.reason() == Reason::NotImplemented) {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.headers_mut().remove(RETRY_AFTER);
    }
    response
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let [address, mode] = common::arguments(["127.0.0.1:3000", "501"])?;
    let router = Router::new().route("/", get("Hello!"));
    let policy = MethodPolicyLayer::default().answer_options(mode != "no-options");
    let change = move |response: Response<_>| {
        if mode == "400" { bad_request_instead_of_501(response) } else { response }
    };
    let app = ServiceBuilder::new().map_response(change).layer(policy).service(router);

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
