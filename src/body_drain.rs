//! [`BodyDrain`], which limits how much of a rejected request's body is read.
//!
//! A server may answer while its client is still sending, and then close the connection. The kernel then
//! resets the connection, and the client or a proxy loses the answer. So the layer reads the body first,
//! within bounds. If the connection cannot be used again, the response has `Connection: close`.

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
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// Limits how much of a rejected request's body the layer reads before it answers, and for how long.
///
/// A server may answer while its client is still sending, and then close the connection. The client often
/// loses the answer. So the layer reads and discards the body until the body ends or a bound is reached:
///
/// | bound | default |
/// |---|---|
/// | [`max_bytes`](Self::max_bytes) | 64 MiB |
/// | [`timeout`](Self::timeout): time since the layer first waited for the client | 30 s |
/// | [`idle_timeout`](Self::idle_timeout): time without a byte, for a body of known length | 5 s |
/// | [`idle_timeout_unknown_length`](Self::idle_timeout_unknown_length): the same, for any other body | 1 s |
///
/// - A request without a body is answered at once. So is a request whose whole body has arrived.
/// - The layer does not read a body that declares more than `max_bytes`. It also does not read the body of a
///   request with `Expect: 100-continue` (RFC 9110 §10.1.1), because its client waits for the answer.
/// - A client that sends a body of unknown length may be waiting for the answer, as in gRPC. So this idle
///   timeout is shorter. If a body declares length zero but does not end, the layer does not wait for it.
/// - An answer over HTTP/1.x has `Connection: close` (RFC 9112 §9.6) if the layer did not read the body to
///   its end, or if the method is `CONNECT`. In HTTP/2 and HTTP/3, only the stream ends.
/// - Outside a tokio runtime there is no clock. The layer reads the bytes that have arrived and does not wait.
///
/// Memory use does not grow with the body. If the layer waits, it allocates once, for the timer.
///
/// Caddy 2.6 forwards `Expect` and sends the body without waiting, so it may lose the answer. Configure it to
/// remove the field: `header_up -Expect`.
///
/// # Panics
///
/// The timer is tokio's [`Sleep`][sleep]. It panics in a runtime without timers (`enable_time`), and if it is
/// polled after its runtime was shut down. [`MethodPolicyLayer`](crate::MethodPolicyLayer) panics in a
/// runtime without timers, so that you find this mistake early. Use [`BodyDrain::none`] there.
///
/// [sleep]: https://docs.rs/tokio/latest/tokio/time/struct.Sleep.html
///
/// # As data
///
/// With the feature `serde`, the bounds are a map of whole numbers: `max_bytes`, `timeout_seconds`,
/// `idle_timeout_seconds`, and `idle_timeout_unknown_length_seconds`. All are optional.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use tower_method_policy::{BodyDrain, MethodPolicyLayer};
///
/// let drain = BodyDrain::default().max_bytes(1 << 30).timeout(Duration::from_secs(300));
/// let layer = MethodPolicyLayer::default().body_drain(drain);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct BodyDrain {
    max_bytes: u64,
    timeout: Duration,
    idle_timeout: Duration,
    idle_timeout_unknown_length: Duration,
}

/// The default bounds in the [table](Self).
impl Default for BodyDrain {
    fn default() -> Self {
        Self {
            max_bytes: 64 * 1024 * 1024,
            timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(5),
            idle_timeout_unknown_length: Duration::from_secs(1),
        }
    }
}

impl BodyDrain {
    /// Returns bounds that read nothing. Every rejected request is answered at once. A client that is sending
    /// a body may lose the answer.
    pub fn none() -> Self {
        Self::default().max_bytes(0)
    }

    /// Sets how many bytes the layer reads at most.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets how long the layer reads the body, counted from the first time that it waits for the client.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long the layer waits for the next byte of a body of known length.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets how long the layer waits for the next byte of a body of unknown length.
    pub fn idle_timeout_unknown_length(mut self, timeout: Duration) -> Self {
        self.idle_timeout_unknown_length = timeout;
        self
    }

    /// Panics if waiting would panic.
    #[track_caller]
    pub(crate) fn check_runtime(&self) {
        if self.max_bytes > 0 && Handle::try_current().is_ok() {
            drop(sleep(Duration::ZERO));
        }
    }
}

pin_project! {
    /// The body of a request that the layer answers.
    #[project = RequestBodyProjection]
    pub(crate) enum RequestBody<B> {
        /// The body has arrived: the connection can be used again.
        Complete,
        /// The body is not read: an HTTP/1.x connection cannot be used again.
        Unread { is_http1: bool },
        /// The body is read within the bounds.
        Draining {
            #[pin]
            body: B,
            remaining_bytes: u64,
            // `None` if the layer does not wait.
            clock: Option<Clock>,
            is_http1: bool,
            // Whether nothing has arrived since the wait began.
            is_waiting: bool,
            has_trailers: bool,
        },
    }
}

impl<B: Body> RequestBody<B> {
    #[inline]
    pub(crate) fn new(request: &request::Parts, body: B, bounds: &Arc<BodyDrain>) -> Self {
        if body.is_end_stream() && request.method != Method::CONNECT {
            return Self::Complete;
        }
        Self::incomplete(request, body, bounds)
    }

