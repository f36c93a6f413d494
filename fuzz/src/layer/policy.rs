//! A policy, and a model of it that has no tree, no bits, and no hash.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use http::Method;
use tower_method_policy::{Decision, MethodSet, Policy, PolicyError, RuleKind};

use crate::names;
use crate::patterns::{self, Segment};

/// Names of methods, ordered by their bytes.
pub(super) type Names = BTreeSet<String>;

/// RFC 9110 §9.3, RFC 5789, RFC 10008.
const STANDARD: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
];

/// Segments of patterns. Few, so that patterns nest and conflict.
const SEGMENTS: &[&str] = &["users", "me", "a%2Fb", "{{id}}", "{id}", "{name}"];

const INVALID_PATTERNS: &[&str] = &[
    "",
    "*",
    "users",
    "//",
    "/users//me",
    "/:id",
    "/*rest",
    "/users/*",
    "/{",
    "/{}",
    "/{*}",
    "/{*rest}/a",
    "/{id}.json",
    "/{id:[0-9]+}",
    "/{proxy+}",
    "/{path...}",
    "/<id>",
    "/v*",
    "/users?a=b",
    "/users#a",
    "/a b",
    "/a\tb",
    "/%zz",
    "/é",
    "/.*",
    "/a/../b",
];

const INVALID_PREFIXES: &[&str] = &["/", "/users/", "/{*rest}", "/users/{*rest}"];

const PATH_SEGMENTS: &[&str] = &[
    "users", "me", "a%2Fb", "{id}", "id", "7", "", "", "meme", "m", "Users", "..", "%75sers",
];

/// The path of a request target.
pub(super) fn path(u: &mut Unstructured<'_>) -> Result<String> {
    let mut path = "/".to_owned();
    for at in 0..u.int_in_range(0..=4)? {
        if at > 0 {
            path.push('/');
        }
        path += u.choose(PATH_SEGMENTS)?;
    }
    Ok(path)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Route,
    Subtree,
    Exempt,
}

/// A rule for a path, or an exempt path.
#[derive(Clone, Debug)]
struct Entry {
    kind: Kind,
    pattern: String,
    expanded: Vec<Vec<Segment>>,
    /// `None` if the path is exempt.
    rule: Option<Rule>,
}

impl Entry {
    fn new(kind: Kind, pattern: &str, rule: Option<Rule>) -> Self {
        let expanded = match kind {
            Kind::Subtree => patterns::subtree(pattern),
            _ => vec![patterns::segments(pattern)],
        };
        Self {
            kind,
            pattern: pattern.to_owned(),
            expanded,
            rule,
        }
    }

    fn conflicts(&self, other: &Self) -> bool {
        let pairs = |one| {
            other
                .expanded
                .iter()
                .any(|other| patterns::conflict(one, other))
        };
        self.expanded.iter().map(Vec::as_slice).any(pairs)
    }

