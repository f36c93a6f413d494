//! A website on axum with the usual layers. The policy wraps the application. The layers that must see
//! rejections wrap the policy. The CORS layer is inside the router.
//!
//! The router decides where no rule applies, and there are no rules. So each rejection is a `405` of the router that
//! the policy turns into its own `405` or `501`. It keeps the fields of the CORS layer.
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
//!                                              # 405, Allow: GET, HEAD, POST, OPTIONS, and the CORS fields
//! curl -i http://127.0.0.1:3000/ -X PROPFIND -H 'Origin: https://example.com'
//!                                              # 501, and the CORS fields
//! ```
//!
//! Scripts of other origins can read each answer. Run this in the browser console on a page of any other origin:
//!
//! ```js
//! for (const method of ["DELETE", "PROPFIND", "patch"]) {
//!     const response = await fetch("http://127.0.0.1:3000/", { method });
//!     console.log(method, response.status, response.headers.get("allow"));
//! }
//! // DELETE 405 GET, HEAD, POST, OPTIONS
//! // PROPFIND 501 null
//! // patch 501 null: methods are case-sensitive, and browsers do not normalize this one
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
    CorsLayer::new()
        .allow_origin(Any)
        // A browser does not send a method that is not allowed here. The script then sees a network error
        // instead of the `405`. So allow all methods. With credentials, use `AllowMethods::mirror_request()`.
        .allow_methods(Any)
        .allow_headers(Any)
        // Without this line, scripts can read the status but not `Allow`.
        .expose_headers([header::ALLOW])
}

fn policy() -> MethodPolicyLayer<ProblemDetails> {
    MethodPolicyLayer::default()
        .inner_decides(true)
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
