//! The settings of a layer, without its policy.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arbitrary::{Result, Unstructured};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tower_method_policy::rfc2774::MandatoryExtensions;
use tower_method_policy::{
    BodyDrain, EmptyBody, MethodPolicyLayer, Policy, Rejection, Respond, RetryAfter,
};

/// The body of a response.
#[derive(Debug, Default, PartialEq)]
pub(crate) enum Payload {
    #[default]
    Default,
    Silly,
    Inner,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Responder {
    Empty,
    /// Sets fields that belong to the policy.
    Silly,
    /// Also sets a gRPC status.
    Grpc,
}

impl Responder {
    /// The fields that the responder sets, without `Allow`.
    pub(crate) fn fields(self) -> HeaderMap {
        const SILLY: [(&str, &str); 9] = [
            ("connection", "x-hop"),
            ("cache-control", "private"),
            ("retry-after", "7"),
            ("content-length", "9"),
            ("content-type", "text/silly"),
            ("grpc-message", "silly"),
            ("x-silly", "1"),
            ("x-silly", "2"),
            ("grpc-status", "7"),
        ];
        let fields: &[_] = match self {
            Self::Empty => &[],
            Self::Silly => &SILLY[..8],
            Self::Grpc => &SILLY,
        };
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            append(&mut map, name, value);
        }
        map
    }
}

impl Respond<Payload> for Responder {
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<Payload> {
        match self {
            Self::Empty => EmptyBody.respond(rejection, request),
            Self::Silly | Self::Grpc => {
                let mut response = Response::new(Payload::Silly);
                *response.status_mut() = StatusCode::CONTINUE;
                *response.headers_mut() = self.fields();
                append(response.headers_mut(), "allow", "FOO");
                append(response.headers_mut(), "allow", "BAR");
                response
            }
        }
    }
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
    fn draw(u: &mut Unstructured<'_>) -> Result<(Self, BodyDrain)> {
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

/// The calls of the observer.
pub(crate) type Observations = Arc<Mutex<Vec<String>>>;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) answers_options: bool,
    pub(crate) reports_only: bool,
    pub(crate) retry_after: Option<&'static str>,
    pub(crate) cache_control: Option<&'static str>,
    pub(crate) responder: Responder,
    pub(crate) bounds: Bounds,
    /// The only extension that is supported (RFC 2774).
    pub(crate) extension: Option<&'static str>,
}

impl Settings {
    pub(crate) fn draw(
        u: &mut Unstructured<'_>,
        policy: Policy,
        observations: &Observations,
    ) -> Result<(Self, MethodPolicyLayer<Responder>)> {
        let (bounds, drain) = Bounds::draw(u)?;
        let mut settings = Self {
            answers_options: u.ratio(2, 3)?,
            reports_only: u.ratio(1, 8)?,
            retry_after: None,
            cache_control: *u.choose(&[None, Some("no-store")])?,
            responder: *u.choose(&[Responder::Empty, Responder::Silly, Responder::Grpc])?,
            bounds,
            extension: *u.choose(&[None, None, Some("http://a.example/x")])?,
        };
        let mut layer = MethodPolicyLayer::new(policy)
            .answer_options(settings.answers_options)
            .report_only(settings.reports_only)
            .respond_with(settings.responder)
            .body_drain(drain);
        if let Some(value) = settings.cache_control {
            layer = layer.cache_control(HeaderValue::from_static(value));
        }
        let hour = RetryAfter::after(Duration::from_millis(3_599_001));
        let past = RetryAfter::at(SystemTime::UNIX_EPOCH);
        match u.int_in_range(0..=2)? {
            0 => {}
            1 => layer = layer.retry_after(past),
            _ => {
                settings.retry_after = Some("3600");
                layer = layer.retry_after(hour);
            }
        }
        if let Some(extension) = settings.extension {
            let extensions = MandatoryExtensions::at_origin().support(extension);
            layer = layer.mandatory_extensions(extensions.expect("an identifier"));
        }
        let observations = observations.clone();
        layer = layer.on_rejection(move |rejection, request| {
            let text = format!("{} {}", request.method, shown(rejection));
            observations.lock().expect("no panic").push(text);
        });
        Ok((settings, layer))
    }
}

/// Appends a field.
pub(crate) fn append(map: &mut HeaderMap, name: &'static str, value: &'static str) {
    let value = HeaderValue::from_static(value);
    map.append(HeaderName::from_static(name), value);
}

/// The text of a rejection.
pub(crate) fn shown(rejection: &Rejection) -> String {
    let allow = rejection.allow().map(ToString::to_string);
    let rule = rejection.rule().map(|rule| rule.to_string());
    let (status, is_enforced) = (rejection.status(), rejection.is_enforced());
    assert_eq!(rejection.reason().status(), status);
    let is_extension = rejection.extension_problem().is_some();
    assert_eq!(is_extension, ![405, 501].contains(&status.as_u16()));
    format!("{status} {allow:?} {rule:?} {is_enforced}")
}
