//! The whole layer, asked from outside.

mod body;
mod drained;
mod extensions;
mod inner;
mod policy;
mod request;
mod settings;

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tower_layer::Layer as _;
use tower_method_policy::rfc2774::Declarations;
use tower_method_policy::{HandleOptions, MethodPolicyLayer, Policy, Rejection, WouldReject};
use tower_service::Service;

use self::body::{Script, now};
use self::drained::{Drained, drained};
use self::extensions::{Done, Verdict, forwarded_fields};
use self::inner::{Arrived, Failure, Inner};
use self::policy::{Model, Says};
use self::request::{Peer, Sent};
use self::settings::{Layer, Mark, Observations, Observed, Payload, Responder, Settings};
use crate::names::{SAME_ENDS, SAME_FNV_1A};

/// What can happen to a request, and to its body where the layer answers it.
pub const SITUATIONS: &[&str] = &[
    "not ready",
    "forwarded",
    "GET or HEAD forwarded",
    "fulfilled",
    "reported",
    "OPTIONS answered",
    "OPTIONS answered with more fields",
    "OPTIONS not answered, although others are",
    "preflight answered that may go no further",
    "preflight not answered",
    "400",
    "405",
    "501",
    "510",
    "with an empty body",
    "with a text",
    "with problem details",
    "with a gRPC status",
    "without a gRPC status",
    "with what the policy overrides",
    "empty",
    "end",
    "says end",
    "connect",
    "expects",
    "declares too much",
    "too much",
    "error",
    "timeout",
    "timeout after more than one wait",
    "idle",
    "idle after more than one wait",
    "nothing arrives",
    "never answered",
    "left where no connection is to be closed",
    "hash 0 forwarded",
    "hash 0 rejected",
    "largest hash forwarded",
    "largest hash rejected",
    "VERSION-CONTROL or almost forwarded",
    "VERSION-CONTROL or almost rejected",
    "BASELINE-CONTROL or almost forwarded",
    "BASELINE-CONTROL or almost rejected",
    "UPDATEREDIRECTREF or almost forwarded",
    "UPDATEREDIRECTREF or almost rejected",
    "one of the same FNV-1a hash forwarded",
    "one of the same FNV-1a hash rejected",
];

/// Any requests to any layer: what becomes of them is what the decision table says, and so is all that
/// the client, the inner service and the observers see of it.
///
/// Returns which of the [`SITUATIONS`] there were.
pub fn layer(data: &[u8]) -> Vec<&'static str> {
    // There is always something to draw: where the input ends, it goes on with zeros.
    run(&mut Unstructured::new(data)).expect("choices of something")
}

fn run(u: &mut Unstructured<'_>) -> Result<Vec<&'static str>> {
    let (model, policy) = Model::draw(u)?;
    let observations = Observations::default();
    let (settings, layer) = Settings::draw(u, policy.clone(), &observations)?;
    let configured = Configured {
        model,
        policy,
        settings,
        observations,
    };
    let mut seen = Vec::new();
    for _ in 0..u.int_in_range(1..=3)? {
        let asked = Asked {
            sent: Sent::draw(u)?,
            inner: inner::Plan::draw(u)?,
            is_in_runtime: u.ratio(2, 3)?,
        };
        let _shown = ShownOnPanic(&configured, &asked);
        match &layer {
            Layer::Forwards(layer) => configured.ask(layer, &asked, &mut seen),
            Layer::Answers(layer) => configured.ask(layer, &asked, &mut seen),
        }
    }
    Ok(seen)
}

#[derive(Debug)]
struct Configured {
    model: Model,
    policy: Policy,
    settings: Settings,
    observations: Observations,
}

#[derive(Debug)]
struct Asked {
    sent: Sent,
    inner: inner::Plan,
    is_in_runtime: bool,
}

/// A fuzzer ends the process before this is dropped: to see what failed, replay what it has left.
struct ShownOnPanic<'a>(&'a Configured, &'a Asked);

impl Drop for ShownOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:#?}\n{:#?}", self.0, self.1);
        }
    }
}

/// What is to become of a request.
#[derive(Debug)]
enum Expected {
    Forward,
    Fulfil(Done),
    Report(Rejected),
    AnswerOptions(HeaderMap),
    Reject(Rejected),
}

