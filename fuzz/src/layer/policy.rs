//! A policy, and what was asked for when it was made.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use http::header::{ALLOW, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tower_method_policy::{Allow, Decision, MethodSet, Policy, PolicyError, RegisteredMethod};

use crate::names;

/// Names of methods: ordered by bytes, with no hash and no table.
pub(super) type Names = BTreeSet<String>;

/// RFC 9110 §9.3, RFC 5789, RFC 10008.
const STANDARD: [&str; 10] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
];

/// Patterns; those with the same number match the same paths.
const PATTERNS: &[(&str, usize)] = &[
    ("/", 0),
    ("/users", 1),
    ("/users/me", 2),
    ("/literal/{{id}}", 3),
    ("/users/{id}", 4),
    ("/users/{name}", 4),
    ("/users/{user}/posts", 5),
    ("/users/{id}/posts", 5),
    ("/static/{*path}", 6),
    ("/{*rest}", 7),
    ("/{*path}", 7),
];

const INVALID_PATTERNS: &[&str] = &[
    "",
    "*",
    "users",
    "/:id",
    "/*rest",
    "/{",
    "/{}",
    "/{*rest}/a",
];

pub(super) const PATHS: &[&str] = &[
    "/",
    "//",
    "/..",
    "/%2F",
    "/users",
    "/users/",
    "//users",
    "/Users",
    "/%75sers",
    "/users/7",
    "/users/7%2Fposts",
    "/users/me",
    "/users/me/",
    "/users/m",
    "/users/meme",
    "/users/{id}",
    "/users/7/posts",
    "/users/me/posts",
    "/users//posts",
    "/users/7//posts",
    "/static",
    "/static/",
    "/static/a",
    "/static//",
    "/static/../users",
    "/literal/{id}",
    "/literal/id",
];

/// The numbers of the patterns that match `path`, the most specific one first.
///
/// A parameter stands for one segment, which may be empty unless it is the last; what goes to the end
/// is at least one character.
fn matching(path: &str) -> Vec<usize> {
    let mut matching = Vec::new();
    let literals = ["/", "/users", "/users/me", "/literal/{id}"];
    matching.extend(literals.iter().position(|literal| *literal == path));
    if let Some(rest) = path.strip_prefix("/users/") {
        match rest.split_once('/') {
            None if !rest.is_empty() => matching.push(4),
            Some((_, "posts")) => matching.push(5),
            _ => {}
        }
    }
    if path.starts_with("/static/") && path.len() > "/static/".len() {
        matching.push(6);
    }
    if path.starts_with('/') && path.len() > 1 {
        matching.push(7);
    }
    matching
}

#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    pub(super) methods: Names,
    /// For the answer to `OPTIONS`.
    headers: HeaderMap,
}

impl Rule {
    /// The value of `Allow`: the order of the registry's table, then that of the alphabet.
    pub(super) fn allow(&self) -> String {
        let registered = RegisteredMethod::ALL.iter().map(RegisteredMethod::name);
        let known: Vec<_> = registered
            .filter(|name| self.methods.contains(*name))
            .collect();
        let unknown = self.methods.iter().map(String::as_str);
        let unknown = unknown.filter(|name| !known.contains(name));
        let all: Vec<_> = known.iter().copied().chain(unknown).collect();
        all.join(", ")
    }

    /// What the answer to `OPTIONS` has (RFC 9110 §9.3.7).
    pub(super) fn options_fields(&self) -> HeaderMap {
        let mut fields = self.headers.clone();
        fields.insert(ALLOW, self.allow().try_into().expect("tokens and commas"));
        fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        fields
    }

    fn draw(u: &mut Unstructured<'_>) -> Result<(Self, Allow)> {
        let methods = draw_methods(u)?;
        let mut rule = Self {
            methods: names_of(&methods),
            headers: HeaderMap::new(),
        };
        let mut allow = match u.int_in_range(0..=2)? {
            0 => Allow::exactly(methods),
            _ => {
                rule.methods.extend(["GET", "HEAD"].map(str::to_owned));
                Allow::new(methods)
            }
        };
        for _ in 0..u.int_in_range(0..=2)? {
            let (name, value) = *u.choose(&[
                ("dav", "1, 2"),
                ("dav", "3"),
                ("allow", "LIE"),
                ("content-length", "9"),
            ])?;
            let name = HeaderName::from_static(name);
            let value = HeaderValue::from_static(value);
            rule.headers.append(&name, value.clone());
            allow = allow.options_header(name, value);
        }
        Ok((rule, allow))
    }

    fn union(&mut self, other: Self) {
        self.methods.extend(other.methods);
        for (name, value) in &other.headers {
            self.headers.append(name, value.clone());
        }
    }
}

fn draw_methods(u: &mut Unstructured<'_>) -> Result<Vec<Method>> {
    let count = u.int_in_range(0..=6)?;
    (0..count).map(|_| names::draw(u)).collect()
}

fn names_of(methods: &[Method]) -> Names {
    let names = methods.iter().map(|method| method.as_str().to_owned());
    names.collect()
}

