//! The constants of `MethodSet`, compared with the IANA registry (`data/http-methods.csv`) and with the
//! RFCs that define the sets.

mod support;

use tower_method_policy::MethodSet;

use crate::support::strategies::{method, set};

/// Returns the methods whose row satisfies `condition`, without the reserved names. `condition` gets a
/// function that returns a column by its name.
fn rows_where(condition: impl Fn(&dyn Fn(&str) -> &'static str) -> bool) -> MethodSet {
    let mut lines = include_str!("data/http-methods.csv").lines();
    let header: Vec<_> = lines.next().expect("a header").split(',').collect();
    assert_eq!(lines.clone().count(), 41);
    let methods = lines.filter_map(|line| {
        // Only the last column, the notes, contains commas.
        let columns: Vec<_> = line.splitn(header.len(), ',').collect();
        let column = |name: &str| {
            let at = header.iter().position(|column| *column == name);
            columns[at.expect("the column exists")]
        };
        let is_reserved = is_yes(column("reserved"));
        (!is_reserved && condition(&column)).then(|| method(column("method")))
    });
    methods.collect()
}

fn is_yes(value: &str) -> bool {
    assert!(["yes", "no"].contains(&value), "{value}");
    value == "yes"
}

/// Returns the methods that have `rfc` among their references.
fn defined_by(rfc: &str) -> MethodSet {
    rows_where(|column| {
        let mut references = column("reference").split("; ");
        references.any(|reference| reference.split(' ').next() == Some(rfc))
    })
}

#[test]
fn the_registered_safe_and_idempotent_sets_match_the_registry() {
    assert_eq!(MethodSet::REGISTERED, rows_where(|_| true));
    assert_eq!(MethodSet::SAFE, rows_where(|column| is_yes(column("safe"))));
    let idempotent = rows_where(|column| is_yes(column("idempotent")));
    assert_eq!(MethodSet::IDEMPOTENT, idempotent);
}

#[test]
fn rfc9110_and_standard_match_their_rfcs() {
    // RFC 9110 §9.3.
    let rfc9110 = set("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE");
    assert_eq!(MethodSet::RFC9110, rfc9110);
    assert_eq!(MethodSet::RFC9110, defined_by("RFC9110"));
    // The known methods of OpenTelemetry's `http.request.method`.
    let standard = set("CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE");
    assert_eq!(MethodSet::STANDARD, standard);
    assert_eq!(standard, rfc9110 | defined_by("RFC5789") | defined_by("RFC10008"));
}

#[test]
fn the_webdav_extensions_match_their_rfcs() {
    // RFC 3253 §3.5, §3.6, §4.3 to §4.5, §6.3, §7.1, §8.2, §11.2, §12.6, §13.5.
    let versioning = "VERSION-CONTROL REPORT CHECKOUT CHECKIN UNCHECKOUT MKWORKSPACE UPDATE LABEL MERGE \
                      BASELINE-CONTROL MKACTIVITY";
    for (extension, rfc, list) in [
        (MethodSet::WEBDAV_ACL, "RFC3744", "ACL"),
        (MethodSet::WEBDAV_BIND, "RFC5842", "BIND UNBIND REBIND"),
        (MethodSet::WEBDAV_ORDERED, "RFC3648", "ORDERPATCH"),
        (MethodSet::WEBDAV_REDIRECT, "RFC4437", "MKREDIRECTREF UPDATEREDIRECTREF"),
        (MethodSet::WEBDAV_SEARCH, "RFC5323", "SEARCH"),
        (MethodSet::WEBDAV_VERSIONING, "RFC3253", versioning),
    ] {
        assert_eq!(extension, set(list), "{rfc}");
        assert_eq!(extension, defined_by(rfc), "{rfc}");
    }
}

#[test]
fn webdav_carddav_and_caldav_have_every_method_that_their_servers_handle() {
    // RFC 4918 §9.4, §9.6, §9.7: GET, HEAD, DELETE, PUT. §10.1: OPTIONS.
    let webdav = set("OPTIONS GET HEAD PUT DELETE") | defined_by("RFC4918");
    assert_eq!(MethodSet::WEBDAV, webdav);
    // RFC 6352 §3 and RFC 4791 §2: WebDAV access control and the REPORT method. §5.3.1: MKCALENDAR.
    assert_eq!(MethodSet::CARDDAV, &webdav | set("ACL REPORT"));
    assert_eq!(MethodSet::CALDAV, &webdav | set("ACL REPORT MKCALENDAR"));
    assert_eq!(MethodSet::CALDAV - MethodSet::CARDDAV, defined_by("RFC4791"));
}
