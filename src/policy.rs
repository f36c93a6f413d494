//! [`Policy`]: which methods the server implements and where each is allowed. Pure data, pure decisions.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::registered::{Id, Name};
use crate::routes::Routes;
use crate::set::MethodSet;

/// Which methods a server recognises, and which of them each target allows.
///
/// # Decision table
///
/// [`decide`](Self::decide) looks at a method and a path; the first row that matches wins.
///
/// | condition | decision | source |
/// |---|---|---|
/// | the method is exactly `GET` or `HEAD` | [`Forward`](Decision::Forward) | RFC 9110 §9.1 |
/// | it is allowed at the target | [`Forward`](Decision::Forward) | |
/// | it is recognised | [`NotAllowed`](Decision::NotAllowed): `405` and `Allow` | RFC 9110 §15.5.6 |
/// | anything else: `FOO`, `get`, `M-GET`, … | [`NotImplemented`](Decision::NotImplemented): `501` | RFC 9110 §15.6.2 |
///
/// `GET` and `HEAD` are allowed and recognised everywhere; no configuration can take them out.
/// Methods are case-sensitive and never normalised.
///
/// # Configuration
///
/// - The **registry** holds the methods that the server *recognises*: it implements them somewhere.
///   It starts as [`MethodSet::STANDARD`]; [`recognize`](Self::recognize) adds to it,
///   [`recognize_only`](Self::recognize_only) replaces that start.
/// - The **default rule** says what is *allowed* at every target without a rule of its own. Until
///   [`allow`](Self::allow) is called it is the whole registry except `CONNECT` and `TRACE`, which
///   are allowed only by naming them.
/// - A **path rule**, [`route`](Self::route), takes the default rule's place for the paths that it
///   matches.
///
/// Allowing a method somewhere recognises it everywhere. The order in which these are called never
/// changes a decision.
///
/// # Example
///
/// ```
/// use http::Method;
/// use tower_method_policy::{Decision, MethodSet, Policy};
///
/// let policy = Policy::new()
///     .allow([Method::POST])
///     .route("/dav/{*path}", MethodSet::WEBDAV | MethodSet::from([Method::PUT, Method::DELETE]))?;
///
/// assert_eq!(policy.decide(&Method::POST, "/"), Decision::Forward);
/// assert_eq!(policy.decide(&Method::PUT, "/dav/a.txt"), Decision::Forward);
///
/// match policy.decide(&Method::PUT, "/") {
///     Decision::NotAllowed { allow } => assert_eq!(allow.to_string(), "GET, HEAD, POST"),
///     other => panic!("{other:?}"),
/// }
///
/// // Nothing on this server implements SEARCH, registered or not.
/// let search = Method::from_bytes(b"SEARCH")?;
/// assert_eq!(policy.decide(&search, "/dav/a.txt"), Decision::NotImplemented);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Policy {
    /// What `recognize` was given.
    added: MethodSet,
    /// What `recognize_only` was given.
    only: Option<MethodSet>,
    /// What `allow` was given.
    allowed: Option<Allow>,
    routes: Routes,

    /// Derived from the above: everything that is recognised.
    recognized: MethodSet,
    /// Derived from the above: what is allowed without a path rule.
    default_rule: Allow,
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy {
    /// A policy that recognises [`MethodSet::STANDARD`] and allows all of it everywhere, except
    /// `CONNECT` and `TRACE`: it answers `501` to what nothing on a server implements and leaves
    /// the rest to the server.
    pub fn new() -> Self {
        Self {
            added: MethodSet::new(),
            only: None,
            allowed: None,
            routes: Routes::default(),
            recognized: MethodSet::new(),
            default_rule: Allow::new(MethodSet::new()),
        }
        .settled()
    }

    /// Adds methods to the registry: where they are not allowed they are answered with `405` rather
    /// than `501`.
    ///
    /// # Panics
    ///
    /// If a name is reserved; see [`try_recognize`](Self::try_recognize).
    #[track_caller]
    pub fn recognize(self, methods: impl Into<MethodSet>) -> Self {
        configured(self.try_recognize(methods))
    }

    /// Like [`recognize`](Self::recognize), for names that come from outside the program.
    ///
    /// # Errors
    ///
    /// [`PolicyError::ReservedMethod`] if `methods` holds `PRI` or `*`.
    pub fn try_recognize(mut self, methods: impl Into<MethodSet>) -> Result<Self, PolicyError> {
        let methods = methods.into();
        refuse_reserved(&methods, "recognize")?;
        self.added = self.added | methods;
        Ok(self.settled())
    }

    /// Makes the registry start from exactly these methods instead of [`MethodSet::STANDARD`].
    ///
    /// `GET`, `HEAD`, what [`recognize`](Self::recognize) adds and what is allowed anywhere are
    /// still recognised. Called again, it adds to the methods that it was given before.
    ///
    /// # Panics
    ///
    /// If a name is reserved; see [`try_recognize_only`](Self::try_recognize_only).
    #[track_caller]
    pub fn recognize_only(self, methods: impl Into<MethodSet>) -> Self {
        configured(self.try_recognize_only(methods))
    }

    /// Like [`recognize_only`](Self::recognize_only), for names that come from outside the program.
    ///
    /// # Errors
    ///
    /// [`PolicyError::ReservedMethod`] if `methods` holds `PRI` or `*`.
    pub fn try_recognize_only(
        mut self,
        methods: impl Into<MethodSet>,
    ) -> Result<Self, PolicyError> {
        let methods = methods.into();
        refuse_reserved(&methods, "recognize_only")?;
        self.only = Some(self.only.unwrap_or_default() | methods);
        Ok(self.settled())
    }

    /// Makes the default rule exactly `GET`, `HEAD` and these methods.
    ///
    /// Called again, it adds to the methods that it was given before. `allow([])` leaves `GET` and
    /// `HEAD`.
    ///
    /// # Panics
    ///
    /// If a name is reserved; see [`try_allow`](Self::try_allow).
    #[track_caller]
    pub fn allow(self, rule: impl Into<Allow>) -> Self {
        configured(self.try_allow(rule))
    }

    /// Like [`allow`](Self::allow), for names that come from outside the program.
    ///
    /// # Errors
    ///
    /// [`PolicyError::ReservedMethod`] if `rule` holds `PRI` or `*`.
    pub fn try_allow(mut self, rule: impl Into<Allow>) -> Result<Self, PolicyError> {
        let rule = rule.into();
        refuse_reserved(rule.methods(), "allow")?;
        self.allowed = Some(match self.allowed {
            Some(earlier) => earlier.union(&rule),
            None => rule,
        });
        Ok(self.settled())
    }

    /// Allows exactly `GET`, `HEAD` and these methods at the paths that `pattern` matches, in place
    /// of the default rule.
    ///
    /// Patterns are those of axum 0.8, by the same library, [`matchit`]: `/users`, `/users/{id}`
    /// (one segment), `/static/{*path}` (the rest, at least one character), `{{` and `}}` for
    /// literal braces. Where several patterns match, the most specific one is taken: at the first
    /// place where they differ a literal goes before a parameter, and a parameter before `{*rest}`.
    ///
    /// # What a pattern is matched against
    ///
    /// The path exactly as it was received: nothing is percent-decoded, neither `//` nor `..` is
    /// normalised, a trailing slash counts, `/static/{*path}` does not match `/static/`, and `{id}`
    /// matches an empty segment within a path (`/a/{id}/b` matches `/a//b`) but not at its end. A
    /// handler that normalises what it is asked for sees `/%61dmin` as `/admin`, and a rule for
    /// `/admin` does not. Where rules are there to protect something, make the default rule the
    /// strictest and let path rules open what is needed.
    ///
    /// A request for `*` or in authority form (a classic `CONNECT`) has no path: the default rule
    /// applies. An extended `CONNECT` (WebSockets over HTTP/2, RFC 8441) has one, as does a request
    /// in absolute form.
    ///
    /// # Cost
    ///
    /// One look-up in a radix tree, for methods that not every target allows, and another where one
    /// that is allowed elsewhere is refused; never for `GET` and `HEAD`. It does not allocate, with
    /// two exceptions in `matchit`, each of one allocation: patterns of more than three parameters,
    /// and paths that begin as a literal does where another pattern has a parameter (`/users/nancy`
    /// beside `/users/new` and `/users/{id}`).
    ///
    /// # Errors
    ///
    /// - [`PolicyError::ReservedMethod`] if `rule` holds `PRI` or `*`.
    /// - [`PolicyError::InvalidPattern`] if `pattern` does not begin with `/` or is not understood.
    /// - [`PolicyError::ConflictingPattern`] if an earlier pattern matches the same paths, as
    ///   `/users/{name}` does beside `/users/{id}`.
    ///
    /// [`matchit`]: https://docs.rs/matchit/0.8.4/matchit/
    pub fn route(mut self, pattern: &str, rule: impl Into<Allow>) -> Result<Self, PolicyError> {
        let rule = rule.into();
        refuse_reserved(rule.methods(), pattern)?;
        self.recognized.extend(rule.methods());
        self.routes.insert(pattern, rule)?;
        Ok(self)
    }

    /// What to do with a request for `method` at `path` ([the table](Self#decision-table)).
    ///
    /// `path` is what [`Uri::path`](http::Uri::path) gives. This is the whole decision: it needs no
    /// request and no server, performs no I/O, and allocates only where [`route`](Self::route)
    /// says so.
    #[inline]
    #[must_use]
    pub fn decide(&self, method: &Method, path: &str) -> Decision<'_> {
        if matches!(*method, Method::GET | Method::HEAD) {
            return Decision::Forward;
        }
        let name = Name::of(method);
        let allow = self.allowed_at(path);
        if allow.methods().contains_name(name) {
            Decision::Forward
        } else if self.recognized.contains_name(name) {
            Decision::NotAllowed { allow }
        } else {
            Decision::NotImplemented
        }
    }

    /// What is allowed at `path`: by the path rule that matches it, or else by the default rule.
    #[inline]
    #[must_use]
    pub fn allowed_at(&self, path: &str) -> &Allow {
        self.routes.rule_for(path).unwrap_or(&self.default_rule)
    }

    /// Whether the registered method of this bit is allowed at `path`.
    pub(crate) fn allows(&self, bit: u64, path: &str) -> bool {
        self.allowed_at(path).methods().registered() & bit != 0
    }

    /// Every method that is recognised: what is not in here is answered with `501`.
    #[must_use]
    pub fn recognized(&self) -> &MethodSet {
        &self.recognized
    }

    /// What the server as a whole allows: the answer to `OPTIONS *` (RFC 9110 §9.3.7).
    pub(crate) fn server_wide(&self) -> Allow {
        let headers = self.default_rule.options_headers().clone();
        Allow::with_headers(self.allowed_anywhere(), headers)
    }

    /// What is allowed at one target or another.
    pub(crate) fn allowed_anywhere(&self) -> MethodSet {
        let mut methods = self.default_rule.methods().clone();
        for rule in self.routes.rules() {
            methods.extend(rule.methods());
        }
        methods
    }

    /// What is allowed at every target.
    pub(crate) fn allowed_everywhere(&self) -> MethodSet {
        let mut methods = self.default_rule.methods().clone();
        for rule in self.routes.rules() {
            methods = &methods & rule.methods();
        }
        methods
    }

    /// Derives what follows from the configuration as a whole.
    fn settled(mut self) -> Self {
        let start = self.only.clone().unwrap_or(MethodSet::STANDARD);
        let registry = start | self.added.clone();
        self.default_rule = self.allowed.clone().unwrap_or_else(|| {
            Allow::new(registry.clone() - MethodSet::of(&[Id::CONNECT, Id::TRACE]))
        });
        self.recognized = registry | self.allowed_anywhere();
        self
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("recognized", &self.recognized)
            .field("default_rule", &self.default_rule)
            .field("routes", &self.routes)
            .finish()
    }
}

