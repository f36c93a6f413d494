//! Path patterns without a tree.

/// A part of a pattern. Of two patterns that match the same path, the smaller one is more specific: the first
/// different segment decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment {
    Literal(String),
    Parameter,
    Rest,
}

/// The segments of a valid pattern.
pub(crate) fn segments(pattern: &str) -> Vec<Segment> {
    let segments = pattern.split('/').skip(1).map(|segment| {
        if segment.starts_with("{*") {
            Segment::Rest
        } else if segment.starts_with('{') && !segment.starts_with("{{") {
            Segment::Parameter
        } else {
            Segment::Literal(segment.replace("{{", "{").replace("}}", "}"))
        }
    });
    segments.collect()
}

/// The patterns of a subtree: the prefix, the prefix with a slash, and everything below.
pub(crate) fn subtree(prefix: &str) -> Vec<Vec<Segment>> {
    if prefix == "/" {
        return ["/", "/{*rest}"].map(segments).to_vec();
    }
    ["", "/", "/{*rest}"].map(|end| segments(&format!("{prefix}{end}"))).to_vec()
}

/// Whether the pattern matches the path. A parameter matches one segment, which is not empty if it is the last.
/// `{*rest}` matches at least one character.
pub(crate) fn matches(pattern: &[Segment], path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else {
        return false;
    };
    match (pattern, path.find('/')) {
        ([Segment::Rest], _) | ([Segment::Parameter], None) => !path.is_empty(),
        ([Segment::Literal(literal)], None) => path == literal,
        ([Segment::Literal(literal), ..], Some(end)) if path[..end] != *literal => false,
        ([_, more @ ..], Some(end)) => matches(more, &path[end..]),
        _ => false,
    }
}

/// Whether no tree can have both patterns: they match the same paths, or a parameter and `{*rest}` have the same
/// position.
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
