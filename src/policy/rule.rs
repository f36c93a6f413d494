//! [`Rule`]: the methods that the inner service handles at a path.

use std::fmt;

use http::{HeaderValue, Method};

use crate::methods::MethodSet;

/// A rule of a [`Policy`](crate::Policy): the methods that the inner service handles at a path.
///
/// [`Policy::rules`](crate::Policy::rules), [`Policy::rule_at`](crate::Policy::rule_at), and
/// [`Rejection::rule`](crate::Rejection::rule) return it. [`Display`](fmt::Display) writes its name for logs,
/// such as `route /users/{id}` or `fallback`.
///
/// ```
/// use http::Method;
/// use tower_method_policy::{Policy, RuleKind};
///
/// let policy = Policy::new().route("/users/{id}", [Method::GET, Method::PUT])?;
/// let rule = policy.rule_at("/users/7").expect("the route matches");
/// assert_eq!(rule.kind(), RuleKind::Route);
/// assert_eq!(rule.pattern(), Some("/users/{id}"));
/// assert_eq!(rule.methods().to_string(), "GET, HEAD, PUT");
/// assert_eq!(rule.to_string(), "route /users/{id}");
/// # Ok::<_, tower_method_policy::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule<'a>(pub(crate) &'a StoredRule);

impl<'a> Rule<'a> {
    /// Returns the kind of the rule: the function of [`Policy`](crate::Policy) that added it.
    #[must_use]
    pub fn kind(&self) -> RuleKind {
        self.0.kind
    }

    /// Returns the path pattern as it was written, or `None` for the fallback.
    #[must_use]
    pub fn pattern(&self) -> Option<&'a str> {
        (self.0.kind != RuleKind::Fallback).then_some(&self.0.pattern)
    }

    /// Returns the methods that the rule lists, and `HEAD` if it lists `GET`. The `OPTIONS` that a layer
    /// adds when it [answers `OPTIONS`](crate::MethodPolicyLayer::answer_options) is not included.
    #[must_use]
    pub fn methods(&self) -> &'a MethodSet {
        &self.0.allow.methods
    }
}

impl fmt::Display for Rule<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().as_str())?;
        match self.pattern() {
            Some(pattern) => write!(f, " {pattern}"),
            None => Ok(()),
        }
    }
}

/// The kind of a [`Rule`]: the function of [`Policy`](crate::Policy) that added it.
///
/// A later version can add a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleKind {
    /// [`Policy::route`](crate::Policy::route) added the rule.
    Route,
    /// [`Policy::subtree`](crate::Policy::subtree) added the rule.
    Subtree,
    /// [`Policy::fallback`](crate::Policy::fallback) added the rule.
    Fallback,
}

impl RuleKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Subtree => "subtree",
            Self::Fallback => "fallback",
        }
    }
}

/// A rule. A policy and its rejections share it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StoredRule {
    pub(super) kind: RuleKind,
    /// Empty for the fallback.
    pub(super) pattern: String,
    /// The methods that the rule lists, and `HEAD` if it lists `GET`.
    pub(crate) allow: Allow,
    /// The same methods and `OPTIONS`, for a layer that answers `OPTIONS`.
    pub(crate) allow_with_options: Allow,
}

impl StoredRule {
    pub(crate) fn new(kind: RuleKind, pattern: &str, methods: MethodSet) -> Self {
        let methods = with_head(methods);
        Self {
            kind,
            pattern: pattern.to_owned(),
            allow_with_options: Allow::new(&methods | Method::OPTIONS),
            allow: Allow::new(methods),
        }
    }
}

/// The methods, and `HEAD` if they contain `GET`.
pub(crate) fn with_head(mut methods: MethodSet) -> MethodSet {
    if methods.contains(&Method::GET) {
        methods.insert(Method::HEAD);
    }
    methods
}

/// An `Allow` field (RFC 9110 §10.2.1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Allow {
    pub(crate) methods: MethodSet,
    pub(crate) value: HeaderValue,
}

impl Allow {
    pub(crate) fn new(methods: MethodSet) -> Self {
        let value = HeaderValue::try_from(methods.to_string())
            .expect("a list of tokens is a valid field value");
        Self { methods, value }
    }
}
