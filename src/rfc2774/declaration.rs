use std::fmt;

use http::{HeaderMap, HeaderName, Version};

use super::lists::is_listed;
use super::parse::{Remaining, is_prefix, parse_list};
use super::problem::ExtensionProblem;

const MAN: HeaderName = HeaderName::from_static("man");
const OPT: HeaderName = HeaderName::from_static("opt");
const C_MAN: HeaderName = HeaderName::from_static("c-man");
const C_OPT: HeaderName = HeaderName::from_static("c-opt");

/// The extensions that a request declares to its recipient, in the order `Man`, `C-Man`, `Opt`, `C-Opt`.
///
/// The layer puts this value into the [`http::Extensions`] of a forwarded mandatory request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declarations(Vec<Declaration>);

impl Declarations {
    /// Parses the declarations in the header fields of a request.
    ///
    /// `C-Man` and `C-Opt` apply only in HTTP/1.1, and only if `Connection` lists them. `Man` and `Opt` do
    /// not apply if an HTTP/1.0 `Connection` lists them.
    pub(super) fn parse(version: Version, headers: &HeaderMap) -> Result<Self, ExtensionProblem> {
        let mut declarations = Vec::new();
        let mut remaining = Remaining::default();
        for (name, is_mandatory, is_hop_by_hop) in
            [(&MAN, true, false), (&C_MAN, true, true), (&OPT, false, false), (&C_OPT, false, true)]
        {
            let applies = if is_hop_by_hop {
                version == Version::HTTP_11 && is_listed(headers, name)
            } else {
                version > Version::HTTP_10 || !is_listed(headers, name)
            };
            if !applies {
                continue;
            }
            for (line, value) in headers.get_all(name).iter().enumerate() {
                let parsed = parse_list(value.as_bytes(), &mut remaining);
                let parsed = parsed.map_err(|(expected, position)| {
                    ExtensionProblem::syntax(name, line, position, expected)
                })?;
                declarations.extend(parsed.into_iter().map(|(identifier, parameters)| {
                    Declaration { identifier, parameters, is_mandatory, is_hop_by_hop }
                }));
            }
        }
        Ok(Self(declarations))
    }

    /// Iterates over the declarations.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Declaration> {
        self.0.iter()
    }
}

/// The declaration of an extension (RFC 2774 §3).
///
/// [`Display`](fmt::Display) writes it as in a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    identifier: String,
    /// In the order of declaration, including `ns`.
    parameters: Vec<(String, Option<String>)>,
    is_mandatory: bool,
    is_hop_by_hop: bool,
}

impl Declaration {
    /// Returns the absolute URI or the field name that identifies the extension.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// Returns `true` if the recipient must obey the extension (`Man`, `C-Man`), and `false` if it may ignore it
    /// (`Opt`, `C-Opt`).
    #[must_use]
    pub fn is_mandatory(&self) -> bool {
        self.is_mandatory
    }

    /// Returns `true` if it is declared to the next recipient (`C-Man`, `C-Opt`), and `false` if it is declared
    /// to the last one (`Man`, `Opt`).
    #[must_use]
    pub fn is_hop_by_hop(&self) -> bool {
        self.is_hop_by_hop
    }

    /// Returns the digits at the beginning of the names of the extension's header fields: `16` for
    /// `16-use-transform` (RFC 2774 §4.1).
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        let mut parameters = self.parameters();
        parameters.find(|(name, _)| is_prefix(name)).and_then(|(_, digits)| digits)
    }

    /// Iterates over all parameters, including `ns`, with their unquoted values.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let parameters = self.parameters.iter();
        parameters.map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.identifier)?;
        for (name, value) in self.parameters() {
            write!(f, "; {name}")?;
            match value {
                None => {}
                Some(digits) if is_prefix(name) => write!(f, "={digits}")?,
                Some(value) => {
                    let escaped = value.replace('\\', r"\\").replace('"', r#"\""#);
                    write!(f, "=\"{escaped}\"")?;
                }
            }
        }
        Ok(())
    }
}
