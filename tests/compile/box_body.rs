use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use tower::Layer;
use tower_method_policy::{MethodPolicyLayer, ProblemDetails};

async fn hello(
    _request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    // This program is never run.
    unimplemented!()
}
#[tokio::main]
async fn main() {
    let service = MethodPolicyLayer::default()
        .respond_with(ProblemDetails)
        .layer(tower::service_fn(hello));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await
        .unwrap();
}
