//! [`Policy`]: the methods that the server recognizes, and the rules. It knows neither requests nor responses.

#[cfg(feature = "serde")]
mod data;
mod error;
mod paths;
mod pattern;
mod rule;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use http::Method;

pub use self::error::PolicyError;
use self::error::Subject;
use self::paths::Paths;
pub(crate) use self::paths::Place;
pub(crate) use self::rule::{Allow, StoredRule, with_head};
pub use self::rule::{Rule, RuleKind};
use crate::methods::MethodSet;
use crate::methods::registry::Id;

pub(crate) const GET_AND_HEAD: MethodSet = MethodSet::from_bits(Id::bits(&[Id::GET, Id::HEAD]));

/// A policy: the methods that a server recognizes, and the rules for the methods at each path.
///
/// A policy is plain data. [`MethodPolicyLayer`](crate::MethodPolicyLayer) applies it to requests.
///
/// - The server **recognizes** a method if the method is on its list. The default list is
///   [`MethodSet::STANDARD`]. [`recognize`](Self::recognize) adds methods, and
///   [`recognize_only`](Self::recognize_only) replaces the default. The server also recognizes every method
///   that a rule lists.
/// - A **rule** lists the methods that the inner service handles at a path. List the same methods as the
///   route: for `get(..).post(..)`, list `[GET, POST]`. See [`route`](Self::route),
///   [`subtree`](Self::subtree), and [`fallback`](Self::fallback).
/// - At a path without a rule, every recognized method is forwarded.
///
/// In front of a router that sends `405` with `Allow`, such as axum's, a policy needs no rules:
/// [let the router decide](crate::MethodPolicyLayer::inner_decides).
///
/// A policy is not access control. No rule stops `GET`, `HEAD`, or CORS preflights.
///
/// [`guide::decisions`](crate::guide::decisions) has the decision table. The order of the calls that build a policy
/// does not matter, except that a second [`fallback`](Self::fallback) or [`recognize_only`](Self::recognize_only)
/// replaces the first.
///
/// # Example
///
/// ```
/// use http::Method;
/// use tower_method_policy::{Decision, MethodSet, Policy};
///
/// let policy = Policy::new()
///     .route("/login", [Method::POST])?
///     .route("/users/{id}", [Method::GET, Method::PUT])?
///     .subtree("/dav", MethodSet::WEBDAV)?;
///
/// assert_eq!(policy.decide(&Method::PUT, "/users/7"), Decision::Forward);
/// match policy.decide(&Method::DELETE, "/users/7") {
///     Decision::NotAllowed { allow } => assert_eq!(allow.to_string(), "GET, HEAD, PUT"),
///     other => panic!("{other:?}"),
/// }
///
/// // SEARCH is not on the server's list.
/// let search = Method::from_bytes(b"SEARCH")?;
/// assert_eq!(policy.decide(&search, "/dav/a.txt"), Decision::NotImplemented);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # As data
///
/// With the feature `serde`, a policy can be read from TOML, JSON, YAML, or any other self-describing
/// format. The keys correspond to the functions of `Policy`. All keys are optional:
///
/// ```
/// # #[cfg(feature = "serde")] {
/// # use http::Method;
/// # use tower_method_policy::{Decision, Policy};
/// let policy: Policy = toml::from_str(r#"
///     recognize = ["ACL", "REPORT"]    # a list of methods …
///     fallback = "GET"                 # … or one string with commas
///     exempt = ["/ws"]                 # a list of path patterns
///
///     [routes]
///     "/login" = ["POST"]
///     "/users/{id}" = "GET, PUT, DELETE"
///
///     [subtrees]
///     "/dav" = ["OPTIONS", "GET", "PUT", "PROPFIND"]
/// "#)?;
/// assert_eq!(policy.decide(&Method::PUT, "/dav/a.txt"), Decision::Forward);
/// assert!(matches!(policy.decide(&Method::PUT, "/"), Decision::NotAllowed { .. }));
///
/// let error = toml::from_str::<Policy>("fallback = ['get']").unwrap_err();
/// assert_eq!(error.message(), r#""get" is not "GET": methods are case-sensitive"#);
/// # }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// - `null` means an empty `recognize`, `routes`, `subtrees`, or `exempt`. It is an error for
///   `fallback`, `recognize_only`, and a rule. Ignoring it there would allow more than was meant.
/// - Errors show the value, its position if the format knows it, and the correct spelling if there is
///   one. See [`MethodSet`](MethodSet#names) for the names that are errors. A misspelled name
///   (`PTU`) is a new method. `policy.recognized() - MethodSet::REGISTERED` shows such names.
/// - In TOML, write `recognize`, `fallback`, and `exempt` above the first `[table]`.
/// - Some readers change keys. `config` 0.14.1 converts every key to lower case, including path patterns:
///   a rule for `/Users` becomes a rule for `/users`. `config` 0.15.25 and `figment` 0.10.19 keep keys.
#[derive(Clone)]
#[must_use]
pub struct Policy {
    /// The recognized methods that `recognize_only` replaces.
    base: MethodSet,
    /// `GET`, `HEAD`, and the methods from `recognize`, routes, and subtrees.
    added: MethodSet,
    fallback: Option<Arc<StoredRule>>,
    paths: Paths,

