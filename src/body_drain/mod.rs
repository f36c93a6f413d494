//! [`BodyDrain`], which limits how much of a rejected request's body is read.
//!
//! A server may answer while its client is still sending, and then close the connection. The kernel then
//! resets the connection, and the client or a proxy loses the answer. So the layer reads the body first,
//! within bounds. If the connection cannot be used again, the response has `Connection: close`.

#[cfg(feature = "serde")]
mod data;
mod request_body;

use std::time::Duration;

use tokio::time::sleep;

pub(crate) use self::request_body::RequestBody;
use self::request_body::has_clock;

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
/// - A request that the layer has forwarded is not drained.
/// - The layer does not read a body that declares more than `max_bytes`. It also does not read the body of a
///   request with `Expect: 100-continue` (RFC 9110 §10.1.1), because its client waits for the answer.
/// - A client that sends a body of unknown length may be waiting for the answer, as in gRPC. So this idle
///   timeout is shorter. If a body declares length zero but does not end, the layer does not wait for it.
/// - A gRPC request of unknown length over HTTP/2 or HTTP/3 is a call whose client may be waiting for the answer.
///   The layer reads the bytes that have arrived and does not wait.
/// - `CONNECT` has no content (RFC 9110 §9.3.6), so the layer answers it at once.
/// - An answer over HTTP/1.x has `Connection: close` (RFC 9112 §9.6) if the layer did not read the body to
///   its end, or if the method is `CONNECT`.
/// - Outside a tokio runtime and on `wasm32-unknown-unknown`, there is no clock. The layer reads the bytes that have
///   arrived and does not wait.
///
/// Over HTTP/2, a server may answer before it has read the body (RFC 9113 §8.1). Still, one of 10 uploads of 30 MB by
/// curl 7.88 received the answer without the drain, and all 10 with it. An unread body ends only its stream, but h2
/// closes the connection after about 1,000 such streams (observed, also with axum alone). Behind a proxy that shares a
/// connection, other clients then get `502`. To prevent this, raise `max_bytes`, or hyper's
/// `max_local_error_reset_streams`.
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
/// With the feature `serde`, the bounds are a map: `max_bytes`, `timeout_seconds`, `idle_timeout_seconds`, and
/// `idle_timeout_unknown_length_seconds`. All are optional. Each is a whole number or a string of digits.
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
        if self.max_bytes > 0 && has_clock() {
            drop(sleep(Duration::ZERO));
        }
    }
}
