//! A refused request, as responders, observers and outer layers see it.

use std::fmt;
use std::sync::Arc;

use http::{Extensions, HeaderMap, Method, StatusCode, Uri, Version, request};

use crate::extension::ExtensionProblem;
use crate::policy::Allow;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The server implements the method, but the target does not allow it: `405 Method Not Allowed`
    /// (RFC 9110 §15.5.6).
    NotAllowed,
    /// No resource of the server implements the method: `501 Not Implemented` (RFC 9110 §15.6.2).
    NotImplemented,
    /// The request does not go together with the [mandatory extensions](crate::extension) that the
    /// server supports: `510 Not Extended` (RFC 2774 §7).
    NotExtended,
    /// What the request declares of [extensions](crate::extension) is malformed: `400 Bad Request`
    /// (RFC 9110 §15.5.1).
    MalformedDeclaration,
}

impl Reason {
    /// The status code of the refusal.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Self::NotExtended => StatusCode::NOT_EXTENDED,
            Self::MalformedDeclaration => StatusCode::BAD_REQUEST,
        }
    }
}

/// A request that is being refused, as [responders](crate::Respond) and
/// [observers](crate::MethodPolicyLayer::on_rejection) see it.
///
/// Everything about the request is as the client sent it. Its values are valid for HTTP but not for
/// wherever they go next: see [`method_excerpt`](Self::method_excerpt).
#[derive(Clone)]
pub struct Rejection<'a> {
    rejected: &'a Rejected,
    request: &'a request::Parts,
}

impl<'a> Rejection<'a> {
    pub(crate) fn new(rejected: &'a Rejected, request: &'a request::Parts) -> Self {
        Self { rejected, request }
    }

    /// Why the request is refused.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.rejected.reason()
    }

    /// The status code of the refusal.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.reason().status()
    }

    /// What the target allows, for [`Reason::NotAllowed`].
    #[must_use]
    pub fn allow(&self) -> Option<&'a Allow> {
        self.rejected.allow()
    }

    /// What is wrong with the extensions, for [`Reason::NotExtended`] and
    /// [`Reason::MalformedDeclaration`].
    #[must_use]
    pub fn extension_problem(&self) -> Option<&'a ExtensionProblem> {
        self.rejected.extension_problem()
    }

    /// The method that is refused, of any length: hyper lets one of 70,000 bytes through.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        &self.request.method
    }

    /// The method for a text that people read, a log line or a label: at most 64 bytes of it, and
    /// `…` if there is more.
    ///
    /// A method is a token (RFC 9110 §5.6.2): ASCII without white space, control characters,
    /// quotes, backslashes or angle brackets. It needs no escaping in plain text, in a JSON string
    /// or in a log line; in HTML it needs it, for `&` and `'`.
    pub fn method_excerpt(&self) -> impl fmt::Display + fmt::Debug + use<'a> {
        let method = self.method().as_str();
        let shown = method.get(..EXCERPT).unwrap_or(method);
        Excerpt {
            shown,
            cut: shown.len() < method.len(),
        }
    }

    /// The target of the request.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        &self.request.uri
    }

    /// The HTTP version of the request.
    #[must_use]
    pub fn version(&self) -> Version {
        self.request.version
    }

    /// The header fields of the request.
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        &self.request.headers
    }

    /// The extensions of the request, such as the peer's address that a server put there.
    #[must_use]
    pub fn extensions(&self) -> &'a Extensions {
        &self.request.extensions
    }
}

/// Reason, method and what is allowed: nothing of any length, and nothing secret.
impl fmt::Debug for Rejection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("reason", &self.reason())
            .field("method", &format_args!("{}", self.method_excerpt()))
            .field("allow", &self.allow())
            .finish_non_exhaustive()
    }
}

const EXCERPT: usize = 64;

#[derive(Debug)]
struct Excerpt<'a> {
    shown: &'a str,
    cut: bool,
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown)?;
        f.write_str(if self.cut { "…" } else { "" })
    }
}

/// The mark that a refusal leaves in the extensions of its response.
///
/// An outer layer can tell by it a `501` of this crate, which speaks of the request, from any other
/// server error, which speaks of the server's health: see [Telling refusals from
/// failures](crate#telling-refusals-from-failures).
///
/// # Cost
///
/// Three allocations, or one where the request has extensions: their map is then used again.
///
/// ```
/// use http::Response;
/// use tower_method_policy::Rejected;
///
/// fn is_failure<B>(response: &Response<B>) -> bool {
///     response.status().is_server_error() && response.extensions().get::<Rejected>().is_none()
/// }
/// # assert!(!is_failure(&Response::new(())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected(Cause);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cause {
    NotAllowed(Allow),
    NotImplemented,
    Extension(Arc<ExtensionProblem>),
}

impl Rejected {
    pub(crate) fn not_allowed(allow: Allow) -> Self {
        Self(Cause::NotAllowed(allow))
    }

    pub(crate) fn not_implemented() -> Self {
        Self(Cause::NotImplemented)
    }

    pub(crate) fn by_extension(problem: ExtensionProblem) -> Self {
        Self(Cause::Extension(Arc::new(problem)))
    }

    /// Why the request was refused.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match &self.0 {
            Cause::NotAllowed(_) => Reason::NotAllowed,
            Cause::NotImplemented => Reason::NotImplemented,
            Cause::Extension(problem) => match **problem {
                ExtensionProblem::Malformed(_) => Reason::MalformedDeclaration,
                _ => Reason::NotExtended,
            },
        }
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
    #[must_use]
    pub fn extension_problem(&self) -> Option<&ExtensionProblem> {
        match &self.0 {
            Cause::Extension(problem) => Some(problem),
            _ => None,
        }
    }
}
