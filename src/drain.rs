//! What happens to the body of a request that is answered without the inner service.
//!
//! A server that answers while its client is still sending, and then closes, makes the kernel reset
//! the connection, and the client or a proxy before it loses the answer. So the body is read first,
//! within bounds, and a connection that cannot go on says so in the response.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use http::header::EXPECT;
use http::{Method, Version, request};
use http_body::Body;
use pin_project_lite::pin_project;

use self::clock::Clock;

/// How much of a rejected request's body is read before the answer is sent, and how long it is
/// waited for.
///
/// A client that is still sending when a server answers and closes often loses the answer, and a
/// proxy in between makes a `502` of it. So the body is read and discarded first, until it ends or a
/// bound is reached:
///
/// | bound | default | without a clock |
/// |---|---|---|
/// | [`bytes`](Self::bytes) | 64 MiB | 2 MiB |
/// | [`timeout`](Self::timeout): in all | 30 s | none |
/// | [`idle`](Self::idle): without a byte, if the length is declared | 5 s | none |
/// | [`idle_undeclared`](Self::idle_undeclared): without a byte, if it is not | 1 s | 0 s |
///
/// - A request without a body, or whose body has arrived, is answered at once, and its connection
///   can be used on.
/// - One that declares more than `bytes`, or expects `100 (Continue)` (RFC 9110 §10.1.1), is
///   answered at once and its body is not touched: a client that waits for `100` need not send it.
/// - A body of undeclared length (chunked, or HTTP/2 without `Content-Length`) is given up sooner
///   when nothing arrives: its client may be waiting for the answer, as one of a gRPC stream is.
/// - Where a body is not read to its end, and for a rejected `CONNECT`, the answer to an HTTP/1.x
///   request says `Connection: close` (RFC 9112 §9.6). From HTTP/2 on only the stream ends.
///
/// A proxy that passes `Expect` on and sends the body without waiting, as Caddy does (2.6), may lose the
/// answer: tell it not to pass the field on (`header_up -Expect`).
///
/// Memory does not grow with the body. A body that has to be waited for costs one allocation, for
/// its timer.
///
/// # The clock
///
/// It is tokio's, and comes with the feature `tokio`, which is a default feature. Without the
/// feature, or where the service is called outside of a tokio runtime, there is none: a declared
/// body is then waited for to its end, however slowly it comes, as by a handler that reads it, and
/// one of undeclared length is read as far as it has arrived.
///
/// # Panics
///
/// In a tokio runtime without timers (`enable_time`), waiting panics, as tokio's `sleep` does. To
/// find that out early, a layer that has a clock panics when it is applied in such a runtime. Give it
/// `Drain::default().without_clock()` there.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower_method_policy::{Drain, MethodPolicyLayer};
///
/// # #[cfg(feature = "tokio")]
/// let layer = MethodPolicyLayer::default()
///     .drain(Drain::default().bytes(1 << 30).timeout(Duration::from_secs(300)));
///
/// // Every rejection is answered at once.
/// let layer = MethodPolicyLayer::default().drain(Drain::none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Drain {
    /// If configured; the default depends on whether there is a clock.
    bytes: Option<u64>,
    timeout: Duration,
    idle: Duration,
    idle_undeclared: Duration,
    has_clock: bool,
}

const MIB: u64 = 1024 * 1024;

impl Default for Drain {
    fn default() -> Self {
        Self {
            bytes: None,
            timeout: Duration::from_secs(30),
            idle: Duration::from_secs(5),
            idle_undeclared: Duration::from_secs(1),
            has_clock: cfg!(feature = "tokio"),
        }
    }
}

impl Drain {
    /// Reads nothing: each rejection is answered at once. A client that is sending a body may lose
    /// the answer.
    pub fn none() -> Self {
        Self::default().bytes(0)
    }

    /// How many bytes are read, at most. A body that declares more is not read at all.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }
}

