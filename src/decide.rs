//! The decision table.

use std::sync::Arc;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, Method, request};

use crate::methods::MethodSet;
use crate::methods::registry::Id;
use crate::policy::{Check, Policy, StoredRule};
use crate::rejection::Rejection;
#[cfg(feature = "rfc2774")]
use crate::rfc2774::{Fulfillable, MandatoryExtensions, Verdict};

/// The settings that decide what happens to a request.
#[derive(Clone, Debug)]
pub(crate) struct DecisionTable {
    pub(crate) policy: Policy,
    pub(crate) answers_options: bool,
    #[cfg(feature = "rfc2774")]
    pub(crate) extensions: Option<MandatoryExtensions>,
}

/// The layer's action for a request.
#[derive(Debug)]
pub(crate) enum Outcome<'a> {
    /// The inner service answers.
    Forward,
    /// The inner service answers an `OPTIONS` request, and its `405` becomes `200`.
    ForwardOptions,
    /// The inner service answers, and the layer acknowledges the extensions (RFC 2774 §5.1).
    #[cfg(feature = "rfc2774")]
    Fulfill(Fulfillable),
    /// The layer answers an `OPTIONS` request. The rule is the one at the target, or `None` for `*`.
    AnswerOptions(Option<&'a StoredRule>),
    /// The layer answers with the rejection.
    Reject(Rejection),
}

impl DecisionTable {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            answers_options: false,
            #[cfg(feature = "rfc2774")]
            extensions: None,
        }
    }

    /// Decides what happens to `request`. The first row that matches wins.
    pub(crate) fn decide(&self, request: &request::Parts) -> Outcome<'_> {
        let method = &request.method;
        let path = request.uri.path();

        // Row 1 (RFC 9110 §9.1).
        if matches!(*method, Method::GET | Method::HEAD) {
            return Outcome::Forward;
        }

        // The rows of RFC 2774 §5. A request that can be fulfilled is decided by its base method.
        #[cfg(feature = "rfc2774")]
        if let Some(extensions) = &self.extensions {
            match extensions.examine(request) {
                Verdict::Ordinary => {}
                Verdict::Reject(problem) => {
                    return Outcome::Reject(Rejection::by_extension(problem));
                }
                Verdict::Fulfillable(request) => {
                    let is_forwarded = match request.base {
                        Method::GET | Method::HEAD => true,
                        Method::OPTIONS => self.answers_options,
                        _ => false,
                    };
                    if is_forwarded {
                        return Outcome::Fulfill(request);
                    }
                    return match self.rows_4_to_6(&request.base, self.policy.stored_rule_at(path)) {
                        Outcome::Forward => Outcome::Fulfill(request),
                        rejected => rejected,
                    };
                }
            }
        }

        // Row 2 (Fetch).
        let is_options = *method == Method::OPTIONS;
        if is_options && self.recognizes(method) && is_preflight(&request.headers) {
            return Outcome::Forward;
        }

        // Row 3 (RFC 9110 §9.3.7).
        let is_answered = is_options && self.answers_options;
        if is_answered && path == "*" {
            return Outcome::AnswerOptions(None);
        }
        let rule = self.policy.stored_rule_at(path);
        if is_answered {
            return match rule {
                Some(rule) if !rule.allow.methods.contains(method) => {
                    Outcome::AnswerOptions(Some(rule))
                }
                // Row 4. `OPTIONS` is recognized.
                _ => Outcome::ForwardOptions,
            };
        }

        self.rows_4_to_6(method, rule)
    }

    /// Applies rows 4 to 6 to a request that rows 1 to 3 do not match.
    fn rows_4_to_6(&self, method: &Method, rule: Option<&Arc<StoredRule>>) -> Outcome<'_> {
        match self.policy.check(method, rule) {
            // Row 4.
            Check::Allowed => Outcome::Forward,
            // Row 5 (RFC 9110 §15.5.6).
            Check::NotAllowed(rule) => {
                Outcome::Reject(Rejection::by_rule(rule.clone(), self.answers_options))
            }
            // Row 6 (RFC 9110 §15.6.2).
            Check::NotRecognized => Outcome::Reject(Rejection::not_implemented()),
        }
    }

    fn recognizes(&self, method: &Method) -> bool {
        let answers = self.answers_options && *method == Method::OPTIONS;
        answers || self.policy.recognized().contains(method)
    }

    /// Whether row 4 forwards the method with this `bit`, which is not one of `depends_on_more`.
    #[inline]
    pub(crate) fn forwards(&self, bit: u64, path: &str) -> bool {
        let methods = match self.policy.stored_rule_at(path) {
            Some(rule) => &rule.allow.methods,
            None => self.policy.recognized(),
        };
        methods.registered() & bit != 0
    }

    /// The methods that need more than method and path for a decision. `GET` and `HEAD` are never among them.
    pub(crate) fn depends_on_more(&self) -> MethodSet {
        #[cfg(feature = "rfc2774")]
        if self.extensions.is_some() {
            return self.policy.recognized() - [Method::GET, Method::HEAD];
        }
        if self.answers_options {
            return MethodSet::from_ids(&[Id::OPTIONS]);
        }
        MethodSet::new()
    }
}

/// Whether an `OPTIONS` request is a CORS preflight (Fetch, "CORS-preflight request").
fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
