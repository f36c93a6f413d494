//! A website on axum with the usual layers. The policy wraps the application. The layers that must see
//! rejections wrap the policy. The CORS layer is inside the router.
//!
//! ```text
//! cargo run --example axum_stack [-- ADDRESS]  # the default is 127.0.0.1:3000
//!
//! curl -i http://127.0.0.1:3000/               # 200, and an `X-Request-Id`
//! curl -i http://127.0.0.1:3000/peer           # 200, the client's address
//! curl -i http://127.0.0.1:3000/poem --compressed
//!                                              # 200, Content-Encoding: gzip
//! curl -i http://127.0.0.1:3000/slow           # 503 after a second
//! curl -i http://127.0.0.1:3000/ -X DELETE -H 'Origin: https://example.com'
//!                                              # 405, Allow: GET,HEAD,POST, and the CORS fields
//! curl -i http://127.0.0.1:3000/ -X PROPFIND   # 501, and an `X-Request-Id`
//! ```

mod common;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{Response, StatusCode, header};
use axum::routing::get;
use axum::{Router, ServiceExt};
use tower::ServiceBuilder;
use tower_http::classify::{
    ClassifiedResponse, ClassifyResponse, NeverClassifyEos, ServerErrorsAsFailures,
    ServerErrorsFailureClass, SharedClassifier,
};
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tower_method_policy::{MethodPolicyLayer, ProblemDetails, Rejection, method_excerpt};

const TIMEOUT: Duration = Duration::from_secs(1);

fn router() -> Router {
    Router::new()
        .route("/", get("Hello!\n").post(async |text: String| text))
        .route("/peer", get(peer))
        .route("/poem", get("A rose is a rose is a rose is a rose.\n"))
        .route("/slow", get(slow))
        .layer(cors())
}

async fn peer(ConnectInfo(address): ConnectInfo<SocketAddr>) -> String {
    format!("{address}\n")
}

async fn slow() {
    tokio::time::sleep(10 * TIMEOUT).await;
}

fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(Any).allow_methods(Any).expose_headers([header::ALLOW])
}

fn policy() -> MethodPolicyLayer<ProblemDetails> {
    MethodPolicyLayer::default()
        .answer_options(true)
        .respond_with(ProblemDetails)
        // This event is inside the span of the trace layer.
        .on_rejection(|rejection, request| {
            tracing::info!(method = %method_excerpt(&request.method), "{rejection}");
        })
}

/// Server errors are failures. Rejections are not.
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
    // The first layer is the outermost.
    let app = ServiceBuilder::new()
        // axum 0.8 serves only its own body type.
        .layer(MapResponseBodyLayer::new(Body::new))
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        // Its events go to the crate `tracing`, which needs a subscriber.
        .layer(TraceLayer::new(SharedClassifier::new(Failures)))
        .layer(PropagateRequestIdLayer::x_request_id())
        // It also limits the wait for a rejected upload.
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .layer(CompressionLayer::new())
        .layer(policy())
        .service(router());

    let shutdown = common::shutdown_signal()?;
    let listener = common::listen().await?;
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    // axum 0.8 never returns an error here. In the next axum, `serve` returns `()`, so `?` would not compile.
    let _ = axum::serve(listener, service).with_graceful_shutdown(shutdown).await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
