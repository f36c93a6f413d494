//! The crate under test: building its policies, layers, and responses, and reading them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use tower_method_policy::{
    Decision, EmptyBody, MethodPolicyLayer, MethodSet, PlainText, PolicyError, Respond, RetryAfter,
    WouldReject,
};

use super::methods::{list, method};
use super::policy::{Entry, Kind, Policy};
use super::rejection::{Rejection, Responder};
use super::{Content, Layer, Marks, Response, decision};

fn methods(names: &[String]) -> Vec<Method> {
    names.iter().map(|name| method(name)).collect()
}

impl Entry {
    pub(crate) fn add_to(
        &self,
        policy: tower_method_policy::Policy,
    ) -> Result<tower_method_policy::Policy, PolicyError> {
        match self.kind {
            Kind::Route => policy.route(&self.pattern, methods(&self.rule.listed)),
            Kind::Subtree => policy.subtree(&self.pattern, methods(&self.rule.listed)),
            Kind::Exempt => policy.exempt(&self.pattern),
        }
    }
}

impl Policy {
    pub(crate) fn build(&self) -> Result<tower_method_policy::Policy, PolicyError> {
        let add = |policy, entries: &[Entry]| {
            entries.iter().try_fold(policy, |policy, entry| entry.add_to(policy))
        };
        // The other calls keep the rules before them, and the methods of these rules.
        let (earlier, later) = self.entries.split_at(self.entries.len() / 2);
        let mut policy = add(tower_method_policy::Policy::new(), earlier)?;
        policy = policy.recognize(methods(&self.recognize));
        if let Some(only) = &self.recognize_only {
            policy = policy.recognize_only(methods(only));
        }
        if let Some(fallback) = &self.fallback {
            policy = policy.fallback(methods(&fallback.listed));
        }
        add(policy, later)
    }

    /// Checks the methods, rules, and exempt paths of `policy`.
    pub(crate) fn assert_lists(&self, policy: &tower_method_policy::Policy) {
        let recognized = self.recognized().into_iter().map(method).collect::<MethodSet>();
        assert_eq!(policy.recognized(), &recognized);
        let rules = policy.rules().chain(policy.fallback_rule()).map(|rule| rule.to_string());
        let mut rules: Vec<_> = rules.collect();
        let mut expected: Vec<_> = self.rules().iter().map(|rule| rule.name.clone()).collect();
        rules.sort();
        expected.sort();
        assert_eq!(rules, expected);
        assert!(policy.exempt_paths().len() == self.exempt_paths().len());
        assert!(policy.exempt_paths().all(|path| self.exempt_paths().contains(path)));
    }
}

impl Layer {
    /// Checks the decision of `policy`. This layer has the default settings.
    pub(crate) fn assert_decides(
        &self,
        policy: &tower_method_policy::Policy,
        name: &str,
        path: &str,
    ) {
        let rule = policy.rule_at(path);
        let rule = rule.map(|rule| (rule.to_string(), rule.methods().to_string()));
        let expected = self.policy.rule_at(path);
        let expected = expected.map(|rule| (rule.name.clone(), list(&rule.methods())));
        assert_eq!(rule, expected, "{path}");

        let method = method(name);
        let decision = match policy.decide(&method, path) {
            Decision::Forward => decision::Decision::Forward,
            Decision::NotAllowed { allow } => {
                let (allow, rule) = (Some(allow.to_string()), expected.map(|(name, _)| name));
                let rejection = Rejection { allow, rule, ..Rejection::of_status(405) };
                decision::Decision::Reject(rejection)
            }
            Decision::NotImplemented => decision::Decision::Reject(Rejection::of_status(501)),
        };
        assert_eq!(decision, self.decide_method(name, path), "{name} {path}");
    }

