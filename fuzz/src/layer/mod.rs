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
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tower_layer::Layer as _;
use tower_method_policy::rfc2774::Declarations;
use tower_method_policy::{MethodPolicyLayer, Policy, Rejection, WouldReject};
use tower_service::Service;

use self::body::{Script, now};
use self::drained::{Drained, drained};
use self::extensions::{Done, Verdict, forwarded_fields};
use self::inner::{Arrived, Failure, Head, Inner, OF_CONTENT, inner_rejection};
use self::policy::{Model, Says, list};
use self::request::{Peer, Sent};
use self::settings::{Mark, Observations, Observed, Payload, Responder, Settings};

/// What can happen to a request, and to its body where the layer answers it.
pub const SITUATIONS: &[&str] = &[
    "not ready",
    "forwarded",
    "forwarded by a rule",
    "forwarded at an exempt path beside a fallback",
    "one of many own methods forwarded",
    "one of many own methods rejected",
    "GET or HEAD forwarded",
    "GET forwarded where the rule does not list it",
    "fulfilled",
    "mandatory GET fulfilled where the rule does not list it",
    "mandatory OPTIONS fulfilled because it is answered",
    "reported",
    "OPTIONS answered by a rule",
    "OPTIONS answered at *",
    "OPTIONS forwarded because it is not answered",
    "OPTIONS forwarded because the rule lists it",
    "OPTIONS forwarded because there is no rule",
    "405 turned",
    "405 turned with several Allow fields",
    "405 turned with an empty Allow",
    "405 turned with a mark of a policy further inside",
    "405 not turned without Allow",
    "405 not turned with an invalid Allow",
    "405 not turned to a preflight",
    "405 not turned by a report",
    "preflight forwarded",
    "preflight forwarded where the rule does not list OPTIONS",
    "preflight rejected because OPTIONS is not recognized",
    "400",
    "405",
    "405 at the fallback",
    "405 by a subtree",
    "405 with an empty Allow",
    "501",
    "510",
    "with an empty body",
    "with a text",
    "with problem details",
    "with a gRPC status of the responder",
    "with fields that the policy overrides",
    "gRPC 405",
    "gRPC 501",
    "gRPC 400",
    "gRPC 510",
    "gRPC with a status of the responder",
    "gRPC that overrides the responder",
    "empty",
    "end",
    "says end",
    "says end after trailers",
    "connect",
    "expects",
    "nothing is read",
    "declares too much",
    "too much",
    "more after trailers",
    "error",
    "timeout",
    "timeout after more than one wait",
    "idle",
    "idle after more than one wait",
    "length zero without an end",
    "nothing arrives",
    "left where no connection is to be closed",
];

/// Sends any requests to any layer. The decision table says what becomes of them, and with it all that the
/// client, the inner service, and the observers see.
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
    assert_eq!(layer.policy(), &policy);
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
        configured.ask(&layer, &asked, &mut seen);
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

/// What has to become of a request.
#[derive(Debug)]
enum Expected {
    Forward,
    /// And a `405` with the methods that are allowed becomes `200`.
    ForwardOptions,
    Fulfill(Done),
    Report(Rejected),
    /// With this `Allow`.
    AnswerOptions(Option<String>),
    Reject(Rejected),
}

#[derive(Debug)]
struct Rejected {
    status: StatusCode,
    allow: Option<String>,
    rule: Option<String>,
    /// The method that was decided about.
    method: String,
}

impl Configured {
    /// The decision table, and the setting that only reports.
    fn expected(&self, sent: &Sent) -> Expected {
        match self.decided(sent) {
            expected if !self.settings.reports_only => expected,
            Expected::Reject(rejected) => Expected::Report(rejected),
            _ => Expected::Forward,
        }
    }

