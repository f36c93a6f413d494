//! [`RetryAfter`]: when a client may ask again.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use httpdate::HttpDate;

/// The value of a `Retry-After` field (RFC 9110 §10.2.3), for `501` responses.
///
/// It is rendered once, when it is made. For a `501` it says when the server may have come to
/// implement the method, after a planned deployment for instance.
///
/// With the feature `serde` it is read from data: a whole number of seconds, or an IMF-fixdate.
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
    /// The instant that `value` names, if it names one.
    at: Option<SystemTime>,
}

/// The first second that an IMF-fixdate cannot name, since its year has four digits:
/// 10000-01-01T00:00:00Z.
const YEAR_10000: u64 = 253_402_300_800;

impl RetryAfter {
    /// A delay, counted by the client from when it receives the response, in whole seconds; a
    /// fraction is rounded up.
    #[must_use]
    pub fn after(delay: Duration) -> Self {
        Self {
            value: HeaderValue::from(whole_seconds(delay)),
            at: None,
        }
    }

    /// A point in time, sent as an IMF-fixdate (RFC 9110 §5.6.7) in whole seconds; a fraction is
    /// rounded up.
    ///
    /// From that time on the field is left out, which costs one look at the clock for each `501`.
    /// The latest date that the format can express, the end of the year 9999, stands for any later
    /// one.
    #[expect(
        clippy::missing_panics_doc,
        reason = "it never does: an IMF-fixdate is a valid field value"
    )]
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        let since_epoch = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = whole_seconds(since_epoch).min(YEAR_10000 - 1);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Self {
            value: HeaderValue::try_from(HttpDate::from(time).to_string())
                .expect("an IMF-fixdate is a valid field value"),
            at: Some(time),
        }
    }

    /// The field's value, unless the time that it names is past.
    pub(crate) fn value(&self) -> Option<&HeaderValue> {
        match self.at {
            Some(at) if at <= SystemTime::now() => None,
            _ => Some(&self.value),
        }
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    let fraction = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(fraction)
}