    #[cold]
    #[inline(never)]
    fn incomplete(request: &request::Parts, body: B, bounds: &Arc<BodyDrain>) -> Self {
        let is_http1 = request.version <= Version::HTTP_11;
        // The bytes after a rejected CONNECT may belong to another protocol and must not be read as
        // requests (RFC 9110 §9.3.6).
        if request.method == Method::CONNECT && is_http1 {
            return Self::Unread { is_http1 };
        }
        if body.is_end_stream() {
            return Self::Complete;
        }
        // Polling the body would make hyper send `100 Continue`. HTTP/1.0 has no `Expect`.
        let expects = request.version > Version::HTTP_10 && request.headers.contains_key(EXPECT);
        let length = body.size_hint().exact();
        let is_too_long = length.is_some_and(|length| length > bounds.max_bytes);
        if expects || is_too_long || bounds.max_bytes == 0 {
            return Self::Unread { is_http1 };
        }
        let clock = match length {
            // Only the end or trailers can follow.
            Some(0) => None,
            _ => Clock::new(bounds, length.is_some()),
        };
        Self::Draining {
            body,
            remaining_bytes: bounds.max_bytes,
            clock,
            is_http1,
            is_waiting: false,
            has_trailers: false,
        }
    }

    /// Waits until the answer can be sent. Returns whether the connection has to be closed.
    #[inline]
    pub(crate) fn poll_closes(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        match *self {
            Self::Complete => Poll::Ready(false),
            Self::Unread { is_http1 } => Poll::Ready(is_http1),
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
            clock,
            is_waiting,
            has_trailers,
            ..
        } = self.project()
        else {
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
                    let Some(clock) = clock else {
                        if begins {
                            // hyper's connection runs in this task. It reads the next piece only
                            // after this function has polled the body and returned.
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        return Poll::Ready(false);
                    };
                    if begins {
                        clock.restart();
                    }
                    ready!(clock.poll_expired(cx));
                    return Poll::Ready(false);
                }
            }
        }
    }
}

/// The time bounds of a wait.
pub(crate) struct Clock {
    bounds: Arc<BodyDrain>,
    has_known_length: bool,
    /// `None` before the first wait. It is boxed, because inline it would make the future of every request larger.
    alarm: Option<Pin<Box<Alarm>>>,
}

pin_project! {
    struct Alarm {
        #[pin]
        sleep: Sleep,
        // The end of the total waiting time.
        end: Instant,
    }
}

impl Clock {
    /// `None` outside a tokio runtime.
    fn new(bounds: &Arc<BodyDrain>, has_known_length: bool) -> Option<Self> {
        Handle::try_current().is_ok().then(|| Self {
            bounds: bounds.clone(),
            has_known_length,
            alarm: None,
        })
    }

    /// Begins a wait: the first one, or one after something has arrived.
    fn restart(&mut self) {
        let now = Instant::now();
        let idle_timeout = if self.has_known_length {
            self.bounds.idle_timeout
        } else {
            self.bounds.idle_timeout_unknown_length
        };
        let idle_end = later(now, idle_timeout);
        match &mut self.alarm {
            // The future has left its runtime. Without an alarm, the wait is over at once.
            None if Handle::try_current().is_err() => {}
            None => {
                let end = later(now, self.bounds.timeout);
                let sleep = sleep_until(end.min(idle_end));
                self.alarm = Some(Box::pin(Alarm { sleep, end }));
            }
            Some(alarm) => {
                let alarm = alarm.as_mut().project();
                alarm.sleep.reset((*alarm.end).min(idle_end));
            }
        }
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.alarm {
            Some(alarm) => alarm.as_mut().project().sleep.poll(cx),
            None => Poll::Ready(()),
        }
    }
}

fn later(now: Instant, duration: Duration) -> Instant {
    // 30 years. Some systems cannot express a later instant.
    const MAX: Duration = Duration::from_secs(946_080_000);
    now + duration.min(MAX)
}

#[cfg(feature = "serde")]
mod data {
    //! [`BodyDrain`] as data.

    use std::fmt;
    use std::time::Duration;

    use serde_core::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

    use super::BodyDrain;
    use crate::methods::data::{Text, WholeNumber, setting_name, unexpected_text};

    /// A map of bounds, all optional: see [As data](BodyDrain#as-data).
    #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
    impl<'de> Deserialize<'de> for BodyDrain {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(DrainVisitor)
        }
    }

    const SETTINGS: &[&str] = &[
        "max_bytes",
        "timeout_seconds",
        "idle_timeout_seconds",
        "idle_timeout_unknown_length_seconds",
    ];

    struct DrainVisitor;

    impl<'de> Visitor<'de> for DrainVisitor {
        type Value = BodyDrain;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map with the bounds of a body drain")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<BodyDrain, E> {
            Err(unexpected_text(text, &self))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut settings: A) -> Result<BodyDrain, A::Error> {
            let mut drain = BodyDrain::default();
            let mut seen = Vec::new();
            let mut setting = |name: &str| setting_name(name, SETTINGS, &mut seen);
            while let Some(name) = settings.next_key_seed(Text("a bound", &mut setting))? {
                let number = settings.next_value_seed(WholeNumber)?;
                let seconds = Duration::from_secs(number);
                drain = match name {
                    "max_bytes" => drain.max_bytes(number),
                    "timeout_seconds" => drain.timeout(seconds),
                    "idle_timeout_seconds" => drain.idle_timeout(seconds),
                    _ => drain.idle_timeout_unknown_length(seconds),
                };
            }
            Ok(drain)
        }
    }
}
