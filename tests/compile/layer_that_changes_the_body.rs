use axum::ServiceExt;
use axum::extract::Request;
use axum::routing::get;
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_method_policy::{MethodPolicyLayer, ProblemDetails};

#[tokio::main]
async fn main() {
    let app = ServiceBuilder::new()
        .layer(MethodPolicyLayer::default().respond_with(ProblemDetails))
        .layer(CompressionLayer::new())
        .service(axum::Router::new().route("/", get("hello")));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _ = axum::serve(listener, ServiceExt::<Request>::into_make_service(app)).await;
}
