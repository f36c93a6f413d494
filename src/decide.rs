//! The decision table: what the layer does with a request.

#[cfg(feature = "rfc2774")]
mod rfc2774;

use std::sync::Arc;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, Method, request};

use crate::inner_405::Row;
use crate::policy::{Decision, Place, StoredRule};
use crate::rejection::{Rejection, WouldReject};
#[cfg(feature = "rfc2774")]
use crate::rfc2774::Fulfillable;
use crate::settings::Settings;

/// What the layer does with a request.
#[derive(Debug)]
pub(crate) enum Action<'a> {
    /// The inner service answers. Then the layer does this with the response.
    Forward(OnResponse),
    /// The layer answers an `OPTIONS` request. The rule is the one at the target, or `None` for `*`.
    AnswerOptions(Option<&'a StoredRule>),
    /// The layer answers with the rejection.
    Reject(Rejection),
}

/// What the layer does with the inner service's response.
#[derive(Debug)]
pub(crate) enum OnResponse {
    Keep,
    /// If it is a `405`, applies the second table. The rule is the one at the target.
    Inner405(Row, Option<Arc<StoredRule>>),
    /// Adds the mark of a layer that only reports.
    Mark(WouldReject),
    /// Acknowledges the extensions (RFC 2774 §5.1).
    #[cfg(feature = "rfc2774")]
    Acknowledge(Fulfillable),
}

impl Settings {
    /// Decides what happens to `request`.
    pub(crate) fn decide(&self, request: &request::Parts) -> Action<'_> {
        let action = self.first_row(request);
        if !self.report_only {
            return action;
        }
        Action::Forward(match action {
            Action::Reject(rejection) => OnResponse::Mark(WouldReject::from(rejection)),
            Action::Forward(_) | Action::AnswerOptions(_) => OnResponse::Keep,
        })
    }

    /// The first row that matches.
    fn first_row(&self, request: &request::Parts) -> Action<'_> {
        let method = &request.method;
        let path = request.uri.path();
        let place = self.policy.place(path);

        // Row 1 (RFC 9110 §9.1).
        if matches!(*method, Method::GET | Method::HEAD) {
            return self.forward(method, place, true);
        }

        // The rows of RFC 2774 §5.
        #[cfg(feature = "rfc2774")]
        if let Some(action) = self.rows_of_rfc2774(request, place) {
            return action;
        }

        // Row 2 (Fetch).
        let is_options = *method == Method::OPTIONS;
        if is_options && is_preflight(&request.headers) {
            return Action::Forward(OnResponse::Keep);
        }

        // Row 3 (RFC 9110 §9.3.7).
        if is_options && self.answers_options {
            return match place {
                Place::Rule(rule) if !rule.allow.methods.contains(method) => {
                    Action::AnswerOptions((path != "*").then_some(&**rule))
                }
                Place::NoRule if path == "*" => Action::AnswerOptions(None),
                // Row 4. `OPTIONS` is recognized.
                _ => self.forward(method, place, true),
            };
        }

        self.rows_4_to_6(method, place)
    }

    /// Applies rows 4 to 6 to a request that rows 1 to 3 do not match.
    fn rows_4_to_6(&self, method: &Method, place: Place<'_>) -> Action<'_> {
        let rule = place.rule();
        match (self.policy.decide_by(rule, method), rule) {
            // Row 4.
            (Decision::Forward, _) => self.forward(method, place, true),
            (Decision::NotImplemented, None) if self.inner_decides => {
                self.forward(method, place, false)
            }
            // Row 5 (RFC 9110 §15.5.6).
            (Decision::NotAllowed { .. }, Some(rule)) => {
                Action::Reject(Rejection::by_rule(rule.clone(), self.answers_options))
            }
            // Row 6 (RFC 9110 §15.6.2).
            (Decision::NotImplemented, _) | (Decision::NotAllowed { .. }, None) => {
                Action::Reject(Rejection::not_implemented())
            }
        }
    }

    fn forward(&self, method: &Method, place: Place<'_>, is_recognized: bool) -> Action<'_> {
        Action::Forward(match self.row(method, place, is_recognized) {
            Some(row) => OnResponse::Inner405(row, place.rule().cloned()),
            None => OnResponse::Keep,
        })
    }
}

/// Whether an `OPTIONS` request is a CORS preflight (Fetch, "CORS-preflight request").
fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
