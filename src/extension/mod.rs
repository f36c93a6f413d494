//! The HTTP Extension Framework (RFC 2774): mandatory extensions, `M-` methods and `510`.
//!
//! RFC 2774 is **Historic**, and IANA marks its status code `510` as obsolete: nothing new should
//! be built on it. It is here for servers and proxies that have to meet clients that use it. The
//! module is off by default: then a method that begins with `M-` is a token like any other, `501`
//! unless a policy allows it by name (`M-SEARCH`, say), and none of what follows costs anything.
//!
//! [`MethodPolicyLayer::mandatory_extensions`](crate::MethodPolicyLayer::mandatory_extensions)
//! switches it on. These rules are then looked at before row 2 of the [decision
//! table](crate#decision-table); the first that matches wins.
//!
//! | condition | answer | source |
//! |---|---|---|
//! | the method is exactly `GET` or `HEAD` | forward, whatever it declares | RFC 9110 §9.1 |
//! | a declaration is malformed | `400`, saying what and where | RFC 2774 §3 |
//! | a mandatory declaration, but no `M-` method | `510`: it is not this server's to fulfil | §5 |
//! | an `M-` method without a mandatory declaration | `510` | §5 |
//! | a mandatory extension is not supported (at a [proxy](MandatoryExtensions::at_proxy): a hop-by-hop one) | `510`, naming what is not and what is | §5, §7, §14 |
//! | two extensions use one header prefix, and not both permit it | `400` | §4 |
//! | an `M-` method, and all is supported | the rest of the table decides on the method without `M-`; if it forwards, the request goes on as it came | §5 |
//! | anything else | the rest of the table | |
//!
//! - **Where declarations count.** `Man` and `Opt` anywhere; `C-Man` and `C-Opt` only in an
//!   HTTP/1.1 request whose `Connection` lists them (RFC 9110 §7.6.1): HTTP/2 and HTTP/3 have no
//!   `Connection`, and in an HTTP/1.0 request the fields that it lists are ignored, whichever they
//!   are, and not forwarded with an `M-` method (RFC 2774 §5).
//! - **The forwarded request** has its [`Declarations`] in its extensions. Its method keeps the
//!   `M-`.
//! - **The response** to a forwarded `M-` request, if it is a success, says that the request was
//!   fulfilled (§5.1): `Ext` with `Cache-Control: no-cache="Ext"` (and an `Expires` in the past for
//!   an HTTP/1.0 client) where `Man` was declared to an origin server, `C-Ext` with `Connection:
//!   C-Ext` where `C-Man` was. These are the only header fields that this crate ever adds to a
//!   response that it forwards.
//!
//! ```
//! use http::{Method, Request, Response};
//! use http_body_util::Empty;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_method_policy::extension::{Declarations, MandatoryExtensions};
//! use tower_method_policy::{MethodPolicyLayer, Policy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let extensions = MandatoryExtensions::at_origin().support("http://www.example.org/copy")?;
//! let service = MethodPolicyLayer::new(Policy::new().allow([Method::PUT]))
//!     .mandatory_extensions(extensions)
//!     .layer(service_fn(async |request: Request<Empty<&'static [u8]>>| {
//!         let declared = request.extensions().get::<Declarations>().unwrap();
//!         assert_eq!(declared.iter().next().unwrap().prefix(), Some("16"));
//!         Ok::<_, std::convert::Infallible>(Response::new(String::new()))
//!     }));
//!
//! let request = |extension| {
//!     Request::builder().method("M-PUT").header("man", extension).body(Empty::new())
//! };
//! let fulfilled = service.clone().oneshot(request(r#""http://www.example.org/copy"; ns=16"#)?).await?;
//! assert_eq!(fulfilled.status(), 200);
//! assert_eq!(fulfilled.headers()["ext"], "");
//!
//! let refused = service.oneshot(request(r#""http://www.example.org/move""#)?).await?;
//! assert_eq!(refused.status(), 510);
//! # Ok(())
//! # }
//! ```

mod declaration;
mod fulfilment;
mod parse;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, Method, Version, request};