#[derive(Debug)]
struct Rejected {
    status: StatusCode,
    allow: Option<String>,
    /// The method that was decided about.
    method: String,
}

impl Configured {
    /// The decision table.
    fn expected(&self, sent: &Sent) -> Expected {
        let path = sent.uri.path();
        let method = sent.method.as_str();
        // Row 1: RFC 9110 §9.1.
        if method == "GET" || method == "HEAD" {
            return Expected::Forward;
        }
        let verdict = match &self.settings.extensions {
            Some(supported) => supported.verdict(sent),
            None => Verdict::Ordinary,
        };
        let reject = |status, allow, method: &str| Rejected {
            status,
            allow,
            method: method.to_owned(),
        };
        let rows_3_to_5 = |method: &str| match self.model.says(method, path) {
            Says::Forward => Ok(()),
            Says::NotAllowed { allow } => {
                Err(reject(StatusCode::METHOD_NOT_ALLOWED, Some(allow), method))
            }
            Says::NotImplemented => Err(reject(StatusCode::NOT_IMPLEMENTED, None, method)),
        };
        let expected = match verdict {
            Verdict::Reject(status) => Err(reject(status, None, method)),
            Verdict::Mandatory { base, done } => {
                rows_3_to_5(&base).map(|()| Expected::Fulfil(done))
            }
            Verdict::Ordinary => match self.options(sent) {
                // Row 2: RFC 9110 §9.3.7.
                Some(fields) => Ok(Expected::AnswerOptions(fields)),
                None => rows_3_to_5(method).map(|()| Expected::Forward),
            },
        };
        match (expected, self.settings.reports_only) {
            (Ok(expected), false) => expected,
            (Err(rejected), false) => Expected::Reject(rejected),
            (Ok(_), true) => Expected::Forward,
            (Err(rejected), true) => Expected::Report(rejected),
        }
    }

    /// The fields of the answer to `OPTIONS`, if that is the layer's.
    fn options(&self, sent: &Sent) -> Option<HeaderMap> {
        let is_asked = self.settings.answers_options && sent.method == "OPTIONS";
        if !is_asked || sent.is_preflight() && !sent.is_at_its_end() {
            return None;
        }
        match sent.uri.path() {
            "*" => self.model.server_wide().map(|rule| rule.options_fields()),
            path => {
                let rule = self.model.rule_at(path)?;
                let is_allowed = rule.methods.contains("OPTIONS");
                is_allowed.then(|| rule.options_fields())
            }
        }
    }

