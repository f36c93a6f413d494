//! Forwards content, and limits how long the proxy waits for the client and for the upstream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::fields::remove_hop_by_hop;

/// How long the upstream may take to accept more content, or to send its response.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the client may take to send more content while there is no response.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the upstream may take to send `100 (Continue)`. After that, the proxy sends the content without
/// it, because the upstream may not support it (RFC 9110 §10.1.1).
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// The content of a message, forwarded as it arrives.
pub(crate) struct Content {
    incoming: Incoming,
    /// Completes when the receiver wants the content.
    wanted: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Whether the proxy waits for the sender to send more.
    pub(crate) waits_for_sender: watch::Sender<bool>,
}

impl From<Incoming> for Content {
    fn from(incoming: Incoming) -> Self {
        let waits_for_sender = watch::Sender::new(false);
        Self { incoming, wanted: None, waits_for_sender }
    }
}

impl Content {
    /// The content of a request.
    ///
    /// hyper's server sends `100 (Continue)` as soon as the content is polled. Only the upstream knows
    /// whether it wants the content. So the content is polled after the upstream sent `100 (Continue)`, or after
    /// `CONTINUE_TIMEOUT`.
    pub(crate) fn of_request(request: Request<Incoming>) -> Request<Self> {
        let mut request = request.map(Self::from);
        if request.headers().contains_key(EXPECT) {
            let wanted = Arc::new(Notify::new());
            let notify = wanted.clone();
            hyper::ext::on_informational(&mut request, move |response| {
                if response.status() == StatusCode::CONTINUE {
                    notify.notify_one();
                }
            });
            request.body_mut().wanted = Some(Box::pin(async move {
                let _ = timeout(CONTINUE_TIMEOUT, wanted.notified()).await;
            }));
        }
        request
    }
}

/// Completes when the client or the upstream has taken too long, with the status to respond.
pub(crate) async fn overdue(mut waits_for_client: watch::Receiver<bool>) -> StatusCode {
    loop {
        let (limit, status) = if *waits_for_client.borrow_and_update() {
            (CLIENT_TIMEOUT, StatusCode::REQUEST_TIMEOUT)
        } else {
            (UPSTREAM_TIMEOUT, StatusCode::GATEWAY_TIMEOUT)
        };
        match timeout(limit, waits_for_client.changed()).await {
            Ok(Ok(())) => continue,
            // All the content was sent.
            Ok(Err(_)) => sleep(UPSTREAM_TIMEOUT).await,
            Err(_) => {}
        }
        return status;
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(wanted) = &mut self.wanted {
            ready!(wanted.as_mut().poll(cx));
            self.wanted = None;
        }
        let mut frame = Pin::new(&mut self.incoming).poll_frame(cx);
        self.waits_for_sender.send_replace(frame.is_pending());
        if let Poll::Ready(Some(Ok(frame))) = &mut frame {
            frame.trailers_mut().map(remove_hop_by_hop);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
