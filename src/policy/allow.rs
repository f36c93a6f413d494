//! [`Allow`]: what a target allows.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::methods::MethodSet;
use crate::methods::registered::Id;

/// A rule: which methods a target allows, and the `Allow` field that lists them
/// (RFC 9110 §10.2.1).
///
/// [`new`](Self::new), and every conversion, adds `GET` and `HEAD`, which a policy forwards
/// everywhere. [`exactly`](Self::exactly) does not: it is for targets whose handler itself answers
/// `GET` with `405`.
///
/// The field's value is rendered when the rule is made. Cloning is cheap and does not allocate.
///
/// With the feature `serde` a rule is read from data, see [`Policy`](crate::Policy#as-data).
///
/// ```
/// use http::{HeaderName, HeaderValue, Method};
/// use tower_method_policy::{Allow, MethodSet, Policy};
///
/// let dav = Allow::new(MethodSet::WEBDAV | MethodSet::from([Method::OPTIONS, Method::PUT]))
///     .options_header(HeaderName::from_static("dav"), HeaderValue::from_static("1, 2"));
/// let policy = Policy::new().route("/dav/{*path}", dav)?;
/// let allow = policy.allowed_at("/dav/a").expect("there is a rule");
/// assert!(allow.methods().contains(&Method::GET));
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
        Self::exactly(methods.into() | MethodSet::of(&[Id::GET, Id::HEAD]))
    }

    /// Exactly `methods`, for a target that does not serve `GET`: a form's action, a login, a gRPC
    /// service.
    ///
    /// `GET` and `HEAD` reach the inner service all the same. Its answer to them is its own; where
    /// that is a `405`, its `Allow` and this rule's should say the same.
    ///
    /// ```
    /// use http::Method;
    /// use tower_method_policy::{Allow, Decision, Policy};
    ///
    /// let policy = Policy::new().route("/login", Allow::exactly([Method::POST]))?;
    ///
    /// assert_eq!(policy.decide(&Method::GET, "/login"), Decision::Forward);
    /// match policy.decide(&Method::DELETE, "/login") {
    ///     Decision::NotAllowed { allow } => assert_eq!(allow.to_string(), "POST"),
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<_, tower_method_policy::PolicyError>(())
    /// ```
    pub fn exactly(methods: impl Into<MethodSet>) -> Self {
        Self::with_headers(methods.into(), HeaderMap::new())
    }

    pub(super) fn with_headers(methods: MethodSet, options_headers: HeaderMap) -> Self {
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
    ///
    /// # Panics
    ///
    /// If there are more fields than a [`HeaderMap`] can hold, some 24,000.
    #[must_use]
    pub fn options_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        Arc::make_mut(&mut self.0)
            .options_headers
            .append(name, value);
        self
    }

    /// The methods that the rule lists.
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
    pub(super) fn union(self, other: &Self) -> Self {
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

impl From<Vec<Method>> for Allow {
    fn from(methods: Vec<Method>) -> Self {
        Self::new(methods)
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
