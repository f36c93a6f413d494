//! Lists of methods, as header fields have them.

use std::fmt;
use std::str::FromStr;

use http::Method;

use super::set::MethodSet;

/// Parses the value of a field that lists methods, such as `Allow` (`#method`, RFC 9110 §5.6.1).
///
/// Elements are separated by commas with optional spaces and tabs around them. Empty elements are
/// ignored, as §5.6.1.2 requires of a recipient, duplicates are merged, and a value without any
/// element is the empty set.
impl FromStr for MethodSet {
    type Err = ParseMethodSetError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let mut set = Self::new();
        for (position, token) in elements(list) {
            set.insert(Method::from_bytes(token.as_bytes()).map_err(|_| {
                ParseMethodSetError::InvalidToken {
                    token: token.to_owned(),
                    position,
                }
            })?);
        }
        Ok(set)
    }
}

/// The elements of a list that are not empty, without the white space around them, and the byte at
/// which each starts.
pub(super) fn elements(list: &str) -> impl Iterator<Item = (usize, &str)> {
    const OWS: [char; 2] = [' ', '\t'];

    let mut next = 0;
    list.split(',').filter_map(move |element| {
        let position = next + element.len() - element.trim_start_matches(OWS).len();
        next += element.len() + 1;
        let token = element.trim_matches(OWS);
        (!token.is_empty()).then_some((position, token))
    })
}

/// Why a list of methods was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseMethodSetError {
    /// An element of the list is not a token (RFC 9110 §5.6.2), so it names no method.
    #[non_exhaustive]
    InvalidToken {
        /// The element, without the white space around it.
        token: String,
        /// Where it starts in the list, in bytes from 0.
        position: usize,
    },
}

impl fmt::Display for ParseMethodSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidToken { token, position } => {
                write!(f, "{token:?} at byte {position} is not a method name")
            }
        }
    }
}

impl std::error::Error for ParseMethodSetError {}
