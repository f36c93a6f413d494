//! [`MethodSet`]: a set of methods in one canonical order.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::{BitAnd, BitOr, Sub};

use http::Method;

use super::registered::{self, Id, Name};

/// A set of request methods.
///
/// Methods are compared as RFC 9110 §9.1 says: case-sensitively, byte for byte.
///
/// # Order
///
/// Iteration, [`Display`](fmt::Display) and [`Debug`] give the methods in one canonical order,
/// whatever order they came in: `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`,
/// `TRACE`, `CONNECT`, `QUERY`, then the other methods registered with IANA alphabetically, then
/// the rest alphabetically.
///
/// # As data
///
/// With the feature `serde` a set is a list of names, or one string such as `"GET, HEAD"`; it is
/// written as a list. A registered name in another case, `get`, is an error, and so are `PRI` and `*`.
///
/// # Cost
///
/// [`contains`](Self::contains) never allocates. For a method registered with IANA it is a bit
/// test, after at most one name comparison; for any other it is one hash look-up, whose cost grows
/// neither with the size of the set nor with the length of an over-long name. Iterating and
/// rendering sort the methods that are not registered: they are made for configuration time.
///
/// # Example
///
/// ```
/// use http::Method;
/// use tower_method_policy::MethodSet;
///
/// let set = MethodSet::WEBDAV | MethodSet::from([Method::PUT, Method::GET]);
/// assert!(set.contains(&Method::PUT));
/// assert_eq!(set.to_string(), "GET, PUT, COPY, LOCK, MKCOL, MOVE, PROPFIND, PROPPATCH, UNLOCK");
///
/// let parsed: MethodSet = "PURGE , GET,, GET".parse()?;
/// assert_eq!(parsed.to_string(), "GET, PURGE");
/// # Ok::<_, tower_method_policy::ParseMethodSetError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct MethodSet {
    /// Bit `n` stands for the entry `n` of the registry's table.
    registered: u64,
    /// Every other method.
    others: HashSet<Other, BuildHasherDefault<Fnv1a>>,
    /// The length of the longest name in `others`: nothing longer is hashed.
    longest: usize,
}

impl MethodSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self::from_bits(0)
    }

    pub(super) const fn from_bits(registered: u64) -> Self {
        Self {
            registered,
            others: HashSet::with_hasher(BuildHasherDefault::new()),
            longest: 0,
        }
    }

    pub(crate) const fn of(ids: &[Id]) -> Self {
        Self::from_bits(Id::bits(ids))
    }

    /// Whether the set holds `method`.
    ///
    /// See [Cost](Self#cost): a bit test for registered methods, one hash look-up for others, no
    /// allocation.
    #[inline]
    #[must_use]
    pub fn contains(&self, method: &Method) -> bool {
        self.contains_name(Name::of(method))
    }

    /// `method`'s name if the set holds it, or else `_OTHER`, as OpenTelemetry's semantic conventions
    /// call what is not known: a name for labels of metrics and attributes of spans.
    ///
    /// Clients choose methods, so a label that is made of one as it comes, or of a part of it, has as
    /// many values as a client likes, and each costs memory for as long as the process runs. A name of
    /// a set is bounded. Count by [`REGISTERED`](Self::REGISTERED) rather than by what the policy
    /// recognises: then it shows that clients ask for `PROPFIND`, say, which nobody implements yet.
    ///
    /// The environment variable `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS` parses as a set.
    ///
    /// ```
    /// use http::Method;
    /// use tower_method_policy::MethodSet;
    ///
    /// let set = MethodSet::REGISTERED;
    /// assert_eq!(set.name_or_other(&Method::from_bytes(b"PROPFIND")?), "PROPFIND");
    /// assert_eq!(set.name_or_other(&Method::from_bytes(b"propfind")?), "_OTHER");
    ///
    /// let known: MethodSet = "GET,HEAD,POST".parse()?;
    /// assert_eq!(known.name_or_other(&Method::PUT), "_OTHER");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn name_or_other<'a>(&self, method: &'a Method) -> &'a str {
        match self.contains(method) {
            true => method.as_str(),
            false => "_OTHER",
        }
    }

    #[inline]
    pub(crate) fn contains_name(&self, name: Name<'_>) -> bool {
        match name {
            Name::Registered(bit) => self.registered >> bit & 1 != 0,
            Name::Other(name) => name.len() <= self.longest && self.others.contains(name),
        }
    }

    /// Adds `method`; returns whether it was new.
    pub fn insert(&mut self, method: Method) -> bool {
        match registered::position(&method) {
            Some(bit) => {
                let new = self.registered >> bit & 1 == 0;
                self.registered |= 1 << bit;
                new
            }
            None => {
                self.longest = self.longest.max(method.as_str().len());
                self.others.insert(Other(method))
            }
        }
    }

    /// How many methods the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.registered.count_ones() as usize + self.others.len()
    }

    /// Whether the set holds no method.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every method of this set is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.registered & !other.registered == 0 && self.others.is_subset(&other.others)
    }

    /// Whether every method of `other` is in this set.
    #[must_use]
    pub fn is_superset(&self, other: &Self) -> bool {
        other.is_subset(self)
    }

    /// Whether no method is in both sets.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.registered & other.registered == 0 && self.others.is_disjoint(&other.others)
    }

    /// The methods in canonical [order](Self#order).
    #[must_use]
    pub fn iter(&self) -> std::vec::IntoIter<&Method> {
        let registered = registered::methods()
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.registered >> bit & 1 != 0)
            .map(|(_, method)| method);
        let mut methods: Vec<_> = registered.collect();
        let others_from = methods.len();
        methods.extend(self.others.iter().map(|other| &other.0));
        methods[others_from..].sort_unstable_by_key(|method| method.as_str());
        methods.into_iter()
    }

    /// The registered methods in the set, as bits.
    pub(crate) fn registered(&self) -> u64 {
        self.registered
    }

    /// Keeps of the methods that are not registered those for which `keep` says so.
    fn retain_others(&mut self, keep: impl Fn(&Other) -> bool) {
        self.others.retain(|other| keep(other));
        let lengths = self.others.iter().map(|other| other.0.as_str().len());
        self.longest = lengths.max().unwrap_or(0);
    }
}

