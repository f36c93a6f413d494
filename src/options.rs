//! Row 2 of the decision table: `OPTIONS` requests that the policy answers itself.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, MAX_FORWARDS, ORIGIN};
use http::{HeaderMap, Method, request};

use crate::policy::{Allow, Policy};

/// Answers `OPTIONS` from a policy (RFC 9110 §9.3.7).
#[derive(Clone, Debug)]
pub(crate) struct OptionsAnswers {
    /// What rules allow anywhere, if there are any: the answer to `OPTIONS *`.
    server_wide: Option<Allow>,
}

impl OptionsAnswers {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self {
            server_wide: policy.server_wide(),
        }
    }

    /// What the answer to `request` describes, if it is to be answered here.
    pub(crate) fn answer<'a>(
        &'a self,
        policy: &'a Policy,
        request: &request::Parts,
    ) -> Option<&'a Allow> {
        if request.method != Method::OPTIONS {
            return None;
        }
        // A CORS preflight asks about another request, and the inner service's answer to it depends
        // on more than the methods; but none may go on that says it has arrived.
        if is_preflight(&request.headers) && !is_at_last_recipient(&request.headers) {
            return None;
        }
        match request.uri.path() {
            "*" => self.server_wide.as_ref(),
            path => policy
                .allowed_at(path)
                .filter(|allow| allow.methods().contains(&Method::OPTIONS)),
        }
    }
}

/// Whether an `OPTIONS` request is a CORS preflight (Fetch, "CORS-preflight request").
fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether nobody may forward the request: `Max-Forwards`, which is digits, is zero (RFC 9110
/// §7.6.2).
fn is_at_last_recipient(headers: &HeaderMap) -> bool {
    let digits = headers
        .get(MAX_FORWARDS)
        .map(|value| value.as_bytes().trim_ascii());
    digits.is_some_and(|digits| !digits.is_empty() && digits.iter().all(|&digit| digit == b'0'))
}
