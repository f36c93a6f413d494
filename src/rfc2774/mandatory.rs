//! The rules for mandatory requests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderName, Method, Version, request};

use super::acknowledgement::Acknowledgement;
use super::declaration::{Declaration, Declarations};
use super::lists::elements;
use super::parse::is_identifier;
use super::problem::ExtensionProblem;
use crate::methods::excerpt::quoted_excerpt;

/// The extensions that an origin server or a proxy supports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct MandatoryExtensions {
    role: Role,
    /// Each extension's identifier, and whether it shares its header prefix.
    supported: Arc<BTreeMap<String, bool>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Origin,
    Proxy,
}

impl MandatoryExtensions {
    /// Creates the settings of an origin server. It is the last recipient of all declarations.
    pub fn at_origin() -> Self {
        Self { role: Role::Origin, supported: Arc::default() }
    }

    /// Creates the settings of a proxy. It must support the hop-by-hop extensions and forwards the others
    /// (RFC 2774 §14).
    pub fn at_proxy() -> Self {
        Self { role: Role::Proxy, supported: Arc::default() }
    }

    /// Adds an extension. An absolute URI or a field name identifies it.
    ///
    /// URIs are compared byte for byte. Field names are case-insensitive.
    ///
    /// # Errors
    ///
    /// Returns an error if `identifier` is neither an absolute URI nor a field name.
    pub fn support(self, identifier: &str) -> Result<Self, IdentifierError> {
        self.insert(identifier, false)
    }

    /// Adds an extension that permits other extensions to use its header prefix (`ns`) in the same message
    /// (RFC 2774 §4.1).
    ///
    /// # Errors
    ///
    /// Returns an error if `identifier` is neither an absolute URI nor a field name.
    pub fn support_with_shared_prefix(self, identifier: &str) -> Result<Self, IdentifierError> {
        self.insert(identifier, true)
    }

    fn insert(mut self, identifier: &str, shares_prefix: bool) -> Result<Self, IdentifierError> {
        if !is_identifier(identifier.as_bytes()) {
            return Err(IdentifierError(identifier.to_owned()));
        }
        Arc::make_mut(&mut self.supported).insert(comparable(identifier), shares_prefix);
        Ok(self)
    }

    /// Whether an extension is supported, and if so whether it shares its prefix.
    fn supports(&self, declaration: &Declaration) -> Option<bool> {
        self.supported.get(&comparable(declaration.identifier())).copied()
    }

    /// Applies the module's table to a request that is neither `GET` nor `HEAD`.
    pub(crate) fn examine(&self, request: &request::Parts) -> Verdict {
        let declarations = match Declarations::parse(request.version, &request.headers) {
            Ok(declarations) => declarations,
            Err(problem) => return Verdict::Reject(problem),
        };
        let is_mandatory = declarations.iter().any(Declaration::is_mandatory);
        match (base_method(&request.method), is_mandatory) {
            (None, true) => Verdict::Reject(ExtensionProblem::not_mandatory()),
            (None, false) => Verdict::Ordinary,
            (Some(_), false) => Verdict::Reject(ExtensionProblem::not_declared()),
            (Some(base), true) => match self.check(&declarations) {
                Err(problem) => Verdict::Reject(problem),
                Ok(()) => {
                    let acknowledgement =
                        Acknowledgement::new(self.ours(&declarations), request.version);
                    Verdict::Fulfillable(Fulfillable { base, declarations, acknowledgement })
                }
            },
        }
    }

    /// The mandatory declarations that this server has to fulfill.
    fn ours<'a>(&self, declarations: &'a Declarations) -> impl Iterator<Item = &'a Declaration> {
        let is_origin = self.role == Role::Origin;
        declarations.iter().filter(move |declaration| {
            declaration.is_mandatory() && (is_origin || declaration.is_hop_by_hop())
        })
    }

    /// Checks that every mandatory extension is supported, without conflict.
    fn check(&self, declarations: &Declarations) -> Result<(), ExtensionProblem> {
        let unsupported: Vec<_> = self
            .ours(declarations)
            .filter(|declaration| self.supports(declaration).is_none())
            .map(Declaration::identifier)
            .collect();
        if !unsupported.is_empty() {
            let supported: Vec<_> = self.supported.keys().map(String::as_str).collect();
            return Err(ExtensionProblem::unsupported(&unsupported, &supported));
        }
        // Only supported extensions count: an unknown optional extension may permit the reuse.
        let known = declarations
            .iter()
            .filter_map(|declared| Some((declared, declared.prefix()?, self.supports(declared)?)));
        let mut seen = BTreeMap::new();
        for (declared, prefix, shares_prefix) in known {
            let earlier = seen.insert(prefix, shares_prefix);
            if earlier.is_some_and(|earlier_shares| !(earlier_shares && shares_prefix)) {
                return Err(ExtensionProblem::prefix_reused(prefix, declared.identifier()));
            }
        }
        Ok(())
    }
}

/// The result of the module's table.
pub(crate) enum Verdict {
    /// The rest of the decision table decides.
    Ordinary,
    /// The rest of the decision table decides about the base method.
    Fulfillable(Fulfillable),
    Reject(ExtensionProblem),
}

/// A mandatory request whose extensions are all supported.
#[derive(Debug)]
pub(crate) struct Fulfillable {
    /// The method without `M-`.
    pub(crate) base: Method,
    declarations: Declarations,
    acknowledgement: Acknowledgement,
}

impl Fulfillable {
    /// Prepares the request to be forwarded.
    pub(crate) fn prepare(self, mut request: request::Parts) -> (request::Parts, Acknowledgement) {
        request.extensions.insert(self.declarations);
        remove_listed_by_http_1_0(&mut request);
        (request, self.acknowledgement)
    }
}

/// The method without `M-` (RFC 2774 §5), or `None` if `method` has no `M-`.
fn base_method(method: &Method) -> Option<Method> {
    let base = method.as_str().strip_prefix("M-")?;
    Method::from_bytes(base.as_bytes()).ok()
}

/// An identifier for comparison. A field name has no colon and is case-insensitive.
fn comparable(identifier: &str) -> String {
    if identifier.contains(':') { identifier.to_owned() } else { identifier.to_ascii_lowercase() }
}

/// An HTTP/1.0 proxy may have forwarded fields that were meant only for the proxy (RFC 2774 §5).
fn remove_listed_by_http_1_0(request: &mut request::Parts) {
    if request.version > Version::HTTP_10 {
        return;
    }
    let headers = &mut request.headers;
    let listed =
        elements(headers, CONNECTION).filter_map(|option| HeaderName::from_bytes(option).ok());
    for name in listed.collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// The error of adding an extension whose identifier is neither an absolute URI nor a field name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierError(String);

impl fmt::Display for IdentifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is neither an absolute URI nor a field name", quoted_excerpt(&self.0, 128))
    }
}

impl std::error::Error for IdentifierError {}
