//! What happens to the body of a request that is answered without the inner service.
//!
//! A server that answers while its client is still sending, and then closes, makes the kernel reset
//! the connection, and the client or a proxy before it loses the answer. So a body is read first
//! where that ends for certain, and a connection that cannot go on says so in the response.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::header::EXPECT;
use http::{Method, Version, request};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::patience::{Patience, Wait};

/// How much of a body is read, at the most, and how long it is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainLimits {
    pub(crate) bytes: u64,
    /// For a body whose length is declared: it will end.
    pub(crate) declared: Wait,
    /// For one whose length is not: its client may be waiting for the answer before it goes on.
    pub(crate) undeclared: Wait,
}

impl Default for DrainLimits {
    fn default() -> Self {
        Self {
            bytes: 2 * 1024 * 1024,
            declared: Wait::ToTheEnd,
            undeclared: Wait::Never,
        }
    }
}

/// What there is to do with the unread body of an answered request.
pub(crate) enum Unread<B> {
    /// Nothing: the body is at its end, and the connection can be used on.
    Nothing,
    /// It is never read: the connection cannot be used on.
    Left,
    Drain(Drain<B>),
}

pin_project! {
    /// The unread body of an answered request, on its way to its end.
    pub(crate) struct Drain<B> {
        #[pin]
        body: B,
        // How much may still be read, in bytes.
        budget: u64,
        // Whether nothing has arrived since the task was last put at the end of the queue.
        yielded: bool,
        // How much longer the body is waited for.
        #[pin]
        patience: Patience,
    }
}

/// Whether the request came by a version whose connection serves one request at a time.
pub(crate) fn is_http1(version: Version) -> bool {
    version <= Version::HTTP_11
}

impl<B: Body> Unread<B> {
    pub(crate) fn new(request: &request::Parts, body: B, limits: DrainLimits) -> Self {
        // What follows a refused CONNECT may be another protocol's: nobody may take it for requests
        // (RFC 9110 §9.3.6).
        if request.method == Method::CONNECT && is_http1(request.version) {
            return Self::Left;
        }
        if body.is_end_stream() {
            return Self::Nothing;
        }
        // A client that expects `100 (Continue)` has not sent the body, and to poll it would make
        // hyper send that response (RFC 9110 §10.1.1, which an HTTP/1.0 client cannot ask for).
        let expects = request.version > Version::HTTP_10 && request.headers.contains_key(EXPECT);
        let length = body.size_hint().exact();
        if expects || length.unwrap_or(1) > limits.bytes {
            return Self::Left;
        }
        let wait = match length {
            Some(_) => limits.declared,
            None => limits.undeclared,
        };
        Self::Drain(Drain {
            body,
            budget: limits.bytes,
            yielded: false,
            patience: wait.start(),
        })
    }
}

impl<B: Body> Drain<B> {
    /// Reads on; ready with whether the body was read to its end.
    pub(crate) fn poll_finished(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let mut this = self.project();
        loop {
            if this.body.is_end_stream() {
                return Poll::Ready(true);
            }
            match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                Poll::Ready(Some(Ok(frame))) => {
                    // An empty frame counts too: nobody may send them for ever.
                    let length = frame.data_ref().map_or(0, Buf::remaining).max(1) as u64;
                    let Some(budget) = this.budget.checked_sub(length) else {
                        return Poll::Ready(false);
                    };
                    *this.budget = budget;
                    *this.yielded = false;
                }
                Poll::Pending => {
                    ready!(this.patience.as_mut().poll_over(cx));
                    if *this.yielded {
                        return Poll::Ready(false);
                    }
                    // Not a sign that nothing has arrived: hyper's connection, which shares this
                    // task, reads the next piece only after it was asked for it, and so after this
                    // returns. On what hyper does with a body that is left see hyperium/hyper#3078
                    // and #3944.
                    *this.yielded = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }
}
