//! The IANA "Hypertext Transfer Protocol (HTTP) Method Registry" as a table.
//!
//! <https://www.iana.org/assignments/http-methods>. That a method is registered says nothing about
//! whether a server implements it: the table gives a method's properties and the named sets of
//! [`MethodSet`](crate::MethodSet); it is never what a policy recognises by default.

use std::sync::LazyLock;

use http::Method;

/// The entry of a method in the IANA registry (RFC 9110 §16.1.1).
///
/// ```
/// use http::Method;
/// use tower_method_policy::{Cacheable, RegisteredMethod};
///
/// let propfind = Method::from_bytes(b"PROPFIND")?;
/// let entry = RegisteredMethod::of(&propfind).expect("registered by RFC 4918");
/// assert!(entry.is_safe() && entry.is_idempotent());
/// assert_eq!(entry.cacheable(), Cacheable::Limited);
/// assert_eq!(entry.references(), ["RFC4918 §9.1", "RFC8144 §2.1"]);
///
/// // Methods are case-sensitive (RFC 9110 §9.1).
/// assert!(RegisteredMethod::of(&Method::from_bytes(b"propfind")?).is_none());
/// # Ok::<_, http::method::InvalidMethod>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RegisteredMethod {
    name: &'static str,
    safe: bool,
    idempotent: bool,
    cacheable: Cacheable,
    references: &'static [&'static str],
}

/// Whether a response to a method can be stored and reused by a cache (RFC 9110 §9.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cacheable {
    /// The method's definition allows a cache to reuse its responses.
    Yes,
    /// Only with explicit freshness and a `Content-Location` equal to the target URI, and then only
    /// for later `GET` and `HEAD` requests (RFC 9110 §9.3.3, RFC 5789 §2).
    Conditional,
    /// The definition lets results be cached with care but gives no semantics that a general cache
    /// could apply (RFC 4918 §9.1): treat it as [`No`](Self::No).
    Limited,
    /// The definition forbids it or is silent.
    No,
}

impl RegisteredMethod {
    /// Every entry, the two reserved names included, in the canonical order of
    /// [`MethodSet`](crate::MethodSet): first the methods in daily use, then alphabetically.
    pub const ALL: &'static [Self] = &TABLE;

    /// The entry of `method`, or `None` if IANA does not list it.
    ///
    /// Constant time: no hashing, at most one name is compared.
    #[must_use]
    pub fn of(method: &Method) -> Option<&'static Self> {
        position(method).map(|at| &TABLE[at as usize])
    }

    /// The method's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the method is safe: essentially read-only (RFC 9110 §9.2.1).
    #[must_use]
    pub const fn is_safe(&self) -> bool {
        self.safe
    }

    /// Whether several identical requests have the same intended effect as one (RFC 9110 §9.2.2).
    #[must_use]
    pub const fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Whether responses to the method are cacheable (RFC 9110 §9.2.3).
    #[must_use]
    pub const fn cacheable(&self) -> Cacheable {
        self.cacheable
    }

    /// Where the method is defined, as `RFC<number> §<section>`.
    #[must_use]
    pub const fn references(&self) -> &'static [&'static str] {
        self.references
    }

    /// Whether the name is registered only so that nobody uses it: `PRI`, which opens an HTTP/2
    /// connection (RFC 9113 §3.4), and `*`, which is a wildcard in fields that list methods
    /// (RFC 9110 §18.2).
    #[must_use]
    pub const fn is_reserved(&self) -> bool {
        matches!(self.name.as_bytes(), b"PRI" | b"*")
    }
}