    fn ask<O: HandleOptions<Payload>>(
        &self,
        layer: &MethodPolicyLayer<Responder, O>,
        asked: &Asked,
        seen: &mut Vec<&'static str>,
    ) {
        let Asked { sent, inner, .. } = asked;
        self.model
            .agrees(&self.policy, &sent.method, sent.uri.path());
        let arrived = Arrived::default();
        let log = Rc::default();
        let answering = async {
            let start = now();
            let mut service = layer.layer(Inner::new(inner.clone(), arrived.clone()));
            std::future::poll_fn(|cx| service.poll_ready(cx)).await?;
            let body = Script::new(sent.body.clone(), Rc::clone(&log));
            let response = service.call(sent.request(body)).await?;
            Ok((
                response,
                start.map(|start| start.elapsed()).unwrap_or_default(),
            ))
        };
        let answered = match asked.is_in_runtime {
            true => in_runtime(answering),
            false => outside(answering),
        };
        let observed = std::mem::take(&mut *self.observations.lock().expect("no panic"));
        let arrived = arrived.take();
        if inner.readiness() == Err(Failure::NotReady) {
            assert_eq!(answered.unwrap().unwrap_err(), Failure::NotReady);
            assert!(arrived.is_empty() && observed.is_empty());
            return seen.push("not ready");
        }

        let expected = self.expected(sent);
        let is_get = [Method::GET, Method::HEAD].contains(&sent.method);
        assert!(!is_get || matches!(expected, Expected::Forward));
        assert_eq!(observed, self.observations_of(sent, &expected));
        self.name_confusions(sent, &expected, seen);

        let check = Check {
            configured: self,
            asked,
            log: &log,
        };
        match expected {
            Expected::Forward | Expected::Fulfil(_) | Expected::Report(_) => {
                let (answer, _) = match answered.expect("the inner service answers") {
                    Ok((response, elapsed)) => (Ok(response), elapsed),
                    Err(failure) => (Err(failure), Duration::ZERO),
                };
                check.arrived(arrived, &expected);
                check.forwarded(answer, &expected);
                seen.push(match expected {
                    Expected::Report(_) => "reported",
                    Expected::Fulfil(_) => "fulfilled",
                    _ if is_get => "GET or HEAD forwarded",
                    _ if !self.settings.answers_options || sent.method != "OPTIONS" => "forwarded",
                    _ if sent.is_preflight() => "preflight not answered",
                    _ => "OPTIONS not answered, although others are",
                });
            }
            Expected::AnswerOptions(fields) => {
                assert!(arrived.is_empty());
                seen.push(match fields.len() {
                    _ if sent.is_preflight() => "preflight answered that may go no further",
                    2 => "OPTIONS answered",
                    _ => "OPTIONS answered with more fields",
                });
                let answered =
                    answered.map(|answer| answer.expect("no error of the inner service"));
                check.answered(answered, seen, |response, close| {
                    let mut fields = fields;
                    close_if(close, &mut fields);
                    assert_eq!(response.status(), StatusCode::OK);
                    assert_eq!(response.headers(), &fields);
                    assert_eq!(response.body(), &Payload::Default);
                    assert!(response.extensions().is_empty());
                });
            }
            Expected::Reject(rejected) => {
                assert!(arrived.is_empty());
                let answered =
                    answered.map(|answer| answer.expect("no error of the inner service"));
                seen.push(match rejected.status.as_u16() {
                    405 => "405",
                    501 => "501",
                    510 => "510",
                    _ => "400",
                });
                check.answered(answered, seen, |response, close| {
                    check.rejected(&rejected, response, close);
                });
                seen.push(match self.settings.responder {
                    Responder::Empty => "with an empty body",
                    Responder::Text => "with a text",
                    Responder::Problem => "with problem details",
                    Responder::Grpc if sent.is_grpc().is_some() => "with a gRPC status",
                    Responder::Grpc => "without a gRPC status",
                    Responder::Silly => "with what the policy overrides",
                });
            }
        }
    }

    /// Each observer is told once, of what is rejected or would be.
    fn observations_of(&self, sent: &Sent, expected: &Expected) -> Vec<Observed> {
        let (rejected, is_enforced) = match expected {
            Expected::Reject(rejected) => (rejected, true),
            Expected::Report(rejected) => (rejected, false),
            _ => return Vec::new(),
        };
        let observed = (0..self.settings.observers).map(|observer| Observed {
            observer,
            status: rejected.status,
            is_enforced,
            allow: rejected.allow.clone(),
            method: sent.method.clone(),
        });
        observed.collect()
    }

    /// Whether a name is rejected that has the same hash as one that is forwarded, or the other way
    /// round.
    fn name_confusions(&self, sent: &Sent, expected: &Expected, seen: &mut Vec<&'static str>) {
        let is_forwarded = match expected {
            Expected::Forward => true,
            Expected::Reject(_) => false,
            _ => return,
        };
        let asked = sent.method.as_str();
        let differs = |names: &[&str]| {
            let is_other = |name: &&str| {
                let says = self.model.says(name, sent.uri.path());
                *name != asked && (says == Says::Forward) != is_forwarded
            };
            names.contains(&asked) && names.iter().any(is_other)
        };
        for (at, names) in SAME_ENDS.iter().enumerate() {
            if differs(names) {
                let [forwarded, rejected] = [
                    [
                        "hash 0 forwarded",
                        "largest hash forwarded",
                        "VERSION-CONTROL or almost forwarded",
                        "BASELINE-CONTROL or almost forwarded",
                        "UPDATEREDIRECTREF or almost forwarded",
                    ],
                    [
                        "hash 0 rejected",
                        "largest hash rejected",
                        "VERSION-CONTROL or almost rejected",
                        "BASELINE-CONTROL or almost rejected",
                        "UPDATEREDIRECTREF or almost rejected",
                    ],
                ];
                seen.push(if is_forwarded {
                    forwarded[at]
                } else {
                    rejected[at]
                });
            }
        }
        if differs(&SAME_FNV_1A) {
            seen.push(match is_forwarded {
                true => "one of the same FNV-1a hash forwarded",
                false => "one of the same FNV-1a hash rejected",
            });
        }
    }
}

