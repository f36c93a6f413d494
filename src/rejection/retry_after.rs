//! [`RetryAfter`], the time when a client may send the request again.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use httpdate::HttpDate;

/// The value of a `Retry-After` field (RFC 9110 §10.2.3) for `501` responses.
///
/// Use it if you know when the server will implement the method, such as after a planned deployment. With the
/// feature `serde`, it is a whole number of seconds, a string of digits, or an IMF-fixdate such as
/// `"Sun, 06 Nov 1994 08:49:37 GMT"`.
///
/// ```
/// use std::time::Duration;
/// use tower_method_policy::{MethodPolicyLayer, RetryAfter};
///
/// // `Retry-After: 3600`
/// let layer = MethodPolicyLayer::default().retry_after(RetryAfter::after(Duration::from_secs(3600)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    value: HeaderValue,
    /// The time of `value`, if it is a date.
    at: Option<SystemTime>,
}

/// Reading the time panics on `wasm32-unknown-unknown`.
pub(crate) const HAS_CLOCK: bool = cfg!(not(all(target_family = "wasm", target_os = "unknown")));

/// 10000-01-01T00:00:00Z. The year of an IMF-fixdate has four digits.
const YEAR_10000: u64 = 253_402_300_800;

impl RetryAfter {
    /// Creates a delay in whole seconds, rounded up. The client counts from the receipt of the response.
    #[must_use]
    pub fn after(delay: Duration) -> Self {
        Self { value: HeaderValue::from(whole_seconds(delay)), at: None }
    }

    /// Creates a point in time, sent as an IMF-fixdate (RFC 9110 §5.6.7) in whole seconds, rounded up.
    ///
    /// From that time on, the field is not sent. So each `501` reads the clock. On `wasm32-unknown-unknown` there is no
    /// clock, and the field is always sent. A time after the year 9999 becomes the last second of that year.
    #[expect(clippy::missing_panics_doc, reason = "an IMF-fixdate is a valid field value")]
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = whole_seconds(since_epoch).min(YEAR_10000 - 1);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Self {
            value: HeaderValue::try_from(HttpDate::from(time).to_string())
                .expect("an IMF-fixdate is a valid field value"),
            at: Some(time),
        }
    }

    /// The field's value, or `None` if its time is past.
    pub(crate) fn value(&self) -> Option<&HeaderValue> {
        let is_past = HAS_CLOCK && self.at.is_some_and(|at| at <= SystemTime::now());
        (!is_past).then_some(&self.value)
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    let fraction = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(fraction)
}
