//! Whether path patterns are valid.

/// Whether a pattern is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Validity {
    Valid,
    /// The crate may reject it, because it is very large.
    Doubtful,
    Invalid,
}

pub(crate) fn validity(pattern: &str) -> Validity {
    let Some(rest) = pattern.strip_prefix('/') else {
        return Validity::Invalid;
    };
    let segments: Vec<_> = rest.split('/').collect();
    // Only the last segment can be empty or `{*rest}`.
    let mut earlier = segments.iter().rev().skip(1);
    if earlier.any(|segment| segment.is_empty() || segment.starts_with("{*")) {
        return Validity::Invalid;
    }
    let worst = segments.iter().map(|segment| of_segment(segment)).max();
    match worst.unwrap_or(Validity::Invalid) {
        Validity::Valid if segments.len() > 25 || pattern.len() > 8192 => Validity::Doubtful,
        worst => worst,
    }
}

pub(crate) fn prefix_validity(prefix: &str) -> Validity {
    if prefix.len() > 1 && prefix.ends_with('/') || prefix.ends_with('}') && prefix.contains("/{*")
    {
        return Validity::Invalid;
    }
    validity(prefix)
}

fn of_segment(segment: &str) -> Validity {
    if segment.starts_with('{') && !segment.starts_with("{{") {
        let name = segment[1..].strip_suffix('}').unwrap_or_default();
        let name = name.strip_prefix('*').unwrap_or(name);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        return if name.is_empty() || !name.chars().all(is_name) {
            Validity::Invalid
        } else {
            Validity::Valid
        };
    }
    // Two braces are one. `~` represents any valid character, and dots can be encoded.
    let literal = segment.replace("{{", "~").replace("}}", "~");
    let mut literal = literal.replace("%2e", ".").replace("%2E", ".");
    let is_escape = |text: &str| text.bytes().skip(1).all(|byte| byte.is_ascii_hexdigit());
    while let Some(at) = literal.find('%') {
        if !literal.get(at..at + 3).is_some_and(is_escape) {
            return Validity::Invalid;
        }
        literal.replace_range(at..at + 3, "~");
    }
    if literal == "." || literal == ".." || literal.starts_with(':') {
        return Validity::Invalid;
    }
    // RFC 3986 §3.3, without the wildcard.
    let is_valid = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@".contains(c);
    if literal.chars().all(is_valid) { Validity::Valid } else { Validity::Invalid }
}
