//! An axum application with an OpenAPI document, behind a policy from that document.
//!
//! utoipa creates the router and the document from the same handlers. `from_openapi` creates the policy from the
//! document. So you write the methods of a path once.
//!
//! ```text
//! cargo run -p example-openapi [-- ADDRESS]     # the default is 127.0.0.1:3000
//!
//! curl -i http://127.0.0.1:3000/api/v1/openapi.json       # 200, the document
//! curl -i http://127.0.0.1:3000/api/v1/pets/1/meals -X DELETE
//!                                                         # 405, Allow: POST, OPTIONS
//! curl -i http://127.0.0.1:3000/api/v1/pets -X OPTIONS    # 200, Allow: GET, HEAD, POST, OPTIONS
//! curl -i http://127.0.0.1:3000/elsewhere -X PATCH        # 404, not in the document
//! curl -i http://127.0.0.1:3000/api/v1/pets -X PROPFIND   # 501
//! ```

#[path = "../../common/mod.rs"]
mod common;

use std::error::Error;
use std::process::ExitCode;

use axum::ServiceExt;
use axum::extract::Request;
use method_policy_openapi::{from_openapi, pets};
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, ProblemDetails};

async fn serve() -> Result<(), Box<dyn Error>> {
    let (router, document) = pets::pets()?;
    let policy = from_openapi::policy(&document)?;
    let app = MethodPolicyLayer::new(policy)
        .answer_options(true)
        .respond_with(ProblemDetails)
        .layer(router);

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
