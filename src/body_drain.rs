//! [`BodyDrain`]: the body of a request that the layer answers.
//!
//! If a server answers while its client is still sending and then closes, the kernel resets the
//! connection, and the client, or a proxy in between, loses the answer. So the body is read first, within
//! bounds, and a connection that cannot go on says so in the response.

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

/// How much of a rejected request's body is read before the answer is sent, and for how long.
///
/// If a server answers while its client is still sending and then closes, the client often loses the
/// answer. So the layer reads and discards the body until it ends or a bound is reached:
///
/// | bound | default |
/// |---|---|
/// | [`max_bytes`](Self::max_bytes) | 64 MiB |
/// | [`timeout`](Self::timeout): total waiting time | 30 s |
/// | [`idle_timeout`](Self::idle_timeout): time without a byte, if the length is known | 5 s |
/// | [`idle_timeout_unknown_length`](Self::idle_timeout_unknown_length): time without a byte, if not | 1 s |
///
/// - A request without a body, or whose body has arrived, is answered at once.
/// - A body that declares more than `max_bytes` is not read. Neither is one with
///   `Expect: 100-continue` (RFC 9110 §10.1.1): its client waits for the answer.
/// - A client that sends a body of unknown length may be waiting for the answer, as in gRPC. That is
///   why its idle timeout is shorter. A body that declares length zero but does not end is not waited
///   for.
/// - If the body is not read to its end, and for a rejected `CONNECT`, the answer to an HTTP/1.x request
///   has `Connection: close` (RFC 9112 §9.6). In HTTP/2 and HTTP/3 only the stream ends.
/// - Outside a tokio runtime there is no clock: the layer reads what has arrived and waits for nothing.
///
/// Memory does not grow with the body. Waiting takes one allocation, for the timer.
///
/// Caddy 2.6 forwards `Expect` and sends the body without waiting, so it may lose the answer. Tell it to
/// remove the field: `header_up -Expect`.
///
/// # Panics
///
/// The timer is tokio's and panics where [`tokio::time::Sleep`] does: in a runtime without timers
/// (`enable_time`), and if it is polled after its runtime was shut down. To find the first mistake early,
/// [`MethodPolicyLayer::layer`](tower_layer::Layer::layer) panics in such a runtime. Use
/// [`BodyDrain::none`] there.
///
/// # As data
///
/// With the feature `serde`, it is a map of whole numbers, all optional: `max_bytes`, `timeout_seconds`,
/// `idle_timeout_seconds`, and `idle_timeout_unknown_length_seconds`.
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

/// The bounds in the [table](Self).
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
    /// Reads nothing: every rejected request is answered at once. A client that is sending a body may
    /// lose the answer.
    pub fn none() -> Self {
        Self::default().max_bytes(0)
    }

    /// Sets how many bytes are read at most.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets how long a body is waited for in total, from the first wait on.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long a body of known length is waited for while no byte arrives.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Sets how long a body of unknown length is waited for while no byte arrives.
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
            // `None` if nothing is waited for.
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
            // It can only end, or have trailers.
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

    /// Ready when the answer can be sent, with whether the connection has to be closed.
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

    /// Reads on. Ready with whether the body was read to its end.
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
                    // Nothing may follow trailers. A body without an end would be read forever.
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
                            // hyper's connection shares this task. It reads the next piece only
                            // after this function has asked for it and returned.
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
    /// `None` until there is something to wait for.
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
            // The request has left its runtime. Without an alarm, the wait is over at once.
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
