//! [`PolicyError`], the error of a path pattern.

use std::fmt;

use super::rule::RuleKind;
use crate::methods::excerpt::quoted_excerpt;

/// The error of adding a path pattern to a [`Policy`](crate::Policy): the pattern is invalid, or it
/// conflicts with an earlier one.
///
/// Its message shows the pattern, cut to 128 bytes, and the mistake. It says what a
/// pattern may contain. The message has at most 1,000 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(String);

impl PolicyError {
    pub(super) fn new(subject: Subject<'_>, problem: impl fmt::Display) -> Self {
        Self(format!("{subject} {problem}"))
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyError {}

/// A pattern, for error messages.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The kind of its rule, or `None` for an exempt path.
    pub(super) kind: Option<RuleKind>,
    pub(super) pattern: &'a str,
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.kind.map_or("exempt path", RuleKind::as_str);
        write!(f, "{name} {}", quoted_excerpt(self.pattern, 128))
    }
}
