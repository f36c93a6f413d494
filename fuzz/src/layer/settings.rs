//! The settings of a layer, without its policy.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tower_method_policy::{
    BodyDrain, EmptyBody, MethodPolicyLayer, PlainText, Policy, ProblemDetails, Rejection, Respond,
    RetryAfter,
};

use super::extensions::Supported;

/// The body of a response.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Payload {
    #[default]
    Default,
    Text(Bytes),
    /// The silly responder's.
    Silly,
    /// The inner service's.
    Inner(u8),
}

impl From<Bytes> for Payload {
    fn from(text: Bytes) -> Self {
        Self::Text(text)
    }
}

/// Something that a responder, or the inner service, puts into a response's extensions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mark(pub(super) u8);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Responder {
    Empty,
    Text,
    Problem,
    /// Sets a gRPC status of its own.
    Grpc,
    Silly,
}

impl Respond<Payload> for Responder {
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<Payload> {
        match self {
            Self::Empty => EmptyBody.respond(rejection, request),
            Self::Text => PlainText.respond(rejection, request),
            Self::Problem => ProblemDetails.respond(rejection, request),
            Self::Grpc => {
                let mut response = Response::new(Payload::Silly);
                *response.headers_mut() = grpc_fields();
                response
            }
            Self::Silly => {
                let mut response = Response::new(Payload::Silly);
                *response.status_mut() = StatusCode::CONTINUE;
                *response.headers_mut() = silly_fields();
                response
                    .headers_mut()
                    .append("allow", HeaderValue::from_static("FOO"));
                response
                    .headers_mut()
                    .append("allow", HeaderValue::from_static("BAR"));
                response.extensions_mut().insert(Mark(1));
                response
            }
        }
    }
}

fn grpc_fields() -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-status", HeaderValue::from_static("7"));
    fields.insert(CONTENT_LENGTH, HeaderValue::from_static("9"));
    fields
}

fn silly_fields() -> HeaderMap {
    let mut fields = HeaderMap::new();
    let value = HeaderValue::from_static;
    fields.append(CONNECTION, value("x-hop"));
    fields.append(CACHE_CONTROL, value("private"));
    fields.append(RETRY_AFTER, value("7"));
    fields.append(CONTENT_LENGTH, value("9"));
    fields.append(CONTENT_TYPE, value("text/silly"));
    fields.append("grpc-message", value("silly"));
    fields.append("x-silly", value("1"));
    fields.append("x-silly", value("2"));
    fields
}

impl Responder {
    /// The fields that it sets, but for `Allow`.
    pub(super) fn fields(self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        let value = HeaderValue::from_static;
        match self {
            Self::Empty => {}
            Self::Text => {
                fields.insert(CONTENT_TYPE, value("text/plain; charset=utf-8"));
            }
            Self::Problem => {
                fields.insert(CONTENT_TYPE, value("application/problem+json"));
            }
            Self::Grpc => return grpc_fields(),
            Self::Silly => return silly_fields(),
        }
        fields
    }
}

/// The bounds of a drain. Times beyond a year only have to be long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) max_bytes: u64,
    pub(super) timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) idle_timeout_unknown_length: Duration,
}

impl Bounds {
    const DEFAULT: Self = Self {
        max_bytes: 64 << 20,
        timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(5),
        idle_timeout_unknown_length: Duration::from_secs(1),
    };

    fn draw(u: &mut Unstructured<'_>) -> Result<(Self, BodyDrain)> {
        let mut bounds = Self::DEFAULT;
        let mut drain = match !u.ratio(7, 8)? {
            true => {
                bounds.max_bytes = 0;
                BodyDrain::none()
            }
            false => BodyDrain::default(),
        };
        for _ in 0..u.int_in_range(0..=4)? {
            const TIMES: [Duration; 5] = [
                Duration::ZERO,
                Duration::from_millis(1),
                Duration::from_secs(2),
                Duration::from_secs(3600),
                Duration::MAX,
            ];
            drain = match u.int_in_range(0..=3)? {
                0 => {
                    bounds.max_bytes = *u.choose(&[0, 1, 2, 10, 11, 1 << 20, u64::MAX])?;
                    drain.max_bytes(bounds.max_bytes)
                }
                1 => {
                    bounds.timeout = *u.choose(&TIMES)?;
                    drain.timeout(bounds.timeout)
                }
                2 => {
                    bounds.idle_timeout = *u.choose(&TIMES)?;
                    drain.idle_timeout(bounds.idle_timeout)
                }
                _ => {
                    bounds.idle_timeout_unknown_length = *u.choose(&TIMES)?;
                    drain.idle_timeout_unknown_length(bounds.idle_timeout_unknown_length)
                }
            };
        }
        Ok((bounds, drain))
    }
}