/// The bounds that need a clock.
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
impl Drain {
    /// How long a body is waited for in all, counted from when the first wait begins.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a body of declared length is waited for while nothing of it arrives.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// How long a body of undeclared length is waited for while nothing of it arrives.
    ///
    /// It is the longest that a client waits for its answer which streams and listens at once.
    pub fn idle_undeclared(mut self, idle: Duration) -> Self {
        self.idle_undeclared = idle;
        self
    }

    /// Takes the clock away, for a tokio runtime without timers.
    pub fn without_clock(mut self) -> Self {
        self.has_clock = false;
        self
    }
}

impl Drain {
    /// Panics where the clock would at a request.
    #[track_caller]
    pub(crate) fn check(&self) {
        if self.has_clock && self.bytes != Some(0) {
            Clock::check();
        }
    }
}

pin_project! {
    /// The body of a rejected request.
    #[project = UnreadProjection]
    pub(crate) enum Unread<B> {
        /// At its end: the connection can be used on.
        Ended,
        /// Not to be read: over HTTP/1.x the connection cannot be used on.
        Left { is_http1: bool },
        /// On its way to its end.
        Reading {
            #[pin]
            body: B,
            // How much may still be read, in bytes.
            budget: u64,
            clock: Option<Clock>,
            is_http1: bool,
            is_declared: bool,
            // Whether nothing has arrived since the wait began.
            is_waiting: bool,
        },
    }
}

impl<B: Body> Unread<B> {
    #[inline]
    pub(crate) fn new(request: &request::Parts, body: B, drain: &Arc<Drain>) -> Self {
        if body.is_end_stream() && !matches!(request.method, Method::CONNECT) {
            return Self::Ended;
        }
        Self::of_a_body(request, body, drain)
    }

    #[cold]
    #[inline(never)]
    fn of_a_body(request: &request::Parts, body: B, drain: &Arc<Drain>) -> Self {
        let is_http1 = request.version <= Version::HTTP_11;
        // What follows a rejected CONNECT may be another protocol's, and must not be taken for
        // requests (RFC 9110 §9.3.6).
        if request.method == Method::CONNECT && is_http1 {
            return Self::Left { is_http1 };
        }
        if body.is_end_stream() {
            return Self::Ended;
        }
        // A client that expects `100 (Continue)` has not sent the body, and to poll it would make
        // hyper send that response (RFC 9110 §10.1.1, which an HTTP/1.0 client cannot ask for).
        let expects = request.version > Version::HTTP_10 && request.headers.contains_key(EXPECT);
        let clock = drain.has_clock.then(|| Clock::of(drain)).flatten();
        let budget = match (drain.bytes, &clock) {
            (Some(bytes), _) => bytes,
            (None, Some(_)) => 64 * MIB,
            (None, None) => 2 * MIB,
        };
        let length = body.size_hint().exact();
        if expects || length.unwrap_or(1) > budget {
            return Self::Left { is_http1 };
        }
        Self::Reading {
            body,
            budget,
            clock,
            is_http1,
            is_declared: length.is_some(),
            is_waiting: false,
        }
    }

    /// Ready when the body is out of the way, with whether the connection has to be closed.
    #[inline]
    pub(crate) fn poll_closes(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        match *self {
            Self::Ended => Poll::Ready(false),
            Self::Left { is_http1 } => Poll::Ready(is_http1),
            Self::Reading { is_http1, .. } => {
                let has_ended = ready!(self.poll_ended(cx));
                Poll::Ready(is_http1 && !has_ended)
            }
        }
    }

