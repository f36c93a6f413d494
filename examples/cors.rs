//! A site on axum whose rejections scripts of other origins can read: the CORS layer is outside of
//! the policy.
//!
//! ```text
//! cargo run --example cors [-- ADDRESS]   # by default 127.0.0.1:3000
//! ```
//!
//! Then, on the console of a page of any other origin:
//!
//! ```js
//! for (const method of ["DELETE", "PROPFIND", "patch"]) {
//!     const response = await fetch("http://127.0.0.1:3000/", { method });
//!     console.log(method, response.status, response.headers.get("allow"));
//! }
//! // DELETE 405 GET, HEAD, POST
//! // PROPFIND 501 null
//! // patch 501 null: methods are case-sensitive, and browsers upper-case only the old ones
//! ```

mod common;

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::http::{Method, header};
use axum::routing::get;
use tower::Layer;
use tower_http::cors::{Any, CorsLayer};
use tower_method_policy::{MethodPolicyLayer, Policy, ProblemDetails};

pub(crate) fn router() -> Router {
    let hello = get("Hello!\n").post(async |text: String| text);
    Router::new().route("/", hello)
}

pub(crate) fn policy() -> Policy {
    Policy::new().allow([Method::POST])
}

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        // Not a list of what the site allows: a browser does not send a method that the preflight's
        // answer leaves out, and tells its script of a network error. With `Any` it sends every
        // method, and the policy answers. With credentials, for which `*` means nothing, it is
        // `AllowMethods::mirror_request()`.
        .allow_methods(Any)
        .allow_headers(Any)
        // Without it scripts read the status, but not this field.
        .expose_headers([header::ALLOW])
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let policy = MethodPolicyLayer::new(policy());
    let covered = policy.respond_with(ProblemDetails).layer(router());
    let app = Router::new().fallback_service(covered).layer(cors());

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