/// What an observer is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Observed {
    pub(super) observer: usize,
    pub(super) status: StatusCode,
    pub(super) is_enforced: bool,
    pub(super) allow: Option<String>,
    pub(super) rule: Option<String>,
    pub(super) method: Method,
}

pub(super) type Observations = Arc<Mutex<Vec<Observed>>>;

/// What was set last.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) answers_options: bool,
    pub(super) reports_only: bool,
    pub(super) retry_after: Option<&'static str>,
    pub(super) cache_control: Option<&'static str>,
    pub(super) responder: Responder,
    pub(super) bounds: Bounds,
    pub(super) extensions: Option<Supported>,
    pub(super) observers: usize,
}

impl Settings {
    /// Calls the setters in any order and number.
    pub(super) fn draw(
        u: &mut Unstructured<'_>,
        policy: Policy,
        observations: &Observations,
    ) -> Result<(Self, MethodPolicyLayer<Responder>)> {
        let mut layer = MethodPolicyLayer::new(policy).respond_with(Responder::Empty);
        let mut settings = Self {
            answers_options: false,
            reports_only: false,
            retry_after: None,
            cache_control: None,
            responder: Responder::Empty,
            bounds: Bounds::DEFAULT,
            extensions: None,
            observers: 0,
        };
        for _ in 0..u.int_in_range(0..=6)? {
            layer = settings.set(u, layer, observations)?;
        }
        Ok((settings, layer))
    }

    fn set(
        &mut self,
        u: &mut Unstructured<'_>,
        layer: MethodPolicyLayer<Responder>,
        observations: &Observations,
    ) -> Result<MethodPolicyLayer<Responder>> {
        Ok(match u.int_in_range(0..=8)? {
            7 | 8 => {
                self.answers_options = u.ratio(5, 6)?;
                layer.answer_options(self.answers_options)
            }
            0 => {
                self.reports_only = u.ratio(2, 3)?;
                layer.report_only(self.reports_only)
            }
            1 => {
                let hour = Duration::from_millis(3_599_001);
                let year_19999 = SystemTime::UNIX_EPOCH + Duration::from_secs(568_940_000_000);
                let (text, value) = match u.int_in_range(0..=3)? {
                    0 => (Some("3600"), RetryAfter::after(hour)),
                    1 => (
                        Some("18446744073709551615"),
                        RetryAfter::after(Duration::MAX),
                    ),
                    2 => (None, RetryAfter::at(SystemTime::UNIX_EPOCH)),
                    _ => (
                        Some("Fri, 31 Dec 9999 23:59:59 GMT"),
                        RetryAfter::at(year_19999),
                    ),
                };
                self.retry_after = text;
                layer.retry_after(value)
            }
            2 => {
                let value = *u.choose(&["no-store", "max-age=10"])?;
                self.cache_control = Some(value);
                layer.cache_control(HeaderValue::from_static(value))
            }
            3 => {
                let observations = observations.clone();
                let observer = self.observers;
                self.observers += 1;
                layer.on_rejection(move |rejection, request| {
                    observations.lock().expect("no panic").push(Observed {
                        observer,
                        status: rejection.status(),
                        is_enforced: rejection.is_enforced(),
                        allow: rejection.allow().map(ToString::to_string),
                        rule: rejection.rule().map(|rule| rule.to_string()),
                        method: request.method.clone(),
                    });
                })
            }
            4 => {
                let (supported, extensions) = Supported::draw(u)?;
                self.extensions = Some(supported);
                layer.mandatory_extensions(extensions)
            }
            5 => {
                self.responder = *u.choose(&[
                    Responder::Text,
                    Responder::Problem,
                    Responder::Grpc,
                    Responder::Silly,
                    Responder::Empty,
                ])?;
                layer.respond_with(self.responder)
            }
            _ => {
                let (bounds, drain) = Bounds::draw(u)?;
                self.bounds = bounds;
                layer.body_drain(drain)
            }
        })
    }
}
