//! Connections, and how they end.

use std::time::Duration;

use bytes::Bytes;
use h3::error::Code;
use h3::server::{self, RequestResolver};
use h3_quinn::Connection;
use http::{Request, Response};
use http_body::Body;
use quinn::{Endpoint, Incoming, VarInt};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::exchange::{BoxError, exchange};
use crate::upload::Upload;

/// How large a request's header section may be, as RFC 9114 §4.2.2 counts it; h3's default is no limit.
const MAX_FIELD_SECTION: u64 = 128 * 1024;

/// How long a connection may last once the server is told to stop, and requests take to be answered.
const GRACE: Duration = Duration::from_secs(10);

/// How long nothing may be sent on a connection before it is closed. h3 does not tell when a response has
/// arrived, and what of it has not is lost then.
const LINGER: Duration = Duration::from_secs(1);

/// Serves what comes in at `endpoint` until `shutdown`; then requests that have come in are answered,
/// within bounds.
pub async fn serve<S, B>(endpoint: Endpoint, service: S, shutdown: impl Future<Output = ()>)
where
    S: Service<Request<Upload>, Response = Response<B>, Error: Into<BoxError> + Send, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
{
    let stop = CancellationToken::new();
    let connections = TaskTracker::new();
    let accept = async {
        while let Some(incoming) = endpoint.accept().await {
            let served = connection(incoming, service.clone(), stop.clone());
            // Its error is not of interest: most often the client went away.
            connections.spawn(async { served.await.ok() });
        }
    };
    tokio::select! {
        () = accept => {}
        () = shutdown => {}
    }
    // Takes no new connections.
    endpoint.set_server_config(None);
    stop.cancel();
    connections.close();
    // They have the same bound, but for the time in which they only begin to stop.
    let _ = timeout(GRACE, connections.wait()).await;
    let code = VarInt::from_u64(Code::H3_NO_ERROR.value());
    endpoint.close(code.unwrap_or_default(), b"");
    endpoint.wait_idle().await;
}

/// Serves a connection until its end or until `stop`.
async fn connection<S, B>(
    incoming: Incoming,
    service: S,
    stop: CancellationToken,
) -> Result<(), BoxError>
where
    S: Service<Request<Upload>, Response = Response<B>, Error: Into<BoxError> + Send, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
{
    let Some(quic) = stop.run_until_cancelled(incoming.into_future()).await else {
        return Ok(());
    };
    let quic = quic?;
    let mut server = server::builder();
    server.max_field_section_size(MAX_FIELD_SECTION);
    let connection = server.build(Connection::new(quic.clone()));
    // It waits for the client to let it open streams.
    let Some(connection) = stop.run_until_cancelled(connection).await else {
        return Ok(());
    };
    let mut connection = connection?;

    let requests = TaskTracker::new();
    loop {
        tokio::select! {
            request = connection.accept() => match request? {
                Some(request) => requests.spawn(exchange(request, service.clone())),
                // The client has said that no more will come, and all are answered.
                None => break,
            },
            () = stop.cancelled() => {
                // GOAWAY names the first request that is not answered (RFC 9114 §5.2): h3 would name
                // the last that is, for 0.
                connection.shutdown(1).await?;
                break;
            }
        };
    }
    requests.close();
    let answered = async {
        requests.wait().await;
        arrived(&quic).await;
    };
    let closed = async {
        while let Ok(Some(request)) = connection.accept().await {
            tokio::spawn(reject(request));
        }
        quic.closed().await;
    };
    tokio::select! {
        // What is left after that is broken off as `connection` is dropped.
        _ = timeout(GRACE, answered) => {}
        () = closed => {}
    }
    Ok(())
}

/// Waits until the responses on a connection have arrived, as far as can be told.
async fn arrived(quic: &quinn::Connection) {
    loop {
        let sent = quic.stats().frame_tx.stream;
        sleep(LINGER).await;
        // What is lost is sent again.
        if quic.stats().frame_tx.stream == sent {
            return;
        }
    }
}

/// Tells a client that its request came after all that are answered, and so can be made again
/// elsewhere. h3 does so for all but the first.
async fn reject(request: RequestResolver<Connection, Bytes>) {
    if let Ok((_, mut stream)) = request.resolve_request().await {
        stream.stop_sending(Code::H3_REQUEST_REJECTED);
        stream.stop_stream(Code::H3_REQUEST_REJECTED);
    }
}
