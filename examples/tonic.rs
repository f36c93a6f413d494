//! A gRPC server behind a policy: the health checking protocol, over cleartext HTTP/2.
//!
//! gRPC needs `POST` and nothing else. A gRPC client that sends another method, or calls what a
//! policy refuses, is answered so that it sees `UNIMPLEMENTED`.
//!
//! ```text
//! cargo run --example tonic [-- ADDRESS]   # by default 127.0.0.1:3000
//!
//! # The call grpc.health.v1.Health/Check with an empty message: the reply, status 1 (SERVING), is
//! # the bytes 00 00 00 00 02 08 01, a message of two bytes, its field 1 being 1.
//! printf '\0\0\0\0\0' | curl --http2-prior-knowledge -s --data-binary @- \
//!     -H 'content-type: application/grpc' -H 'te: trailers' \
//!     http://127.0.0.1:3000/grpc.health.v1.Health/Check | od -An -tx1
//!
//! # 405, Allow: GET, HEAD, POST, grpc-status: 12 (UNIMPLEMENTED)
//! curl --http2-prior-knowledge -i -X DELETE -H 'content-type: application/grpc' \
//!     http://127.0.0.1:3000/grpc.health.v1.Health/Check
//!
//! # 501
//! curl --http2-prior-knowledge -i -X PROPFIND http://127.0.0.1:3000/
//! ```

use std::env;
use std::error::Error;
use std::io;
use std::process::ExitCode;

use http::Method;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tower_method_policy::{GrpcStatus, MethodPolicyLayer, Policy};

async fn serve() -> Result<(), Box<dyn Error>> {
    let policy = Policy::new().allow([Method::POST]);
    let layer = MethodPolicyLayer::new(policy).respond_with(GrpcStatus);
    let (mut reporter, health) = tonic_health::server::health_reporter();

    let address = address()?;
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let signal = shutdown_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    let shutdown = async move {
        signal.await;
        // Those who watch the server's health learn of it, then their streams end: left open, they
        // would keep the server from stopping.
        reporter
            .set_service_status("", ServingStatus::NotServing)
            .await;
        reporter.clear_service_status("").await;
    };
    Server::builder()
        .layer(layer)
        .add_service(health)
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), shutdown)
        .await?;
    Ok(())
}

/// Waits for SIGINT or SIGTERM. Neither is missed once this has returned.
#[cfg(unix)]
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Waits for Ctrl-C. It is not missed once this has returned.
#[cfg(windows)]
fn shutdown_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// The only argument, the address to listen on.
fn address() -> Result<String, String> {
    let arguments = env::args_os().skip(1);
    let mut arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let address = arguments.next();
    match arguments.next() {
        None => Ok(address.unwrap_or_else(|| "127.0.0.1:3000".to_owned())),
        Some(unexpected) => Err(format!("unexpected argument: {unexpected}")),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
