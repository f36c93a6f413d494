//! The content of a request on its way to the upstream, and whose turn it is meanwhile.

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

/// How long the upstream may do nothing: take no content, send no response.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the upstream may take to say `100 (Continue)`, before the content is sent unasked
/// (RFC 9110 §10.1.1).
const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);

/// The content of a request, as it arrives.
pub(crate) struct Upload {
    content: Incoming,
    /// Keeps the content back until it is wanted.
    held: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    turn: watch::Sender<Turn>,
}

/// Who has to do something, that the exchange goes on.
#[derive(Clone, Copy)]
enum Turn {
    Client,
    Upstream,
}

/// Sees how an exchange goes on.
pub(crate) struct Watch(watch::Receiver<Turn>);

/// Takes the place of a request's content.
///
/// A client that expects `100 (Continue)` waits for the upstream's, for the proxy cannot know whether
/// the upstream will want the content (RFC 9110 §10.1.1). hyper's server sends it once the content
/// is asked for, so that is put off.
pub(crate) fn watch(request: Request<Incoming>) -> (Request<Upload>, Watch) {
    let expects = request.headers().contains_key(EXPECT);
    let (sender, turn) = watch::channel(Turn::Upstream);
    let mut request = request.map(|content| Upload {
        content,
        held: None,
        turn: sender,
    });
    if expects {
        let wanted = Arc::new(Notify::new());
        let want = wanted.clone();
        hyper::ext::on_informational(&mut request, move |response| {
            if response.status() == StatusCode::CONTINUE {
                want.notify_one();
            }
        });
        request.body_mut().held = Some(Box::pin(async move {
            // Without the word, too, the content is sent: it may not be known to the upstream.
            let _ = timeout(CONTINUE_TIMEOUT, wanted.notified()).await;
        }));
    }
    (request, Watch(turn))
}

impl Watch {
    /// Ready when it has been the upstream's turn for too long. A client may take its time.
    pub(crate) async fn hangs(&mut self) {
        loop {
            let turn = *self.0.borrow_and_update();
            let changed = match turn {
                Turn::Client => self.0.changed().await,
                Turn::Upstream => match timeout(UPSTREAM_TIMEOUT, self.0.changed()).await {
                    Ok(changed) => changed,
                    Err(_) => return,
                },
            };
            if changed.is_err() {
                // All content has been sent.
                return sleep(UPSTREAM_TIMEOUT).await;
            }
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(held) = &mut self.held {
            ready!(held.as_mut().poll(cx));
            self.held = None;
        }
        let frame = Pin::new(&mut self.content).poll_frame(cx);
        self.turn.send_replace(match frame {
            Poll::Pending => Turn::Client,
            Poll::Ready(_) => Turn::Upstream,
        });
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}