/// What a policy says of a method, by its name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Says {
    Forward,
    NotAllowed { allow: String },
    NotImplemented,
}

/// What a policy was asked to be.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    added: Names,
    only: Option<Names>,
    default_rule: Option<Rule>,
    routes: Vec<(usize, Rule)>,
    /// Derived from these.
    recognized: Names,
}

impl Model {
    pub(super) fn draw(u: &mut Unstructured<'_>) -> Result<(Self, Policy)> {
        let mut model = Self::default();
        let mut policy = Policy::new();
        for _ in 0..u.int_in_range(0..=6)? {
            policy = match u.int_in_range(0..=5)? {
                0 => {
                    let methods = draw_methods(u)?;
                    model.added.extend(names_of(&methods));
                    policy.recognize(methods)
                }
                1 => {
                    let methods = draw_methods(u)?;
                    let only = model.only.get_or_insert_default();
                    only.extend(names_of(&methods));
                    policy.recognize_only(methods)
                }
                2 => {
                    let (rule, allow) = Rule::draw(u)?;
                    match &mut model.default_rule {
                        Some(earlier) => earlier.union(rule),
                        None => model.default_rule = Some(rule),
                    }
                    policy.allow(allow)
                }
                _ => model.route(policy, u)?,
            };
        }
        let mut recognized = match &model.only {
            Some(only) => only.clone(),
            None => STANDARD.map(str::to_owned).into(),
        };
        recognized.extend(["GET", "HEAD"].map(str::to_owned));
        recognized.extend(model.added.iter().cloned());
        for rule in model.rules() {
            recognized.extend(rule.methods.iter().cloned());
        }
        let set: MethodSet = recognized.iter().map(|name| names::method(name)).collect();
        assert_eq!(policy.recognized(), &set);
        model.recognized = recognized;
        Ok((model, policy))
    }

    /// Adds a rule for a path, unless its pattern cannot be.
    fn route(&mut self, policy: Policy, u: &mut Unstructured<'_>) -> Result<Policy> {
        if !u.ratio(15, 16)? {
            let pattern = u.choose(INVALID_PATTERNS)?;
            // Which of the errors it is depends on the patterns before it.
            assert!(policy.clone().route(pattern, [Method::PUT]).is_err());
            return Ok(policy);
        }
        let (pattern, number) = *u.choose(PATTERNS)?;
        let (rule, allow) = Rule::draw(u)?;
        if self.routes.iter().any(|(taken, _)| *taken == number) {
            let error = policy.clone().route(pattern, allow).unwrap_err();
            assert!(matches!(error, PolicyError::ConflictingPattern { .. }));
            return Ok(policy);
        }
        self.routes.push((number, rule));
        Ok(policy.route(pattern, allow).expect("no conflict"))
    }

    fn rules(&self) -> impl Iterator<Item = &Rule> {
        let routes = self.routes.iter().map(|(_, rule)| rule);
        self.default_rule.iter().chain(routes)
    }

    pub(super) fn rule_at(&self, path: &str) -> Option<&Rule> {
        let rule = |number| self.routes.iter().find(|(other, _)| *other == number);
        let ruled = matching(path).into_iter().find_map(rule);
        ruled.map(|(_, rule)| rule).or(self.default_rule.as_ref())
    }

    /// What rules allow anywhere, if there are any, with the fields of the default rule.
    pub(super) fn server_wide(&self) -> Option<Rule> {
        self.rules().next()?;
        let methods = self.rules().flat_map(|rule| rule.methods.iter().cloned());
        Some(Rule {
            methods: methods.collect(),
            headers: match &self.default_rule {
                Some(rule) => rule.headers.clone(),
                None => HeaderMap::new(),
            },
        })
    }

    /// Rows 1 and 3 to 5.
    pub(super) fn says(&self, method: &str, path: &str) -> Says {
        let is_recognized = self.recognized.contains(method);
        match self.rule_at(path) {
            _ if method == "GET" || method == "HEAD" => Says::Forward,
            Some(rule) if rule.methods.contains(method) => Says::Forward,
            None if is_recognized => Says::Forward,
            Some(rule) if is_recognized => Says::NotAllowed {
                allow: rule.allow(),
            },
            _ => Says::NotImplemented,
        }
    }

    /// The policy itself says the same.
    pub(super) fn agrees(&self, policy: &Policy, method: &Method, path: &str) {
        let says = match policy.decide(method, path) {
            Decision::Forward => Says::Forward,
            Decision::NotImplemented => Says::NotImplemented,
            Decision::NotAllowed { allow } => {
                assert_eq!(Some(allow), policy.allowed_at(path));
                Says::NotAllowed {
                    allow: allow.to_string(),
                }
            }
        };
        assert_eq!(says, self.says(method.as_str(), path));
        let listed = policy.allowed_at(path).map(|allow| allow.header_value());
        let expected = self.rule_at(path).map(Rule::allow);
        assert_eq!(
            listed.map(HeaderValue::as_bytes),
            expected.as_deref().map(str::as_bytes)
        );
        let is_recognized = self.recognized.contains(method.as_str());
        assert_eq!(policy.recognized().contains(method), is_recognized);
    }
}
