//! A site on axum with the usual layers around it. The policy goes directly around the router, all
//! others around the policy.
//!
//! ```text
//! cargo run --example axum_stack [-- ADDRESS]  # by default 127.0.0.1:3000
//!
//! curl -i http://127.0.0.1:3000/               # 200, and an `X-Request-Id`
//! curl -i http://127.0.0.1:3000/peer           # 200, the address that you ask from
//! curl -i http://127.0.0.1:3000/poem --compressed
//!                                              # 200, Content-Encoding: gzip
//! curl -i http://127.0.0.1:3000/slow           # 503 after a second
//! curl -i http://127.0.0.1:3000/ -X DELETE -H 'Origin: https://example.com'
//!                                              # 405, Allow: GET, HEAD, POST, and the CORS fields
//! curl -i http://127.0.0.1:3000/ -X PROPFIND   # 501, no `Allow`
//! ```

mod common;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Method, Response, StatusCode, header};
use axum::routing::get;
use tower::{Layer, ServiceBuilder};
use tower_http::classify::{
    ClassifiedResponse, ClassifyResponse, NeverClassifyEos, ServerErrorsAsFailures,
    ServerErrorsFailureClass, SharedClassifier,
};
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tower_method_policy::{MethodPolicyLayer, Policy, PolicyError, ProblemDetails, Rejection};

const TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get("Hello!\n").post(async |text: String| text))
        .route("/peer", get(peer))
        .route("/poem", get("A rose is a rose is a rose is a rose.\n"))
        .route("/slow", get(slow))
}

async fn peer(ConnectInfo(address): ConnectInfo<SocketAddr>) -> String {
    format!("{address}\n")
}

async fn slow() {
    tokio::time::sleep(10 * TIMEOUT).await;
}

/// What each path allows beside `GET` and `HEAD`: nothing, unless it has a rule of its own.
pub(crate) fn policy() -> Result<Policy, PolicyError> {
    Policy::new().allow([]).route("/", [Method::POST])
}

fn app() -> Result<Router, PolicyError> {
    let policy = MethodPolicyLayer::new(policy()?);
    let covered = policy.respond_with(ProblemDetails).layer(router());

    // From here on this is a router like any other: it takes all layers, and axum serves it.
    Ok(Router::new().fallback_service(covered).layer(
        // The first is the outermost.
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            // Tells the crate `tracing`, which needs a subscriber to do something with it.
            .layer(TraceLayer::new(SharedClassifier::new(Failures)))
            .layer(PropagateRequestIdLayer::x_request_id())
            // Outside of the policy, or scripts of other origins could not read its rejections.
            .layer(cors())
            // It also bounds how long a rejected upload is waited for.
            .layer(TimeoutLayer::with_status_code(
                StatusCode::SERVICE_UNAVAILABLE,
                TIMEOUT,
            ))
            .layer(CompressionLayer::new()),
    ))
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .expose_headers([header::ALLOW])
}

/// Server errors are failures, rejected methods are not.
#[derive(Clone, Debug)]
struct Failures;

impl ClassifyResponse for Failures {
    type FailureClass = ServerErrorsFailureClass;
    type ClassifyEos = NeverClassifyEos<ServerErrorsFailureClass>;

    fn classify_response<B>(
        self,
        response: &Response<B>,
    ) -> ClassifiedResponse<Self::FailureClass, Self::ClassifyEos> {
        match response.extensions().get::<Rejection>() {
            Some(_) => ClassifiedResponse::Ready(Ok(())),
            None => ServerErrorsAsFailures::new().classify_response(response),
        }
    }

    fn classify_error<E: std::fmt::Display + 'static>(self, error: &E) -> Self::FailureClass {
        ServerErrorsAsFailures::new().classify_error(error)
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let shutdown = common::shutdown_signal()?;
    let listener = common::listen().await?;
    let app = app()?.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app)
        .with_graceful_shutdown(shutdown)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
