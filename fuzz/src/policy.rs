//! A model of a policy that has no tree, no bits, and no hash.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use http::Method;
use tower_method_policy::{Decision, MethodSet, Policy, PolicyError};

use crate::names;
use crate::patterns::{self, Segment};

/// There are only a few segments, so patterns often overlap or conflict.
const SEGMENTS: &[&str] = &["users", "me", "a%2Fb", "{{id}}", "{id}", "{name}"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Route,
    Subtree,
    Exempt,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// As [`tower_method_policy::Rule`] displays it.
    pub(crate) name: String,
    listed: Vec<String>,
}

impl Rule {
    pub(crate) fn fallback(listed: Vec<String>) -> Self {
        Self { name: "fallback".to_owned(), listed }
    }

    pub(crate) fn lists(&self, method: &str) -> bool {
        let lists = |method: &str| self.listed.iter().any(|name| name == method);
        lists(method) || method == "HEAD" && lists("GET")
    }

    /// The `Allow` field of a layer. With `false`, these are the methods of the rule.
    pub(crate) fn allow(&self, answers_options: bool) -> String {
        let mut methods: BTreeSet<_> = self.listed.iter().cloned().collect();
        for (name, is_added) in [("HEAD", self.lists("GET")), ("OPTIONS", answers_options)] {
            if is_added {
                methods.insert(name.to_owned());
            }
        }
        list(&methods)
    }
}

/// Writes methods in canonical order.
pub(crate) fn list(methods: &BTreeSet<String>) -> String {
    let mut names: Vec<_> = methods.iter().map(String::as_str).collect();
    // The sort is stable, so the others stay in alphabetical order.
    names.sort_by_key(|name| {
        names::registered().position(|other| other == *name).unwrap_or(usize::MAX)
    });
    names.join(", ")
}

/// A rule for a path, or an exempt path.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) pattern: String,
    expanded: Vec<Vec<Segment>>,
    rule: Rule,
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

    fn draw(u: &mut Unstructured<'_>) -> Result<Self> {
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
        Ok(Self::new(kind, &pattern, draw_methods(u)?))
    }

    fn conflicts(&self, other: &Self) -> bool {
        let conflicts = |one: &Vec<_>| {
            let mut others = other.expanded.iter();
            others.any(|other| patterns::conflict(one, other))
        };
        self.expanded.iter().any(conflicts)
    }

    fn add_to(&self, policy: Policy) -> Result<Policy, PolicyError> {
        match self.kind {
            Kind::Route => policy.route(&self.pattern, methods(&self.rule.listed)),
            Kind::Subtree => policy.subtree(&self.pattern, methods(&self.rule.listed)),
            Kind::Exempt => policy.exempt(&self.pattern),
        }
    }
}

fn methods(names: &[String]) -> Vec<Method> {
    names.iter().map(|name| names::method(name)).collect()
}

fn draw_methods(u: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let names = (0..u.int_in_range(0..=6)?).map(|_| names::draw(u));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    if u.ratio(1, 8)? {
        names.extend((0..40).map(names::own));
    }
    Ok(names)
}

/// The decision about a method.
#[derive(Debug)]
pub(crate) enum Verdict<'a> {
    Forward,
    NotAllowed(&'a Rule),
    NotImplemented,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) recognize: Vec<String>,
    pub(crate) recognize_only: Option<Vec<String>>,
    pub(crate) fallback: Option<Rule>,
    pub(crate) entries: Vec<Entry>,
}

