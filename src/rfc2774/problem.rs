//! Why a request is rejected by the rules for extensions.

use std::fmt;

use super::declaration::DeclarationError;

/// Why a request is rejected by the rules for extensions.
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
