//! Accepts connections and ends them.

use std::pin::pin;
use std::time::Duration;

use axum::BoxError;
use h3::error::Code;
use h3_quinn::Connection;
use quinn::{Endpoint, Incoming, VarInt};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::App;
use crate::exchange::exchange;

/// Serves until `shutdown`, and then answers the requests that have arrived, within 10 seconds.
pub(crate) async fn serve(endpoint: Endpoint, app: App, shutdown: impl Future<Output = ()>) {
    let stop = CancellationToken::new();
    let connections = TaskTracker::new();
    let accept = async {
        while let Some(incoming) = endpoint.accept().await {
            // Errors are ignored. Usually the client went away.
            connections.spawn(connection(incoming, app.clone(), stop.clone()));
        }
    };
    tokio::select! {
        () = accept => {}
        () = shutdown => {}
    }
    // Accept no new connections.
    endpoint.set_server_config(None);
    stop.cancel();
    connections.close();
    let _ = timeout(Duration::from_secs(10), connections.wait()).await;
    endpoint.close(VarInt::from_u32(0x100), b""); // H3_NO_ERROR
    endpoint.wait_idle().await;
}

async fn connection(incoming: Incoming, app: App, stop: CancellationToken) -> Result<(), BoxError> {
    let mut server = h3::server::builder();
    // The size of a header section (RFC 9114 §4.2.2). The default is no limit.
    server.max_field_section_size(128 * 1024);
    // The client can delay each of these steps.
    let connecting = async {
        let quic = incoming.await?;
        let connection = server.build(Connection::new(quic.clone())).await?;
        Ok::<_, BoxError>((quic, connection))
    };
    let connected = stop.run_until_cancelled(connecting).await;
    let (quic, mut connection) = connected.ok_or("stopped")??;

    let requests = TaskTracker::new();
    // `wait` also waits until `requests` is closed.
    let mut answered = pin!(async {
        requests.wait().await;
        sent(&quic).await;
    });
    loop {
        tokio::select! {
            () = &mut answered => return Ok(()),
            () = stop.cancelled(), if !requests.is_closed() => {
                requests.close();
                // GOAWAY contains the first request that is not answered (RFC 9114 §5.2). With 0, h3 would send
                // the last request that is answered.
                connection.shutdown(1).await?;
            }
            request = connection.accept() => match request? {
                Some(request) if requests.is_closed() => drop(tokio::spawn(async {
                    // The client can send the request again elsewhere. h3 itself rejects all late requests
                    // except the first.
                    if let Ok((_, mut stream)) = request.resolve_request().await {
                        stream.stop_sending(Code::H3_REQUEST_REJECTED);
                        stream.stop_stream(Code::H3_REQUEST_REJECTED);
                    }
                })),
                Some(request) => drop(requests.spawn(exchange(request, app.clone()))),
                // The client will send no more requests, and all are answered.
                None => break,
            },
        }
    }
    sent(&quic).await;
    Ok(())
}

/// Waits until nothing was sent for a second, because h3 does not report when a response has arrived. A lost
/// packet is sent again.
async fn sent(quic: &quinn::Connection) {
    let mut before = None;
    while before != Some(quic.stats().frame_tx.stream) {
        before = Some(quic.stats().frame_tx.stream);
        sleep(Duration::from_secs(1)).await;
    }
}
