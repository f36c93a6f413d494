//! Parses lists of methods.

use std::fmt;
use std::str::FromStr;

use http::header::ALLOW;
use http::{HeaderMap, Method};

use super::excerpt::quoted_excerpt;
use super::registry;
use super::set::MethodSet;

/// Sets from text.
impl MethodSet {
    /// Parses a list of names, such as `"GET, PUT, REPORT"`.
    ///
    /// ```
    /// use tower_method_policy::{MethodSet, Policy};
    ///
    /// let policy = Policy::new().route("/calendar", MethodSet::from_static("GET, PUT, REPORT"))?;
    /// # Ok::<_, tower_method_policy::PolicyError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the list has a name that is an [error](Self#names). Use [`str::parse`] for text that is not in your
    /// code.
    #[must_use]
    #[track_caller]
    pub fn from_static(list: &'static str) -> Self {
        match list.parse() {
            Ok(methods) => methods,
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns the methods of all `Allow` fields (RFC 9110 §10.2.1).
    ///
    /// Returns `None` if `headers` has no `Allow`, or if a value is not a list of methods or has a reserved name
    /// (`*` or `PRI`). An empty value is an empty list. Every other token is a method, even `get`.
    ///
    /// ```
    /// use http::header::{ALLOW, HeaderMap, HeaderValue};
    /// use tower_method_policy::MethodSet;
    ///
    /// let mut headers = HeaderMap::new();
    /// assert_eq!(MethodSet::from_allow(&headers), None);
    ///
    /// headers.append(ALLOW, HeaderValue::from_static("POST,GET"));
    /// headers.append(ALLOW, HeaderValue::from_static("PURGE"));
    /// assert_eq!(MethodSet::from_allow(&headers), Some(MethodSet::from_static("GET, POST, PURGE")));
    /// ```
    #[must_use]
    pub fn from_allow(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(ALLOW) {
            return None;
        }
        let mut methods = Self::new();
        for value in headers.get_all(ALLOW) {
            for (_, token) in elements(value.to_str().ok()?) {
                methods.insert(Method::from_bytes(token.as_bytes()).ok()?);
            }
        }
        (methods.registered() & registry::RESERVED == 0).then_some(methods)
    }
}

/// Parses a list of names with commas between them, such as `GET, HEAD`.
///
/// Spaces and tabs around a name and empty elements are ignored (RFC 9110 §5.6.1). A list without any
/// name is the empty set. Some names are [errors](MethodSet#names). To read a header field, use
/// [`MethodSet::from_allow`].
impl FromStr for MethodSet {
    type Err = ParseMethodSetError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        elements(list)
            .map(|(position, name)| {
                parse_method(name).map_err(|message| ParseMethodSetError { message, position })
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

/// The elements of a list with their positions in bytes. White space and empty elements are left out.
fn elements(list: &str) -> impl Iterator<Item = (usize, &str)> {
    const OWS: [char; 2] = [' ', '\t'];

    let mut next = 0;
    list.split(',').filter_map(move |element| {
        let position = next + element.len() - element.trim_start_matches(OWS).len();
        next += element.len() + 1;
        let token = element.trim_matches(OWS);
        (!token.is_empty()).then_some((position, token))
    })
}

/// Returns the method called `name`, or an error message. Names that are probably mistakes are errors.
pub(crate) fn parse_method(name: &str) -> Result<Method, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let upper = name.to_ascii_uppercase();
    let problem = match upper.as_str() {
        "" => "is not a method name".to_owned(),
        "*" | "ANY" | "ALL" => "is not a method: list each method by its name".to_owned(),
        "WEBDAV" | "CALDAV" | "CARDDAV" | "STANDARD" | "REGISTERED" | "RFC9110" => {
            "is a set of this crate and not a method: list each method by its name".to_owned()
        }
        "NONE" => "is not a method: write an empty list".to_owned(),
        "PRI" => "is reserved and not a method (RFC 9113 §3.4)".to_owned(),
        _ => match name.chars().find(|&c| !is_allowed(c)) {
            Some(culprit) => format!(
                "is not a method name: {culprit:?} cannot be part of one. List each method by its \
                 name, as in \"GET, POST\""
            ),
            None if upper != name && registry::id(upper.as_bytes()).is_some() => {
                format!("is not {upper:?}: methods are case-sensitive")
            }
            None => return Method::from_bytes(name.as_bytes()).map_err(|error| error.to_string()),
        },
    };
    Err(format!("{} {problem}", quoted_excerpt(name, 64)))
}

/// The error of parsing a [`MethodSet`]: a name in the list is not a method name, or is probably a mistake.
///
/// Its message shows the name, cut to 64 bytes, and says what to write instead.
///
/// ```
/// use tower_method_policy::MethodSet;
///
/// let error = "PUT, get".parse::<MethodSet>().unwrap_err();
/// assert_eq!(error.to_string(), r#""get" is not "GET": methods are case-sensitive"#);
/// assert_eq!(error.position(), 5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseMethodSetError {
    message: String,
    position: usize,
}

impl ParseMethodSetError {
    /// Returns where the name starts in the list, in bytes from 0.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }
}

impl fmt::Display for ParseMethodSetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseMethodSetError {}
