//! [`Rejection`], and the response to a rejected request.

mod content;
#[cfg(feature = "serde")]
mod data;
mod grpc;
mod respond;
mod responders;
mod response;
mod retry_after;

use std::fmt;
use std::sync::Arc;

use http::StatusCode;

pub(crate) use self::content::remove_content_fields;
pub(crate) use self::grpc::{is_grpc, remove_grpc_fields};
pub(crate) use self::respond::Needs;
pub use self::respond::Respond;
pub use self::responders::{EmptyBody, PlainText, ProblemDetails};
pub(crate) use self::response::{ResponseSettings, announce_close};
pub(crate) use self::retry_after::HAS_CLOCK;
pub use self::retry_after::RetryAfter;
use crate::methods::MethodSet;
use crate::policy::{Allow, Rule, StoredRule, with_head};
#[cfg(feature = "rfc2774")]
use crate::rfc2774::ExtensionProblem;

/// The reason for a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// `405 Method Not Allowed` (RFC 9110 §15.5.6): the rule at the target does not list the method, or the inner
    /// service answered `405` ([`inner_decides`](crate::MethodPolicyLayer::inner_decides)).
    NotAllowed,
    /// `501 Not Implemented` (RFC 9110 §15.6.2): the method is not on the server's list.
    NotImplemented,
    /// `510 Not Extended` (RFC 2774 §7): the request needs an [extension](crate::rfc2774) that the server
    /// does not support, or its method and its declarations contradict each other.
    #[cfg(feature = "rfc2774")]
    NotExtended,
    /// `400 Bad Request` (RFC 9110 §15.5.1): a declaration of an [extension](crate::rfc2774) is malformed.
    #[cfg(feature = "rfc2774")]
    MalformedDeclaration,
}

impl Reason {
    /// Returns the status code of the rejection.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.facts().0
    }

    /// Returns a name for metric labels and log fields: `not_allowed`, `not_implemented`,
    /// `not_extended`, or `malformed_declaration`. The names do not change in any 1.x version.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().1
    }

    const fn facts(self) -> (StatusCode, &'static str) {
        match self {
            Self::NotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "not_allowed"),
            Self::NotImplemented => (StatusCode::NOT_IMPLEMENTED, "not_implemented"),
            #[cfg(feature = "rfc2774")]
            Self::NotExtended => (StatusCode::NOT_EXTENDED, "not_extended"),
            #[cfg(feature = "rfc2774")]
            Self::MalformedDeclaration => (StatusCode::BAD_REQUEST, "malformed_declaration"),
        }
    }
}

/// Writes the same as [`as_str`](Reason::as_str).
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rejection of a request, with its reason and its rule.
///
/// [Responders](Respond) and [observers](crate::MethodPolicyLayer::on_rejection) get it. The layer also puts it
/// into the extensions of the response as a mark. An outer layer can use the mark to distinguish a `501` of this
/// crate from a server error. The mark takes at most three allocations.
///
/// [`Display`](fmt::Display) writes a text for logs, such as `405 Method Not Allowed by route /users/{id}`. It
/// contains nothing that the client sent, except parts of extension declarations (feature `rfc2774`).
///
/// ```
/// use http::Response;
/// use tower_method_policy::Rejection;
///
/// fn is_failure<B>(response: &Response<B>) -> bool {
///     response.status().is_server_error() && response.extensions().get::<Rejection>().is_none()
/// }
/// # assert!(!is_failure(&Response::new(())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    cause: Cause,
    is_enforced: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    /// The rule, and whether the layer answers `OPTIONS`.
    Rule(Arc<StoredRule>, bool),
    /// The methods that the target allows without a rule.
    NoRule(Arc<Allow>),
    NotImplemented,
    #[cfg(feature = "rfc2774")]
    Extension(Arc<ExtensionProblem>),
}

impl Rejection {
    fn new(cause: Cause) -> Self {
        Self { cause, is_enforced: true }
    }

    pub(crate) fn by_rule(rule: Arc<StoredRule>, answers_options: bool) -> Self {
        Self::new(Cause::Rule(rule, answers_options))
    }

    /// The rejection in place of the inner service's `405`.
    pub(crate) fn not_allowed_inside(methods: MethodSet) -> Self {
        Self::new(Cause::NoRule(Arc::new(Allow::new(methods))))
    }

    #[cfg(feature = "rfc2774")]
    pub(crate) fn by_extension(problem: ExtensionProblem) -> Self {
        Self::new(Cause::Extension(Arc::new(problem)))
    }

