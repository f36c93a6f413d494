//! [`Policy`]: which methods the server implements and where each is allowed. Pure data, pure decisions.

mod allow;
#[cfg(feature = "serde")]
mod data;
mod error;
mod routes;

use std::fmt;

use http::Method;

pub use self::allow::Allow;
pub use self::error::PolicyError;
use self::routes::Routes;
use crate::methods::MethodSet;
use crate::methods::registered::{Id, Name};

/// Which methods a server recognises, and which of them each target allows.
///
/// # Decision table
///
/// [`decide`](Self::decide) looks at a method and a path; the first row that matches wins.
///
/// | condition | decision | source |
/// |---|---|---|
/// | the method is exactly `GET` or `HEAD` | [`Forward`](Decision::Forward) | RFC 9110 §9.1 |
/// | it is allowed at the target by a rule, or recognised where no rule speaks | [`Forward`](Decision::Forward) | |
/// | it is recognised | [`NotAllowed`](Decision::NotAllowed): `405` and `Allow` | RFC 9110 §15.5.6 |
/// | anything else: `FOO`, `get`, `M-GET`, … | [`NotImplemented`](Decision::NotImplemented): `501` | RFC 9110 §15.6.2 |
///
/// `GET` and `HEAD` are forwarded and recognised everywhere; no configuration can change that.
/// Methods are case-sensitive and never normalised.
///
/// # Configuration
///
/// - The **registry** holds the methods that the server *recognises*: it implements them somewhere.
///   It starts as [`MethodSet::STANDARD`]; [`recognize`](Self::recognize) adds to it,
///   [`recognize_only`](Self::recognize_only) replaces that start.
/// - A **path rule**, [`route`](Self::route), says what is *allowed* at the paths that it matches.
/// - The **default rule**, [`allow`](Self::allow), says what is allowed at every other target.
///   Until `allow` is called there is none, and where no path rule matches, everything that is
///   recognised is forwarded: the policy does not know what those targets allow, so it says nothing
///   about it. That includes `CONNECT` and `TRACE`.
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
/// let dav = MethodSet::WEBDAV | MethodSet::from([Method::OPTIONS, Method::PUT, Method::DELETE]);
/// let policy = Policy::new()
///     .allow([Method::POST])
///     // A pattern that ends with `{*path}` matches neither `/dav` nor `/dav/`.
///     .route("/dav", dav.clone())?
///     .route("/dav/", dav.clone())?
///     .route("/dav/{*path}", dav)?;
///
/// assert_eq!(policy.decide(&Method::POST, "/"), Decision::Forward);
/// assert_eq!(policy.decide(&Method::PUT, "/dav/a.txt"), Decision::Forward);
/// assert_eq!(policy.decide(&Method::OPTIONS, "/dav/"), Decision::Forward);
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
///
/// # As data
///
/// With the feature `serde` a policy is read from TOML, JSON, YAML or any other format that describes
/// itself. All keys are optional, and their order is of no importance:
///
/// ```
/// # #[cfg(feature = "serde")] {
/// # use http::Method;
/// # use tower_method_policy::{Decision, Policy};
/// let policy: Policy = toml::from_str(r#"
///     recognize = ["ACL", "REPORT"]           # a list of methods, …
///     recognize_only = "GET, HEAD, POST"      # … or one string, as in `Allow`
///     allow = ["POST"]                        # the default rule: a list, a string or a table
///
///     [routes]
///     "/users/{id}" = "PUT, DELETE"
///     "/login" = { exactly = ["POST"] }
///     "/dav/{*path}" = { methods = ["PUT", "PROPFIND"], options_headers = { DAV = "1, 2" } }
/// "#)?;
///
/// assert_eq!(policy.decide(&Method::PUT, "/dav/a.txt"), Decision::Forward);
/// assert_eq!(policy.allowed_at("/login").unwrap().to_string(), "POST");
/// assert_eq!(policy.allowed_at("/users/7").unwrap().to_string(), "GET, HEAD, PUT, DELETE");
///
/// let error = toml::from_str::<Policy>("allow = ['get']").unwrap_err();
/// assert_eq!(error.message(), r#""get" is not "GET": methods are case-sensitive"#);
/// # }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// A rule in the form of a table has either `methods` ([`Allow::new`]) or `exactly`
/// ([`Allow::exactly`]), and maybe `options_headers` ([`Allow::options_header`]), each with a string
/// or a list of strings for several values. Errors say what is wrong, and where as far as the format
/// tells; see [`MethodSet`](MethodSet#as-data) for names that only data may not have.
#[doc = include_str!("../../docs/agreement.md")]
#[derive(Clone)]
#[must_use]
pub struct Policy {
    /// What `recognize` was given.
    added: MethodSet,
    /// What `recognize_only` was given.
    only: Option<MethodSet>,
    /// What `allow` was given.
    default_rule: Option<Allow>,
    routes: Routes,

