use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tower::Layer;
use tower_method_policy::MethodPolicyLayer;

async fn proxy(_request: Request<Incoming>) -> Result<Response<Incoming>, hyper::Error> {
    // This program is never run.
    unimplemented!()
}
#[tokio::main]
async fn main() {
    let service = MethodPolicyLayer::default().layer(tower::service_fn(proxy));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .await
        .unwrap();
}