/// The infallible form of a fallible setting.
#[track_caller]
fn configured(policy: Result<Policy, PolicyError>) -> Policy {
    match policy {
        Ok(policy) => policy,
        Err(error) => panic!("{error}"),
    }
}

fn refuse_reserved(methods: &MethodSet, setting: &str) -> Result<(), PolicyError> {
    match methods.reserved() {
        None => Ok(()),
        Some(method) => Err(PolicyError::ReservedMethod {
            method,
            setting: setting.to_owned(),
        }),
    }
}

/// What a [`Policy`] says of a method at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// The request goes to the inner service, untouched.
    Forward,
    /// `405 Method Not Allowed`: the server implements the method somewhere, not at this target.
    NotAllowed {
        /// What the target allows; the refused method is never among it.
        allow: &'a Allow,
    },
    /// `501 Not Implemented`: no resource of the server implements the method.
    NotImplemented,
}

/// What is allowed at a target: a set of methods, and the `Allow` field that lists it
/// (RFC 9110 §10.2.1).
///
/// The field's value is rendered when it is made. Cloning is cheap and does not allocate.
///
/// ```
/// use http::{HeaderName, HeaderValue, Method};
/// use tower_method_policy::{Allow, MethodSet, Policy};
///
/// let dav = Allow::new(MethodSet::WEBDAV | MethodSet::from([Method::OPTIONS, Method::PUT]))
///     .options_header(HeaderName::from_static("dav"), HeaderValue::from_static("1, 2"));
/// let policy = Policy::new().route("/dav/{*path}", dav)?;
/// assert!(policy.allowed_at("/dav/a").methods().contains(&Method::GET));
/// # Ok::<_, tower_method_policy::PolicyError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Allow(Arc<Allowed>);

