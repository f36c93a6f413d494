//! The IANA "Hypertext Transfer Protocol (HTTP) Method Registry" as a table:
//! <https://www.iana.org/assignments/http-methods>.
//!
//! The table assigns bits to methods and defines the constant sets of [`MethodSet`](crate::MethodSet).
//! It never decides what a policy recognizes.

use std::sync::LazyLock;

use http::Method;

/// Expands the rows below, in canonical order, into an index (`Id`), the names, the columns as bits,
/// and the look-up of a name.
macro_rules! registry {
    ($($id:ident $name:literal $safe:ident $idempotent:ident;)+) => {
        /// The position of a method in the table, which is its bit in a set.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[derive(Clone, Copy)]
        pub(crate) enum Id { $($id),+ }

        const NAMES: &[&[u8]] = &[$($name),+];

        /// The registry's "Safe" column, without the reserved names.
        pub(super) const SAFE: u64 = !RESERVED & ($(registry!(@ $safe $id))|+);

        /// The registry's "Idempotent" column, without the reserved names.
        pub(super) const IDEMPOTENT: u64 = !RESERVED & ($(registry!(@ $idempotent $id))|+);

        /// Every name except the reserved ones.
        pub(super) const REGISTERED: u64 = !RESERVED & ($(Id::$id.bit())|+);

        /// The entry called `name`. A match on bytes compiles to a decision tree on the length and the
        /// distinguishing bytes.
        pub(super) fn id(name: &[u8]) -> Option<Id> {
            Some(match name {
                $($name => Id::$id,)+
                _ => return None,
            })
        }
    };
    (@ yes $id:ident) => { Id::$id.bit() };
    (@ no $id:ident) => { 0 };
}

registry! {
    // id              name                  safe idempotent
    GET                b"GET"                yes yes; // RFC 9110 §9.3.1
    HEAD               b"HEAD"               yes yes; // RFC 9110 §9.3.2
    POST               b"POST"               no  no;  // RFC 9110 §9.3.3
    PUT                b"PUT"                no  yes; // RFC 9110 §9.3.4
    PATCH              b"PATCH"              no  no;  // RFC 5789 §2
    DELETE             b"DELETE"             no  yes; // RFC 9110 §9.3.5
    OPTIONS            b"OPTIONS"            yes yes; // RFC 9110 §9.3.7
    TRACE              b"TRACE"              yes yes; // RFC 9110 §9.3.8
    CONNECT            b"CONNECT"            no  no;  // RFC 9110 §9.3.6
    QUERY              b"QUERY"              yes yes; // RFC 10008 §2
    ASTERISK           b"*"                  no  no;  // RFC 9110 §18.2
    ACL                b"ACL"                no  yes; // RFC 3744 §8.1
    BASELINE_CONTROL   b"BASELINE-CONTROL"   no  yes; // RFC 3253 §12.6
    BIND               b"BIND"               no  yes; // RFC 5842 §4
    CHECKIN            b"CHECKIN"            no  yes; // RFC 3253 §4.4, §9.4
    CHECKOUT           b"CHECKOUT"           no  yes; // RFC 3253 §4.3, §8.8
    COPY               b"COPY"               no  yes; // RFC 4918 §9.8
    LABEL              b"LABEL"              no  yes; // RFC 3253 §8.2
    LINK               b"LINK"               no  yes; // RFC 2068 §19.6.1.2
    LOCK               b"LOCK"               no  no;  // RFC 4918 §9.10
    MERGE              b"MERGE"              no  yes; // RFC 3253 §11.2
    MKACTIVITY         b"MKACTIVITY"         no  yes; // RFC 3253 §13.5
    MKCALENDAR         b"MKCALENDAR"         no  yes; // RFC 4791 §5.3.1
    MKCOL              b"MKCOL"              no  yes; // RFC 4918 §9.3
    MKREDIRECTREF      b"MKREDIRECTREF"      no  yes; // RFC 4437 §6
    MKWORKSPACE        b"MKWORKSPACE"        no  yes; // RFC 3253 §6.3
    MOVE               b"MOVE"               no  yes; // RFC 4918 §9.9
    ORDERPATCH         b"ORDERPATCH"         no  yes; // RFC 3648 §7
    PRI                b"PRI"                yes yes; // RFC 9113 §3.4
    PROPFIND           b"PROPFIND"           yes yes; // RFC 4918 §9.1
    PROPPATCH          b"PROPPATCH"          no  yes; // RFC 4918 §9.2
    REBIND             b"REBIND"             no  yes; // RFC 5842 §6
    REPORT             b"REPORT"             yes yes; // RFC 3253 §3.6
    SEARCH             b"SEARCH"             yes yes; // RFC 5323 §2
    UNBIND             b"UNBIND"             no  yes; // RFC 5842 §5
    UNCHECKOUT         b"UNCHECKOUT"         no  yes; // RFC 3253 §4.5
    UNLINK             b"UNLINK"             no  yes; // RFC 2068 §19.6.1.3
    UNLOCK             b"UNLOCK"             no  yes; // RFC 4918 §9.11
    UPDATE             b"UPDATE"             no  yes; // RFC 3253 §7.1
    UPDATEREDIRECTREF  b"UPDATEREDIRECTREF"  no  yes; // RFC 4437 §7
    VERSION_CONTROL    b"VERSION-CONTROL"    no  yes; // RFC 3253 §3.5
}

/// The reserved names. They are registered so that nobody uses them as methods.
pub(super) const RESERVED: u64 = Id::PRI.bit() | Id::ASTERISK.bit();

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

/// The bit of `method` in a set, or `None` if the table does not have the method.
#[inline]
pub(super) fn bit(method: &Method) -> Option<u64> {
    let id = common(method).or_else(|| id(method.as_str().as_bytes()));
    id.map(Id::bit)
}

/// The entry of a method that `http` stores as an enum variant, found without comparing names.
#[inline]
pub(crate) fn common(method: &Method) -> Option<Id> {
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

/// The table's methods, at their positions.
pub(super) fn methods() -> &'static [Method] {
    // Each name is a token, so this cannot panic.
    static METHODS: LazyLock<Vec<Method>> = LazyLock::new(|| {
        NAMES.iter().map(|name| Method::from_bytes(name).expect("a token")).collect()
    });
    &METHODS
}
