use axum::Router;
use axum::ServiceExt;
use axum::body::Body;
use axum::extract::Request;
use http::Response;
use tower::Layer;
use tower_method_policy::MethodPolicyLayer;
#[tokio::main]
async fn main() {
    let layer = MethodPolicyLayer::default().respond_with(|rejection, request| {
        Response::new(Body::from(format!(
            "{} {}",
            rejection.reason(),
            request.method
        )))
    });
    let app = layer.layer(Router::new());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _ = axum::serve(listener, ServiceExt::<Request>::into_make_service(app)).await;
}