#[derive(Clone, PartialEq, Eq)]
struct Allowed {
    methods: MethodSet,
    value: HeaderValue,
    options_headers: HeaderMap,
}

impl Allow {
    /// `GET`, `HEAD` and `methods`.
    pub fn new(methods: impl Into<MethodSet>) -> Self {
        Self::with_headers(methods.into(), HeaderMap::new())
    }

    fn with_headers(mut methods: MethodSet, options_headers: HeaderMap) -> Self {
        methods.extend([Method::GET, Method::HEAD]);
        let value = HeaderValue::try_from(methods.to_string())
            .expect("a list of tokens is a valid field value");
        // The first clone of a value that owns its bytes allocates their reference count.
        drop(value.clone());
        Self(Arc::new(Allowed {
            methods,
            value,
            options_headers,
        }))
    }

    /// Adds a field to the answer that
    /// [`answer_options`](crate::MethodPolicyLayer::answer_options) gives at such a target: `DAV`,
    /// `Accept-Patch`, `Accept-Query` and the like (RFC 9110 §9.3.7). It is on no other response.
    #[must_use]
    pub fn options_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        Arc::make_mut(&mut self.0)
            .options_headers
            .append(name, value);
        self
    }

    /// The methods; `GET` and `HEAD` are always among them.
    #[inline]
    #[must_use]
    pub fn methods(&self) -> &MethodSet {
        &self.0.methods
    }

    /// The methods as the value of an `Allow` field: each once, in canonical order, `", "` between.
    #[inline]
    #[must_use]
    pub fn header_value(&self) -> &HeaderValue {
        &self.0.value
    }

    pub(crate) fn options_headers(&self) -> &HeaderMap {
        &self.0.options_headers
    }

    /// What either allows.
    fn union(self, other: &Self) -> Self {
        let mut headers = self.options_headers().clone();
        for (name, value) in other.options_headers() {
            headers.append(name, value.clone());
        }
        Self::with_headers(self.methods() | other.methods(), headers)
    }
}

