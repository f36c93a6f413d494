//! Checks path patterns. A pattern that matches no path or is certainly a mistake is an error.

use super::error::{PolicyError, Subject};
use super::rule::RuleKind;

/// A pattern in the syntax of `matchit`, and whether it ends with `{*rest}`.
pub(super) type Expanded = (String, bool);

/// Returns the patterns for `matchit`: up to three for a subtree, one for anything else.
pub(super) fn expand(subject: Subject<'_>) -> Result<Vec<Expanded>, PolicyError> {
    let pattern = subject.pattern();
    let expanded = match subject {
        Subject::Rule(RuleKind::Subtree, _) => expand_subtree(pattern),
        _ => check(pattern, SYNTAX).map(|has_rest| vec![(pattern.to_owned(), has_rest)]),
    };
    expanded.map_err(|problem| PolicyError::new(subject, problem))
}

fn expand_subtree(prefix: &str) -> Result<Vec<Expanded>, String> {
    // `/{*rest}` does not match `/`, and no path is empty.
    if prefix == "/" {
        return Ok(vec![("/".to_owned(), false), ("/{*rest}".to_owned(), true)]);
    }
    let (above, last) = prefix.split_at(prefix.rfind('/').map_or(0, |slash| slash + 1));
    let is_wildcard = last.starts_with('*') || last.starts_with("{*");
    check(if is_wildcard { above } else { prefix }, PREFIX_SYNTAX)?;
    if is_wildcard {
        return Err("already includes everything below: leave out the last segment".to_owned());
    }
    if prefix.ends_with('/') {
        return Err(
            "already includes the path with a trailing slash: leave out the slash".to_owned()
        );
    }
    Ok(vec![
        (prefix.to_owned(), false),
        (format!("{prefix}/"), false),
        (format!("{prefix}/{{*rest}}"), true),
    ])
}

const SYNTAX: &str =
    "write literal segments, `{name}` for one whole segment, and `{*rest}` at the end";

const PREFIX_SYNTAX: &str = "write literal segments, and `{name}` for one whole segment";

/// Few servers accept longer paths, and `matchit` takes quadratic time for escaped braces.
const MAX_BYTES: usize = 8192;

/// With one more, `matchit` panics.
const MAX_PARAMETERS: usize = 25;

/// Returns whether `pattern` ends with `{*rest}`, or an error message. `syntax` is the advice.
fn check(pattern: &str, syntax: &str) -> Result<bool, String> {
    let Some(path) = pattern.strip_prefix('/') else {
        return Err("does not begin with `/`".to_owned());
    };
    if let Some(culprit) = path.chars().find(|&c| !is_path_char(c) && !"/{}".contains(c)) {
        return Err(format!(
            "contains {culprit:?}, which is not valid in a path: {syntax}. Percent-encode other \
             characters"
        ));
    }
    if pattern.len() > MAX_BYTES {
        return Err(format!("has more than {MAX_BYTES} bytes"));
    }
    let mut parameters = 0;
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match Segment::parse(segment) {
            Some(Segment::Rest) if is_last => return Ok(true),
            Some(Segment::Rest) | None => {
                return Err(format!("has the segment `{segment:.64}`: {syntax}"));
            }
            Some(Segment::Parameter) if parameters == MAX_PARAMETERS => {
                return Err(format!("has more than {MAX_PARAMETERS} parameters"));
            }
            Some(Segment::Parameter) => parameters += 1,
            Some(Segment::Literal) => check_literal(segment, is_last)?,
        }
    }
    Ok(false)
}

enum Segment {
    Literal,
    /// `{name}`
    Parameter,
    /// `{*rest}`
    Rest,
}

impl Segment {
    fn parse(segment: &str) -> Option<Self> {
        let inside = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
        match inside.map(|inside| inside.strip_prefix('*').ok_or(inside)) {
            Some(Ok(name)) if is_identifier(name) => Some(Self::Rest),
            Some(Err(name)) if is_identifier(name) => Some(Self::Parameter),
            _ => {
                let unescaped = segment.replace("{{", "_").replace("}}", "_");
                let is_literal =
                    !unescaped.starts_with(':') && !unescaped.contains(['{', '}', '*']);
                is_literal.then_some(Self::Literal)
            }
        }
    }
}

fn check_literal(segment: &str, is_last: bool) -> Result<(), String> {
    let is_encoded = |after: &str| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let problem = if segment.is_empty() && !is_last {
        return Err("has an empty segment".to_owned());
    } else if matches!(&*segment.to_lowercase().replace("%2e", "."), "." | "..") {
        "clients remove it before they send a request"
    } else if !segment.split('%').skip(1).all(is_encoded) {
        "write a percent sign as `%25`"
    } else {
        return Ok(());
    };
    Err(format!("has the segment `{segment:.64}`: {problem}"))
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// `pchar` of RFC 3986 §3.3.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c)
}
