//! An API on axum that OpenAPI describes, behind a policy that is made of its document.
//!
//! utoipa makes the router and the document of the same handlers, and `from_openapi` makes the policy
//! of the document, so that what a path allows is written once. The document is served, and says so
//! of itself.
//!
//! ```text
//! cargo run --manifest-path examples/openapi/Cargo.toml [-- ADDRESS]  # by default 127.0.0.1:3000
//!
//! curl -i http://127.0.0.1:3000/api/v1/openapi.json       # 200, the document
//! curl -i http://127.0.0.1:3000/api/v1/pets --json '{"name":"Rex"}'
//!                                                         # 201, Location: /api/v1/pets/1
//! curl -i http://127.0.0.1:3000/api/v1/pets/1             # 200, {"name":"Rex","meals":0}
//! curl -i http://127.0.0.1:3000/api/v1/pets/1/meals -X POST
//!                                                         # 204
//! curl -i http://127.0.0.1:3000/api/v1/pets/1/meals -X DELETE
//!                                                         # 405, Allow: POST
//! curl -i http://127.0.0.1:3000/api/v1/pets/1 -X PATCH    # 405, Allow: GET, HEAD, PUT, DELETE
//! curl -i http://127.0.0.1:3000/elsewhere -X PATCH        # 404: the document does not speak of it
//! curl -i http://127.0.0.1:3000/api/v1/pets -X PROPFIND   # 501
//! ```

#[path = "../../common/mod.rs"]
mod common;

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use method_policy_openapi::{from_openapi, pets};
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, ProblemDetails};

async fn serve() -> Result<(), Box<dyn Error>> {
    let (router, document) = pets::pets()?;
    let policy = from_openapi::policy(&document)?;
    let layer = MethodPolicyLayer::new(policy).respond_with(ProblemDetails);
    let app = Router::new().fallback_service(layer.layer(router));

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
