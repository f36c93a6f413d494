//! [`RequestBody`], the body of a request that the layer answers.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http::header::EXPECT;
use http::{Method, Version, request};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::BodyDrain;
use crate::rejection::{HAS_CLOCK, is_grpc};

pin_project! {
    /// The body of a request that the layer answers.
    #[project = RequestBodyProjection]
    pub(crate) enum RequestBody<B> {
        /// No more is read. The connection has to be closed if it is HTTP/1.x and the body has not arrived.
        Done { closes: bool },
        /// The body is read within the bounds.
        Draining {
            #[pin]
            body: B,
            remaining_bytes: u64,
            wait: Wait,
            is_http1: bool,
            // Whether nothing has arrived since the wait began.
            is_waiting: bool,
            has_trailers: bool,
        },
    }
}

/// How the layer waits for a body.
enum Wait {
    /// It reads only what has arrived.
    Never,
    /// It waits for the first time. It has the idle timeout.
    NotYet(Arc<BodyDrain>, Duration),
    /// It waits, and no longer than until `end`. The timer is boxed, because inline it would make the future of
    /// every request larger.
    Until { timer: Pin<Box<Sleep>>, end: Instant, idle_timeout: Duration },
}

impl<B: Body> RequestBody<B> {
    pub(crate) fn new(request: &request::Parts, body: B, bounds: &Arc<BodyDrain>) -> Self {
        let is_http1 = request.version <= Version::HTTP_11;
        // `CONNECT` has no content. The bytes after a rejected one may belong to another protocol and must not be
        // read as requests (RFC 9110 §9.3.6).
        if request.method == Method::CONNECT {
            return Self::Done { closes: is_http1 };
        }
        if body.is_end_stream() {
            return Self::Done { closes: false };
        }
        // Polling the body would make hyper send `100 Continue`. HTTP/1.0 has no `Expect`.
        let expects = request.version > Version::HTTP_10 && request.headers.contains_key(EXPECT);
        let length = body.size_hint().exact();
        let is_too_long = length.is_some_and(|length| length > bounds.max_bytes);
        if expects || is_too_long || bounds.max_bytes == 0 {
            return Self::Done { closes: is_http1 };
        }
        let wait = match length {
            // Only the end or trailers can follow.
            Some(0) => Wait::Never,
            // A gRPC client that streams may be waiting for the answer.
            None if !is_http1 && is_grpc(request) => Wait::Never,
            _ if !has_clock() => Wait::Never,
            Some(_) => Wait::NotYet(bounds.clone(), bounds.idle_timeout),
            None => Wait::NotYet(bounds.clone(), bounds.idle_timeout_unknown_length),
        };
        Self::Draining {
            body,
            remaining_bytes: bounds.max_bytes,
            wait,
            is_http1,
            is_waiting: false,
            has_trailers: false,
        }
    }

    /// Waits until the answer can be sent. Returns whether the connection has to be closed.
    #[inline]
    pub(crate) fn poll_closes(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        match *self {
            Self::Done { closes } => Poll::Ready(closes),
            Self::Draining { is_http1, .. } => {
                let is_complete = ready!(self.poll_drained(cx));
                Poll::Ready(is_http1 && !is_complete)
            }
        }
    }

    /// Reads the body within the bounds. Returns whether it was read to its end.
    #[cold]
    #[inline(never)]
    fn poll_drained(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let RequestBodyProjection::Draining {
            mut body,
            remaining_bytes,
            wait,
            is_waiting,
            has_trailers,
            ..
        } = self.project()
        else {
            // `poll_closes` has handled this case.
            return Poll::Ready(true);
        };
        loop {
            if body.is_end_stream() {
                return Poll::Ready(true);
            }
            match body.as_mut().poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                Poll::Ready(Some(Ok(frame))) => {
                    // Nothing may follow trailers. Without this check, an endless body is read forever.
                    if *has_trailers {
                        return Poll::Ready(false);
                    }
                    *is_waiting = false;
                    let Some(data) = frame.data_ref() else {
                        *has_trailers = true;
                        continue;
                    };
                    // An empty frame counts too: a client could send them forever.
                    let length = data.remaining().max(1) as u64;
                    match remaining_bytes.checked_sub(length) {
                        Some(remaining) => *remaining_bytes = remaining,
                        None => return Poll::Ready(false),
                    }
                }
                Poll::Pending => {
                    let begins = !std::mem::replace(is_waiting, true);
                    ready!(wait.poll(cx, begins));
                    return Poll::Ready(false);
                }
            }
        }
    }
}

impl Wait {
    /// Waits for the client. `begins` is `true` for the first wait, and for the first one after something has
    /// arrived. Returns when the wait is over.
    fn poll(&mut self, cx: &mut Context<'_>, begins: bool) -> Poll<()> {
        if begins {
            self.begin();
        }
        match self {
            Self::Until { timer, .. } => timer.as_mut().poll(cx),
            Self::Never if begins => {
                // hyper's connection runs in this task. It reads the next piece only after this function
                // has polled the body and returned.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            // `NotYet`: the future has left its runtime.
            Self::Never | Self::NotYet(..) => Poll::Ready(()),
        }
    }

    fn begin(&mut self) {
        match self {
            Self::NotYet(bounds, idle_timeout) if has_clock() => {
                let now = Instant::now();
                let end = later(now, bounds.timeout);
                let idle_timeout = *idle_timeout;
                let timer = Box::pin(sleep_until(end.min(later(now, idle_timeout))));
                *self = Self::Until { timer, end, idle_timeout };
            }
            Self::Until { timer, end, idle_timeout } => {
                timer.as_mut().reset(later(Instant::now(), *idle_timeout).min(*end));
            }
            Self::Never | Self::NotYet(..) => {}
        }
    }
}

/// Whether there is a clock: in a tokio runtime, but not on `wasm32-unknown-unknown`.
pub(super) fn has_clock() -> bool {
    HAS_CLOCK && Handle::try_current().is_ok()
}

fn later(now: Instant, duration: Duration) -> Instant {
    // 30 years. Some systems cannot express a later instant.
    const MAX: Duration = Duration::from_secs(946_080_000);
    now + duration.min(MAX)
}
