//! A gRPC server behind a policy: the health checking protocol, over cleartext HTTP/2.
//!
//! gRPC needs only `POST`. The policy rejects all other methods except `GET` and `HEAD`.
//!
//! ```text
//! cargo run -p example-tonic [-- ADDRESS]   # the default is 127.0.0.1:3000
//!
//! # Calls grpc.health.v1.Health/Check with an empty message. The reply is the bytes
//! # 00 00 00 00 02 08 01: a message of two bytes, with the status SERVING (field 1 is 1).
//! printf '\0\0\0\0\0' | curl --http2-prior-knowledge -s --data-binary @- \
//!     -H 'content-type: application/grpc' -H 'te: trailers' \
//!     http://127.0.0.1:3000/grpc.health.v1.Health/Check | od -An -tx1
//!
//! # 405, Allow: POST
//! curl --http2-prior-knowledge -i -X DELETE http://127.0.0.1:3000/grpc.health.v1.Health/Check
//!
//! # 501
//! curl --http2-prior-knowledge -i -X PROPFIND http://127.0.0.1:3000/
//! ```

#[path = "../../common/mod.rs"]
mod common;

use std::error::Error;
use std::process::ExitCode;

use http::Method;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tower_method_policy::{MethodPolicyLayer, Policy};

async fn serve() -> Result<(), Box<dyn Error>> {
    let policy = Policy::new().fallback([Method::POST]);
    let layer = MethodPolicyLayer::new(policy);
    let (mut reporter, health) = tonic_health::server::health_reporter();

    let signal = common::shutdown_signal()?;
    let listener = common::listen().await?;
    let shutdown = async move {
        signal.await;
        // Clients that watch the server's health get the new status. Then their streams end. Open streams
        // would keep the server from stopping.
        reporter.set_service_status("", ServingStatus::NotServing).await;
        reporter.clear_service_status("").await;
    };
    Server::builder()
        // tonic has no default limits for a connection. These are hyper's: the number of calls at once, and
        // the number of streams that the server resets because they break the protocol.
        .max_concurrent_streams(200)
        .http2_max_local_error_reset_streams(Some(1024))
        .layer(layer)
        .add_service(health)
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), shutdown)
        .await?;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    common::run(serve()).await
}
