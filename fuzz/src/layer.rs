//! Sends requests through the layer and checks all results.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPIRES, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use tower::{Layer as _, ServiceExt as _};
use tower_method_policy::rfc2774::Declarations;
use tower_method_policy::{MethodPolicyLayer, WouldReject};

use crate::body::{self, Script, now};
use crate::policy::{Model, Rule, Verdict, list};
use crate::request::{Head, OF_CONTENT, Sent, inner_rejection};
use crate::settings::{Observations, Payload, Responder, Settings, shown};

/// Sends any requests to any layer. Checks the response, the forwarded request, and the observer's calls.
pub fn layer(data: &[u8]) {
    // This cannot fail: after its end, the input continues with zeros.
    run(&mut Unstructured::new(data)).expect("choices of something");
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let model = Model::draw(u)?;
    let policy = model.build().expect("no conflict");
    model.lists(&policy);
    let observations = Observations::default();
    let (settings, layer) = Settings::draw(u, policy.clone(), &observations)?;
    assert_eq!(layer.policy(), &policy);
    for _ in 0..u.int_in_range(1..=3)? {
        let case = Case {
            model: &model,
            settings: &settings,
            sent: Sent::draw(u)?,
            // An error of the inner service passes unchanged.
            inner: if u.ratio(7, 8)? { Ok(Head::draw(u)?) } else { Err("no answer") },
            is_in_runtime: u.ratio(2, 3)?,
        };
        if std::env::var_os("SHOW").is_some() {
            println!("{case:#?}");
        }
        model.agrees(&policy, case.sent.method.as_str(), case.sent.uri.path());
        case.ask(&layer, &observations);
    }
    Ok(())
}

#[derive(Debug)]
struct Case<'a> {
    model: &'a Model,
    settings: &'a Settings,
    sent: Sent,
    inner: Result<Head, &'static str>,
    is_in_runtime: bool,
}