    fn add_to(&self, policy: Policy, methods: Vec<Method>) -> Result<Policy, PolicyError> {
        match self.kind {
            Kind::Route => policy.route(&self.pattern, methods),
            Kind::Subtree => policy.subtree(&self.pattern, methods),
            Kind::Exempt => policy.exempt(&self.pattern),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// What [`tower_method_policy::Rule`] displays.
    pub(super) name: String,
    pub(super) methods: Names,
}

impl Rule {
    fn new(name: String, listed: &[Method]) -> Self {
        let names = listed.iter().map(|method| method.as_str().to_owned());
        let mut methods: Names = names.collect();
        if methods.contains("GET") {
            methods.insert("HEAD".to_owned());
        }
        Self { name, methods }
    }

    /// The `Allow` field of a layer.
    pub(super) fn allow(&self, answers_options: bool) -> String {
        let mut methods = self.methods.clone();
        if answers_options {
            methods.insert("OPTIONS".to_owned());
        }
        list(&methods)
    }
}

/// The methods in canonical order, with commas between them.
pub(super) fn list(methods: &Names) -> String {
    let registered = names::REGISTERED.iter().copied();
    let registered = registered.filter(|name| methods.contains(*name));
    let others = methods.iter().map(String::as_str);
    let others = others.filter(|name| !names::REGISTERED.contains(name));
    registered.chain(others).collect::<Vec<_>>().join(", ")
}

fn draw_methods(u: &mut Unstructured<'_>) -> Result<Vec<Method>> {
    let count = u.int_in_range(0..=6)?;
    let methods = (0..count).map(|_| names::draw(u));
    let mut methods = methods.collect::<Result<Vec<_>>>()?;
    if u.ratio(1, 8)? {
        methods.extend((0..40).map(names::own));
    }
    Ok(methods)
}

/// The decision about a method, by its name.
#[derive(Clone, Debug)]
pub(super) enum Says<'a> {
    Forward,
    NotAllowed(&'a Rule),
    NotImplemented,
}

/// The calls that made a policy.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    added: Names,
    only: Option<Names>,
    fallback: Option<Rule>,
    entries: Vec<Entry>,
    /// What follows from these.
    pub(super) recognized: Names,
}

impl Model {
    pub(super) fn draw(u: &mut Unstructured<'_>) -> Result<(Self, Policy)> {
        let mut model = Self::default();
        let mut policy = Policy::new();
        for _ in 0..u.int_in_range(0..=6)? {
            policy = match u.int_in_range(0..=7)? {
                0 => {
                    let methods = draw_methods(u)?;
                    model
                        .added
                        .extend(Rule::new(String::new(), &methods).methods);
                    policy.recognize(methods)
                }
                1 => {
                    let methods = draw_methods(u)?;
                    model.only = Some(Rule::new(String::new(), &methods).methods);
                    policy.recognize_only(methods)
                }
                2 => {
                    let methods = draw_methods(u)?;
                    model.fallback = Some(Rule::new("fallback".to_owned(), &methods));
                    policy.fallback(methods)
                }
                3..=5 => model.add(Kind::Route, policy, u)?,
                6 => model.add(Kind::Subtree, policy, u)?,
                _ => model.add(Kind::Exempt, policy, u)?,
            };
        }
        let mut recognized = match &model.only {
            Some(only) => only.clone(),
            None => STANDARD.map(str::to_owned).into(),
        };
        recognized.extend(["GET", "HEAD"].map(str::to_owned));
        recognized.extend(model.added.iter().cloned());
        let rules = model.entries.iter().filter_map(|entry| entry.rule.as_ref());
        for rule in rules.chain(&model.fallback) {
            recognized.extend(rule.methods.iter().cloned());
        }
        model.recognized = recognized;
        model.lists(&policy);
        Ok((model, policy))
    }

    /// Adds what has a pattern, unless its pattern cannot be.
    fn add(&mut self, kind: Kind, policy: Policy, u: &mut Unstructured<'_>) -> Result<Policy> {
        let methods = draw_methods(u)?;
        if !u.ratio(15, 16)? {
            let pattern = match kind {
                Kind::Subtree if u.ratio(1, 2)? => u.choose(INVALID_PREFIXES)?,
                _ => u.choose(INVALID_PATTERNS)?,
            };
            let entry = Entry {
                kind,
                pattern: (*pattern).to_owned(),
                expanded: Vec::new(),
                rule: None,
            };
            let error = entry
                .add_to(policy.clone(), methods)
                .unwrap_err()
                .to_string();
            assert!(error.contains(&format!("{pattern:?}")), "{error}");
            return Ok(policy);
        }
        let mut pattern = String::new();
        for _ in 0..u.int_in_range(u8::from(kind == Kind::Subtree)..=3)? {
            pattern.push('/');
            pattern += u.choose(SEGMENTS)?;
        }
        if kind != Kind::Subtree {
            pattern += match u.int_in_range(0..=4)? {
                0 => "/",
                1 => "/{*rest}",
                2 => "/{*path}",
                _ if pattern.is_empty() => "/",
                _ => "",
            };
        }
        let name = match kind {
            Kind::Route => Some(format!("route {pattern}")),
            Kind::Subtree => Some(format!("subtree {pattern}")),
            Kind::Exempt => None,
        };
        let rule = name.map(|name| Rule::new(name, &methods));
        let entry = Entry::new(kind, &pattern, rule);
        let existing = self.entries.iter().filter(|other| other.conflicts(&entry));
        let existing: Vec<_> = existing
            .map(|other| format!("{:?}", other.pattern))
            .collect();
        if !existing.is_empty() {
            let error = entry
                .add_to(policy.clone(), methods)
                .unwrap_err()
                .to_string();
            assert!(error.contains(&format!("{pattern:?}")), "{error}");
            assert!(
                existing.iter().any(|other| error.contains(other)),
                "{error}"
            );
            return Ok(policy);
        }
        let policy = entry.add_to(policy, methods).expect("no conflict");
        self.entries.push(entry);
        Ok(policy)
    }

