//! Draws the settings of a layer.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tower_method_policy::BodyDrain;

use crate::model::policy::Policy;
use crate::model::rejection::Responder;
use crate::model::{Layer, RetryAfter};

/// The only extension that a layer supports (RFC 2774).
pub(crate) const EXTENSION: &str = "http://a.example/x";

pub(crate) fn draw(u: &mut Unstructured<'_>, policy: Policy) -> Result<Layer> {
    use Responder::{Content, EmptyBody, Fields, GrpcStatus, PlainText};
    use RetryAfter::{Past, Seconds, Unset};

    let responder = *u.choose(&[EmptyBody, PlainText, Content, Fields, GrpcStatus])?;
    Ok(Layer {
        inner_decides: u.ratio(1, 2)?,
        answer_options: u.ratio(2, 3)?,
        report_only: u.ratio(1, 8)?,
        responder,
        has_observer: u.ratio(2, 3)?,
        retry_after: *u.choose(&[Unset, Past, Seconds(3600)])?,
        cache_control: *u.choose(&[None, Some("no-store")])?,
        // The text about an extension is not part of the model.
        examines_extensions: u.ratio(1, 3)? && responder != PlainText,
        ..Layer::new(policy)
    })
}

/// The bounds of `BodyDrain`. All times over a year are treated alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) max_bytes: u64,
    pub(crate) timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) idle_timeout_unknown_length: Duration,
}

impl Bounds {
    pub(crate) fn draw(u: &mut Unstructured<'_>) -> Result<(Self, BodyDrain)> {
        const TIMES: [u64; 5] = [0, 1, 2000, 3_600_000, u64::MAX];
        if u.ratio(1, 3)? {
            let bounds = Self {
                max_bytes: 64 << 20,
                timeout: Duration::from_secs(30),
                idle_timeout: Duration::from_secs(5),
                idle_timeout_unknown_length: Duration::from_secs(1),
            };
            return Ok((bounds, BodyDrain::default()));
        }
        let mut time = || Ok(Duration::from_millis(*u.choose(&TIMES)?));
        let bounds = Self {
            timeout: time()?,
            idle_timeout: time()?,
            idle_timeout_unknown_length: time()?,
            max_bytes: *u.choose(&[0, 1, 2, 10, 11, 1 << 20, u64::MAX])?,
        };
        let drain = BodyDrain::default()
            .max_bytes(bounds.max_bytes)
            .timeout(bounds.timeout)
            .idle_timeout(bounds.idle_timeout)
            .idle_timeout_unknown_length(bounds.idle_timeout_unknown_length);
        Ok((bounds, drain))
    }
}
