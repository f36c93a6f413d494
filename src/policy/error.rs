//! Why a policy could not be configured.

use std::fmt;

/// Why a policy could not be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// A path pattern is not understood.
    #[non_exhaustive]
    InvalidPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two path patterns match the same paths, and neither is more specific.
    #[non_exhaustive]
    ConflictingPattern {
        /// The pattern that was given.
        pattern: String,
        /// The earlier pattern that it conflicts with.
        existing: String,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidPattern { pattern, reason } => {
                write!(f, "invalid path pattern `{pattern}`: {reason}")
            }
            Self::ConflictingPattern { pattern, existing } => {
                write!(f, "path pattern `{pattern}` conflicts with `{existing}`")
            }
        }
    }
}

impl std::error::Error for PolicyError {}
