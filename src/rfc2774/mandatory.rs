//! The rules for mandatory requests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::{HeaderName, Method, Version, request};

use super::connection::connection_options;
use super::declaration::{Declaration, DeclarationError, Declarations};
use super::fulfilment::Fulfilment;
use super::parse::is_identifier;
use super::problem::ExtensionProblem;

/// The extensions that a server supports, and in which role it meets declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct MandatoryExtensions {
    role: Role,
    /// Each extension's identifier, and whether its header prefix may be used by others, too.
    supported: Arc<BTreeMap<String, bool>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Origin,
    Proxy,
}

impl MandatoryExtensions {
    /// No extension yet, at a server that is the ultimate recipient of what is declared.
    pub fn at_origin() -> Self {
        Self {
            role: Role::Origin,
            supported: Arc::default(),
        }
    }

    /// No extension yet, at a proxy: it has to support what is declared hop by hop, and passes on
    /// what is declared end to end (RFC 2774 §14).
    pub fn at_proxy() -> Self {
        Self {
            role: Role::Proxy,
            supported: Arc::default(),
        }
    }

    /// Adds an extension, by the absolute URI or the field name that identifies it.
    ///
    /// URIs are compared byte for byte, field names without regard to case.
    ///
    /// # Errors
    ///
    /// [`IdentifierError`] if `identifier` is neither.
    pub fn support(self, identifier: &str) -> Result<Self, IdentifierError> {
        self.insert(identifier, false)
    }

    /// Adds an extension that explicitly allows its header prefix (`ns`) to be used by others, too,
    /// in one message (RFC 2774 §4.1).
    ///
    /// # Errors
    ///
    /// [`IdentifierError`] if `identifier` is neither an absolute URI nor a field name.
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
        self.supported
            .get(&comparable(declaration.identifier()))
            .copied()
    }

    /// Whether `declaration` obliges this server.
    fn is_ours(&self, declaration: &Declaration) -> bool {
        self.role == Role::Origin || declaration.is_hop_by_hop()
    }

    /// The module's table, for a request that is neither `GET` nor `HEAD`.
    pub(crate) fn examine(&self, request: &request::Parts) -> Verdict {
        let declarations = match Declarations::of(request.version, &request.headers) {
            Ok(declarations) => declarations,
            Err(error) => return Verdict::Reject(ExtensionProblem::Malformed(error)),
        };
        let is_mandatory = declarations.iter().any(Declaration::is_mandatory);
        match (base_method(&request.method), is_mandatory) {
            (None, true) => Verdict::Reject(ExtensionProblem::NotMandatory),
            (None, false) => Verdict::Ordinary,
            (Some(_), false) => Verdict::Reject(ExtensionProblem::NotDeclared),
            (Some(base), true) => match self.check(&declarations) {
                Err(problem) => Verdict::Reject(problem),
                Ok(()) => {
                    let ours = declarations
                        .iter()
                        .filter(|declared| self.is_ours(declared));
                    let fulfilment = Fulfilment::of(ours, request.version);
                    Verdict::Mandatory(Mandatory {
                        base,
                        declarations,
                        fulfilment,
                    })
                }
            },
        }
    }

    /// Whether all that is mandatory is supported, without conflict.
    fn check(&self, declarations: &Declarations) -> Result<(), ExtensionProblem> {
        let unsupported = declarations.iter().filter(|declared| {
            declared.is_mandatory() && self.is_ours(declared) && self.supports(declared).is_none()
        });
        let unsupported: Vec<_> = unsupported
            .map(|declared| declared.identifier().to_owned())
            .collect();
        if !unsupported.is_empty() {
            return Err(ExtensionProblem::Unsupported {
                unsupported,
                supported: self.supported.keys().cloned().collect(),
            });
        }
        // What is not supported, and need not be, may permit it.
        let known = declarations
            .iter()
            .filter_map(|declared| Some((declared, declared.prefix()?, self.supports(declared)?)));
        let mut seen = BTreeMap::new();
        for (declared, prefix, shares_prefix) in known {
            let earlier = seen.insert(prefix, shares_prefix);
            if earlier.is_some_and(|earlier_shares| !(earlier_shares && shares_prefix)) {
                return Err(ExtensionProblem::Malformed(DeclarationError::reused(
                    declared, prefix,
                )));
            }
        }
        Ok(())
    }
}

/// What the module's table says of a request.
pub(crate) enum Verdict {
    /// The rest of the decision table decides.
    Ordinary,
    /// The rest of the decision table decides on the base method.
    Mandatory(Mandatory),
    Reject(ExtensionProblem),
}

/// A mandatory request of which everything is supported.
pub(crate) struct Mandatory {
    /// The method without `M-`.
    pub(crate) base: Method,
    declarations: Declarations,
    fulfilment: Fulfilment,
}

impl Mandatory {
    /// Makes the request what it is to be when it is forwarded.
    pub(crate) fn prepare(self, request: &mut request::Parts) -> Fulfilment {
        request.extensions.insert(self.declarations);
        remove_listed_by_http_1_0(request);
        self.fulfilment
    }
}

/// The method that a mandatory request asks for (RFC 2774 §5), if `method` is that of one.
fn base_method(method: &Method) -> Option<Method> {
    let base = method.as_str().strip_prefix("M-")?;
    Method::from_bytes(base.as_bytes()).ok()
}

/// The form in which identifiers are compared: field names have no colon, and no case.
fn comparable(identifier: &str) -> String {
    match identifier.contains(':') {
        true => identifier.to_owned(),
        false => identifier.to_ascii_lowercase(),
    }
}

/// RFC 2774 §5: an HTTP/1.0 proxy may have passed on what was meant for itself.
fn remove_listed_by_http_1_0(request: &mut request::Parts) {
    if request.version > Version::HTTP_10 {
        return;
    }
    let headers = &mut request.headers;
    let listed =
        connection_options(headers).filter_map(|option| HeaderName::from_bytes(option).ok());
    for name in listed.collect::<Vec<_>>() {
        headers.remove(name);
    }
}

/// An extension cannot be supported under this name: it is neither an absolute URI nor a field
/// name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierError(String);

impl fmt::Display for IdentifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is neither an absolute URI nor a field name",
            self.0
        )
    }
}

impl std::error::Error for IdentifierError {}