struct Check<'a> {
    configured: &'a Configured,
    asked: &'a Asked,
    log: &'a RefCell<body::Log>,
}

impl Check<'_> {
    /// The inner service was asked once, and as the client asked.
    fn arrived(&self, mut arrived: Vec<(http::request::Parts, bool)>, expected: &Expected) {
        let sent = &self.asked.sent;
        assert_eq!(arrived.len(), 1, "arrived so often");
        let (parts, is_untouched) = arrived.remove(0);
        assert!(is_untouched && self.log.borrow().polls.is_empty());
        assert_eq!(parts.method, sent.method);
        assert_eq!(parts.uri, sent.uri);
        assert_eq!(parts.version, sent.version);
        assert_eq!(parts.extensions.get::<Peer>(), sent.peer.as_ref());
        let extensions = usize::from(sent.peer.is_some());
        match expected {
            Expected::Fulfil(_) => {
                assert_eq!(parts.headers, forwarded_fields(sent));
                assert!(parts.extensions.get::<Declarations>().is_some());
                assert_eq!(parts.extensions.len(), extensions + 1);
            }
            _ => {
                assert_eq!(parts.headers, sent.headers);
                assert_eq!(parts.extensions.len(), extensions);
            }
        }
    }

    /// The client gets what the inner service answers.
    fn forwarded(&self, answer: Result<Response<Payload>, Failure>, expected: &Expected) {
        let head = match (&self.asked.inner.answer, answer) {
            (Err(failure), answer) => return assert_eq!(answer.unwrap_err(), *failure),
            (Ok(head), answer) => (head, answer.expect("no error")),
        };
        let (head, response) = head;
        let mut fields = head.headers.clone();
        let mut extensions = usize::from(head.mark.is_some());
        match expected {
            Expected::Fulfil(done) => done.acknowledge(head.status, &mut fields),
            Expected::Report(rejected) => {
                extensions += 1;
                let mark = response.extensions().get::<WouldReject>();
                let mark = mark.expect("the mark of a report");
                assert_eq!(mark.reason().status(), rejected.status);
                let allow = mark.allow().map(ToString::to_string);
                assert_eq!(allow, rejected.allow);
            }
            _ => {}
        }
        assert_eq!(response.status(), head.status);
        assert_eq!(response.version(), head.version);
        assert_eq!(response.headers(), &fields);
        assert_eq!(response.body(), &Payload::Inner(3));
        assert_eq!(response.extensions().get(), head.mark.as_ref());
        assert!(response.extensions().get::<Rejection>().is_none());
        assert_eq!(response.extensions().len(), extensions);
    }

    /// The layer answers by itself, once the body is out of the way, if it ever is.
    fn answered(
        &self,
        answered: Option<(Response<Payload>, Duration)>,
        seen: &mut Vec<&'static str>,
        check: impl FnOnce(Response<Payload>, bool),
    ) {
        let Asked {
            sent,
            is_in_runtime,
            ..
        } = self.asked;
        let (response, elapsed) = answered.unzip();
        let bounds = &self.configured.settings.bounds;
        let log = self.log.borrow();
        let drained = drained(sent, bounds, *is_in_runtime, &log, elapsed);
        let (how, close) = match drained {
            Drained::Ended(how) => (how, false),
            Drained::Left(how) => (how, sent.is_http_1()),
            Drained::Never => return seen.push("never answered"),
        };
        seen.push(how);
        if matches!(drained, Drained::Left(_)) && !close {
            seen.push("left where no connection is to be closed");
        }
        check(response.expect("answered"), close);
    }

    fn rejected(&self, rejected: &Rejected, response: Response<Payload>, close: bool) {
        let settings = &self.configured.settings;
        let sent = &self.asked.sent;
        let is_501 = rejected.status == StatusCode::NOT_IMPLEMENTED;
        let mut fields = settings.responder.fields(sent);
        for (name, value, is_due) in [
            (ALLOW, rejected.allow.as_deref(), true),
            (RETRY_AFTER, settings.retry_after, is_501),
            (CACHE_CONTROL, settings.cache_control, true),
        ] {
            if let (Some(value), true) = (value, is_due && !fields.contains_key(&name)) {
                fields.insert(name, value.parse().expect("a field value"));
            }
        }
        close_if(close, &mut fields);
        assert_eq!(response.status(), rejected.status);
        assert_eq!(response.headers(), &fields);
        self.allow(rejected, response.headers());

        let mark = response.extensions().get::<Rejection>();
        let mark = mark.expect("the mark of a rejection");
        assert!(mark.is_enforced());
        assert_eq!(mark.status(), rejected.status);
        assert_eq!(mark.allow().map(ToString::to_string), rejected.allow);
        let is_silly = settings.responder == Responder::Silly;
        let own = is_silly.then_some(Mark(1));
        assert_eq!(response.extensions().get(), own.as_ref());
        assert_eq!(response.extensions().len(), 1 + usize::from(is_silly));

        match (settings.responder, response.into_body()) {
            (Responder::Empty | Responder::Grpc, body) => assert_eq!(body, Payload::Default),
            (Responder::Silly, body) => assert_eq!(body, Payload::Silly),
            (Responder::Text, Payload::Text(text)) => {
                let text = std::str::from_utf8(&text).expect("UTF-8");
                let line = text.strip_suffix('\n').expect("a line");
                assert!(!line.contains(char::is_control));
                // A client chooses the method, and so its length.
                let allow = rejected.allow.as_ref().map_or(0, String::len);
                assert!(line.len() < 1024 + allow);
            }
            (Responder::Problem, Payload::Text(text)) => {
                let problem: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
                assert_eq!(problem["status"], rejected.status.as_u16());
                let allow = problem["allow"].as_array().map(|allow| {
                    let names = allow.iter().map(|name| name.as_str().expect("a name"));
                    names.collect::<Vec<_>>().join(", ")
                });
                assert_eq!(allow, rejected.allow);
            }
            (responder, body) => panic!("{responder:?} made {body:?}"),
        }
    }

    /// RFC 9110 §15.5.6: a 405 lists what is allowed, and so never what it rejects; a 501 speaks of no
    /// resource.
    fn allow(&self, rejected: &Rejected, fields: &HeaderMap) {
        let values: Vec<_> = fields.get_all(ALLOW).iter().collect();
        if rejected.status != StatusCode::METHOD_NOT_ALLOWED {
            return assert!(values.is_empty());
        }
        let [value] = values[..] else {
            panic!("{values:?}");
        };
        let path = self.asked.sent.uri.path();
        let rule = self.configured.policy.allowed_at(path).expect("a rule");
        assert_eq!(value, rule.header_value());
        let mut names: Vec<_> = value.to_str().expect("ASCII").split(", ").collect();
        if names == [""] {
            return;
        }
        assert!(!names.contains(&rejected.method.as_str()));
        assert!(names.iter().all(|name| name.parse::<Method>().is_ok()));
        let length = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), length, "a method twice");
    }
}

fn close_if(close: bool, fields: &mut HeaderMap) {
    if close {
        fields.append(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// In a runtime whose clock jumps to when something happens next; `None` if nothing does any more.
fn in_runtime<F: Future>(future: F) -> Option<F::Output> {
    // Longer than any time that the layer can be set to.
    const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let future = async { tokio::time::timeout(FOR_EVER, bounded(future)).await.ok() };
    runtime.expect("a runtime").block_on(future)
}

/// Outside of any runtime; `None` if nobody wakes the task any more.
fn outside<F: Future>(future: F) -> Option<F::Output> {
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(woken.clone());
    let mut future = pin!(bounded(future));
    while woken.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
    }
    None
}

/// Panics if `future` is polled for ever.
async fn bounded<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut polls = 0;
    std::future::poll_fn(|cx| {
        polls += 1;
        assert!(polls < 10_000, "polled for ever");
        future.as_mut().poll(cx)
    })
    .await
}
