//! [`Rejection`]: why a request is rejected, and how that is answered.

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
pub struct Rejection(Cause);

#[derive(Clone, PartialEq, Eq)]
enum Cause {
    NotAllowed(Allow),
    NotImplemented,
    #[cfg(feature = "rfc2774")]
    Extension(Arc<ExtensionProblem>),
}

impl Rejection {
    pub(crate) fn not_allowed(allow: Allow) -> Self {
        Self(Cause::NotAllowed(allow))
    }

    pub(crate) fn not_implemented() -> Self {
        Self(Cause::NotImplemented)
    }

    #[cfg(feature = "rfc2774")]
    pub(crate) fn by_extension(problem: ExtensionProblem) -> Self {
        Self(Cause::Extension(Arc::new(problem)))
    }

    /// Why the request is rejected.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match &self.0 {
            Cause::NotAllowed(_) => Reason::NotAllowed,
            Cause::NotImplemented => Reason::NotImplemented,
            #[cfg(feature = "rfc2774")]
            Cause::Extension(problem) => match **problem {
                ExtensionProblem::Malformed(_) => Reason::MalformedDeclaration,
                _ => Reason::NotExtended,
            },
        }
    }

    /// The status code of the rejection.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.reason().status()
    }

    /// What the target allows, for [`Reason::NotAllowed`].
    #[must_use]
    pub fn allow(&self) -> Option<&Allow> {
        match &self.0 {
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
        match &self.0 {
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
        f.finish()
    }
}
