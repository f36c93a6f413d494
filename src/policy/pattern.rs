//! Checks path patterns. A pattern that may be a mistake is an error with advice.

use super::error::{PolicyError, Subject};
use super::rule::RuleKind;

/// A pattern in the syntax of `matchit`, and whether it ends with `{*rest}`.
pub(super) type Expanded = (String, bool);

/// Returns the patterns for `matchit`: three for a subtree, one for anything else.
pub(super) fn expand(subject: Subject<'_>) -> Result<Vec<Expanded>, PolicyError> {
    let pattern = subject.pattern();
    let error = |problem| PolicyError::new(subject, problem);
    let has_rest = check(pattern).map_err(error)?;
    if !matches!(subject, Subject::Rule(RuleKind::Subtree, _)) {
        return Ok(vec![(pattern.to_owned(), has_rest)]);
    }
    let problem = if pattern == "/" {
        "matches every path: use the fallback"
    } else if has_rest {
        "already includes everything below: leave out the last segment"
    } else if pattern.ends_with('/') {
        "already includes the path with a trailing slash: leave out the slash"
    } else {
        return Ok(vec![
            (pattern.to_owned(), false),
            (format!("{pattern}/"), false),
            (format!("{pattern}/{{*rest}}"), true),
        ]);
    };
    Err(error(problem.to_owned()))
}

/// Few servers accept longer paths, and `matchit` takes quadratic time for escaped braces.
const MAX_BYTES: usize = 8192;

/// With one more, `matchit` panics.
const MAX_PARAMETERS: usize = 25;

/// Returns whether `pattern` ends with `{*rest}`, or an error message.
fn check(pattern: &str) -> Result<bool, String> {
    let Some(segments) = pattern.strip_prefix('/') else {
        return Err("does not begin with `/`".to_owned());
    };
    if let Some(culprit) = pattern.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(format!("contains {culprit:?}: write it percent-encoded"));
    }
    if pattern.len() > MAX_BYTES {
        return Err(format!("has more than {MAX_BYTES} bytes"));
    }
    let mut parameters = 0;
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match check_segment(segment)? {
            Segment::Rest if is_last => return Ok(true),
            Segment::Rest => return Err(format!("has `{segment:.64}` before the last segment")),
            Segment::Literal if segment.is_empty() && !is_last => {
                return Err("has an empty segment".to_owned());
            }
            Segment::Literal => {}
            Segment::Parameter if parameters == MAX_PARAMETERS => {
                return Err(format!("has more than {MAX_PARAMETERS} parameters"));
            }
            Segment::Parameter => parameters += 1,
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

fn check_segment(segment: &str) -> Result<Segment, String> {
    let inside = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
    let inside = inside.filter(|inside| !inside.contains(['{', '}']));
    match inside.map(|inside| inside.strip_prefix('*').ok_or(inside)) {
        Some(Ok(name)) if is_identifier(name) => return Ok(Segment::Rest),
        Some(Err(name)) if is_identifier(name) => return Ok(Segment::Parameter),
        _ => {}
    }
    let literal = segment.replace("{{", "").replace("}}", "");
    let is_encoded = |after: &str| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let problem = if segment == "{$}" {
        "end the pattern with `/` for the path itself".to_owned()
    } else if inside.is_some() || segment.starts_with([':', '*', '<', '[', '(']) {
        parameter_advice(segment)
    } else if segment.contains('?') {
        "a rule matches the path only, not the query".to_owned()
    } else if segment.contains('#') {
        "clients do not send fragments".to_owned()
    } else if literal.contains(['{', '}', '*']) || segment.contains(".+") || segment == "+" {
        parameter_advice(segment)
    } else if matches!(&*segment.to_lowercase().replace("%2e", "."), "." | "..") {
        "clients remove it before they send a request".to_owned()
    } else if segment.ends_with('$') {
        "a pattern is not a regular expression".to_owned()
    } else if segment.ends_with(',') {
        "give each path a rule".to_owned()
    } else if let Some(culprit) = literal.chars().find(|&c| !is_path_char(c)) {
        format!("{culprit:?} is not valid in a path")
    } else if !segment.split('%').skip(1).all(is_encoded) {
        "write a percent sign as `%25`".to_owned()
    } else {
        return Ok(Segment::Literal);
    };
    Err(format!("has the segment `{segment:.64}`: {problem}"))
}

/// The advice for a segment in the syntax of another product.
fn parameter_advice(segment: &str) -> String {
    // `<name>`, `<type:name>`, or a group of a regular expression.
    let text = match segment.split_once('<') {
        Some((before, after)) if !before.contains('{') => {
            let inside = after.split('>').next().unwrap_or(after);
            inside.rsplit(':').next().unwrap_or(inside)
        }
        _ => segment,
    };
    let names = text.split(|c| !is_identifier_char(c));
    let mut names = names.filter(|name| (1..=64).contains(&name.len()));
    let name = names.next().unwrap_or("name");
    format!("write `{{{name}}}` for one whole segment, `{{*{name}}}` for the rest of the path")
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_identifier_char)
}

fn is_identifier_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// `pchar` of RFC 3986 §3.3.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c)
}