    /// Derived from the above: everything that is recognised.
    recognized: MethodSet,
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy {
    /// A policy that recognises [`MethodSet::STANDARD`] and has no rules: it answers `501` to what
    /// nothing on the server implements and forwards the rest.
    pub fn new() -> Self {
        Self {
            added: MethodSet::new(),
            only: None,
            default_rule: None,
            routes: Routes::default(),
            recognized: MethodSet::new(),
        }
        .derive_recognized()
    }

    /// Adds methods to the registry: where a rule does not allow them they are answered with `405`
    /// rather than `501`.
    pub fn recognize(mut self, methods: impl Into<MethodSet>) -> Self {
        self.added = self.added | methods.into();
        self.derive_recognized()
    }

    /// Makes the registry start from exactly these methods instead of [`MethodSet::STANDARD`].
    ///
    /// `GET`, `HEAD`, what [`recognize`](Self::recognize) adds and what is allowed anywhere are
    /// still recognised. Called again, it adds to the methods that it was given before.
    pub fn recognize_only(mut self, methods: impl Into<MethodSet>) -> Self {
        self.only = Some(self.only.unwrap_or_default() | methods.into());
        self.derive_recognized()
    }

    /// Makes the default rule, for every target without a rule of its own, exactly `rule`: for
    /// methods, `GET`, `HEAD` and these (see [`Allow`]).
    ///
    /// Called again, it adds to what it was given before. `allow([])` leaves `GET` and `HEAD`.
    pub fn allow(mut self, rule: impl Into<Allow>) -> Self {
        let rule = rule.into();
        self.default_rule = Some(match self.default_rule {
            Some(earlier) => earlier.union(&rule),
            None => rule,
        });
        self.derive_recognized()
    }

    /// Makes `rule` the rule for the paths that `pattern` matches, in place of the default rule: for
    /// methods, exactly `GET`, `HEAD` and these are allowed there (see [`Allow`]).
    ///
    /// Patterns are those of axum 0.8: `/users`, `/users/{id}` (one segment), `/static/{*path}` (the
    /// rest, at least one character), `{{` and `}}` for literal braces. Where several patterns match,
    /// the most specific one is taken: at the first place where they differ a literal goes before a
    /// parameter, and a parameter before `{*rest}`.
    ///
    /// A pattern that is valid here is valid there, and matches the same paths, for every release so
    /// far, 0.8.0 to 0.8.9: all of them pin [`matchit`] 0.8.4, and so does this crate. The parameters
    /// of axum 0.7, `:id` and `*rest`, are errors here as they are there; a router made with
    /// `without_v07_checks` takes them for literals, for which there can be no rule.
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
    /// that is allowed elsewhere is rejected; never for `GET` and `HEAD`. It does not allocate, with
    /// two exceptions in `matchit`, each of one allocation: patterns of more than three parameters,
    /// and paths that begin as a literal does where another pattern has a parameter (`/users/nancy`
    /// beside `/users/new` and `/users/{id}`).
    ///
    /// # Errors
    ///
    /// - [`PolicyError::InvalidPattern`] if `pattern` does not begin with `/`, has a segment that begins
    ///   with `:` or `*`, has more than 25 parameters, or is not understood.
    /// - [`PolicyError::ConflictingPattern`] if an earlier pattern matches the same paths, as
    ///   `/users/{name}` does beside `/users/{id}`.
    ///
    /// [`matchit`]: https://docs.rs/matchit/0.8.4/matchit/
    pub fn route(mut self, pattern: &str, rule: impl Into<Allow>) -> Result<Self, PolicyError> {
        let rule = rule.into();
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
        match self.allowed_at(path) {
            Some(allow) if allow.methods().contains_name(name) => Decision::Forward,
            Some(allow) if self.recognized.contains_name(name) => Decision::NotAllowed { allow },
            None if self.recognized.contains_name(name) => Decision::Forward,
            _ => Decision::NotImplemented,
        }
    }

    /// What is allowed at `path`: by the path rule that matches it, or else by the default rule.
    /// `None` where no rule speaks: there everything that is recognised is forwarded.
    #[inline]
    #[must_use]
    pub fn allowed_at(&self, path: &str) -> Option<&Allow> {
        self.routes.rule_for(path).or(self.default_rule.as_ref())
    }

    /// Every method that is recognised: what is not in here is answered with `501`.
    #[must_use]
    pub fn recognized(&self) -> &MethodSet {
        &self.recognized
    }

    /// The default rule, if [`allow`](Self::allow) was called.
    #[must_use]
    pub fn default_rule(&self) -> Option<&Allow> {
        self.default_rule.as_ref()
    }

    /// The path rules, each with its pattern as it was given, in the order of insertion.
    ///
    /// ```
    /// use http::Method;
    /// use tower_method_policy::Policy;
    ///
    /// let policy = Policy::new().route("/users", [Method::POST])?.route("/users/{id}", [Method::PUT])?;
    /// for (pattern, allow) in policy.rules() {
    ///     println!("{pattern}: {allow}");
    /// }
    /// assert_eq!(policy.rules().len(), 2);
    /// # Ok::<_, tower_method_policy::PolicyError>(())
    /// ```
    pub fn rules(&self) -> impl ExactSizeIterator<Item = (&str, &Allow)> {
        self.routes.rules()
    }

    /// What the server as a whole allows, if any rule speaks: the answer to `OPTIONS *`
    /// (RFC 9110 §9.3.7).
    pub(crate) fn server_wide(&self) -> Option<Allow> {
        let mut all = self.all_rules();
        let first = all.next()?.methods().clone();
        let methods = all.fold(first, |methods, rule| methods | rule.methods().clone());
        let default_rule = self.default_rule.as_ref();
        let headers = default_rule.map(|rule| rule.options_headers().clone());
        Some(Allow::with_headers(methods, headers.unwrap_or_default()))
    }

    /// What is forwarded at every target, and what is forwarded at one target or another.
    pub(crate) fn forwarded(&self) -> [MethodSet; 2] {
        let get_and_head = MethodSet::of(&[Id::GET, Id::HEAD]);
        let beside_routes = match &self.default_rule {
            Some(rule) => rule.methods(),
            None => &self.recognized,
        };
        let both = [beside_routes.clone(), beside_routes.clone()];
        let [everywhere, somewhere] = self.rules().fold(both, |[every, some], (_, rule)| {
            [&every & rule.methods(), &some | rule.methods()]
        });
        [everywhere | get_and_head.clone(), somewhere | get_and_head]
    }

    /// Whether the registered method of this bit, neither `GET` nor `HEAD`, is forwarded at `path`.
    pub(crate) fn forwards(&self, bit: u64, path: &str) -> bool {
        let methods = match self.allowed_at(path) {
            Some(allow) => allow.methods(),
            None => &self.recognized,
        };
        methods.registered() & bit != 0
    }

    fn all_rules(&self) -> impl Iterator<Item = &Allow> {
        let path_rules = self.rules().map(|(_, rule)| rule);
        self.default_rule.iter().chain(path_rules)
    }

    fn derive_recognized(mut self) -> Self {
        let start = self.only.clone().unwrap_or(MethodSet::STANDARD);
        let get_and_head = MethodSet::of(&[Id::GET, Id::HEAD]);
        let registry = start | self.added.clone() | get_and_head;
        self.recognized = self
            .all_rules()
            .fold(registry, |all, rule| all | rule.methods().clone());
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

/// What a [`Policy`] says of a method at a target.
///
/// These three states are all there are, and what the crate is about: a `match` needs no wildcard,
/// and no version will add a fourth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    /// The request goes to the inner service, untouched.
    Forward,
    /// `405 Method Not Allowed`: the server implements the method somewhere, not at this target.
    NotAllowed {
        /// What the target allows; the rejected method is never in it.
        allow: &'a Allow,
    },
    /// `501 Not Implemented`: no resource of the server implements the method.
    NotImplemented,
}
