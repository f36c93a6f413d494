//! The language of path patterns: what is not surely a path is an error, with advice.

use super::error::{PolicyError, Subject};
use super::rule::RuleKind;

/// A pattern in the language of `matchit`, and whether it ends with `{*rest}`.
pub(super) type Expanded = (String, bool);

/// The patterns that `subject` stands for.
pub(super) fn expand(subject: Subject<'_>) -> Result<Vec<Expanded>, PolicyError> {
    let pattern = subject.pattern();
    let parsed = parse(pattern).map_err(|problem| PolicyError::new(subject, problem))?;
    if !matches!(subject, Subject::Rule(RuleKind::Subtree, _)) {
        return Ok(vec![(pattern.to_owned(), parsed.has_rest)]);
    }
    let problem = if pattern == "/" {
        "is every path: use the fallback"
    } else if parsed.has_rest {
        "includes everything below already: write it without the last segment"
    } else if pattern.ends_with('/') {
        "includes the path with a trailing slash already: write it without"
    } else {
        let below = format!("{pattern}/{{*rest}}");
        return Ok(vec![
            (pattern.to_owned(), false),
            (format!("{pattern}/"), false),
            (below, true),
        ]);
    };
    Err(PolicyError::new(subject, problem))
}

struct Parsed {
    has_rest: bool,
}

/// One more makes `matchit` panic.
const MAX_PARAMETERS: usize = 25;

fn parse(pattern: &str) -> Result<Parsed, String> {
    let Some(rest) = pattern.strip_prefix('/') else {
        return Err("does not begin with `/`".to_owned());
    };
    if let Some(culprit) = pattern.chars().find(|&c| !c.is_ascii_graphic()) {
        let advice = match culprit.is_control() {
            true => "",
            false => ": write it percent-encoded",
        };
        return Err(format!("contains {culprit:?}{advice}"));
    }
    let segments: Vec<_> = rest.split('/').collect();
    let mut parameters = 0;
    for (at, segment) in segments.iter().enumerate() {
        let is_last = at + 1 == segments.len();
        match check_segment(segment)? {
            Segment::Empty if !is_last => return Err("has an empty segment".to_owned()),
            Segment::Rest if !is_last => {
                return Err(format!("has `{segment}` before the last segment"));
            }
            Segment::Rest => return Ok(Parsed { has_rest: true }),
            Segment::Parameter => parameters += 1,
            Segment::Empty | Segment::Literal => {}
        }
    }
    if parameters > MAX_PARAMETERS {
        return Err(format!("has more than {MAX_PARAMETERS} parameters"));
    }
    Ok(Parsed { has_rest: false })
}

enum Segment {
    Empty,
    Literal,
    /// `{name}`
    Parameter,
    /// `{*rest}`
    Rest,
}

fn check_segment(segment: &str) -> Result<Segment, String> {
    if segment.is_empty() {
        return Ok(Segment::Empty);
    }
    // The text between the braces of a segment that is one parameter as a whole.
    let inside = segment
        .strip_prefix('{')
        .and_then(|inside| inside.strip_suffix('}'))
        .filter(|inside| !inside.contains(['{', '}']));
    if let Some(inside) = inside {
        return check_parameter(inside);
    }
    check_literal(segment).map(|()| Segment::Literal)
}

fn check_parameter(inside: &str) -> Result<Segment, String> {
    let (name, segment) = match inside.strip_prefix('*') {
        Some(name) => (name, Segment::Rest),
        None => (inside, Segment::Parameter),
    };
    if is_identifier(name) {
        return Ok(segment);
    }
    let found = format!("`{{{inside}}}`");
    if inside == "$" {
        return Err(format!(
            "has {found}: end the pattern with `/` for the path itself"
        ));
    }
    // `{proxy+}`, `{path...}`, `{**rest}`, `{path:path}`, `{path:.*}`: the rest of the path elsewhere.
    let stem: String = name
        .trim_start_matches('*')
        .chars()
        .take_while(|&c| is_identifier_char(c))
        .collect();
    let remainder = &name.trim_start_matches('*')[stem.len()..];
    let is_rest = matches!(segment, Segment::Rest)
        || ["+", "*", "...", ":path", ":.*", ":.+", ":*"].contains(&remainder);
    Err(if is_rest {
        let name = if stem.is_empty() { "rest" } else { &stem };
        format!("has {found}: write `{{*{name}}}` for the rest of the path")
    } else if stem.is_empty() {
        format!("has {found}, which has no name: write `{{name}}` for one segment")
    } else {
        format!("has {found}: write `{{{stem}}}` for one segment, whatever it contains")
    })
}

fn check_literal(segment: &str) -> Result<(), String> {
    let has = |problem: &str| Err(format!("has the segment `{segment:.100}` {problem}"));
    if let Some(name) = segment.strip_prefix(':') {
        let name = name_in(name, "name");
        return Err(format!(
            "has a segment that begins with `:`: write `{{{name}}}` for one segment"
        ));
    }
    if let Some(name) = segment.strip_prefix('*') {
        let name = name_in(name, "rest");
        return Err(format!(
            "has a segment that begins with `*`: write `{{*{name}}}` for the rest of the path"
        ));
    }
    if let Some(name) = segment.strip_prefix('<') {
        let name = name_in(name.trim_end_matches('>'), "name");
        return Err(format!(
            "has a segment that begins with `<`: write `{{{name}}}` for one segment"
        ));
    }
    if let Some(name) = segment.strip_prefix('[') {
        let name = name_in(name.trim_end_matches(']'), "name");
        return Err(format!(
            "has a segment that begins with `[`: write `{{{name}}}` for one segment"
        ));
    }
    if matches!(
        segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
        "." | ".."
    ) {
        return has("which clients remove before they send a request");
    }
    let without_escaped_braces = segment.replace("{{", "").replace("}}", "");
    if without_escaped_braces.contains(['{', '}']) {
        return has(
            "with a part in braces: a parameter is a whole segment, and braces in a literal are \
             doubled",
        );
    }
    if segment.contains("*") || segment.contains(".+") || segment == "+" {
        return has("with a wildcard: write `{name}` for one segment, `{*rest}` for the rest");
    }
    if segment.contains('?') {
        return has("with `?`: a rule matches the path only, not the query");
    }
    if segment.contains('#') {
        return has("with `#`: clients do not send fragments");
    }
    if segment.starts_with('(') || segment.contains("(.") || segment.ends_with('$') {
        return has("that looks like a regular expression: patterns have none");
    }
    if segment.ends_with(',') {
        return has("that ends with a comma: give each path a rule");
    }
    let culprit = without_escaped_braces.chars().find(|&c| !is_path_char(c));
    if let Some(culprit) = culprit {
        return has(&format!("with {culprit:?}, which is not valid in a path"));
    }
    let is_encoded = |after: &str| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !segment.split('%').skip(1).all(is_encoded) {
        return has("with `%` that is not followed by two hexadecimal digits: write `%25`");
    }
    Ok(())
}

/// The name that the user meant, to be used in advice.
fn name_in<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if is_identifier(text) { text } else { otherwise }
}

fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.chars().all(is_identifier_char)
}

fn is_identifier_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// `pchar` of RFC 3986 §3.3.
fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c)
}
