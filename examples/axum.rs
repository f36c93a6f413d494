//! The program in the README. It prints its address and three commands that show the answers of the layer.
//!
//! ```text
//! cargo run --example axum [-- ADDRESS]       # the default is 127.0.0.1:3000
//! ```

use axum::routing::{any, get};
use axum::{Router, ServiceExt, extract::Request, middleware::map_response, response::Response};
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, ProblemDetails};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let router = Router::new()
        .route("/", get("It works.\n"))
        .route("/users", get("users\n").post("created\n"))
        .route("/any", any("any method\n"))
        .layer(map_response(async |answer: Response| ([("server", "shop")], answer)));

    let policy = MethodPolicyLayer::default().inner_decides(true).answer_options(true);
    let app = policy.respond_with(ProblemDetails).layer(router); // Wrap the finished router last.
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}");
    for method in ["FOO", "DELETE", "OPTIONS"] {
        println!("curl -i -X {method} {url}/users");
    }
    axum::serve(listener, ServiceExt::<Request>::into_make_service(app)).await
}
