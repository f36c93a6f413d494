//! The constants of `MethodSet`, compared with the IANA registry (`data/http-methods.csv`) and with the
//! RFCs that define the sets.

mod support;

use tower_method_policy::MethodSet;

use crate::support::strategies::{method, set};

/// A row of the registry: its columns by name.
struct Row(Vec<(&'static str, &'static str)>);

impl Row {
    fn get(&self, name: &str) -> &'static str {
        let column = self.0.iter().find(|(column, _)| *column == name);
        column.expect("the column exists").1
    }

    fn is(&self, name: &str) -> bool {
        match self.get(name) {
            "yes" => true,
            "no" => false,
            other => panic!("{name} is {other}"),
        }
    }
}

/// Returns the methods whose row satisfies `condition`, without the reserved names.
fn rows_where(condition: impl Fn(&Row) -> bool) -> MethodSet {
    let mut lines = include_str!("data/http-methods.csv").lines();
    let header: Vec<_> = lines.next().expect("a header").split(',').collect();
    let rows = lines.map(|line| {
        // Only the last column, the notes, contains commas.
        let columns: Vec<_> = line.splitn(header.len(), ',').collect();
        assert_eq!(columns.len(), header.len(), "{line}");
        Row(header.iter().copied().zip(columns).collect())
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), 41);
    let rows = rows
        .iter()
        .filter(|row| !row.is("reserved") && condition(row));
    rows.map(|row| method(row.get("method"))).collect()
}

/// Returns the methods that have `rfc` among their references.
fn defined_by(rfc: &str) -> MethodSet {
    rows_where(|row| {
        let mut references = row.get("reference").split("; ");
        references.any(|reference| reference.split(' ').next() == Some(rfc))
    })
}

#[test]
fn the_sets_by_property_are_the_columns_of_the_registry() {
    assert_eq!(MethodSet::REGISTERED, rows_where(|_| true));
    assert_eq!(MethodSet::SAFE, rows_where(|row| row.is("safe")));
    assert_eq!(
        MethodSet::IDEMPOTENT,
        rows_where(|row| row.is("idempotent"))
    );

    // The same by hand.
    assert_eq!(MethodSet::REGISTERED.len(), 39);
    let safe = set("GET HEAD OPTIONS TRACE QUERY PROPFIND REPORT SEARCH");
    assert_eq!(MethodSet::SAFE, safe);
    let others = set("POST PATCH CONNECT LOCK");
    assert_eq!(MethodSet::REGISTERED - MethodSet::IDEMPOTENT, others);
    // RFC 9110 §9.2.2: "PUT, DELETE, and safe request methods are idempotent".
    assert!(MethodSet::SAFE.is_subset(&MethodSet::IDEMPOTENT));
}

#[test]
fn the_default_sets_are_those_of_their_rfcs() {
    // RFC 9110 §9.3.
    let rfc9110 = set("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE");
    assert_eq!(MethodSet::RFC9110, rfc9110);
    assert_eq!(MethodSet::RFC9110, defined_by("RFC9110"));
    // The known methods of OpenTelemetry's `http.request.method`.
    let standard = set("CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE");
    assert_eq!(MethodSet::STANDARD, standard);
    assert_eq!(
        MethodSet::STANDARD,
        rfc9110 | defined_by("RFC5789") | defined_by("RFC10008")
    );
}

#[test]
fn the_webdav_extensions_are_those_of_their_rfcs() {
    for (extension, rfc, list) in [
        (MethodSet::WEBDAV_ACL, "RFC3744", "ACL"),
        (MethodSet::WEBDAV_BIND, "RFC5842", "BIND UNBIND REBIND"),
        (MethodSet::WEBDAV_ORDERED, "RFC3648", "ORDERPATCH"),
        (
            MethodSet::WEBDAV_REDIRECT,
            "RFC4437",
            "MKREDIRECTREF UPDATEREDIRECTREF",
        ),
        (MethodSet::WEBDAV_SEARCH, "RFC5323", "SEARCH"),
        // §3.5, §3.6, §4.3 to §4.5, §6.3, §7.1, §8.2, §11.2, §12.6, §13.5.
        (
            MethodSet::WEBDAV_VERSIONING,
            "RFC3253",
            "VERSION-CONTROL REPORT CHECKOUT CHECKIN UNCHECKOUT MKWORKSPACE UPDATE LABEL MERGE \
             BASELINE-CONTROL MKACTIVITY",
        ),
    ] {
        assert_eq!(extension, set(list), "{rfc}");
        assert_eq!(extension, defined_by(rfc), "{rfc}");
    }
}

#[test]
fn the_sets_for_kinds_of_servers_have_every_method_that_such_a_server_handles() {
    // RFC 4918 §9.4, §9.6, §9.7: GET, HEAD, DELETE, PUT. §10.1: OPTIONS.
    let webdav = set("OPTIONS GET HEAD PUT DELETE") | defined_by("RFC4918");
    assert_eq!(MethodSet::WEBDAV, webdav);
    assert_eq!(
        MethodSet::WEBDAV,
        set("OPTIONS GET HEAD PUT DELETE PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK")
    );
    // RFC 6352 §3 and RFC 4791 §2: WebDAV access control and the REPORT method. §5.3.1: MKCALENDAR.
    assert_eq!(MethodSet::CARDDAV, &webdav | set("ACL REPORT"));
    assert_eq!(MethodSet::CALDAV, &webdav | set("ACL REPORT MKCALENDAR"));
    assert_eq!(
        MethodSet::CALDAV - MethodSet::CARDDAV,
        defined_by("RFC4791")
    );
}

#[test]
fn the_sets_together_are_the_registry_but_for_the_methods_of_an_obsolete_rfc() {
    let all = MethodSet::STANDARD
        | MethodSet::CALDAV
        | MethodSet::WEBDAV_BIND
        | MethodSet::WEBDAV_ORDERED
        | MethodSet::WEBDAV_REDIRECT
        | MethodSet::WEBDAV_SEARCH
        | MethodSet::WEBDAV_VERSIONING;
    assert!(all.is_subset(&MethodSet::REGISTERED));
    assert_eq!(MethodSet::REGISTERED - all, set("LINK UNLINK"));
}

/// A registered name is found as a whole or not at all. Each name at an edit distance of one is another
/// method, and so are names in another case.
#[test]
fn names_that_are_almost_registered_are_other_methods() {
    let registered = MethodSet::REGISTERED | set("PRI *");
    let mut tried = 0;
    for name in registered.iter().map(|method| method.as_str()) {
        let mut variants = vec![name.to_lowercase(), name.replace('-', "_")];
        for at in 0..=name.len() {
            let (start, end) = name.split_at(at);
            variants.extend([start.to_owned(), end.to_owned(), format!("{start}X{end}")]);
            if let Some(rest) = end.get(1..) {
                variants.extend(["", "X", "x"].map(|c| format!("{start}{c}{rest}")));
            }
        }
        for variant in variants {
            let variant = variant.as_bytes();
            let Ok(variant) = http::Method::from_bytes(variant) else {
                assert!(variant.is_empty());
                continue;
            };
            let is_registered = registered
                .iter()
                .any(|method| method.as_str() == variant.as_str());
            assert_eq!(registered.contains(&variant), is_registered, "{variant}");
            tried += 1;
        }
    }
    assert!(tried > 1_500, "{tried}");
}
