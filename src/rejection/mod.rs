//! [`Rejection`]: why a request is rejected, and how that is answered.

#[cfg(feature = "serde")]
mod data;
mod empty_body;
mod grpc_status;
mod plain_text;
mod problem_details;
mod respond;
mod response;
mod retry_after;

use std::fmt;
#[cfg(feature = "rfc2774")]
use std::sync::Arc;

use http::StatusCode;

pub use self::empty_body::EmptyBody;
pub use self::grpc_status::GrpcStatus;
pub use self::plain_text::PlainText;
pub use self::problem_details::ProblemDetails;
pub use self::respond::Respond;
pub(crate) use self::response::Responses;
pub use self::retry_after::RetryAfter;
use crate::policy::Allow;
#[cfg(feature = "rfc2774")]
use crate::rfc2774::ExtensionProblem;

/// Why a request is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The server implements the method, but the target does not allow it: `405 Method Not Allowed`
    /// (RFC 9110 §15.5.6).
    NotAllowed,
    /// No resource of the server implements the method: `501 Not Implemented` (RFC 9110 §15.6.2).
    NotImplemented,
    /// The request does not go together with the [mandatory extensions](crate::rfc2774) that the
    /// server supports: `510 Not Extended` (RFC 2774 §7).
    #[cfg(feature = "rfc2774")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rfc2774")))]
    NotExtended,
    /// What the request declares of [extensions](crate::rfc2774) is malformed: `400 Bad Request`
    /// (RFC 9110 §15.5.1).
    #[cfg(feature = "rfc2774")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rfc2774")))]
    MalformedDeclaration,
}

impl Reason {
    /// The status code of the rejection.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            #[cfg(feature = "rfc2774")]
            Self::NotExtended => StatusCode::NOT_EXTENDED,
            #[cfg(feature = "rfc2774")]
            Self::MalformedDeclaration => StatusCode::BAD_REQUEST,
        }
    }

    /// A name for labels of metrics and fields of logs: `not_allowed`, `not_implemented`,
    /// `not_extended` or `malformed_declaration`. No version will change it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::NotImplemented => "not_implemented",
            #[cfg(feature = "rfc2774")]
            Self::NotExtended => "not_extended",
            #[cfg(feature = "rfc2774")]
            Self::MalformedDeclaration => "malformed_declaration",
        }
    }
}

/// Why a request is rejected, and what its target allows.
///
/// [Responders](crate::Respond) and [observers](crate::MethodPolicyLayer::on_rejection) get it beside
/// the request, and every rejection has it in the extensions of its response. So an outer layer can
/// tell a `501` of this crate, which speaks of the request, from any other server error, which speaks
/// of the server's health: see [Telling rejections from
/// failures](crate#telling-rejections-from-failures).
///
/// # Cost
///
/// In the response's extensions: three allocations, or one where the request has extensions, whose
/// map is then used again.
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
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection {
    cause: Cause,
    is_enforced: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Cause {
    NotAllowed(Allow),
    NotImplemented,
    #[cfg(feature = "rfc2774")]
    Extension(Arc<ExtensionProblem>),
}

impl Rejection {
    fn new(cause: Cause) -> Self {
        Self {
            cause,
            is_enforced: true,
        }
    }

    pub(crate) fn not_allowed(allow: Allow) -> Self {
        Self::new(Cause::NotAllowed(allow))
    }

    pub(crate) fn not_implemented() -> Self {
        Self::new(Cause::NotImplemented)
    }

    #[cfg(feature = "rfc2774")]
    pub(crate) fn by_extension(problem: ExtensionProblem) -> Self {
        Self::new(Cause::Extension(Arc::new(problem)))
    }

    /// Why the request is rejected.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match &self.cause {
            Cause::NotAllowed(_) => Reason::NotAllowed,
            Cause::NotImplemented => Reason::NotImplemented,
            #[cfg(feature = "rfc2774")]
            Cause::Extension(problem) => match **problem {
                ExtensionProblem::Malformed(_) => Reason::MalformedDeclaration,
                _ => Reason::NotExtended,
            },
        }
    }

    /// Whether the request is rejected. Where it is not, the layer only
    /// [reports](crate::MethodPolicyLayer::report_only) that it would be, and forwards it.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.is_enforced
    }

    /// The status code of the rejection.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.reason().status()
    }

    /// What the target allows, for [`Reason::NotAllowed`].
    #[must_use]
    pub fn allow(&self) -> Option<&Allow> {
        match &self.cause {
            Cause::NotAllowed(allow) => Some(allow),
            _ => None,
        }
    }

    /// What is wrong with the extensions, for [`Reason::NotExtended`] and
    /// [`Reason::MalformedDeclaration`].
    #[cfg(feature = "rfc2774")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rfc2774")))]
    #[must_use]
    pub fn extension_problem(&self) -> Option<&ExtensionProblem> {
        match &self.cause {
            Cause::Extension(problem) => Some(problem),
            _ => None,
        }
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Rejection");
        f.field("reason", &self.reason());
        if let Some(allow) = self.allow() {
            f.field("allow", allow);
        }
        #[cfg(feature = "rfc2774")]
        if let Some(problem) = self.extension_problem() {
            f.field("extension_problem", problem);
        }
        if !self.is_enforced {
            f.field("is_enforced", &false);
        }
        f.finish()
    }
}

/// The mark in the extensions of a response to a request that a layer which only
/// [reports](crate::MethodPolicyLayer::report_only) would have rejected.
///
/// Beside the response's status it answers the question of a roll-out: a success that would have been
/// rejected means that the policy is too strict. It is a type of its own, and not a [`Rejection`], for the
/// response is the inner service's: what forgives rejections must not overlook a failure.
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
    pub(crate) fn new(rejection: Rejection) -> Self {
        Self(Rejection {
            is_enforced: false,
            ..rejection
        })
    }

    pub(crate) fn rejection(&self) -> &Rejection {
        &self.0
    }

    /// Why the request would have been rejected.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.reason()
    }

    /// What the target allows, for [`Reason::NotAllowed`].
    #[must_use]
    pub fn allow(&self) -> Option<&Allow> {
        self.0.allow()
    }
}