impl Model {
    pub(crate) fn draw(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut model = Self::default();
        if u.ratio(1, 4)? {
            model.recognize = draw_methods(u)?;
        }
        if u.ratio(1, 4)? {
            model.recognize_only = Some(draw_methods(u)?);
        }
        if u.ratio(1, 2)? {
            model.fallback = Some(Rule::fallback(draw_methods(u)?));
        }
        for _ in 0..u.int_in_range(0..=4)? {
            let entry = Entry::draw(u)?;
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

    pub(crate) fn has_conflict(&self) -> bool {
        let mut entries = self.entries.iter().enumerate();
        entries.any(|(at, entry)| self.entries[..at].iter().any(|one| one.conflicts(entry)))
    }

    pub(crate) fn build(&self) -> Result<Policy, PolicyError> {
        let mut policy = Policy::new().recognize(methods(&self.recognize));
        if let Some(only) = &self.recognize_only {
            policy = policy.recognize_only(methods(only));
        }
        if let Some(fallback) = &self.fallback {
            policy = policy.fallback(methods(&fallback.listed));
        }
        let mut entries = self.entries.iter();
        entries.try_fold(policy, |policy, entry| entry.add_to(policy))
    }

    fn rules(&self) -> Vec<&Rule> {
        let entries = self.entries.iter();
        let entries = entries.filter(|entry| entry.kind != Kind::Exempt);
        entries.map(|entry| &entry.rule).chain(&self.fallback).collect()
    }

    fn recognizes(&self, method: &str) -> bool {
        let is_listed = |names: &[String]| names.iter().any(|name| name == method);
        let is_first = match &self.recognize_only {
            Some(only) => is_listed(only),
            None => names::standard().any(|name| name == method),
        };
        is_first
            || method == "GET"
            || method == "HEAD"
            || is_listed(&self.recognize)
            || self.rules().iter().any(|rule| rule.lists(method))
    }

    /// The rule of the most specific pattern that matches.
    pub(crate) fn rule_at(&self, path: &str) -> Option<&Rule> {
        let patterns = self.entries.iter().flat_map(|entry| {
            let expanded = entry.expanded.iter();
            expanded.map(move |pattern| (pattern, entry))
        });
        let matching = patterns.filter(|(pattern, _)| patterns::matches(pattern, path));
        match matching.min_by_key(|(pattern, _)| *pattern) {
            Some((_, entry)) => (entry.kind != Kind::Exempt).then_some(&entry.rule),
            None => self.fallback.as_ref(),
        }
    }

    /// Rows 1 and 4 to 6 of the decision table.
    pub(crate) fn verdict(&self, method: &str, path: &str, answers_options: bool) -> Verdict<'_> {
        let is_recognized = self.recognizes(method) || answers_options && method == "OPTIONS";
        match self.rule_at(path) {
            _ if method == "GET" || method == "HEAD" => Verdict::Forward,
            Some(rule) if rule.lists(method) => Verdict::Forward,
            None if is_recognized => Verdict::Forward,
            Some(rule) if is_recognized => Verdict::NotAllowed(rule),
            _ => Verdict::NotImplemented,
        }
    }

    /// Checks the methods, rules, and exempt paths of `policy`.
    pub(crate) fn lists(&self, policy: &Policy) {
        let rules = self.rules();
        let listed = rules.iter().flat_map(|rule| &rule.listed);
        let listed = listed.chain(&self.recognize).chain(self.recognize_only.iter().flatten());
        let mut all: Vec<_> = names::standard().collect();
        all.extend(listed.map(String::as_str));
        let recognized = all.into_iter().filter(|name| self.recognizes(name));
        let recognized = recognized.map(names::method);
        assert_eq!(policy.recognized(), &recognized.collect::<MethodSet>());

        let shown = policy.rules().chain(policy.fallback_rule());
        let shown: BTreeSet<_> = shown.map(|rule| rule.to_string()).collect();
        assert_eq!(shown, rules.iter().map(|rule| rule.name.clone()).collect());
        let exempt: BTreeSet<_> = policy.exempt_paths().collect();
        let entries = self.entries.iter();
        let expected = entries.filter(|entry| entry.kind == Kind::Exempt);
        assert_eq!(exempt, expected.map(|entry| &*entry.pattern).collect());
    }

    /// Checks the decision of `policy`, which does not depend on `answer_options`.
    pub(crate) fn agrees(&self, policy: &Policy, method: &str, path: &str) {
        let rule = policy.rule_at(path);
        let shown = rule.map(|rule| (rule.to_string(), rule.methods().to_string()));
        let expected = self.rule_at(path);
        let expected = expected.map(|rule| (rule.name.clone(), rule.allow(false)));
        assert_eq!(shown, expected, "{path}");
        let decision = policy.decide(&names::method(method), path);
        match (decision, self.verdict(method, path, false)) {
            (Decision::Forward, Verdict::Forward) => {}
            (Decision::NotImplemented, Verdict::NotImplemented) => {}
            (Decision::NotAllowed { allow }, Verdict::NotAllowed(rule)) => {
                assert_eq!(allow.to_string(), rule.allow(false));
            }
            different => panic!("{method} {path}: {different:?}"),
        }
    }
}
