//! Parses the lists of methods in header fields.

use std::fmt;
use std::str::FromStr;

use http::header::ALLOW;
use http::{HeaderMap, Method};

use super::excerpt::excerpt;
use super::registry::RESERVED;
use super::set::MethodSet;

/// Parses the value of a field that lists methods, such as `Allow` (`#method`, RFC 9110 §5.6.1).
///
/// Commas separate the elements, with optional spaces and tabs around them. Empty elements are ignored
/// (RFC 9110 §5.6.1.2). A value without any element is the empty set. Every token is accepted, including
/// `*` and `get`. In [data](MethodSet#as-data), these two are errors.
impl FromStr for MethodSet {
    type Err = ParseMethodSetError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        elements(list)
            .map(|(position, token)| {
                Method::from_bytes(token.as_bytes()).map_err(|_| ParseMethodSetError {
                    token: excerpt(token, 64).to_string(),
                    position,
                })
            })
            .collect()
    }
}

impl TryFrom<&str> for MethodSet {
    type Error = ParseMethodSetError;

    fn try_from(list: &str) -> Result<Self, Self::Error> {
        list.parse()
    }
}

impl MethodSet {
    /// Returns the methods of all `Allow` fields (RFC 9110 §10.2.1). `None` if there is no such field, or if one of
    /// them is not a list of methods or names `*` or `PRI`.
    pub fn from_allow(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(ALLOW) {
            return None;
        }
        let mut methods = MethodSet::new();
        for value in headers.get_all(ALLOW) {
            for (_, token) in elements(value.to_str().ok()?) {
                methods.insert(Method::from_bytes(token.as_bytes()).ok()?);
            }
        }
        (methods.registered() & RESERVED == 0).then_some(methods)
    }
}

/// The elements of a list with their positions in bytes. White space and empty elements are left out.
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

/// The error of parsing a [`MethodSet`]: an element of the list is not a token (RFC 9110 §5.6.2).
///
/// Its message shows the element, cut to 64 bytes, and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseMethodSetError {
    token: String,
    position: usize,
}

impl ParseMethodSetError {
    /// Returns where the element starts in the list, in bytes from 0.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for ParseMethodSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, position } = self;
        write!(f, "{token:?} at byte {position} is not a method name")
    }
}

impl std::error::Error for ParseMethodSetError {}