    /// The decision table, its rows in order.
    fn decided(&self, sent: &Sent) -> Expected {
        let path = sent.uri.path();
        let method = sent.method.as_str();
        let answers = self.settings.answers_options;
        // Row 1: RFC 9110 §9.1.
        if method == "GET" || method == "HEAD" {
            return Expected::Forward;
        }

        // RFC 2774.
        let verdict = match &self.settings.extensions {
            Some(supported) => supported.verdict(sent),
            None => Verdict::Ordinary,
        };
        match verdict {
            Verdict::Ordinary => {}
            Verdict::Reject(status) => {
                return Expected::Reject(Rejected {
                    status,
                    allow: None,
                    rule: None,
                    method: method.to_owned(),
                });
            }
            Verdict::Mandatory { base, done } => {
                if answers && base == "OPTIONS" {
                    return Expected::Fulfill(done);
                }
                return self.rows_4_to_6(&base, path, Expected::Fulfill(done));
            }
        }

        // Row 2: Fetch.
        let recognizes_options = answers || self.model.recognized.contains("OPTIONS");
        if method == "OPTIONS" && sent.is_preflight() && recognizes_options {
            return Expected::Forward;
        }
        // Row 3: RFC 9110 §9.3.7.
        if method == "OPTIONS" && answers {
            if path == "*" {
                return Expected::AnswerOptions(None);
            }
            match self.model.rule_at(path) {
                Some(rule) if !rule.methods.contains("OPTIONS") => {
                    return Expected::AnswerOptions(Some(rule.allow(true)));
                }
                // Row 4.
                _ => return Expected::ForwardOptions,
            }
        }
        self.rows_4_to_6(method, path, Expected::Forward)
    }

    fn rows_4_to_6(&self, method: &str, path: &str, forward: Expected) -> Expected {
        let answers = self.settings.answers_options;
        let (status, rule) = match self.model.says(method, path, answers) {
            // Row 4.
            Says::Forward => return forward,
            // Row 5: RFC 9110 §15.5.6.
            Says::NotAllowed(rule) => (StatusCode::METHOD_NOT_ALLOWED, Some(rule)),
            // Row 6: RFC 9110 §15.6.2.
            Says::NotImplemented => (StatusCode::NOT_IMPLEMENTED, None),
        };
        Expected::Reject(Rejected {
            status,
            allow: rule.map(|rule| rule.allow(answers)),
            rule: rule.map(|rule| rule.name.clone()),
            method: method.to_owned(),
        })
    }

    fn ask(
        &self,
        layer: &MethodPolicyLayer<Responder>,
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
        let answered = answered.expect("answered");
        let observed = std::mem::take(&mut *self.observations.lock().expect("no panic"));
        let arrived = arrived.take();
        if inner.readiness() == Err(Failure::NotReady) {
            assert_eq!(answered.unwrap_err(), Failure::NotReady);
            assert!(arrived.is_empty() && observed.is_empty());
            return seen.push("not ready");
        }

        let expected = self.expected(sent);
        let is_get = [Method::GET, Method::HEAD].contains(&sent.method);
        assert!(!is_get || matches!(expected, Expected::Forward));
        assert_eq!(observed, self.observations_of(sent, &expected));
        self.situations(sent, &expected, seen);

        let check = Check {
            configured: self,
            asked,
            log: &log,
        };
        match expected {
            Expected::Forward
            | Expected::ForwardOptions
            | Expected::Fulfill(_)
            | Expected::Report(_) => {
                check.arrived(arrived, &expected);
                check.forwarded(answered.map(|(response, _)| response), &expected, seen);
            }
            Expected::AnswerOptions(allow) => {
                assert!(arrived.is_empty());
                let answered = answered.expect("no error of the inner service");
                let (response, close) = check.answered(answered, seen);
                let mut fields = HeaderMap::new();
                if let Some(allow) = allow {
                    fields.insert(ALLOW, allow.parse().expect("a field value"));
                }
                fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                close_if(close, &mut fields);
                assert_eq!(response.status(), StatusCode::OK);
                assert_eq!(response.headers(), &fields);
                assert_eq!(response.body(), &Payload::Default);
                assert!(response.extensions().is_empty());
            }
            Expected::Reject(rejected) => {
                assert!(arrived.is_empty());
                let answered = answered.expect("no error of the inner service");
                let (response, close) = check.answered(answered, seen);
                check.rejected(&rejected, response, close, seen);
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
            rule: rejected.rule.clone(),
            method: sent.method.clone(),
        });
        observed.collect()
    }