/// The expected result of a request.
#[derive(Clone, Copy, Debug)]
enum Expected<'a> {
    Forward,
    /// A `405` with a valid `Allow` becomes `200`.
    ForwardOptions,
    /// The layer acknowledges an extension (RFC 2774).
    Fulfill,
    Report(StatusCode, Option<&'a Rule>),
    AnswerOptions(Option<&'a Rule>),
    Reject(StatusCode, Option<&'a Rule>),
}

impl Case<'_> {
    fn expected(&self) -> Expected<'_> {
        match self.decided() {
            expected if !self.settings.reports_only => expected,
            Expected::Reject(status, rule) => Expected::Report(status, rule),
            _ => Expected::Forward,
        }
    }

    /// The rows of the decision table in order.
    fn decided(&self) -> Expected<'_> {
        let path = self.sent.uri.path();
        let method = self.sent.method.as_str();
        let answers = self.settings.answers_options;
        // Row 1: RFC 9110 §9.1.
        if method == "GET" || method == "HEAD" {
            return Expected::Forward;
        }
        // RFC 2774. `tests/rfc2774.rs` tests header prefixes, proxies, and hop-by-hop extensions.
        if let Some(supported) = self.settings.extension {
            let Some(declared) = self.sent.declared() else {
                return Expected::Reject(StatusCode::BAD_REQUEST, None);
            };
            let base = method.strip_prefix("M-").filter(|base| !base.is_empty());
            let is_supported =
                !declared.is_empty() && declared.iter().all(|declared| *declared == supported);
            match base {
                Some("OPTIONS") if is_supported && answers => return Expected::Fulfill,
                Some(base) if is_supported => {
                    return self.rows_4_to_6(base, path, Expected::Fulfill);
                }
                None if declared.is_empty() => {}
                _ => return Expected::Reject(StatusCode::NOT_EXTENDED, None),
            }
        }
        // Row 2: Fetch.
        let is_recognized =
            !matches!(self.model.verdict("OPTIONS", path, answers), Verdict::NotImplemented);
        if self.sent.is_preflight() && is_recognized {
            return Expected::Forward;
        }
        // Row 3: RFC 9110 §9.3.7.
        if method == "OPTIONS" && answers {
            if path == "*" {
                return Expected::AnswerOptions(None);
            }
            return match self.model.rule_at(path) {
                Some(rule) if !rule.lists("OPTIONS") => Expected::AnswerOptions(Some(rule)),
                // Row 4.
                _ => Expected::ForwardOptions,
            };
        }
        self.rows_4_to_6(method, path, Expected::Forward)
    }

    fn rows_4_to_6<'a>(&'a self, method: &str, path: &str, forward: Expected<'a>) -> Expected<'a> {
        match self.model.verdict(method, path, self.settings.answers_options) {
            // Row 4.
            Verdict::Forward => forward,
            // Row 5: RFC 9110 §15.5.6.
            Verdict::NotAllowed(rule) => {
                Expected::Reject(StatusCode::METHOD_NOT_ALLOWED, Some(rule))
            }
            // Row 6: RFC 9110 §15.6.2.
            Verdict::NotImplemented => Expected::Reject(StatusCode::NOT_IMPLEMENTED, None),
        }
    }

    /// The `Allow` field.
    fn allow(&self, rule: Option<&Rule>) -> Option<String> {
        rule.map(|rule| rule.allow(self.settings.answers_options))
    }

    /// The text of a rejection or a report, as [`shown`] writes it.
    fn mark(&self, expected: Expected<'_>) -> Option<String> {
        let (status, rule, is_enforced) = match expected {
            Expected::Reject(status, rule) => (status, rule, true),
            Expected::Report(status, rule) => (status, rule, false),
            _ => return None,
        };
        let (allow, rule) = (self.allow(rule), rule.map(|rule| &rule.name));
        Some(format!("{status} {allow:?} {rule:?} {is_enforced}"))
    }

    fn ask(&self, layer: &MethodPolicyLayer<Responder>, observations: &Observations) {
        let arrived = RefCell::new(Vec::new());
        let log = Rc::new(RefCell::new(body::Log::default()));
        let inner = tower::service_fn(|request: Request<Script>| {
            let is_untouched = log.borrow().polls.is_empty();
            let (parts, _) = request.into_parts();
            arrived.borrow_mut().push((parts, is_untouched));
            std::future::ready(self.inner.clone().map(Head::response))
        });
        let answering = async {
            let start = now();
            let body = Script::new(self.sent.body.clone(), Rc::clone(&log));
            let answer = layer.layer(inner).oneshot(self.sent.request(body)).await;
            let elapsed = start.map(|start| start.elapsed());
            (answer, elapsed.unwrap_or_default())
        };
        let (answer, elapsed) =
            if self.is_in_runtime { in_runtime(answering) } else { outside(answering) };
        let observed = std::mem::take(&mut *observations.lock().expect("no panic"));
        let mut arrived = arrived.into_inner();
        let expected = self.expected();
        // The observer is called once for each rejection or report.
        let text = self.mark(expected).map(|mark| format!("{} {mark}", self.sent.method));
        assert_eq!(observed, Vec::from_iter(text));

        if let Expected::AnswerOptions(_) | Expected::Reject(..) = expected {
            assert!(arrived.is_empty());
            let response = answer.expect("no error of the inner service");
            let (bounds, log) = (&self.settings.bounds, log.borrow());
            let ended = body::ended(&self.sent, bounds, self.is_in_runtime, &log, elapsed);
            return self.answered(expected, &response, !ended && self.sent.is_http_1());
        }
        assert_eq!(arrived.len(), 1, "the number of forwarded requests");
        let (parts, is_untouched) = arrived.remove(0);
        assert!(is_untouched && log.borrow().polls.is_empty());
        self.arrived(&parts, expected);
        match (&self.inner, answer) {
            (Ok(head), Ok(response)) => self.forwarded(head, &response, expected),
            (inner, answer) => assert_eq!(answer.err(), inner.as_ref().err().copied()),
        }
    }

    /// Checks that the inner service received the client's request.
    fn arrived(&self, parts: &http::request::Parts, expected: Expected<'_>) {
        let sent = &self.sent;
        assert_eq!(parts.method, sent.method);
        assert_eq!(parts.uri, sent.uri);
        assert_eq!(parts.version, sent.version);
        let is_fulfilled = matches!(expected, Expected::Fulfill);
        assert_eq!(parts.headers, sent.headers);
        let declared = parts.extensions.get::<Declarations>();
        assert_eq!(declared.is_some(), is_fulfilled);
        assert_eq!(parts.extensions.len(), usize::from(is_fulfilled));
    }

    /// Checks the inner service's response and the changes of the layer.
    fn forwarded(&self, head: &Head, response: &Response<Payload>, expected: Expected<'_>) {
        let mut fields = head.headers.clone();
        let mut inner_mark = head.is_rejection.then(inner_rejection);
        let mut status = head.status;
        let mut body = Payload::Inner;
        match expected {
            // RFC 2774 §5.1.
            Expected::Fulfill if status.is_success() => {
                fields.insert("ext", HeaderValue::from_static(""));
                let mut values = fields.get_all(CACHE_CONTROL).iter();
                if !values.any(|value| value == "private, no-cache=\"ext\"") {
                    fields.append(CACHE_CONTROL, HeaderValue::from_static("no-cache=\"Ext\""));
                }
                if self.sent.version < Version::HTTP_11 {
                    let past = HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
                    fields.insert(EXPIRES, past);
                }
            }
            Expected::ForwardOptions if status == StatusCode::METHOD_NOT_ALLOWED => {
                if let Some(mut allow) = head.allow() {
                    allow.insert("OPTIONS".to_owned());
                    for name in OF_CONTENT.split('|') {
                        fields.remove(name);
                    }
                    fields.insert(ALLOW, list(&allow).parse().expect("a field value"));
                    fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                    status = StatusCode::OK;
                    body = Payload::Default;
                    inner_mark = None;
                }
            }
            _ => {}
        }
        let report = response.extensions().get::<WouldReject>();
        let report = report.map(|report| shown(report.rejection()));
        assert_eq!(report, self.mark(expected));
        assert_eq!(response.status(), status);
        assert_eq!(response.headers(), &fields);
        assert_eq!(response.body(), &body);
        assert_eq!(response.extensions().get(), inner_mark.as_ref());
        let marks = usize::from(inner_mark.is_some()) + usize::from(report.is_some());
        assert_eq!(response.extensions().len(), marks);
    }

    /// Checks the layer's own response. `close` means that it announces the end of the connection.
    fn answered(&self, expected: Expected<'_>, response: &Response<Payload>, close: bool) {
        let mut fields = HeaderMap::new();
        let mark = response.extensions().get().map(shown);
        let (status, body) = match expected {
            Expected::Reject(status, rule) => {
                fields = self.settings.responder.fields();
                let is_emptied = self.add_fields(status, rule, &mut fields);
                let body = match self.settings.responder {
                    Responder::Silly | Responder::Grpc if !is_emptied => Payload::Silly,
                    _ => Payload::Default,
                };
                (status, body)
            }
            Expected::AnswerOptions(rule) => {
                if let Some(allow) = self.allow(rule) {
                    fields.insert(ALLOW, allow.parse().expect("a field value"));
                }
                fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                (StatusCode::OK, Payload::Default)
            }
            _ => unreachable!("the inner service answers"),
        };
        if close {
            fields.append(CONNECTION, HeaderValue::from_static("close"));
        }
        assert_eq!(response.status(), status);
        assert_eq!(response.headers(), &fields);
        assert_eq!(response.body(), &body);
        assert_eq!(mark, self.mark(expected));
        assert_eq!(response.extensions().len(), usize::from(mark.is_some()));
    }

    /// Adds the policy's fields to the responder's fields. Returns whether the body becomes empty because of gRPC.
    fn add_fields(&self, status: StatusCode, rule: Option<&Rule>, fields: &mut HeaderMap) -> bool {
        let is_501 = status == StatusCode::NOT_IMPLEMENTED;
        for (name, value, is_due) in [
            (ALLOW, self.allow(rule).as_deref(), true),
            (RETRY_AFTER, self.settings.retry_after, is_501),
            (CACHE_CONTROL, self.settings.cache_control, true),
        ] {
            if let (Some(value), true) = (value, is_due && !fields.contains_key(&name)) {
                fields.insert(name, value.parse().expect("a field value"));
            }
        }
        let is_due = (is_501 || rule.is_some()) && !fields.contains_key("grpc-status");
        let Some(content_type) = self.sent.grpc().filter(|_| is_due) else {
            return false;
        };
        fields.remove(CONTENT_LENGTH);
        fields.insert(CONTENT_TYPE, content_type.clone());
        fields.insert("grpc-status", HeaderValue::from_static("12"));
        let message = HeaderValue::from_static("the HTTP method is rejected here");
        fields.insert("grpc-message", message);
        true
    }
}

/// Runs `future` in a runtime whose clock jumps to the next event.
fn in_runtime<F: Future>(future: F) -> F::Output {
    // Longer than any bound of the layer.
    const VERY_LONG: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let answer = async { tokio::time::timeout(VERY_LONG, future).await };
    let answer = runtime.expect("a runtime").block_on(answer);
    answer.expect("answered")
}

/// Polls `future` outside of any runtime.
fn outside<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("not answered");
}
