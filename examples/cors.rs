//! A website on axum for scripts of other origins. The CORS layer is inside the router.
//!
//! The policy forwards preflights to the CORS layer. The CORS layer adds its fields to the router's `405`, but
//! not to the policy's `501`. So the responder adds the field that lets scripts read the `501`.
//!
//! ```text
//! cargo run --example cors [-- ADDRESS]   # the default is 127.0.0.1:3000
//! ```
//!
//! Then run this in the browser console on a page of any other origin:
//!
//! ```js
//! for (const method of ["DELETE", "PROPFIND", "patch"]) {
//!     const response = await fetch("http://127.0.0.1:3000/", { method });
//!     console.log(method, response.status, response.headers.get("allow"));
//! }
//! // DELETE 405 GET,HEAD,POST
//! // PROPFIND 501 null
//! // patch 501 null: methods are case-sensitive, and browsers do not normalize this one
//! ```

mod common;

use std::error::Error;
use std::process::ExitCode;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Response, header};
use axum::routing::get;
use axum::{Router, ServiceExt};
use tower::Layer;
use tower_http::cors::{Any, CorsLayer};
use tower_method_policy::{MethodPolicyLayer, ProblemDetails, Respond};

fn router() -> Router {
    let hello = get("Hello!\n").post(async |text: String| text);
    Router::new().route("/", hello).layer(cors())
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

async fn serve() -> Result<(), Box<dyn Error>> {
    let app = MethodPolicyLayer::default()
        .answer_options(true)
        .respond_with_fn(|rejection, request| {
            let mut response: Response<Body> = ProblemDetails.respond(rejection, request);
            let any = HeaderValue::from_static("*");
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
            response
        })
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