impl<'a> IntoIterator for &'a MethodSet {
    type Item = &'a Method;
    type IntoIter = std::vec::IntoIter<&'a Method>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for MethodSet {
    type Item = Method;
    type IntoIter = std::vec::IntoIter<Method>;

    fn into_iter(self) -> Self::IntoIter {
        let methods: Vec<_> = self.iter().cloned().collect();
        methods.into_iter()
    }
}

impl Extend<Method> for MethodSet {
    fn extend<I: IntoIterator<Item = Method>>(&mut self, methods: I) {
        for method in methods {
            self.insert(method);
        }
    }
}

impl<'a> Extend<&'a Method> for MethodSet {
    fn extend<I: IntoIterator<Item = &'a Method>>(&mut self, methods: I) {
        self.extend(methods.into_iter().cloned());
    }
}

impl<M> FromIterator<M> for MethodSet
where
    Self: Extend<M>,
{
    fn from_iter<I: IntoIterator<Item = M>>(methods: I) -> Self {
        let mut set = Self::new();
        set.extend(methods);
        set
    }
}

impl From<Method> for MethodSet {
    fn from(method: Method) -> Self {
        Self::from_iter([method])
    }
}

impl From<Vec<Method>> for MethodSet {
    fn from(methods: Vec<Method>) -> Self {
        Self::from_iter(methods)
    }
}

impl<const N: usize> From<[Method; N]> for MethodSet {
    fn from(methods: [Method; N]) -> Self {
        Self::from_iter(methods)
    }
}

/// Union.
impl BitOr for MethodSet {
    type Output = Self;

    fn bitor(mut self, other: Self) -> Self {
        self.registered |= other.registered;
        self.longest = self.longest.max(other.longest);
        self.others.extend(other.others);
        self
    }
}

/// Intersection.
impl BitAnd for MethodSet {
    type Output = Self;

    fn bitand(mut self, other: Self) -> Self {
        self.registered &= other.registered;
        self.retain_others(|method| other.others.contains(method));
        self
    }
}

/// Difference.
impl Sub for MethodSet {
    type Output = Self;

    fn sub(mut self, other: Self) -> Self {
        self.registered &= !other.registered;
        self.retain_others(|method| !other.others.contains(method));
        self
    }
}

impl BitOr for &MethodSet {
    type Output = MethodSet;

    fn bitor(self, other: Self) -> MethodSet {
        self.clone() | other.clone()
    }
}

impl BitAnd for &MethodSet {
    type Output = MethodSet;

    fn bitand(self, other: Self) -> MethodSet {
        self.clone() & other.clone()
    }
}

impl Sub for &MethodSet {
    type Output = MethodSet;

    fn sub(self, other: Self) -> MethodSet {
        self.clone() - other.clone()
    }
}

impl Hash for MethodSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        for method in self {
            method.hash(state);
        }
    }
}

/// The methods as a list, such as `[GET, HEAD]`.
impl fmt::Debug for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The methods as the value of an `Allow` field, such as `GET, HEAD` (RFC 9110 §10.2.1).
impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, method) in self.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            f.write_str(method.as_str())?;
        }
        Ok(())
    }
}

/// A method that is not registered, hashed by its name alone.
#[derive(Clone, PartialEq, Eq)]
struct Other(Method);

impl Hash for Other {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl Borrow<str> for Other {
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

/// The 64-bit FNV-1a hash.
///
/// Names are short, and which of them are stored is the configuration's choice, not a client's: a
/// client cannot make entries collide, so a keyed hash would cost every request and protect
/// nothing.
struct Fnv1a(u64);

impl Default for Fnv1a {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv1a {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
