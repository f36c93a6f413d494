//! Checks path patterns. A pattern that matches no path or is certainly a mistake is an error.

use super::error::{PolicyError, Subject};
use super::rule::RuleKind;

/// Returns the patterns in the syntax of `matchit`: up to three for a subtree, one for anything else.
pub(super) fn expand(subject: Subject<'_>) -> Result<Vec<String>, PolicyError> {
    let expanded = match subject.kind {
        Some(RuleKind::Subtree) => expand_subtree(subject.pattern),
        _ => check(subject.pattern, SYNTAX).map(|()| vec![subject.pattern.to_owned()]),
    };
    expanded.map_err(|problem| PolicyError::new(subject, problem))
}

fn expand_subtree(prefix: &str) -> Result<Vec<String>, String> {
    // `/{*rest}` does not match `/`, and no path is empty.
    if prefix == "/" {
        return Ok(vec!["/".to_owned(), "/{*rest}".to_owned()]);
    }
    let (above, last) = split_last_segment(prefix);
    if last.starts_with('*') || last.starts_with("{*") {
        check(above, PREFIX_SYNTAX)?;
        return Err("already includes everything below: leave out the last segment".to_owned());
    }
    check(prefix, PREFIX_SYNTAX)?;
    if last.is_empty() {
        let problem = "already includes the path with a trailing slash: leave out the slash";
        return Err(problem.to_owned());
    }
    Ok(["", "/", "/{*rest}"].map(|end| format!("{prefix}{end}")).to_vec())
}

const SYNTAX: &str =
    "write literal segments, `{name}` for one whole segment, and `{*rest}` at the end";

const PREFIX_SYNTAX: &str = "write literal segments, and `{name}` for one whole segment";

/// Few servers accept longer paths, and `matchit` takes quadratic time for escaped braces.
const MAX_BYTES: usize = 8192;

/// With one more, `matchit` panics.
const MAX_PARAMETERS: usize = 25;

/// Returns an error message if `pattern` is invalid. `syntax` is the advice.
fn check(pattern: &str, syntax: &str) -> Result<(), String> {
    let Some(path) = pattern.strip_prefix('/') else {
        return Err("does not begin with `/`".to_owned());
    };
    if let Some(culprit) = path.chars().find(|&c| !is_path_char(c) && !"/{}".contains(c)) {
        let advice = if culprit.is_ascii_punctuation() { "" } else { ". Percent-encode it" };
        return Err(format!(
            "contains {culprit:?}, which is not valid in a path: {syntax}{advice}"
        ));
    }
    if pattern.len() > MAX_BYTES {
        return Err(format!("has more than {MAX_BYTES} bytes"));
    }
    if pattern.contains("//") {
        return Err("has an empty segment".to_owned());
    }
    let (above, last) = split_last_segment(path);
    let rest = last.strip_prefix("{*").and_then(|rest| rest.strip_suffix('}'));
    let checked = if rest.is_some_and(is_identifier) { above } else { path };
    let mut parameters = 0;
    for segment in checked.split('/') {
        let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        let unescaped = segment.replace("{{", "_").replace("}}", "_");
        let problem = if name.is_some_and(is_identifier) {
            parameters += 1;
            continue;
        } else if unescaped.starts_with(':') || unescaped.contains(['{', '}', '*']) {
            syntax
        } else if matches!(&*segment.to_lowercase().replace("%2e", "."), "." | "..") {
            "most clients remove it before they send a request"
        } else if !segment.split('%').skip(1).all(begins_with_two_digits) {
            "write a percent sign as `%25`"
        } else {
            continue;
        };
        return Err(format!("has the segment `{segment:.64}`: {problem}"));
    }
    if parameters > MAX_PARAMETERS {
        return Err(format!("has more than {MAX_PARAMETERS} parameters"));
    }
    Ok(())
}

/// Splits after the last slash.
fn split_last_segment(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |slash| slash + 1))
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// `pchar` of RFC 3986 §3.3.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c)
}

fn begins_with_two_digits(text: &str) -> bool {
    text.len() >= 2 && text.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
}
