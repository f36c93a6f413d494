//! The sets that RFCs define.

use super::registered::{self, Id};
use super::set::MethodSet;

const RFC9110: u64 = Id::bits(&[
    Id::GET,
    Id::HEAD,
    Id::POST,
    Id::PUT,
    Id::DELETE,
    Id::OPTIONS,
    Id::TRACE,
    Id::CONNECT,
]);

/// The named sets.
impl MethodSet {
    /// The methods that RFC 9110 §9.3 defines: `GET`, `HEAD`, `POST`, `PUT`, `DELETE`, `OPTIONS`,
    /// `TRACE` and `CONNECT`.
    pub const RFC9110: Self = Self::from_bits(RFC9110);

    /// [`RFC9110`](Self::RFC9110), `PATCH` (RFC 5789) and `QUERY` (RFC 10008): what a policy
    /// recognises by default, and what OpenTelemetry's semantic conventions list as known methods.
    pub const STANDARD: Self = Self::from_bits(RFC9110 | Id::PATCH.bit() | Id::QUERY.bit());

    /// The registered methods that are safe (RFC 9110 §9.2.1), by the registry's own column.
    pub const SAFE: Self = Self::from_bits(registered::SAFE);

    /// The registered methods that are idempotent (RFC 9110 §9.2.2), by the registry's own column.
    pub const IDEMPOTENT: Self = Self::from_bits(registered::IDEMPOTENT);

    /// The methods that RFC 4918 (WebDAV) §9 defines: `COPY`, `LOCK`, `MKCOL`, `MOVE`, `PROPFIND`,
    /// `PROPPATCH` and `UNLOCK`.
    ///
    /// A WebDAV server implements `PUT`, `DELETE` and `OPTIONS` beside them.
    pub const WEBDAV: Self = Self::of(&[
        Id::COPY,
        Id::LOCK,
        Id::MKCOL,
        Id::MOVE,
        Id::PROPFIND,
        Id::PROPPATCH,
        Id::UNLOCK,
    ]);

    /// The methods that RFC 3253 (versioning extensions to WebDAV) defines: `BASELINE-CONTROL`,
    /// `CHECKIN`, `CHECKOUT`, `LABEL`, `MERGE`, `MKACTIVITY`, `MKWORKSPACE`, `REPORT`,
    /// `UNCHECKOUT`, `UPDATE` and `VERSION-CONTROL`.
    pub const WEBDAV_VERSIONING: Self = Self::of(&[
        Id::BASELINE_CONTROL,
        Id::CHECKIN,
        Id::CHECKOUT,
        Id::LABEL,
        Id::MERGE,
        Id::MKACTIVITY,
        Id::MKWORKSPACE,
        Id::REPORT,
        Id::UNCHECKOUT,
        Id::UPDATE,
        Id::VERSION_CONTROL,
    ]);

    /// The method that RFC 3648 (ordered collections) §7 defines: `ORDERPATCH`.
    pub const WEBDAV_ORDERED: Self = Self::of(&[Id::ORDERPATCH]);

    /// The method that RFC 3744 (access control) §8.1 defines: `ACL`.
    pub const WEBDAV_ACL: Self = Self::of(&[Id::ACL]);

    /// The methods that RFC 4437 (redirect references) §6 and §7 defines: `MKREDIRECTREF` and
    /// `UPDATEREDIRECTREF`.
    pub const WEBDAV_REDIRECT: Self = Self::of(&[Id::MKREDIRECTREF, Id::UPDATEREDIRECTREF]);

    /// The method that RFC 4791 (CalDAV) §5.3.1 defines: `MKCALENDAR`.
    ///
    /// A CalDAV server implements [`WEBDAV`](Self::WEBDAV), `ACL` and `REPORT` beside it.
    pub const CALDAV: Self = Self::of(&[Id::MKCALENDAR]);

    /// The method that RFC 5323 (WebDAV search) §2 defines: `SEARCH`.
    pub const WEBDAV_SEARCH: Self = Self::of(&[Id::SEARCH]);

    /// The methods that RFC 5842 (binding extensions) §4 to §6 defines: `BIND`, `UNBIND` and
    /// `REBIND`.
    pub const WEBDAV_BIND: Self = Self::of(&[Id::BIND, Id::UNBIND, Id::REBIND]);

    /// Every method in the IANA registry but the two reserved names, `PRI` and `*`.
    pub const REGISTERED: Self = Self::from_bits(registered::REGISTERED);
}