    /// Creates a rejection with the reason [`Reason::NotAllowed`] and without a rule, to unit-test a responder.
    /// [`allow`](Self::allow) has `methods`, and `HEAD` if they contain `GET`.
    ///
    /// ```
    /// use http::{Method, Request, Response};
    /// use tower_method_policy::{PlainText, Rejection, Respond};
    ///
    /// let (request, ()) = Request::delete("/").body(())?.into_parts();
    /// let rejection = Rejection::not_allowed([Method::GET]);
    /// let response: Response<bytes::Bytes> = PlainText.respond(&rejection, &request);
    /// assert_eq!(response.body(), "The method DELETE is not allowed here. Allowed: GET, HEAD.\n");
    /// # Ok::<_, http::Error>(())
    /// ```
    #[must_use]
    pub fn not_allowed(methods: impl Into<MethodSet>) -> Self {
        Self::not_allowed_inside(with_head(methods.into()))
    }

    /// Creates the rejection of a method that the server does not recognize.
    #[must_use]
    pub fn not_implemented() -> Self {
        Self::new(Cause::NotImplemented)
    }

    /// Returns the reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match &self.cause {
            Cause::Rule(..) | Cause::NoRule(_) => Reason::NotAllowed,
            Cause::NotImplemented => Reason::NotImplemented,
            #[cfg(feature = "rfc2774")]
            Cause::Extension(problem) if problem.is_malformed => Reason::MalformedDeclaration,
            #[cfg(feature = "rfc2774")]
            Cause::Extension(_) => Reason::NotExtended,
        }
    }

    /// Returns the status code of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.reason().status()
    }

    /// Returns the methods of the `Allow` field, or `None` if the response has none.
    ///
    /// They are the methods of the rule, with `HEAD` if it lists `GET`, or those of the inner service's `Allow` that the
    /// layer does not reject. `OPTIONS` is included if the layer [answers `OPTIONS`](crate::MethodPolicyLayer::answer_options).
    #[must_use]
    pub fn allow(&self) -> Option<&MethodSet> {
        self.allow_field().map(|allow| &allow.methods)
    }

    fn allow_field(&self) -> Option<&Allow> {
        match &self.cause {
            Cause::Rule(rule, true) => Some(&rule.allow_with_options),
            Cause::Rule(rule, false) => Some(&rule.allow),
            Cause::NoRule(allow) => Some(allow),
            _ => None,
        }
    }

    /// Returns the rule that does not list the method, or `None` if no rule made the rejection: the reason is not
    /// [`Reason::NotAllowed`], or the layer answers in place of the inner service's `405`
    /// ([`inner_decides`](crate::MethodPolicyLayer::inner_decides)).
    #[must_use]
    pub fn rule(&self) -> Option<Rule<'_>> {
        match &self.cause {
            Cause::Rule(rule, _) => Some(Rule(rule)),
            _ => None,
        }
    }

    /// Returns whether the request is rejected. It is `false` if the layer only
    /// [reports](crate::MethodPolicyLayer::report_only).
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.is_enforced
    }

    /// Returns a sentence about the mistake in the extensions, for [`Reason::NotExtended`] and
    /// [`Reason::MalformedDeclaration`].
    ///
    /// It is safe in plain text and inside a JSON string, and has at most 3,000 bytes.
    #[cfg(feature = "rfc2774")]
    #[must_use]
    pub fn extension_problem(&self) -> Option<&str> {
        match &self.cause {
            Cause::Extension(problem) => Some(problem.text()),
            _ => None,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status().fmt(f)?;
        match &self.cause {
            Cause::Rule(rule, _) => write!(f, " by {}", Rule(rule))?,
            Cause::NoRule(_) | Cause::NotImplemented => {}
            #[cfg(feature = "rfc2774")]
            Cause::Extension(problem) => write!(f, ": {}", problem.text())?,
        }
        f.write_str(if self.is_enforced { "" } else { " (report only)" })
    }
}

/// A mark in the extensions of a response: a layer that only
/// [reports](crate::MethodPolicyLayer::report_only) would have rejected the request.
///
/// An outer layer that also only reports replaces the mark of the inner one. Their observers see both.
///
/// A successful response with this mark shows that the policy is too strict. The inner service sent the
/// response. So a failure with this mark is a real failure, unlike a response with a [`Rejection`].
///
/// ```
/// use http::Response;
/// use tower_method_policy::WouldReject;
///
/// fn is_too_strict<B>(response: &Response<B>) -> bool {
///     response.status().is_success() && response.extensions().get::<WouldReject>().is_some()
/// }
/// # assert!(!is_too_strict(&Response::new(())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WouldReject(Rejection);

impl WouldReject {
    /// Returns the rejection that the policy would have made.
    #[must_use]
    pub fn rejection(&self) -> &Rejection {
        &self.0
    }
}

/// The mark for `rejection`, whose [`is_enforced`](Rejection::is_enforced) becomes `false`.
impl From<Rejection> for WouldReject {
    fn from(rejection: Rejection) -> Self {
        Self(Rejection { is_enforced: false, ..rejection })
    }
}