    /// Builds the layer, without its observer and the extensions that it supports.
    pub(crate) fn build(&self, policy: tower_method_policy::Policy) -> BuiltLayer {
        let mut layer = MethodPolicyLayer::new(policy)
            .inner_decides(self.inner_decides)
            .answer_options(self.answer_options)
            .report_only(self.report_only)
            .respond_with(match self.responder {
                Responder::EmptyBody => Arc::new(EmptyBody) as BuiltResponder,
                Responder::PlainText => Arc::new(PlainText),
                responder => Arc::new(responder),
            });
        if let Some(value) = self.cache_control {
            layer = layer.cache_control(HeaderValue::from_static(value));
        }
        match self.retry_after {
            super::RetryAfter::Unset => layer,
            super::RetryAfter::Past => layer.retry_after(RetryAfter::at(SystemTime::UNIX_EPOCH)),
            super::RetryAfter::Seconds(seconds) => {
                layer.retry_after(RetryAfter::after(Duration::from_secs(seconds)))
            }
        }
    }
}

type BuiltResponder = Arc<dyn Respond<Content> + Send + Sync>;

pub(crate) type BuiltLayer = MethodPolicyLayer<BuiltResponder>;

/// The content of `PlainText`.
impl From<Bytes> for Content {
    fn from(text: Bytes) -> Self {
        Self::Text(String::from_utf8(text.to_vec()).expect("text"))
    }
}

/// The responders that are not of the crate.
impl Respond<Content> for Responder {
    fn respond(
        &self,
        rejection: &tower_method_policy::Rejection,
        head: &Parts,
    ) -> http::Response<Content> {
        let mut response = self.response(&Rejection::read(rejection), head).build();
        *response.status_mut() = StatusCode::CONTINUE;
        for value in ["FOO", "BAR"] {
            response.headers_mut().append(ALLOW, HeaderValue::from_static(value));
        }
        response
    }
}

impl Rejection {
    pub(crate) fn read(rejection: &tower_method_policy::Rejection) -> Self {
        let status = rejection.status().as_u16();
        assert_eq!(rejection.reason().status(), status);
        Self {
            status,
            allow: rejection.allow().map(ToString::to_string),
            rule: rejection.rule().map(|rule| rule.to_string()),
            is_enforced: rejection.is_enforced(),
        }
    }

    /// The mark of a policy inside.
    pub(crate) fn of_inner_policy() -> Self {
        Self::read(&inner_rejection())
    }
}

/// No other rejection equals this one.
fn inner_rejection() -> tower_method_policy::Rejection {
    tower_method_policy::Rejection::not_allowed([method("OF-INNER-POLICY")])
}

/// An extension of a response that only the inner service sets.
#[derive(Clone)]
struct OfInnerService;

/// An extension of a response that the inner service and the responder set.
#[derive(Clone)]
struct SetBy(&'static str);

impl Response {
    /// Builds the response of a responder or of the inner service.
    pub(crate) fn build(&self) -> http::Response<Content> {
        let mut response = http::Response::new(self.content.clone());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.fields.clone();
        let extensions = response.extensions_mut();
        if self.marks.of_inner_service {
            extensions.insert(OfInnerService);
        }
        if let Some(name) = self.marks.shared {
            extensions.insert(SetBy(name));
        }
        if let Some(rejection) = &self.marks.rejection {
            assert_eq!(rejection, &Rejection::of_inner_policy());
            extensions.insert(inner_rejection());
        }
        response
    }

    pub(crate) fn read(response: &http::Response<Content>) -> Self {
        let extensions = response.extensions();
        let would_reject = extensions.get().map(WouldReject::rejection);
        let shared = extensions.get().map(|SetBy(name)| *name);
        let marks = Marks {
            rejection: extensions.get().map(Rejection::read),
            would_reject: would_reject.map(Rejection::read),
            of_inner_service: extensions.get::<OfInnerService>().is_some(),
            shared,
        };
        let number = usize::from(marks.rejection.is_some())
            + usize::from(marks.would_reject.is_some())
            + usize::from(marks.of_inner_service)
            + usize::from(marks.shared.is_some());
        assert_eq!(extensions.len(), number, "{marks:?}");
        Self {
            status: response.status(),
            fields: response.headers().clone(),
            content: response.body().clone(),
            marks,
        }
    }
}
