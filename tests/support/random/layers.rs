//! Draws layers and their policies.

use std::time::Duration;

use arbitrary::{Result, Unstructured};
use tower_method_policy::BodyDrain;

use super::names;
use crate::model::policy::{Entry, Kind, Policy, Rule};
use crate::model::rejection::Responder;
use crate::model::{Layer, RetryAfter};

/// There are only a few segments, so patterns often overlap or conflict.
const SEGMENTS: &[&str] = &["users", "me", "a%2Fb", "{{id}}", "{id}", "{name}"];

/// The only extension that a layer supports (RFC 2774).
pub(crate) const EXTENSION: &str = "http://a.example/x";

pub(crate) fn policy(u: &mut Unstructured<'_>) -> Result<Policy> {
    let mut model = Policy::default();
    if u.ratio(1, 4)? {
        model.recognize = methods(u)?;
    }
    if u.ratio(1, 4)? {
        model.recognize_only = Some(methods(u)?);
    }
    if u.ratio(1, 2)? {
        model.fallback = Some(Rule::fallback(methods(u)?));
    }
    for _ in 0..u.int_in_range(0..=4)? {
        let entry = entry(u)?;
        let mut others = model.entries.iter();
        if others.any(|other| other.conflicts(&entry)) {
            let error = entry.add_to(model.build().expect("no conflict")).expect_err("a conflict");
            assert!(error.to_string().contains(&format!("{:?}", entry.pattern)));
        } else {
            model.entries.push(entry);
        }
    }
    Ok(model)
}

fn entry(u: &mut Unstructured<'_>) -> Result<Entry> {
    let kind = *u.choose(&[Kind::Route, Kind::Route, Kind::Subtree, Kind::Exempt])?;
    let is_subtree = kind == Kind::Subtree;
    let mut pattern = String::new();
    for _ in 0..u.int_in_range(u8::from(is_subtree)..=3)? {
        pattern = pattern + "/" + u.choose(SEGMENTS)?;
    }
    pattern += match u.int_in_range(0..=4)? {
        _ if is_subtree => "",
        0 => "/",
        1 => "/{*rest}",
        2 => "/{*path}",
        _ if pattern.is_empty() => "/",
        _ => "",
    };
    Ok(Entry::new(kind, &pattern, methods(u)?))
}

fn methods(u: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let names = (0..u.int_in_range(0..=6)?).map(|_| names::draw(u));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    if u.ratio(1, 8)? {
        names.extend((0..40).map(names::own));
    }
    Ok(names)
}

pub(crate) fn layer(u: &mut Unstructured<'_>, policy: Policy) -> Result<Layer> {
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
        examines_extensions: u.ratio(1, 3)? && responder != PlainText && cfg!(feature = "rfc2774"),
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
