use std::fmt;

use http::{HeaderMap, HeaderName, Version};

use super::connection::is_listed;
use super::parse::{is_prefix, parse_list};

const MAN: HeaderName = HeaderName::from_static("man");
const OPT: HeaderName = HeaderName::from_static("opt");
const C_MAN: HeaderName = HeaderName::from_static("c-man");
const C_OPT: HeaderName = HeaderName::from_static("c-opt");

/// The extensions that a request declares and that count at its recipient, in the order `Man`,
/// `C-Man`, `Opt`, `C-Opt`. A forwarded mandatory request has them in its extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declarations(Vec<Declaration>);

impl Declarations {
    /// The declarations among the header fields of a request.
    ///
    /// `C-Man` and `C-Opt` count only under HTTP/1.1, and where `Connection` lists them; `Man` and
    /// `Opt` do not where an HTTP/1.0 `Connection` lists them.
    ///
    /// # Errors
    ///
    /// [`DeclarationError`] names what is malformed and where, for fields that count.
    pub fn of(version: Version, headers: &HeaderMap) -> Result<Self, DeclarationError> {
        let mut declarations = Vec::new();
        for (name, is_mandatory, is_hop_by_hop) in [
            (&MAN, true, false),
            (&C_MAN, true, true),
            (&OPT, false, false),
            (&C_OPT, false, true),
        ] {
            let counts = match is_hop_by_hop {
                true => version == Version::HTTP_11 && is_listed(headers, name),
                false => version > Version::HTTP_10 || !is_listed(headers, name),
            };
            if !counts {
                continue;
            }
            for (line, value) in headers.get_all(name).iter().enumerate() {
                let parsed = parse_list(value.as_bytes()).map_err(|(expected, position)| {
                    DeclarationError::Malformed {
                        field: name.clone(),
                        line,
                        position,
                        expected,
                    }
                })?;
                declarations.extend(parsed.into_iter().map(|(identifier, parameters)| {
                    Declaration {
                        identifier,
                        parameters,
                        is_mandatory,
                        is_hop_by_hop,
                    }
                }));
            }
        }
        Ok(Self(declarations))
    }

    /// The declarations, one by one.
    pub fn iter(&self) -> std::slice::Iter<'_, Declaration> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Declarations {
    type Item = &'a Declaration;
    type IntoIter = std::slice::Iter<'a, Declaration>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The declaration of an extension (RFC 2774 §3).
///
/// Its [`Display`](fmt::Display) form is that of the field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    identifier: String,
    /// `ns` among them, in the order of declaration.
    parameters: Vec<(String, Option<String>)>,
    is_mandatory: bool,
    is_hop_by_hop: bool,
}

impl Declaration {
    /// The absolute URI or the field name that identifies the extension.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// Whether the recipient has to obey the extension (`Man`, `C-Man`) or may ignore it (`Opt`,
    /// `C-Opt`).
    #[must_use]
    pub fn is_mandatory(&self) -> bool {
        self.is_mandatory
    }

    /// Whether it is declared to the next recipient (`C-Man`, `C-Opt`) or to the last one (`Man`,
    /// `Opt`).
    #[must_use]
    pub fn is_hop_by_hop(&self) -> bool {
        self.is_hop_by_hop
    }

    /// The digits that the names of the extension's own header fields begin with, before a dash:
    /// `16` for `16-use-transform` (RFC 2774 §4.1).
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        let mut parameters = self.parameters();
        parameters
            .find(|(name, _)| is_prefix(name))
            .and_then(|(_, digits)| digits)
    }

    /// All parameters, `ns` among them, with their unquoted values.
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

/// What is wrong with the declarations of a request, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeclarationError {
    /// A field's value is not a list of declarations.
    #[non_exhaustive]
    Malformed {
        /// The field.
        field: HeaderName,
        /// Which of the field's lines, from 0.
        line: usize,
        /// Where in the line, in bytes from 0.
        position: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A header prefix is used by two extensions that do not both permit it (RFC 2774 §4.1).
    #[non_exhaustive]
    PrefixReused {
        /// The prefix.
        prefix: String,
        /// The later extension.
        identifier: String,
    },
}

impl DeclarationError {
    pub(super) fn reused(declaration: &Declaration, prefix: &str) -> Self {
        Self::PrefixReused {
            prefix: prefix.to_owned(),
            identifier: declaration.identifier.clone(),
        }
    }
}

impl fmt::Display for DeclarationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed {
                field,
                line,
                position,
                expected,
            } => write!(
                f,
                "{field}, line {line}, byte {position}: expected {expected}"
            ),
            Self::PrefixReused { prefix, identifier } => {
                let prefix = prefix.get(..16).unwrap_or(prefix);
                let identifier = identifier.get(..128).unwrap_or(identifier);
                write!(
                    f,
                    "the header prefix {prefix} of {identifier} is already used"
                )
            }
        }
    }
}

impl std::error::Error for DeclarationError {}
