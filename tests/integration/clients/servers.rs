//! The servers of the cases, apart from the examples.
//!
//! ```text
//! servers ADDRESS infrastructure 501|400|no-options
//! servers ADDRESS rest_and_grpc 405|501 empty|problem_details|own_status
//! servers ADDRESS webdav
//! ```

#[path = "../../../examples/common/mod.rs"]
mod common;

use std::convert::Infallible;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use axum::{Router, ServiceExt};
use dav_server::DavHandler;
use dav_server::localfs::LocalFs;
use dav_server::memls::MemLs;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceBuilder};
use tower_method_policy::{
    EmptyBody, MethodPolicyLayer, Policy, ProblemDetails, Reason, Rejection, Respond,
};

type App = BoxCloneSyncService<Request, Response, Infallible>;

/// A server for `infrastructure.py`. With `400`, it has the function of the operator guide. With `no-options`, it
/// answers `OPTIONS` with `405`.
fn infrastructure(answer: &str) -> App {
    let router = Router::new().route("/", get("Hello!"));
    let policy = MethodPolicyLayer::default().answer_options(answer != "no-options");
    let is_400 = answer == "400";
    let change = move |response| {
        if is_400 { bad_request_instead_of_501(response) } else { response }
    };
    App::new(ServiceBuilder::new().map_response(change).layer(policy).service(router))
}

fn bad_request_instead_of_501(mut response: Response) -> Response {
    let rejection = response.extensions().get::<Rejection>();
    if rejection.is_some_and(|rejection| rejection.reason() == Reason::NotImplemented) {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.headers_mut().remove(RETRY_AFTER);
    }
    response
}

/// REST and gRPC on one port, behind one policy. `calls.py` runs gRPC clients against it.
///
/// With `405`, `GET /` and the call `grpc.health.v1.Health/Check` are allowed. With `501`, only `GET` is
/// recognized. The responder `own_status` answers gRPC requests with `PERMISSION_DENIED`.
fn rest_and_grpc(status: &str, responder: &str) -> Result<App, Box<dyn Error>> {
    let policy = match status {
        "405" => Policy::new()
            .route("/grpc.health.v1.Health/Check", [Method::POST])?
            .fallback([Method::GET]),
        "501" => Policy::new().recognize_only([Method::GET]),
        _ => return Err(format!("neither 405 nor 501: {status}").into()),
    };
    let responder: Arc<dyn Respond<Body> + Send + Sync> = match responder {
        "empty" => Arc::new(EmptyBody),
        "problem_details" => Arc::new(ProblemDetails),
        "own_status" => Arc::new(own_status),
        _ => return Err(format!("no such responder: {responder}").into()),
    };
    let layer = MethodPolicyLayer::new(policy)
        .respond_with_fn(move |rejection, request| responder.respond(rejection, request));
    let (_, health) = tonic_health::server::health_reporter();
    let rest = Router::new().route("/", get(async || "REST"));
    Ok(App::new(layer.layer(rest.merge(Routes::new(health).into_axum_router()))))
}

fn own_status(_: &Rejection, request: &Parts) -> Response {
    let mut response = Response::new(Body::empty());
    if let Some(content_type) = request.headers.get(CONTENT_TYPE) {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type.clone());
        headers.insert("grpc-status", HeaderValue::from_static("7"));
        headers.insert("grpc-message", HeaderValue::from_static("own message"));
    }
    response
}

/// The share of the example `webdav` without its policy, for a comparison in `webdav.py`.
fn webdav(directory: &Path) -> App {
    let dav = DavHandler::builder()
        .filesystem(LocalFs::new(directory, false, false, false))
        .locksystem(MemLs::new())
        .strip_prefix("/dav")
        .autoindex(true)
        .build_handler();
    App::new(Router::new().fallback(async move |request: Request| dav.handle(request).await))
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let [address, server, answer, responder] =
        common::arguments(["127.0.0.1:3000", "infrastructure", "501", "empty"])?;
    let directory = tempfile::tempdir()?;
    let app = match &*server {
        "infrastructure" => infrastructure(&answer),
        "rest_and_grpc" => rest_and_grpc(&answer, &responder)?,
        "webdav" => webdav(directory.path()),
        _ => return Err(format!("no such server: {server}").into()),
    };
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