impl From<MethodSet> for Allow {
    fn from(methods: MethodSet) -> Self {
        Self::new(methods)
    }
}

impl From<Method> for Allow {
    fn from(method: Method) -> Self {
        Self::new(method)
    }
}

impl<const N: usize> From<[Method; N]> for Allow {
    fn from(methods: [Method; N]) -> Self {
        Self::new(methods)
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.methods().fmt(f)
    }
}

impl fmt::Debug for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.methods().fmt(f)
    }
}

/// Why a policy could not be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// A method is reserved and can never be implemented: `PRI` (RFC 9113 §3.4) or `*` (RFC 9110
    /// §18.2).
    #[non_exhaustive]
    ReservedMethod {
        /// The reserved name.
        method: Method,
        /// The setting that was given it: `allow`, `recognize`, `recognize_only`, or the pattern of
        /// a path rule.
        setting: String,
    },
    /// A path pattern is not understood.
    #[non_exhaustive]
    InvalidPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Two path patterns match the same paths, and neither is more specific.
    #[non_exhaustive]
    ConflictingPattern {
        /// The pattern that was refused.
        pattern: String,
        /// The earlier pattern that it conflicts with.
        existing: String,
    },
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedMethod { method, setting } => {
                write!(
                    f,
                    "the method name `{method}`, given to `{setting}`, is reserved"
                )
            }
            Self::InvalidPattern { pattern, reason } => {
                write!(f, "invalid path pattern `{pattern}`: {reason}")
            }
            Self::ConflictingPattern { pattern, existing } => {
                write!(f, "path pattern `{pattern}` conflicts with `{existing}`")
            }
        }
    }
}

impl std::error::Error for PolicyError {}