    /// Every recognized method: those of the fields above. `rebuild` computes it, and `add` keeps it up to date,
    /// because to rebuild it for each of many rules takes quadratic time.
    recognized: MethodSet,
}

/// The same as [`Policy::new`].
impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy {
    /// Creates a policy that recognizes [`MethodSet::STANDARD`] and has no rules.
    pub fn new() -> Self {
        Self {
            base: MethodSet::STANDARD,
            added: GET_AND_HEAD,
            fallback: None,
            paths: Paths::default(),
            recognized: MethodSet::STANDARD,
        }
    }

    /// Adds methods that the server recognizes (RFC 9110 §15.6.2).
    ///
    /// If a rule applies that does not list them, they get `405` instead of `501`. If no rule applies, they are
    /// forwarded.
    pub fn recognize(mut self, methods: impl Into<MethodSet>) -> Self {
        self.add(&methods.into());
        self
    }

    /// Sets the methods that the server recognizes, instead of [`MethodSet::STANDARD`].
    ///
    /// `GET`, `HEAD`, the methods that [`recognize`](Self::recognize) adds, and the methods that rules
    /// list are still recognized. A second call replaces the methods of the first.
    ///
    /// The default list has all standard methods. Most servers implement neither `TRACE` nor `CONNECT`. Use this
    /// function to list the methods that the server does implement:
    ///
    /// - Also list `OPTIONS` if a handler answers it. CORS preflights are always forwarded.
    /// - Also list `CONNECT` if there are WebSockets over HTTP/2 (RFC 8441). An exempt path does not help there.
    /// - A method that leaves the list gets `501` instead of `405`. Clients that retry every 5xx then send the
    ///   request again. (`reqwest-retry`, `axios-retry`, and urllib3's `Retry` sent 4 requests instead of 1.)
    pub fn recognize_only(mut self, methods: impl Into<MethodSet>) -> Self {
        self.base = methods.into();
        self.rebuild()
    }

    /// Adds a rule for the paths that `pattern` matches. Also list `GET`. It is always forwarded, but only a
    /// listed method appears in `Allow`.
    ///
    /// `methods` are the methods that the inner service handles there, such as `[Method::GET, Method::PUT]` or
    /// [`MethodSet::from_static("GET, REPORT")`](MethodSet::from_static). `HEAD` is added if `GET` is
    /// listed. `route("/login", [Method::POST])` gives `Allow: POST`. The inner service still receives `GET`
    /// and `HEAD` there, and answers them.
    ///
    /// # Patterns
    ///
    /// A pattern consists of literal segments, `{name}` for one whole segment, and a final `{*rest}` for
    /// one or more characters, as in axum 0.8. Write `{{` and `}}` for literal braces. If several patterns
    /// match, a literal segment wins over a parameter. `{*rest}` and `{name}` at the same position conflict.
    ///
    /// Everything else is an error: a part of a segment as a parameter (`{id}.json`), `*`, a segment that begins
    /// with `:`, the segments `.` and `..`, an empty segment inside, and characters that are not valid in a path
    /// (RFC 3986 §3.3). Percent-encode such characters. Other valid characters are literal, so the parameters of
    /// some frameworks (`(.*)`, `.+`) match only themselves.
    ///
    /// The pattern is compared with the path as the client sent it. The path is not percent-decoded or
    /// normalized, and a trailing slash makes a difference. The fallback applies to a request without a path
    /// (`CONNECT host:443`). A WebSocket over HTTP/2 is a `CONNECT` request with a path (RFC 8441). List
    /// `CONNECT` in the rule for its path, or [exempt](Self::exempt) the path.
    ///
    /// # Cost
    ///
    /// A request needs one look-up in a radix tree if its method is not allowed at every path. If the layer may
    /// change a `405` of the inner service, every request needs the look-up. It does not allocate if the patterns have at
    /// most three parameters, no literal competes with a parameter, and the path has no empty segment. Otherwise, it may
    /// allocate: once or twice for most policies, and up to 11 times for patterns with 25 parameters.
    ///
    /// # Errors
    ///
    /// Returns an error if the pattern is invalid or conflicts with an earlier one.
    pub fn route(self, pattern: &str, methods: impl Into<MethodSet>) -> Result<Self, PolicyError> {
        self.add_rule(RuleKind::Route, pattern, methods.into())
    }

    /// Adds a rule for `prefix`, for `prefix` with a trailing slash, and for every path below it.
    ///
    /// `prefix` consists of literal segments and `{name}`. Subtrees and routes can be nested, and the longer
    /// pattern wins. The inner one must continue with a literal segment: `/api` and `/api/v1/{id}` can be nested,
    /// `/users` and `/users/{id}` conflict. `subtree("/", ..)` adds a rule for every path that begins with `/`.
    ///
    /// List the methods as for [`route`](Self::route). `Allow` lists them at every path of the subtree, whether a resource
    /// exists there or not.
    ///
    /// ```
    /// use http::Method;
    /// use tower_method_policy::{Decision, MethodSet, Policy};
    ///
    /// let policy = Policy::new().subtree("/dav", MethodSet::WEBDAV)?.fallback([Method::GET]);
    /// for path in ["/dav", "/dav/", "/dav/a/b.txt"] {
    ///     assert_eq!(policy.decide(&Method::PUT, path), Decision::Forward);
    /// }
    /// # Ok::<_, tower_method_policy::PolicyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the prefix is invalid, ends with `{*rest}` or with a slash (except `/` itself), or
    /// conflicts with an earlier pattern.
    pub fn subtree(self, prefix: &str, methods: impl Into<MethodSet>) -> Result<Self, PolicyError> {
        self.add_rule(RuleKind::Subtree, prefix, methods.into())
    }

    /// Exempts the paths that `pattern` matches from all rules. Every recognized method is forwarded there, and a layer
    /// changes no `405` of the inner service. If the [inner service decides](crate::MethodPolicyLayer::inner_decides),
    /// every method is forwarded.
    ///
    /// Write `pattern` as for [`route`](Self::route).
    ///
    /// # Errors
    ///
    /// Returns an error if the pattern is invalid or conflicts with an earlier one.
    pub fn exempt(mut self, pattern: &str) -> Result<Self, PolicyError> {
        self.paths.add_exempt(pattern)?;
        Ok(self)
    }

    /// Sets the rule for every path that has no other rule and is not exempt.
    ///
    /// Also list `GET`, as for [`route`](Self::route). The strictest fallback is `[GET]`. A second call replaces
    /// the first.
    ///
    /// With a fallback, the layer answers `405` at a path without a rule if the fallback does not list the
    /// method. Without a fallback, the inner service answers there. Do not set a fallback if a router answers `405`
    /// itself.
    pub fn fallback(mut self, methods: impl Into<MethodSet>) -> Self {
        let rule = StoredRule::new(RuleKind::Fallback, "", methods.into());
        self.fallback = Some(Arc::new(rule));
        self.rebuild()
    }

    /// Decides about a method and a path by rows 1 and 4 to 6 of the [decision table](crate::guide::decisions).
    ///
    /// `path` is [`Uri::path`](http::Uri::path) of the request. A layer makes the same decision, except about
    /// CORS preflights, about `OPTIONS` if it [answers `OPTIONS`](crate::MethodPolicyLayer::answer_options), and about
    /// unrecognized methods if the [inner service decides](crate::MethodPolicyLayer::inner_decides). For allocations,
    /// see [`route`](Self::route).
    #[must_use]
    pub fn decide(&self, method: &Method, path: &str) -> Decision<'_> {
        if matches!(*method, Method::GET | Method::HEAD) {
            return Decision::Forward;
        }
        self.decide_by(self.place(path).rule(), method)
    }

    /// Applies rows 4 to 6 of the layer's decision table, given the rule at the path.
    ///
    /// A rule's methods are recognized, so a forwarded method is looked up in one set. It is always inlined. A call
    /// would add 30 instructions to a rejection.
    #[inline(always)]
    pub(crate) fn decide_by<'a>(
        &'a self,
        rule: Option<&'a Arc<StoredRule>>,
        method: &Method,
    ) -> Decision<'a> {
        let allow = self.allowed(rule);
        if allow.contains(method) {
            Decision::Forward
        } else if self.recognized.contains(method) {
            Decision::NotAllowed { allow }
        } else {
            Decision::NotImplemented
        }
    }

    /// The methods that row 4 forwards, given the rule at the path.
    #[inline]
    fn allowed<'a>(&'a self, rule: Option<&'a Arc<StoredRule>>) -> &'a MethodSet {
        rule.map_or(&self.recognized, |rule| &rule.allow.methods)
    }

    /// Returns every method that the server recognizes. A layer that
    /// [answers `OPTIONS`](crate::MethodPolicyLayer::answer_options) also recognizes `OPTIONS`.
    #[must_use]
    pub fn recognized(&self) -> &MethodSet {
        &self.recognized
    }

    /// Returns the routes and subtrees, in the order in which they were added.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = Rule<'_>> {
        self.paths.rules.iter().map(|rule| Rule(rule))
    }

    /// Returns the fallback, if there is one.
    #[must_use]
    pub fn fallback_rule(&self) -> Option<Rule<'_>> {
        self.fallback.as_deref().map(Rule)
    }

    /// Returns the patterns of the exempt paths, in the order in which they were added.
    pub fn exempt_paths(&self) -> impl ExactSizeIterator<Item = &str> {
        self.paths.exempt.iter().map(String::as_str)
    }

    /// Returns the rule that applies at `path`, or `None` if none applies or the path is exempt.
    #[must_use]
    pub fn rule_at(&self, path: &str) -> Option<Rule<'_>> {
        self.place(path).rule().map(|rule| Rule(rule))
    }

    /// The rule that applies at `path`, or why none applies.
    #[inline]
    pub(crate) fn place(&self, path: &str) -> Place<'_> {
        match (self.paths.get(path), &self.fallback) {
            (Place::NoRule, Some(fallback)) => Place::Rule(fallback),
            (place, _) => place,
        }
    }

    /// Whether row 4 of the layer's decision table forwards the registered method with this `bit`.
    #[inline]
    pub(crate) fn forwards(&self, bit: u64, path: &str) -> bool {
        self.allowed(self.place(path).rule()).registered() & bit != 0
    }

    /// The methods that are forwarded at every path.
    pub(crate) fn forwarded_everywhere(&self) -> MethodSet {
        let mut methods = self.allowed(self.fallback.as_ref()).clone();
        for rule in self.rules() {
            methods &= rule.methods();
        }
        methods | &GET_AND_HEAD
    }

    fn add_rule(
        mut self,
        kind: RuleKind,
        pattern: &str,
        methods: MethodSet,
    ) -> Result<Self, PolicyError> {
        self.paths.insert(Subject { kind: Some(kind), pattern })?;
        self.push_rule(kind, pattern, methods);
        Ok(self)
    }

    /// Adds the rule for the pattern that was inserted last.
    fn push_rule(&mut self, kind: RuleKind, pattern: &str, methods: MethodSet) {
        self.add(&methods);
        let rule = StoredRule::new(kind, pattern, methods);
        self.paths.rules.push(Arc::new(rule));
    }

    fn add(&mut self, methods: &MethodSet) {
        self.added |= methods;
        self.recognized |= methods;
    }

    fn rebuild(mut self) -> Self {
        self.recognized = &self.base | &self.added;
        if let Some(rule) = &self.fallback {
            self.recognized |= &rule.allow.methods;
        }
        self
    }
}