pub use self::declaration::{Declaration, DeclarationError, Declarations};
pub(crate) use self::fulfilment::Fulfilment;
use self::parse::is_identifier;

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

    /// The module's table.
    pub(crate) fn examine(&self, request: &mut request::Parts) -> Verdict {
        if matches!(request.method, Method::GET | Method::HEAD) {
            return Verdict::Ordinary;
        }
        let declarations = match Declarations::of(request.version, &request.headers) {
            Ok(declarations) => declarations,
            Err(error) => return Verdict::Refuse(ExtensionProblem::Malformed(error)),
        };
        let is_mandatory = declarations.iter().any(Declaration::is_mandatory);
        match (base_method(&request.method), is_mandatory) {
            (None, true) => Verdict::Refuse(ExtensionProblem::NotMandatory),
            (None, false) => Verdict::Ordinary,
            (Some(_), false) => Verdict::Refuse(ExtensionProblem::NotDeclared),
            (Some(base), true) => match self.check(&declarations) {
                Err(problem) => Verdict::Refuse(problem),
                Ok(()) => {
                    let ours = declarations
                        .iter()
                        .filter(|declared| self.is_ours(declared));
                    let fulfilment = Fulfilment::of(ours, request.version);
                    request.extensions.insert(declarations);
                    remove_listed_by_http_1_0(request);
                    Verdict::Extended { base, fulfilment }
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
    /// The rest of the decision table decides on `base`.
    Extended {
        base: Method,
        fulfilment: Fulfilment,
    },
    Refuse(ExtensionProblem),
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

/// Whether `Connection` lists the field `name`.
fn is_listed(headers: &HeaderMap, name: &HeaderName) -> bool {
    connection_options(headers).any(|option| option.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lists = headers.get_all(CONNECTION).into_iter();
    lists.flat_map(|list| {
        list.as_bytes()
            .split(|&byte| byte == b',')
            .map(<[u8]>::trim_ascii)
    })
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

/// Why a request is refused by the rules for extensions.
///
/// Its text is a sentence that is safe in plain text and within a JSON string: of identifiers,
/// which are URIs or tokens, it shows a bounded part.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtensionProblem {
    /// A declaration is malformed: `400`.
    Malformed(DeclarationError),
    /// The method begins with `M-`, but nothing mandatory is declared that counts here: `510`.
    NotDeclared,
    /// Something mandatory is declared, but the method does not begin with `M-`: `510`.
    NotMandatory,
    /// Extensions that are declared mandatory are not supported: `510`.
    #[non_exhaustive]
    Unsupported {
        /// Their identifiers, in the order of declaration.
        unsupported: Vec<String>,
        /// The identifiers of the extensions that are supported (RFC 2774 §7: what a client needs
        /// to know to ask again).
        supported: Vec<String>,
    },
}

impl fmt::Display for ExtensionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "{error}."),
            Self::NotDeclared => f.write_str(
                "The method is that of a mandatory request, but no mandatory extension is declared.",
            ),
            Self::NotMandatory => f.write_str(
                "A mandatory extension is declared, but the method does not begin with M-.",
            ),
            Self::Unsupported {
                unsupported,
                supported,
            } => {
                f.write_str("Extensions that are not supported here: ")?;
                list(f, unsupported)?;
                f.write_str(". Supported: ")?;
                list(f, supported)?;
                f.write_str(".")
            }
        }
    }
}

/// Writes a bounded part of each of the first identifiers.
fn list(f: &mut fmt::Formatter<'_>, identifiers: &[String]) -> fmt::Result {
    const LONGEST: usize = 128;
    const MOST: usize = 8;
    for (at, identifier) in identifiers.iter().take(MOST).enumerate() {
        let separator = if at > 0 { ", " } else { "" };
        match identifier.get(..LONGEST) {
            Some(shown) if shown.len() < identifier.len() => write!(f, "{separator}{shown}…")?,
            _ => write!(f, "{separator}{identifier}")?,
        }
    }
    match identifiers.len() {
        0 => f.write_str("none"),
        all if all > MOST => write!(f, " and {} more", all - MOST),
        _ => Ok(()),
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