    /// The policy lists what it was made of.
    fn lists(&self, policy: &Policy) {
        let set: MethodSet = self
            .recognized
            .iter()
            .map(|name| names::method(name))
            .collect();
        assert_eq!(policy.recognized(), &set);
        let rules = policy.rules();
        let rules: Vec<_> = rules
            .map(|rule| {
                (
                    rule.to_string(),
                    rule.kind(),
                    rule.pattern(),
                    rule.methods().to_string(),
                )
            })
            .collect();
        let with_rules = self.entries.iter();
        let with_rules = with_rules.filter_map(|entry| Some((entry, entry.rule.as_ref()?)));
        let expected: Vec<_> = with_rules
            .map(|(entry, rule)| {
                let kind = match entry.kind {
                    Kind::Subtree => RuleKind::Subtree,
                    _ => RuleKind::Route,
                };
                (
                    rule.name.clone(),
                    kind,
                    Some(&*entry.pattern),
                    rule.allow(false),
                )
            })
            .collect();
        assert_eq!(rules, expected);
        let fallback = policy.fallback_rule().map(|rule| {
            assert_eq!((rule.kind(), rule.pattern()), (RuleKind::Fallback, None));
            rule.methods().to_string()
        });
        assert_eq!(
            fallback,
            self.fallback.as_ref().map(|rule| rule.allow(false))
        );
        let exempt = self
            .entries
            .iter()
            .filter(|entry| entry.kind == Kind::Exempt);
        assert!(
            policy
                .exempt_paths()
                .eq(exempt.map(|entry| &*entry.pattern))
        );
    }

    /// The entry whose pattern is the most specific one that matches.
    fn entry_at(&self, path: &str) -> Option<&Entry> {
        let entries = self.entries.iter();
        let expanded =
            entries.flat_map(|entry| entry.expanded.iter().map(move |pattern| (entry, pattern)));
        let matching = expanded.filter(|(_, pattern)| patterns::matches(pattern, path));
        let best = matching.min_by_key(|(_, pattern)| patterns::specificity(pattern));
        best.map(|(entry, _)| entry)
    }

    pub(super) fn rule_at(&self, path: &str) -> Option<&Rule> {
        match self.entry_at(path) {
            Some(entry) => entry.rule.as_ref(),
            None => self.fallback.as_ref(),
        }
    }

    pub(super) fn is_exempt(&self, path: &str) -> bool {
        self.entry_at(path)
            .is_some_and(|entry| entry.kind == Kind::Exempt)
    }

    pub(super) fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }

    /// Rows 1 and 4 to 6.
    pub(super) fn says(&self, method: &str, path: &str, answers_options: bool) -> Says<'_> {
        let is_recognized =
            self.recognized.contains(method) || answers_options && method == "OPTIONS";
        match self.rule_at(path) {
            _ if method == "GET" || method == "HEAD" => Says::Forward,
            Some(rule) if rule.methods.contains(method) => Says::Forward,
            None if is_recognized => Says::Forward,
            Some(rule) if is_recognized => Says::NotAllowed(rule),
            _ => Says::NotImplemented,
        }
    }

    /// The policy itself says the same, as if answering were off.
    pub(super) fn agrees(&self, policy: &Policy, method: &Method, path: &str) {
        let rule = policy.rule_at(path);
        let shown = rule.map(|rule| (rule.to_string(), rule.methods().to_string()));
        let expected = self.rule_at(path);
        assert_eq!(
            shown,
            expected.map(|rule| (rule.name.clone(), rule.allow(false)))
        );
        match (
            policy.decide(method, path),
            self.says(method.as_str(), path, false),
        ) {
            (Decision::Forward, Says::Forward) => {}
            (Decision::NotImplemented, Says::NotImplemented) => {}
            (Decision::NotAllowed { allow }, Says::NotAllowed(rule)) => {
                assert_eq!(allow.to_string(), rule.allow(false));
            }
            different => panic!("{different:?}"),
        }
        let is_recognized = self.recognized.contains(method.as_str());
        assert_eq!(policy.recognized().contains(method), is_recognized);
    }
}