/// Expands the rows below, in canonical order, into the table, an index (`Id`) whose order is the
/// table's, and the look-up of a name.
macro_rules! registry {
    ($($id:ident $name:literal $safe:ident $idempotent:ident $cacheable:ident [$($reference:literal),+];)+) => {
        /// The position of a method in the table, which is its bit in a set.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[derive(Clone, Copy)]
        pub(crate) enum Id { $($id),+ }

        const TABLE: [RegisteredMethod; [$($name.len()),+].len()] = [$(RegisteredMethod {
            name: ascii($name),
            safe: registry!(@ $safe),
            idempotent: registry!(@ $idempotent),
            cacheable: Cacheable::$cacheable,
            references: &[$($reference),+],
        }),+];

        /// The registry's "Safe" column as bits, reserved names left out.
        pub(crate) const SAFE: u64 = !RESERVED & ($((registry!(@ $safe) as u64) << Id::$id as u32)|+);

        /// The registry's "Idempotent" column as bits, reserved names left out.
        pub(crate) const IDEMPOTENT: u64 =
            !RESERVED & ($((registry!(@ $idempotent) as u64) << Id::$id as u32)|+);

        /// Every name but the reserved ones.
        pub(crate) const REGISTERED: u64 = !RESERVED & ($(Id::$id.bit())|+);

        /// A match on the bytes, not on a `str`, compiles to a decision tree on the length and the
        /// distinguishing bytes: one candidate is compared at most.
        fn position_of_name(name: &[u8]) -> Option<u32> {
            Some(match name {
                $($name => Id::$id as u32,)+
                _ => return None,
            })
        }
    };
    (@ yes) => { true };
    (@ no) => { false };
}

registry! {
    // id              name                 safe idempotent cacheable references
    GET                b"GET"                yes yes Yes         ["RFC9110 §9.3.1"];
    HEAD               b"HEAD"               yes yes Yes         ["RFC9110 §9.3.2"];
    POST               b"POST"               no  no  Conditional ["RFC9110 §9.3.3"];
    PUT                b"PUT"                no  yes No          ["RFC9110 §9.3.4"];
    PATCH              b"PATCH"              no  no  Conditional ["RFC5789 §2"];
    DELETE             b"DELETE"             no  yes No          ["RFC9110 §9.3.5"];
    OPTIONS            b"OPTIONS"            yes yes No          ["RFC9110 §9.3.7"];
    TRACE              b"TRACE"              yes yes No          ["RFC9110 §9.3.8"];
    CONNECT            b"CONNECT"            no  no  No          ["RFC9110 §9.3.6"];
    QUERY              b"QUERY"              yes yes Yes         ["RFC10008 §2"];
    ASTERISK           b"*"                  no  no  No          ["RFC9110 §18.2"];
    ACL                b"ACL"                no  yes No          ["RFC3744 §8.1"];
    BASELINE_CONTROL   b"BASELINE-CONTROL"   no  yes No          ["RFC3253 §12.6"];
    BIND               b"BIND"               no  yes No          ["RFC5842 §4"];
    CHECKIN            b"CHECKIN"            no  yes No          ["RFC3253 §4.4", "RFC3253 §9.4"];
    CHECKOUT           b"CHECKOUT"           no  yes No          ["RFC3253 §4.3", "RFC3253 §8.8"];
    COPY               b"COPY"               no  yes No          ["RFC4918 §9.8"];
    LABEL              b"LABEL"              no  yes No          ["RFC3253 §8.2"];
    LINK               b"LINK"               no  yes No          ["RFC2068 §19.6.1.2"];
    LOCK               b"LOCK"               no  no  No          ["RFC4918 §9.10"];
    MERGE              b"MERGE"              no  yes No          ["RFC3253 §11.2"];
    MKACTIVITY         b"MKACTIVITY"         no  yes No          ["RFC3253 §13.5"];
    MKCALENDAR         b"MKCALENDAR"         no  yes No          ["RFC4791 §5.3.1", "RFC8144 §2.3"];
    MKCOL              b"MKCOL"              no  yes No          ["RFC4918 §9.3", "RFC5689 §3", "RFC8144 §2.3"];
    MKREDIRECTREF      b"MKREDIRECTREF"      no  yes No          ["RFC4437 §6"];
    MKWORKSPACE        b"MKWORKSPACE"        no  yes No          ["RFC3253 §6.3"];
    MOVE               b"MOVE"               no  yes No          ["RFC4918 §9.9"];
    ORDERPATCH         b"ORDERPATCH"         no  yes No          ["RFC3648 §7"];
    PRI                b"PRI"                yes yes No          ["RFC9113 §3.4"];
    PROPFIND           b"PROPFIND"           yes yes Limited     ["RFC4918 §9.1", "RFC8144 §2.1"];
    PROPPATCH          b"PROPPATCH"          no  yes No          ["RFC4918 §9.2", "RFC8144 §2.2"];
    REBIND             b"REBIND"             no  yes No          ["RFC5842 §6"];
    REPORT             b"REPORT"             yes yes No          ["RFC3253 §3.6", "RFC8144 §2.1"];
    SEARCH             b"SEARCH"             yes yes No          ["RFC5323 §2"];
    UNBIND             b"UNBIND"             no  yes No          ["RFC5842 §5"];
    UNCHECKOUT         b"UNCHECKOUT"         no  yes No          ["RFC3253 §4.5"];
    UNLINK             b"UNLINK"             no  yes No          ["RFC2068 §19.6.1.3"];
    UNLOCK             b"UNLOCK"             no  yes No          ["RFC4918 §9.11"];
    UPDATE             b"UPDATE"             no  yes No          ["RFC3253 §7.1"];
    UPDATEREDIRECTREF  b"UPDATEREDIRECTREF"  no  yes No          ["RFC4437 §7"];
    VERSION_CONTROL    b"VERSION-CONTROL"    no  yes No          ["RFC3253 §3.5"];
}

