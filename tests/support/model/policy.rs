//! A policy without a tree, bits, or hashes.

use std::collections::BTreeSet;

use super::methods::{Names, STANDARD};
use super::patterns::{self, Segment};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Route,
    Subtree,
    Exempt,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// The name that [`tower_method_policy::Rule`] displays.
    pub(crate) name: String,
    pub(crate) listed: Vec<String>,
}

impl Rule {
    pub(crate) fn fallback(listed: Vec<String>) -> Self {
        Self { name: "fallback".to_owned(), listed }
    }

    /// The listed methods, and `HEAD` if `GET` is listed.
    pub(crate) fn methods(&self) -> Names {
        let mut methods: Names = self.listed.iter().cloned().collect();
        if methods.contains("GET") {
            methods.insert("HEAD".to_owned());
        }
        methods
    }

    pub(crate) fn lists(&self, method: &str) -> bool {
        let is_listed = |method: &str| self.listed.iter().any(|listed| listed == method);
        is_listed(method) || method == "HEAD" && is_listed("GET")
    }
}

/// A rule for a path, or an exempt path.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) pattern: String,
    expanded: Vec<Vec<Segment>>,
    pub(crate) rule: Rule,
}

impl Entry {
    pub(crate) fn new(kind: Kind, pattern: &str, listed: Vec<String>) -> Self {
        let (word, expanded) = match kind {
            Kind::Subtree => ("subtree", patterns::subtree(pattern)),
            _ => ("route", vec![patterns::segments(pattern)]),
        };
        let name = format!("{word} {pattern}");
        Self { kind, pattern: pattern.to_owned(), expanded, rule: Rule { name, listed } }
    }

    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        let conflicts = |one: &Vec<_>| {
            let mut others = other.expanded.iter();
            others.any(|other| patterns::conflict(one, other))
        };
        self.expanded.iter().any(conflicts)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) recognize: Vec<String>,
    pub(crate) recognize_only: Option<Vec<String>>,
    pub(crate) fallback: Option<Rule>,
    pub(crate) entries: Vec<Entry>,
}

impl Policy {
    pub(crate) fn has_conflict(&self) -> bool {
        let mut entries = self.entries.iter().enumerate();
        entries.any(|(at, entry)| self.entries[..at].iter().any(|one| one.conflicts(entry)))
    }

    pub(crate) fn rules(&self) -> Vec<&Rule> {
        let entries = self.entries.iter().filter(|entry| entry.kind != Kind::Exempt);
        entries.map(|entry| &entry.rule).chain(&self.fallback).collect()
    }

    pub(crate) fn exempt_paths(&self) -> BTreeSet<&str> {
        let entries = self.entries.iter().filter(|entry| entry.kind == Kind::Exempt);
        entries.map(|entry| entry.pattern.as_str()).collect()
    }

    /// The methods of `recognize_only` or else the standard ones, `GET`, `HEAD`, the methods of `recognize`, and all
    /// methods that a rule lists.
    pub(crate) fn recognized(&self) -> Vec<&str> {
        let mut names = vec!["GET", "HEAD"];
        match &self.recognize_only {
            Some(only) => names.extend(only.iter().map(String::as_str)),
            None => names.extend(STANDARD),
        }
        names.extend(self.recognize.iter().map(String::as_str));
        let rules = self.rules().into_iter();
        names.extend(rules.flat_map(|rule| &rule.listed).map(String::as_str));
        names
    }

    /// The entry with the most specific pattern that matches.
    fn entry_at(&self, path: &str) -> Option<&Entry> {
        let patterns = self.entries.iter().flat_map(|entry| {
            let expanded = entry.expanded.iter();
            expanded.map(move |pattern| (pattern, entry))
        });
        let matching = patterns.filter(|(pattern, _)| patterns::matches(pattern, path));
        matching.min_by_key(|(pattern, _)| *pattern).map(|(_, entry)| entry)
    }

    pub(crate) fn is_exempt(&self, path: &str) -> bool {
        self.entry_at(path).is_some_and(|entry| entry.kind == Kind::Exempt)
    }

    /// The rule that applies: that of the path, or else the fallback. None applies to an exempt path.
    pub(crate) fn rule_at(&self, path: &str) -> Option<&Rule> {
        match self.entry_at(path) {
            Some(entry) => (entry.kind != Kind::Exempt).then_some(&entry.rule),
            None => self.fallback.as_ref(),
        }
    }
}
