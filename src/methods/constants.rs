//! The sets that RFCs define.

use super::registry::Id::*;
use super::registry::{self, Id};
use super::set::MethodSet;

const RFC9110: u64 = Id::bits(&[GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, CONNECT]);

const WEBDAV: u64 = Id::bits(&[
    GET, HEAD, PUT, DELETE, OPTIONS, COPY, LOCK, MKCOL, MOVE, PROPFIND, PROPPATCH, UNLOCK,
]);

const CARDDAV: u64 = WEBDAV | Id::bits(&[ACL, REPORT]);

/// Sets of methods with a common property.
///
/// `REGISTERED`, `SAFE`, and `IDEMPOTENT` follow the IANA registry. Minor versions can add methods to them.
impl MethodSet {
    /// Every method in the IANA registry except the two reserved names, `PRI` and `*`.
    pub const REGISTERED: Self = Self::from_bits(registry::REGISTERED);

    /// The registered methods that are safe (RFC 9110 §9.2.1).
    pub const SAFE: Self = Self::from_bits(registry::SAFE);

    /// The registered methods that are idempotent (RFC 9110 §9.2.2).
    pub const IDEMPOTENT: Self = Self::from_bits(registry::IDEMPOTENT);

    /// The methods that RFC 9110 §9.3 defines: `GET`, `HEAD`, `POST`, `PUT`, `DELETE`, `OPTIONS`,
    /// `TRACE`, and `CONNECT`.
    pub const RFC9110: Self = Self::from_bits(RFC9110);

    /// The methods that a policy recognizes by default: [`RFC9110`](Self::RFC9110), `PATCH`
    /// (RFC 5789), and `QUERY` (RFC 10008). This set does not change in any 1.x version.
    pub const STANDARD: Self = Self::from_bits(RFC9110 | PATCH.bit() | QUERY.bit());
}

/// Sets of the methods that a kind of server handles.
impl MethodSet {
    /// The methods of a WebDAV server (RFC 4918 §9): `GET`, `HEAD`, `PUT`, `DELETE`, `OPTIONS`, `COPY`, `LOCK`,
    /// `MKCOL`, `MOVE`, `PROPFIND`, `PROPPATCH`, and `UNLOCK`.
    ///
    /// Some servers handle more: dav-server 0.11 also handles `PATCH`. Write `MethodSet::WEBDAV | Method::PATCH` then.
    pub const WEBDAV: Self = Self::from_bits(WEBDAV);

    /// The methods of a CalDAV server (RFC 4791 §2): [`WEBDAV`](Self::WEBDAV), `ACL`, `REPORT`, and `MKCALENDAR`.
    pub const CALDAV: Self = Self::from_bits(CARDDAV | MKCALENDAR.bit());

    /// The methods of a CardDAV server (RFC 6352 §3): [`WEBDAV`](Self::WEBDAV), `ACL`, and `REPORT`.
    pub const CARDDAV: Self = Self::from_bits(CARDDAV);
}

/// Sets of the methods that a WebDAV extension adds.
impl MethodSet {
    /// The method for WebDAV access control (RFC 3744 §8.1): `ACL`.
    pub const WEBDAV_ACL: Self = Self::from_bits(ACL.bit());

    /// The methods for WebDAV bindings (RFC 5842 §4 to §6): `BIND`, `UNBIND`, and `REBIND`.
    pub const WEBDAV_BIND: Self = Self::from_bits(Id::bits(&[BIND, UNBIND, REBIND]));

    /// The method for WebDAV ordered collections (RFC 3648 §7): `ORDERPATCH`.
    pub const WEBDAV_ORDERED: Self = Self::from_bits(ORDERPATCH.bit());

    /// The methods for WebDAV redirect references (RFC 4437 §6 and §7): `MKREDIRECTREF` and `UPDATEREDIRECTREF`.
    pub const WEBDAV_REDIRECT: Self =
        Self::from_bits(Id::bits(&[MKREDIRECTREF, UPDATEREDIRECTREF]));

    /// The method for WebDAV search (RFC 5323 §2): `SEARCH`.
    pub const WEBDAV_SEARCH: Self = Self::from_bits(SEARCH.bit());

    /// The methods for WebDAV versioning (RFC 3253): `BASELINE-CONTROL`, `CHECKIN`, `CHECKOUT`, `LABEL`, `MERGE`,
    /// `MKACTIVITY`, `MKWORKSPACE`, `REPORT`, `UNCHECKOUT`, `UPDATE`, and `VERSION-CONTROL`.
    pub const WEBDAV_VERSIONING: Self = Self::from_bits(Id::bits(&[
        BASELINE_CONTROL,
        CHECKIN,
        CHECKOUT,
        LABEL,
        MERGE,
        MKACTIVITY,
        MKWORKSPACE,
        REPORT,
        UNCHECKOUT,
        UPDATE,
        VERSION_CONTROL,
    ]));
}
