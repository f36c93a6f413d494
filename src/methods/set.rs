//! [`MethodSet`], a set of methods in one canonical order, and its iterators.

use std::collections::{BTreeMap, btree_map};
use std::iter::FusedIterator;
use std::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Sub, SubAssign};
use std::{fmt, vec};

use http::Method;

use super::registry;

/// A set of request methods.
///
/// Methods are compared byte for byte and are case-sensitive (RFC 9110 §9.1).
///
/// Every function that takes `impl Into<MethodSet>` accepts a [`Method`], an array, a slice, or a `Vec` of
/// methods, a set, or a reference to one of these. The operators `|`, `&`, and `-` accept the same on their right
/// side. No version will add another conversion from arrays, so the empty array needs no type: `fallback([])`.
///
/// A list in text is parsed: [`from_static`](Self::from_static) for a constant, [`str::parse`] for any other
/// text, and [`from_allow`](Self::from_allow) for header fields.
///
/// # Order
///
/// Iteration, [`Display`](fmt::Display), and [`Debug`] use one canonical order: `GET`, `HEAD`, `POST`,
/// `PUT`, `PATCH`, `DELETE`, `OPTIONS`, `TRACE`, `CONNECT`, `QUERY`, then the other methods of the IANA
/// registry alphabetically, then all other methods alphabetically. If IANA registers a method, a minor version can
/// move it.
///
/// # Names
///
/// Any [`Method`] can be in a set. In text and in data, a name consists of letters, digits, `-`, and `_`, and names
/// that are probably mistakes are errors: a registered name in another case (`get`), the reserved names `*` and
/// `PRI`, and `ANY`, `ALL`, `NONE`, and the names of sets such as `WEBDAV`, in any case. The error says what to
/// write instead.
///
/// # As data
///
/// With the feature `serde`, a set is read from a list of names or from one string such as `"GET, HEAD"`. It
/// is written as a list.
///
/// # Cost
///
/// [`contains`](Self::contains) does not allocate. It tests a bit for a method of the IANA registry
/// and searches a tree for any other method.
///
/// # Example
///
/// ```
/// use http::Method;
/// use tower_method_policy::MethodSet;
///
/// let set = MethodSet::WEBDAV_BIND | [Method::PUT, Method::GET];
/// assert!(set.contains(&Method::PUT));
/// assert_eq!(set.to_string(), "GET, PUT, BIND, REBIND, UNBIND");
///
/// let parsed: MethodSet = "PURGE , GET,, GET".parse()?;
/// assert_eq!(parsed.to_string(), "GET, PURGE");
/// # Ok::<_, tower_method_policy::ParseMethodSetError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct MethodSet {
    /// Bit `n` is set if the set contains entry `n` of the registry's table.
    registered: u64,
    /// Every other method by its name. A tree, because rules add methods to large sets one by one.
    others: BTreeMap<String, Method>,
}

impl MethodSet {
    /// Returns the empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self::from_bits(0)
    }

    pub(crate) const fn from_bits(registered: u64) -> Self {
        Self { registered, others: BTreeMap::new() }
    }

    /// Returns whether the set contains `method`. Does not allocate; see [Cost](Self#cost).
    #[inline]
    #[must_use]
    pub fn contains(&self, method: &Method) -> bool {
        match registry::bit(method) {
            Some(bit) => self.registered & bit != 0,
            None => self.others.contains_key(method.as_str()),
        }
    }

    /// The registered methods in the set, as bits.
    pub(crate) fn registered(&self) -> u64 {
        self.registered
    }

    /// Returns the name of `method` if the set contains it, and `_OTHER` if not.
    ///
    /// Use it for metric labels and span attributes. Clients choose method names, so a label taken
    /// from the request has unbounded cardinality. OpenTelemetry's semantic conventions define `_OTHER`.
    ///
    /// ```
    /// use http::Method;
    /// use tower_method_policy::MethodSet;
    ///
    /// let known = MethodSet::REGISTERED;
    /// assert_eq!(known.name_or_other(&Method::PUT), "PUT");
    /// assert_eq!(known.name_or_other(&Method::from_bytes(b"FOO")?), "_OTHER");
    /// # Ok::<_, http::method::InvalidMethod>(())
    /// ```
    #[must_use]
    pub fn name_or_other<'a>(&self, method: &'a Method) -> &'a str {
        if self.contains(method) { method.as_str() } else { "_OTHER" }
    }

    /// Adds `method`. Returns whether it was new.
    pub fn insert(&mut self, method: Method) -> bool {
        let length = self.len();
        match registry::bit(&method) {
            Some(bit) => self.registered |= bit,
            None => drop(self.others.insert(method.as_str().to_owned(), method)),
        }
        self.len() > length
    }

    /// Removes `method`. Returns whether it was in the set.
    pub fn remove(&mut self, method: &Method) -> bool {
        let is_in_set = self.contains(method);
        *self -= method;
        is_in_set
    }

    /// Returns the number of methods in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.registered.count_ones() as usize + self.others.len()
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether `other` contains every method of this set.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.registered & !other.registered == 0
            && self.others.keys().all(|name| other.others.contains_key(name))
    }

    /// Iterates over the methods in canonical [order](Self#order). Does not allocate.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { registered: self.registered, others: self.others.values() }
    }
}

