//! The decision table. The first row that matches wins.

use super::methods::{Names, list};
use super::policy::Rule;
use super::rejection::Rejection;
use super::{Extensions, Layer, Request};

/// The layer's action for a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// The inner service answers. The second table says what happens to a `405`.
    Forward,
    /// The inner service answers, and its response stays unchanged.
    ForwardUnchanged,
    /// The inner service answers, and the layer acknowledges the extensions (RFC 2774 §5.1).
    Fulfill,
    /// The inner service answers, and the layer only reports.
    Report(Rejection),
    /// The layer answers `OPTIONS` with this `Allow`.
    AnswerOptions(Option<String>),
    Reject(Rejection),
}

impl Layer {
    pub(crate) fn decide(&self, request: &Request) -> Decision {
        match self.rows(request) {
            decision if !self.report_only => decision,
            Decision::Reject(rejection) => {
                Decision::Report(Rejection { is_enforced: false, ..rejection })
            }
            _ => Decision::ForwardUnchanged,
        }
    }

    fn rows(&self, request: &Request) -> Decision {
        let (method, path) = (request.method.as_str(), request.path());
        // Row 1 (RFC 9110 §9.1).
        if is_get_or_head(method) {
            return Decision::Forward;
        }
        if let Some(decision) = self.rows_of_extensions(request) {
            return decision;
        }
        // Row 2 (Fetch).
        if request.is_preflight() {
            return Decision::ForwardUnchanged;
        }
        // Row 3 (RFC 9110 §9.3.7).
        if method == "OPTIONS" && self.answer_options {
            match self.policy.rule_at(path) {
                Some(rule) if !rule.lists("OPTIONS") => {
                    let allow = (path != "*").then(|| self.allow(rule));
                    return Decision::AnswerOptions(allow);
                }
                None if path == "*" => return Decision::AnswerOptions(None),
                _ => {}
            }
        }
        self.decide_method(method, path)
    }

    /// A request with a prefix in its method is decided by its base method (RFC 2774 §5).
    fn rows_of_extensions(&self, request: &Request) -> Option<Decision> {
        let base = request.method.strip_prefix("M-").filter(|base| !base.is_empty());
        let decision = match (request.extensions, base) {
            _ if !self.examines_extensions => return None,
            (Extensions::Malformed, _) => Decision::Reject(Rejection::of_status(400)),
            (Extensions::None, None) => return None,
            (Extensions::Supported, Some("OPTIONS")) if self.answer_options => Decision::Fulfill,
            (Extensions::Supported, Some(base)) => match self.decide_method(base, request.path()) {
                Decision::Forward => Decision::Fulfill,
                rejected => rejected,
            },
            _ => Decision::Reject(Rejection::of_status(510)),
        };
        Some(decision)
    }

    /// Rows 1 and 4 to 6, which need only the method and the path.
    pub(crate) fn decide_method(&self, method: &str, path: &str) -> Decision {
        let is_recognized = self.recognizes(method);
        match self.policy.rule_at(path) {
            // Row 1.
            _ if is_get_or_head(method) => Decision::Forward,
            // Row 4.
            Some(rule) if rule.lists(method) => Decision::Forward,
            None if is_recognized || self.inner_decides => Decision::Forward,
            // Row 5 (RFC 9110 §15.5.6).
            Some(rule) if is_recognized => {
                let (allow, rule) = (Some(self.allow(rule)), Some(rule.name.clone()));
                Decision::Reject(Rejection { allow, rule, ..Rejection::of_status(405) })
            }
            // Row 6 (RFC 9110 §15.6.2).
            _ => Decision::Reject(Rejection::of_status(501)),
        }
    }

    /// Whether the layer answers requests with this method with a rejection.
    pub(crate) fn rejects(&self, method: &str, path: &str) -> bool {
        let is_answered = self.answer_options && method == "OPTIONS";
        !is_answered && matches!(self.decide_method(method, path), Decision::Reject(_))
    }

    pub(crate) fn recognizes(&self, method: &str) -> bool {
        let is_answered = self.answer_options && method == "OPTIONS";
        is_answered || self.policy.recognized().contains(&method)
    }

    fn allow(&self, rule: &Rule) -> String {
        list(&self.with_options(rule.methods()))
    }

    /// Every `Allow` that the layer sends lists `OPTIONS` if the layer answers it.
    pub(crate) fn with_options(&self, mut methods: Names) -> Names {
        if self.answer_options {
            methods.insert("OPTIONS".to_owned());
        }
        methods
    }
}

fn is_get_or_head(method: &str) -> bool {
    method == "GET" || method == "HEAD"
}
