//! Path patterns without a tree.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(String),
    Parameter,
    Rest,
}

/// The segments of a valid pattern.
pub(crate) fn segments(pattern: &str) -> Vec<Segment> {
    let segments = pattern.get(1..).unwrap_or_default().split('/').map(|segment| {
        let is_literal = segment.starts_with("{{") || !segment.starts_with('{');
        match is_literal {
            true => Segment::Literal(segment.replace("{{", "{").replace("}}", "}")),
            false if segment.starts_with("{*") => Segment::Rest,
            false => Segment::Parameter,
        }
    });
    segments.collect()
}

/// The patterns of a subtree: the prefix, the prefix with a slash, and everything below.
pub(crate) fn subtree(prefix: &str) -> Vec<Vec<Segment>> {
    let ends = ["", "/", "/{*rest}"];
    let patterns = ends.iter().map(|end| segments(&format!("{prefix}{end}")));
    patterns.collect()
}

/// A parameter stands for one segment, which is not empty if it is the last. `{*rest}` stands for at least
/// one character.
pub(crate) fn matches(pattern: &[Segment], path: &str) -> bool {
    let Some(mut rest) = path.strip_prefix('/') else {
        return false;
    };
    for (at, segment) in pattern.iter().enumerate() {
        if *segment == Segment::Rest {
            return !rest.is_empty();
        }
        let is_last = at + 1 == pattern.len();
        let (this, after) = match rest.split_once('/') {
            Some((this, after)) if !is_last => (this, after),
            None if is_last => (rest, ""),
            _ => return false,
        };
        match segment {
            Segment::Literal(literal) if this != literal => return false,
            Segment::Parameter if is_last && this.is_empty() => return false,
            _ => rest = after,
        }
    }
    true
}

/// Whether no tree can have both: they match the same paths, or a parameter and `{*rest}` meet.
pub(crate) fn conflict(one: &[Segment], other: &[Segment]) -> bool {
    for pair in one.iter().zip(other) {
        match pair {
            (Segment::Rest, Segment::Rest | Segment::Parameter)
            | (Segment::Parameter, Segment::Rest) => return true,
            (one, other) if one != other => return false,
            _ => {}
        }
    }
    one.len() == other.len()
}

/// A more specific pattern has a smaller value. The first segment that differs decides.
pub(crate) fn specificity(pattern: &[Segment]) -> Vec<u8> {
    let ranks = pattern.iter().map(|segment| match segment {
        Segment::Literal(_) => 0,
        Segment::Parameter => 1,
        Segment::Rest => 2,
    });
    ranks.collect()
}

/// Whether a pattern is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Validity {
    Valid,
    /// The crate may reject it: it resembles the syntax of another product, or it is very large.
    Doubtful,
    Invalid,
}

pub(crate) fn validity(pattern: &str) -> Validity {
    let Some(rest) = pattern.strip_prefix('/') else {
        return Validity::Invalid;
    };
    let segments: Vec<_> = rest.split('/').collect();
    let last = segments.len() - 1;
    let validities = segments.iter().enumerate().map(|(at, segment)| {
        let is_rest = segment.starts_with("{*");
        match segment.is_empty() || is_rest {
            true if at < last => Validity::Invalid,
            _ => of_segment(segment),
        }
    });
    let worst = validities.max().unwrap_or(Validity::Invalid);
    match worst {
        Validity::Valid if segments.len() > 25 => Validity::Doubtful,
        worst => worst,
    }
}

pub(crate) fn prefix_validity(prefix: &str) -> Validity {
    match prefix.ends_with('/') || prefix.ends_with('}') && prefix.contains("/{*") {
        true => Validity::Invalid,
        false => validity(prefix),
    }
}

fn of_segment(segment: &str) -> Validity {
    if segment.is_empty() {
        return Validity::Valid;
    }
    if segment.starts_with('{') && !segment.starts_with("{{") {
        let name = segment[1..].strip_suffix('}').unwrap_or_default();
        let name = name.strip_prefix('*').unwrap_or(name);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        return match !name.is_empty() && name.chars().all(is_name) {
            false => Validity::Invalid,
            true if name.len() > 64 => Validity::Doubtful,
            true => Validity::Valid,
        };
    }
    let mut literal = String::new();
    let mut rest = segment.chars();
    while let Some(c) = rest.next() {
        match c {
            '{' | '}' if rest.next() != Some(c) => return Validity::Invalid,
            '%' => {
                let digits = rest.by_ref().take(2);
                let digits: String = digits.filter(char::is_ascii_hexdigit).collect();
                let Ok(byte) = u8::from_str_radix(&digits, 16) else {
                    return Validity::Invalid;
                };
                if digits.len() < 2 {
                    return Validity::Invalid;
                }
                // Only an encoded dot matters, in a segment of dots.
                literal.push(if byte == b'.' { '.' } else { 'a' });
                continue;
            }
            _ => {}
        }
        literal.push(c);
    }
    if literal == "." || literal == ".." || literal.starts_with(':') {
        return Validity::Invalid;
    }
    // RFC 3986 §3.3, with braces, and without the wildcard.
    let is_unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if literal.chars().all(|c| is_unreserved(c) || "{}".contains(c)) {
        return Validity::Valid;
    }
    let may_be = |c: char| is_unreserved(c) || "{}!$&'()+,;=:@".contains(c);
    match literal.chars().all(may_be) {
        true => Validity::Doubtful,
        false => Validity::Invalid,
    }
}
