//! [`ExtensionProblem`], the problem with the extensions of a request.

use std::borrow::Cow;
use std::fmt::Write;

use http::HeaderName;

use crate::methods::excerpt::excerpt;

/// The reason why the rules for extensions reject a request.
///
/// Its text is a sentence that is safe in plain text and inside a JSON string. It contains only a bounded part
/// of the client's declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExtensionProblem {
    /// Whether it is `400` and not `510`.
    pub(crate) is_malformed: bool,
    text: Cow<'static, str>,
}

impl ExtensionProblem {
    fn not_extended(text: impl Into<Cow<'static, str>>) -> Self {
        Self { is_malformed: false, text: text.into() }
    }

    fn malformed(text: String) -> Self {
        Self { is_malformed: true, text: text.into() }
    }

    /// The syntax that is `expected` is missing at the byte `position` in the line `line` of `field`.
    pub(super) fn syntax(field: &HeaderName, line: usize, position: usize, expected: &str) -> Self {
        Self::malformed(format!("{field}, line {line}, byte {position}: expected {expected}."))
    }

    /// Two extensions use the same header prefix, and at least one does not permit it (RFC 2774 §4.1).
    pub(super) fn prefix_reused(prefix: &str, identifier: &str) -> Self {
        Self::malformed(format!(
            "The header prefix {} of {} is already used.",
            excerpt(prefix, 16),
            excerpt(identifier, 128)
        ))
    }

    /// The method begins with `M-`, but no mandatory extension is declared.
    pub(super) fn not_declared() -> Self {
        Self::not_extended(
            "The method is that of a mandatory request, but no mandatory extension is declared.",
        )
    }

    /// A mandatory extension is declared, but the method does not begin with `M-`.
    pub(super) fn not_mandatory() -> Self {
        Self::not_extended(
            "A mandatory extension is declared, but the method does not begin with M-.",
        )
    }

    /// Mandatory extensions are not supported. The answer also names the supported ones (RFC 2774 §7).
    pub(super) fn unsupported(unsupported: &[&str], supported: &[&str]) -> Self {
        Self::not_extended(format!(
            "Extensions that are not supported here: {}. Supported: {}.",
            list(unsupported),
            list(supported)
        ))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// A bounded part of each of the first identifiers.
fn list(identifiers: &[&str]) -> String {
    const MAX_SHOWN: usize = 8;
    if identifiers.is_empty() {
        return "none".to_owned();
    }
    let shown = identifiers.iter().take(MAX_SHOWN);
    let shown: Vec<_> = shown.map(|one| excerpt(one, 128)).collect();
    let mut text = shown.join(", ");
    if identifiers.len() > MAX_SHOWN {
        // Writing to a `String` does not fail.
        let _ = write!(text, " and {} more", identifiers.len() - MAX_SHOWN);
    }
    text
}