    /// Which situations of the decision table it is.
    fn situations(&self, sent: &Sent, expected: &Expected, seen: &mut Vec<&'static str>) {
        let path = sent.uri.path();
        let method = sent.method.as_str();
        let rule = self.model.rule_at(path);
        let lists = |method: &str| rule.is_some_and(|rule| rule.methods.contains(method));
        let answers = self.settings.answers_options;
        let is_get = method == "GET" || method == "HEAD";
        let is_own = method.starts_with("OWN-");
        let has_many = self.model.recognized.contains("OWN-39");
        let is_report = self.settings.reports_only;
        let base = method.strip_prefix("M-").unwrap_or_default();
        let mut note = |is_so: bool, situation| {
            if is_so {
                seen.push(situation);
            }
        };
        match expected {
            Expected::Forward if is_report => {}
            Expected::Forward if is_get => {
                note(true, "GET or HEAD forwarded");
                note(
                    rule.is_some() && !lists("GET"),
                    "GET forwarded where the rule does not list it",
                );
            }
            Expected::Forward if method == "OPTIONS" && sent.is_preflight() => {
                note(true, "preflight forwarded");
                note(
                    rule.is_some() && !lists("OPTIONS"),
                    "preflight forwarded where the rule does not list OPTIONS",
                );
            }
            Expected::Forward => {
                note(
                    method == "OPTIONS",
                    "OPTIONS forwarded because it is not answered",
                );
                note(true, "forwarded");
                note(lists(method), "forwarded by a rule");
                let is_exempt = self.model.is_exempt(path) && self.model.has_fallback();
                note(is_exempt, "forwarded at an exempt path beside a fallback");
                note(is_own && has_many, "one of many own methods forwarded");
            }
            Expected::ForwardOptions => {
                note(
                    lists("OPTIONS"),
                    "OPTIONS forwarded because the rule lists it",
                );
                note(rule.is_none(), "OPTIONS forwarded because there is no rule");
            }
            Expected::Fulfill(_) => {
                note(true, "fulfilled");
                note(
                    base == "GET" && rule.is_some() && !lists("GET"),
                    "mandatory GET fulfilled where the rule does not list it",
                );
                note(
                    base == "OPTIONS" && answers && rule.is_some() && !lists("OPTIONS"),
                    "mandatory OPTIONS fulfilled because it is answered",
                );
            }
            Expected::Report(_) => note(true, "reported"),
            Expected::AnswerOptions(allow) => {
                note(allow.is_some(), "OPTIONS answered by a rule");
                note(allow.is_none(), "OPTIONS answered at *");
            }
            Expected::Reject(rejected) => {
                note(
                    method == "OPTIONS" && sent.is_preflight(),
                    "preflight rejected because OPTIONS is not recognized",
                );
                note(is_own && has_many, "one of many own methods rejected");
                note(
                    true,
                    match rejected.status.as_u16() {
                        405 => "405",
                        501 => "501",
                        510 => "510",
                        _ => "400",
                    },
                );
                let by = rejected.rule.as_deref().unwrap_or_default();
                note(by == "fallback", "405 at the fallback");
                note(by.starts_with("subtree"), "405 by a subtree");
                note(
                    rejected.allow.as_deref() == Some(""),
                    "405 with an empty Allow",
                );
            }
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
            Expected::Fulfill(_) => {
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

    /// The client gets the response of the inner service, with what the layer may change.
    fn forwarded(
        &self,
        answer: Result<Response<Payload>, Failure>,
        expected: &Expected,
        seen: &mut Vec<&'static str>,
    ) {
        let (head, response) = match (&self.asked.inner.answer, answer) {
            (Err(failure), answer) => return assert_eq!(answer.unwrap_err(), *failure),
            (Ok(head), answer) => (head, answer.expect("no error")),
        };
        let mut fields = head.headers.clone();
        let mut extensions = usize::from(head.mark.is_some());
        let mut inner_mark = head.is_rejection.then(inner_rejection);
        let mut status = head.status;
        let mut body = Payload::Inner(3);
        match expected {
            Expected::Fulfill(done) => done.acknowledge(head.status, &mut fields),
            Expected::Report(rejected) => {
                extensions += 1;
                let mark = response.extensions().get::<WouldReject>();
                self.mark(
                    rejected,
                    mark.expect("the mark of a report").rejection(),
                    false,
                );
            }
            Expected::ForwardOptions if status == StatusCode::METHOD_NOT_ALLOWED => {
                if let Some(allow) = turned(head) {
                    status = StatusCode::OK;
                    body = Payload::Default;
                    inner_mark = None;
                    for name in OF_CONTENT {
                        fields.remove(name);
                    }
                    fields.insert(ALLOW, allow);
                    fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                }
            }
            _ => {}
        }
        self.turnings(head, expected, status, seen);
        extensions += usize::from(inner_mark.is_some());
        assert_eq!(response.status(), status);
        assert_eq!(response.version(), head.version);
        assert_eq!(response.headers(), &fields);
        assert_eq!(response.body(), &body);
        assert_eq!(response.extensions().get(), head.mark.as_ref());
        assert_eq!(response.extensions().get(), inner_mark.as_ref());
        assert_eq!(response.extensions().len(), extensions);
    }

    /// Which situations of a `405` to `OPTIONS` it is.
    fn turnings(
        &self,
        head: &Head,
        expected: &Expected,
        status: StatusCode,
        seen: &mut Vec<&'static str>,
    ) {
        let Configured { settings, .. } = self.configured;
        let sent = &self.asked.sent;
        let is_405 = head.status == StatusCode::METHOD_NOT_ALLOWED;
        if !is_405 || !settings.answers_options || sent.method != "OPTIONS" {
            return;
        }
        let count = head.headers.get_all(ALLOW).iter().count();
        let allow = head.allow();
        let situation = match expected {
            Expected::ForwardOptions if status == StatusCode::OK => "405 turned",
            Expected::ForwardOptions if count == 0 => "405 not turned without Allow",
            Expected::ForwardOptions => "405 not turned with an invalid Allow",
            Expected::Forward if allow.is_none() => return,
            Expected::Forward if settings.reports_only => "405 not turned by a report",
            Expected::Forward if sent.is_preflight() => "405 not turned to a preflight",
            _ => return,
        };
        seen.push(situation);
        if situation != "405 turned" {
            return;
        }
        if count > 1 {
            seen.push("405 turned with several Allow fields");
        }
        if allow.is_some_and(|allow| allow.is_empty()) {
            seen.push("405 turned with an empty Allow");
        }
        if head.is_rejection {
            seen.push("405 turned with a mark of a policy further inside");
        }
    }

    /// The layer answers by itself, once the body is out of the way. Returns whether the connection has to be
    /// closed.
    fn answered(
        &self,
        (response, elapsed): (Response<Payload>, Duration),
        seen: &mut Vec<&'static str>,
    ) -> (Response<Payload>, bool) {
        let Asked {
            sent,
            is_in_runtime,
            ..
        } = self.asked;
        let bounds = &self.configured.settings.bounds;
        let log = self.log.borrow();
        let drained = drained(sent, bounds, *is_in_runtime, &log, elapsed);
        let (how, close) = match drained {
            Drained::Ended(how) => (how, false),
            Drained::Left(how) => (how, sent.is_http_1()),
        };
        seen.push(how);
        if matches!(drained, Drained::Left(_)) && !close {
            seen.push("left where no connection is to be closed");
        }
        (response, close)
    }

    fn rejected(
        &self,
        rejected: &Rejected,
        response: Response<Payload>,
        close: bool,
        seen: &mut Vec<&'static str>,
    ) {
        let settings = &self.configured.settings;
        let responder = settings.responder;
        let is_501 = rejected.status == StatusCode::NOT_IMPLEMENTED;
        let is_405 = rejected.status == StatusCode::METHOD_NOT_ALLOWED;
        let mut fields = responder.fields();
        let grpc = self.asked.sent.grpc();
        if grpc.is_some() {
            seen.push(match rejected.status.as_u16() {
                405 => "gRPC 405",
                501 => "gRPC 501",
                510 => "gRPC 510",
                _ => "gRPC 400",
            });
        }
        let is_emptied = match grpc {
            Some(_) if !is_405 && !is_501 => false,
            Some(_) if fields.contains_key("grpc-status") => {
                seen.push("gRPC with a status of the responder");
                false
            }
            Some(content_type) => {
                if responder == Responder::Silly {
                    seen.push("gRPC that overrides the responder");
                }
                fields.remove(CONTENT_LENGTH);
                fields.insert(CONTENT_TYPE, content_type.clone());
                fields.insert("grpc-status", HeaderValue::from_static("12"));
                let message = HeaderValue::from_static("the HTTP method is rejected here");
                fields.insert("grpc-message", message);
                true
            }
            None => false,
        };
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
        self.mark(rejected, mark.expect("the mark of a rejection"), true);
        let is_silly = responder == Responder::Silly;
        let own = is_silly.then_some(Mark(1));
        assert_eq!(response.extensions().get(), own.as_ref());
        assert_eq!(response.extensions().len(), 1 + usize::from(is_silly));

        let body = response.into_body();
        if is_emptied {
            return assert_eq!(body, Payload::Default);
        }
        seen.push(match responder {
            Responder::Empty => "with an empty body",
            Responder::Text => "with a text",
            Responder::Problem => "with problem details",
            Responder::Grpc => "with a gRPC status of the responder",
            Responder::Silly => "with fields that the policy overrides",
        });
        match (responder, body) {
            (Responder::Empty, body) => assert_eq!(body, Payload::Default),
            (Responder::Silly | Responder::Grpc, body) => assert_eq!(body, Payload::Silly),
            (Responder::Text, Payload::Text(text)) => {
                let text = std::str::from_utf8(&text).expect("UTF-8");
                let line = text.strip_suffix('\n').expect("a line");
                assert!(!line.contains(char::is_control));
                // A client chooses the method, and so its length.
                let allow = rejected.allow.as_ref().map_or(0, String::len);
                assert!(line.len() < 1024 + allow);
                let allow = rejected.allow.as_deref().filter(|allow| !allow.is_empty());
                let allowed = allow.map(|allow| format!(" Allowed: {allow}."));
                assert!(line.ends_with(allowed.as_deref().unwrap_or(".")), "{line}");
                assert_eq!(line.contains("Allowed"), allowed.is_some(), "{line}");
            }
            (Responder::Problem, Payload::Text(text)) => {
                let problem: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
                assert_eq!(problem["status"], rejected.status.as_u16());
                let allow = problem["allow"].as_array().map(|allow| {
                    let names = allow.iter().map(|name| name.as_str().expect("a name"));
                    names.map(str::to_owned).collect::<Vec<_>>()
                });
                let expected = rejected.allow.as_ref().map(|allow| {
                    let names = allow.split(", ").filter(|name| !name.is_empty());
                    names.map(str::to_owned).collect::<Vec<_>>()
                });
                assert_eq!(allow, expected);
            }
            (responder, body) => panic!("{responder:?} made {body:?}"),
        }
    }

    fn mark(&self, rejected: &Rejected, mark: &Rejection, is_enforced: bool) {
        assert_eq!(mark.is_enforced(), is_enforced);
        assert_eq!(mark.status(), rejected.status);
        assert_eq!(mark.reason().status(), rejected.status);
        assert_eq!(mark.allow().map(ToString::to_string), rejected.allow);
        assert_eq!(mark.rule().map(|rule| rule.to_string()), rejected.rule);
        let is_extension = ![405, 501].contains(&rejected.status.as_u16());
        assert_eq!(mark.extension_problem().is_some(), is_extension);
    }

    /// RFC 9110 §15.5.6: a 405 lists the methods that are allowed, so never the rejected one. A 501 lists
    /// nothing.
    fn allow(&self, rejected: &Rejected, fields: &HeaderMap) {
        let values: Vec<_> = fields.get_all(ALLOW).iter().collect();
        if rejected.status != StatusCode::METHOD_NOT_ALLOWED {
            return assert!(values.is_empty());
        }
        let [value] = values[..] else {
            panic!("{values:?}");
        };
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

/// The `Allow` of a turned `405`.
fn turned(head: &Head) -> Option<HeaderValue> {
    let mut methods = head.allow()?;
    methods.insert("OPTIONS".to_owned());
    Some(list(&methods).parse().expect("a field value"))
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
