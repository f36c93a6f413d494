//! Draws policies.

use arbitrary::{Result, Unstructured};

use crate::model::policy::{Entry, Kind, Policy, Rule};
use crate::names;

/// There are only a few segments, so patterns often overlap or conflict.
const SEGMENTS: &[&str] = &["users", "me", "a%2Fb", "{{id}}", "{id}", "{name}"];

pub(crate) fn draw(u: &mut Unstructured<'_>) -> Result<Policy> {
    let mut model = Policy::default();
    if u.ratio(1, 4)? {
        model.recognize = methods(u)?;
    }
    if u.ratio(1, 4)? {
        model.recognize_only = Some(methods(u)?);
    }
    if u.ratio(1, 2)? {
        model.fallback = Some(Rule::fallback(methods(u)?));
    }
    for _ in 0..u.int_in_range(0..=4)? {
        let entry = entry(u)?;
        let mut others = model.entries.iter();
        if others.any(|other| other.conflicts(&entry)) {
            let error = entry.add_to(model.build().expect("no conflict")).unwrap_err();
            assert!(error.to_string().contains(&format!("{:?}", entry.pattern)));
        } else {
            model.entries.push(entry);
        }
    }
    Ok(model)
}

fn entry(u: &mut Unstructured<'_>) -> Result<Entry> {
    let kind = *u.choose(&[Kind::Route, Kind::Route, Kind::Subtree, Kind::Exempt])?;
    let is_subtree = kind == Kind::Subtree;
    let mut pattern = String::new();
    for _ in 0..u.int_in_range(u8::from(is_subtree)..=3)? {
        pattern = pattern + "/" + u.choose(SEGMENTS)?;
    }
    pattern += match u.int_in_range(0..=4)? {
        _ if is_subtree => "",
        0 => "/",
        1 => "/{*rest}",
        2 => "/{*path}",
        _ if pattern.is_empty() => "/",
        _ => "",
    };
    Ok(Entry::new(kind, &pattern, methods(u)?))
}

fn methods(u: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let names = (0..u.int_in_range(0..=6)?).map(|_| names::draw(u));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    if u.ratio(1, 8)? {
        names.extend((0..40).map(names::own));
    }
    Ok(names)
}