/// The position of `method` in the table.
#[inline]
pub(crate) fn position(method: &Method) -> Option<u32> {
    match Name::of(method) {
        Name::Registered(position) => Some(position),
        Name::Other(_) => None,
    }
}

/// A method as it is looked up in a set: found in the table once, however many sets are asked.
#[derive(Clone, Copy)]
pub(crate) enum Name<'a> {
    /// The position in the table.
    Registered(u32),
    /// A name that is not in the table.
    Other(&'a str),
}

impl<'a> Name<'a> {
    #[inline]
    pub(crate) fn of(method: &'a Method) -> Self {
        if let Some(id) = variant(method) {
            return Self::Registered(id as u32);
        }
        let name = method.as_str();
        match position_of_name(name.as_bytes()) {
            Some(position) => Self::Registered(position),
            None => Self::Other(name),
        }
    }
}

/// The entry of a method that `http` knows as a variant: these are told apart by their tag alone.
///
/// `QUERY` is one of them only from http 1.5 on, so it is found by name, as all others are.
#[inline]
pub(crate) fn variant(method: &Method) -> Option<Id> {
    Some(match *method {
        Method::GET => Id::GET,
        Method::HEAD => Id::HEAD,
        Method::POST => Id::POST,
        Method::PUT => Id::PUT,
        Method::PATCH => Id::PATCH,
        Method::DELETE => Id::DELETE,
        Method::OPTIONS => Id::OPTIONS,
        Method::TRACE => Id::TRACE,
        Method::CONNECT => Id::CONNECT,
        _ => return None,
    })
}

/// The table's methods as values, at their positions.
pub(crate) fn methods() -> &'static [Method] {
    static METHODS: LazyLock<Vec<Method>> = LazyLock::new(|| {
        TABLE
            .iter()
            .filter_map(|entry| Method::from_bytes(entry.name.as_bytes()).ok())
            .collect()
    });
    &METHODS
}

/// A name of the registry is ASCII.
const fn ascii(name: &'static [u8]) -> &'static str {
    match std::str::from_utf8(name) {
        Ok(name) => name,
        Err(_) => panic!("evaluated at compile time"),
    }
}

/// The names that nobody may use.
pub(crate) const RESERVED: u64 = Id::PRI.bit() | Id::ASTERISK.bit();

impl Id {
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u32
    }

    pub(crate) const fn bits(ids: &[Self]) -> u64 {
        let mut bits = 0;
        let mut at = 0;
        while at < ids.len() {
            bits |= ids[at].bit();
            at += 1;
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that are variants for the oldest `http` that the crate can be built with.
    #[test]
    fn variants_are_told_apart_without_their_names() {
        for method in &methods()[..9] {
            let variant = variant(method).map(|id| id as u32);
            assert_eq!(variant, position_of_name(method.as_str().as_bytes()));
            assert!(variant.is_some(), "{method}");
        }
    }
}
