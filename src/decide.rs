//! The decision table: what becomes of a request.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, MAX_FORWARDS, ORIGIN};
use http::{HeaderMap, Method, request};

use crate::policy::{Allow, Decision, Policy};
use crate::rejection::Rejection;
#[cfg(feature = "rfc2774")]
use crate::rfc2774::{Mandatory, MandatoryExtensions, Verdict};

/// What the table depends on, beside the request.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) policy: Policy,
    pub(crate) answers_options: bool,
    /// Derived, where `OPTIONS` is answered: what rules allow anywhere, if there are any.
    server_wide: Option<Allow>,
    #[cfg(feature = "rfc2774")]
    pub(crate) extensions: Option<MandatoryExtensions>,
}

/// What becomes of a request.
pub(crate) enum Outcome<'a> {
    /// The inner service answers it.
    Forward,
    /// The inner service answers it, and the response says that extensions were obeyed.
    #[cfg(feature = "rfc2774")]
    Fulfil(Mandatory),
    /// `200` and what is allowed.
    AnswerOptions(&'a Allow),
    Reject(Rejection),
}

impl Table {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            policy,
            answers_options: false,
            server_wide: None,
            #[cfg(feature = "rfc2774")]
            extensions: None,
        }
    }

    /// Derives what follows from the rest.
    pub(crate) fn derive(&mut self) {
        self.server_wide = match self.answers_options {
            true => self.policy.server_wide(),
            false => None,
        };
    }

    /// The first row that matches wins.
    pub(crate) fn decide(&self, request: &request::Parts) -> Outcome<'_> {
        // Row 1: RFC 9110 §9.1.
        if matches!(request.method, Method::GET | Method::HEAD) {
            return Outcome::Forward;
        }

        // RFC 2774 §5: what is fulfilled goes on to rows 3 to 5 as the method that it asks for.
        #[cfg(feature = "rfc2774")]
        if let Some(extensions) = &self.extensions {
            match extensions.examine(request) {
                Verdict::Ordinary => {}
                Verdict::Mandatory(mandatory) => {
                    return match self.rows_3_to_5(&mandatory.base, request) {
                        Outcome::Forward => Outcome::Fulfil(mandatory),
                        rejected => rejected,
                    };
                }
                Verdict::Reject(problem) => {
                    return Outcome::Reject(Rejection::by_extension(problem));
                }
            }
        }

        // Row 2: RFC 9110 §9.3.7.
        if self.answers_options && request.method == Method::OPTIONS {
            if let Some(allow) = self.options(request) {
                return Outcome::AnswerOptions(allow);
            }
        }

        self.rows_3_to_5(&request.method, request)
    }

    /// What the target of an `OPTIONS` request allows, if that is to be answered.
    fn options(&self, request: &request::Parts) -> Option<&Allow> {
        // A CORS preflight asks about another request, and the inner service's answer to it depends
        // on more than the methods; but one that may go no further has arrived.
        if is_preflight(&request.headers) && !is_at_last_recipient(&request.headers) {
            return None;
        }
        match request.uri.path() {
            "*" => self.server_wide.as_ref(),
            path => self
                .policy
                .allowed_at(path)
                .filter(|allow| allow.methods().contains(&Method::OPTIONS)),
        }
    }

    /// The rows that depend on method and target alone are the policy's.
    fn rows_3_to_5(&self, method: &Method, request: &request::Parts) -> Outcome<'_> {
        match self.policy.decide(method, request.uri.path()) {
            // Row 3.
            Decision::Forward => Outcome::Forward,
            // Row 4: RFC 9110 §15.5.6.
            Decision::NotAllowed { allow } => {
                Outcome::Reject(Rejection::not_allowed(allow.clone()))
            }
            // Row 5: RFC 9110 §15.6.2.
            Decision::NotImplemented => Outcome::Reject(Rejection::not_implemented()),
        }
    }
}

/// Whether an `OPTIONS` request is a CORS preflight (Fetch, "CORS-preflight request").
fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Whether `Max-Forwards`, which is digits, is zero: then the request must not be forwarded (RFC 9110
/// §7.6.2).
fn is_at_last_recipient(headers: &HeaderMap) -> bool {
    let digits = headers
        .get(MAX_FORWARDS)
        .map(|value| value.as_bytes().trim_ascii());
    digits.is_some_and(|digits| !digits.is_empty() && digits.iter().all(|&digit| digit == b'0'))
}