    /// Reads on; ready with whether the body was read to its end.
    #[cold]
    #[inline(never)]
    fn poll_ended(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        let UnreadProjection::Reading {
            mut body,
            budget,
            clock,
            is_declared,
            is_waiting,
            ..
        } = self.project()
        else {
            return Poll::Ready(true);
        };
        let is_declared = *is_declared;
        loop {
            if body.is_end_stream() {
                return Poll::Ready(true);
            }
            match body.as_mut().poll_frame(cx) {
                Poll::Ready(None) => return Poll::Ready(true),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(false),
                Poll::Ready(Some(Ok(frame))) => {
                    // An empty frame counts too: they could be sent for ever.
                    let length = frame.data_ref().map_or(0, Buf::remaining).max(1) as u64;
                    let Some(left) = budget.checked_sub(length) else {
                        return Poll::Ready(false);
                    };
                    *budget = left;
                    *is_waiting = false;
                }
                Poll::Pending => {
                    let begins = !std::mem::replace(is_waiting, true);
                    match clock {
                        Some(clock) => {
                            if begins {
                                clock.restart(is_declared);
                            }
                            ready!(clock.poll_expired(cx));
                            return Poll::Ready(false);
                        }
                        None if is_declared => return Poll::Pending,
                        // Not a sign that nothing has arrived: hyper's connection, which shares this
                        // task, reads the next piece only after it was asked for it, and so after
                        // this returns. On what hyper does with a body that is left see
                        // hyperium/hyper#3078 and #3944.
                        None if begins => {
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        None => return Poll::Ready(false),
                    }
                }
            }
        }
    }
}

#[cfg(feature = "tokio")]
mod clock {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use pin_project_lite::pin_project;
    use tokio::runtime::Handle;
    use tokio::time::{Instant, Sleep, sleep, sleep_until};

    use super::Drain;

    /// The bounds of a wait in time.
    pub(super) struct Clock {
        drain: Arc<Drain>,
        /// Made when there is something to wait for.
        alarm: Option<Pin<Box<Alarm>>>,
    }

    pin_project! {
        struct Alarm {
            #[pin]
            sleep: Sleep,
            // When the wait ends, whatever arrives.
            end: Instant,
        }
    }

    impl Clock {
        /// None outside of a tokio runtime.
        pub(super) fn of(drain: &Arc<Drain>) -> Option<Self> {
            Handle::try_current().is_ok().then(|| Self {
                drain: drain.clone(),
                alarm: None,
            })
        }

        #[track_caller]
        pub(super) fn check() {
            if Handle::try_current().is_ok() {
                drop(sleep(Duration::ZERO));
            }
        }

        /// Begins to wait, for the first time or after something has arrived.
        pub(super) fn restart(&mut self, is_declared: bool) {
            let now = Instant::now();
            let idle = match is_declared {
                true => self.drain.idle,
                false => self.drain.idle_undeclared,
            };
            match &mut self.alarm {
                None => {
                    let end = later(now, self.drain.timeout);
                    let sleep = sleep_until(end.min(later(now, idle)));
                    self.alarm = Some(Box::pin(Alarm { sleep, end }));
                }
                Some(alarm) => {
                    let alarm = alarm.as_mut().project();
                    alarm.sleep.reset((*alarm.end).min(later(now, idle)));
                }
            }
        }

        /// Ready when nothing is to be waited for any longer.
        pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            match &mut self.alarm {
                Some(alarm) => alarm.as_mut().project().sleep.poll(cx),
                None => Poll::Pending,
            }
        }
    }

    fn later(now: Instant, duration: Duration) -> Instant {
        // 30 years, beyond which some systems' clocks cannot express an instant: no bound.
        const LONGEST: Duration = Duration::from_secs(946_080_000);
        now + duration.min(LONGEST)
    }
}

#[cfg(not(feature = "tokio"))]
mod clock {
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use super::Drain;

    /// There is none.
    pub(super) enum Clock {}

    impl Clock {
        pub(super) fn of(_: &Arc<Drain>) -> Option<Self> {
            None
        }

        pub(super) fn check() {}

        pub(super) fn restart(&mut self, _: bool) {
            match *self {}
        }

        pub(super) fn poll_expired(&mut self, _: &mut Context<'_>) -> Poll<()> {
            match *self {}
        }
    }
}
