//! A part of a method that is safe to show.

use std::fmt;

use http::Method;

const LONGEST: usize = 64;

/// `method` for a text that people read or for a log line: at most 64 bytes of it, and `…` if there
/// is more.
///
/// Clients choose methods, and hyper lets one of 70,000 bytes through. A method is a token (RFC 9110
/// §5.6.2): ASCII without white space, control characters, quotes, backslashes or angle brackets. It
/// needs no escaping in plain text, in a JSON string or in a log line; in HTML it needs it, for `&`
/// and `'`. As a label of a metric use no excerpt, for a client can make as many as it likes.
///
/// ```
/// use http::Method;
/// use tower_method_policy::method_excerpt;
///
/// assert_eq!(method_excerpt(&Method::DELETE).to_string(), "DELETE");
///
/// let long = Method::from_bytes(&[b'A'; 70_000])?;
/// assert_eq!(method_excerpt(&long).to_string(), format!("{}…", "A".repeat(64)));
/// # Ok::<_, http::method::InvalidMethod>(())
/// ```
pub fn method_excerpt(method: &Method) -> impl fmt::Display + fmt::Debug {
    let method = method.as_str();
    let shown = method.get(..LONGEST).unwrap_or(method);
    Excerpt {
        shown,
        is_cut: shown.len() < method.len(),
    }
}

struct Excerpt<'a> {
    shown: &'a str,
    is_cut: bool,
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown)?;
        f.write_str(if self.is_cut { "…" } else { "" })
    }
}

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