/// Iterator over the methods of a [`MethodSet`], in canonical order. See [`MethodSet::iter`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    registered: u64,
    others: btree_map::Values<'a, String, Method>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Method;

    fn next(&mut self) -> Option<&'a Method> {
        match registry::methods().get(self.registered.trailing_zeros() as usize) {
            Some(method) => {
                self.registered &= self.registered - 1;
                Some(method)
            }
            None => self.others.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let length = self.registered.count_ones() as usize + self.others.len();
        (length, Some(length))
    }
}

/// Owning iterator over the methods of a [`MethodSet`], in canonical order.
#[derive(Clone, Debug)]
pub struct IntoIter(vec::IntoIter<Method>);

impl Iterator for IntoIter {
    type Item = Method;

    fn next(&mut self) -> Option<Method> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl ExactSizeIterator for IntoIter {}
impl FusedIterator for Iter<'_> {}
impl FusedIterator for IntoIter {}

impl<'a> IntoIterator for &'a MethodSet {
    type Item = &'a Method;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for MethodSet {
    type Item = Method;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(Vec::from_iter(self.iter().cloned()).into_iter())
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

impl From<&Method> for MethodSet {
    fn from(method: &Method) -> Self {
        Self::from_iter([method])
    }
}

macro_rules! from_methods {
    ($([$($generics:tt)*] $methods:ty),+) => {$(
        impl<$($generics)*> From<$methods> for MethodSet {
            fn from(methods: $methods) -> Self {
                Self::from_iter(methods)
            }
        }
    )+};
}

from_methods!([] Vec<Method>, [] &Vec<Method>, [] &[Method]);
from_methods!([const N: usize] [Method; N], [const N: usize] &[Method; N]);

impl From<&MethodSet> for MethodSet {
    fn from(methods: &MethodSet) -> Self {
        methods.clone()
    }
}

impl<M: Into<Self>> BitOrAssign<M> for MethodSet {
    fn bitor_assign(&mut self, methods: M) {
        let methods = methods.into();
        self.registered |= methods.registered;
        self.others.extend(methods.others);
    }
}

impl<M: Into<Self>> BitAndAssign<M> for MethodSet {
    fn bitand_assign(&mut self, methods: M) {
        let methods = methods.into();
        self.registered &= methods.registered;
        self.others.retain(|name, _| methods.others.contains_key(name));
    }
}

impl<M: Into<Self>> SubAssign<M> for MethodSet {
    fn sub_assign(&mut self, methods: M) {
        let methods = methods.into();
        self.registered &= !methods.registered;
        self.others.retain(|name, _| !methods.others.contains_key(name));
    }
}

/// Implements an operator for sets and references to sets with its assigning form.
macro_rules! operator {
    ($operator:ident $method:ident $assign:ident, $doc:literal) => {
        #[doc = $doc]
        impl<M: Into<MethodSet>> $operator<M> for MethodSet {
            type Output = MethodSet;

            fn $method(mut self, methods: M) -> MethodSet {
                self.$assign(methods);
                self
            }
        }

        #[doc = $doc]
        impl<M: Into<MethodSet>> $operator<M> for &MethodSet {
            type Output = MethodSet;

            fn $method(self, methods: M) -> MethodSet {
                self.clone().$method(methods)
            }
        }
    };
}

operator!(BitOr bitor bitor_assign, "Returns the union.");
operator!(BitAnd bitand bitand_assign, "Returns the intersection.");
operator!(Sub sub sub_assign, "Returns the difference.");

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
