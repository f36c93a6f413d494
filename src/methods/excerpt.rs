//! Excerpts of texts that clients or users wrote.

use std::fmt;

use http::Method;

/// Returns the name of `method` for logs and messages, cut to 64 bytes. A `…` follows a name that was cut.
///
/// Clients choose method names, and hyper accepts a name of 70,000 bytes. A name is a token (RFC 9110
/// §5.6.2): ASCII without white space, control characters, double quotes, backslashes, or angle brackets. It
/// needs no escaping in plain text, in a JSON string, or in a log line. In HTML, escape `&` and `'`.
/// For metric labels, use [`MethodSet::name_or_other`](crate::MethodSet::name_or_other). Does not allocate.
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
#[must_use]
pub fn method_excerpt(method: &Method) -> MethodExcerpt<'_> {
    cut(method.as_str(), 64)
}

/// The name of a method, cut to 64 bytes. See [`method_excerpt`].
#[derive(Clone, Copy, Debug)]
pub struct MethodExcerpt<'a> {
    shown: &'a str,
    ellipsis: &'static str,
}

impl fmt::Display for MethodExcerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.shown, self.ellipsis)
    }
}

/// At most `max_bytes` of `text`, and `…` if there is more.
pub(crate) fn excerpt(text: &str, max_bytes: usize) -> String {
    cut(text, max_bytes).to_string()
}

/// The excerpt in quotation marks, with control characters escaped.
pub(crate) fn quoted_excerpt(text: &str, max_bytes: usize) -> String {
    format!("{:?}", excerpt(text, max_bytes))
}

fn cut(text: &str, max_bytes: usize) -> MethodExcerpt<'_> {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    MethodExcerpt { shown: &text[..end], ellipsis: if end < text.len() { "…" } else { "" } }
}