/// Two policies are equal if they recognize the same methods and have the same fallback, rules, and
/// exempt paths, in any order, and if the same is true after any further calls on both.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        fn paths(policy: &Policy) -> BTreeMap<Option<&str>, Option<Rule<'_>>> {
            let rules = policy.rules().map(|rule| (rule.pattern(), Some(rule)));
            let exempt = policy.exempt_paths().map(|pattern| (Some(pattern), None));
            rules.chain(exempt).collect()
        }
        // The fallback and the base can be replaced later, so it matters who recognizes a method.
        self.added == other.added
            && &self.base | &self.added == &other.base | &other.added
            && self.fallback == other.fallback
            && paths(self) == paths(other)
    }
}

impl Eq for Policy {}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("recognized", &self.recognized)
            .field("fallback", &self.fallback_rule().map(|rule| rule.methods()))
            .field("paths", &self.paths)
            .finish()
    }
}

/// The decision of a [`Policy`] about a method at a path.
///
/// The enum is exhaustive. No version will add a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// The request goes to the inner service.
    Forward,
    /// `405 Method Not Allowed` (RFC 9110 §15.5.6): the server recognizes the method, but the rule at
    /// this path does not list it.
    NotAllowed {
        /// The methods that the `Allow` field names.
        allow: &'a MethodSet,
    },
    /// `501 Not Implemented` (RFC 9110 §15.6.2): the method is not on the server's list.
    NotImplemented,
}
