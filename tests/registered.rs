//! The table of registered methods and the named sets, held against the IANA registry
//! (`data/http-methods.csv`) and against the RFCs that define the sets.

mod support;

use std::collections::BTreeSet;

use http::Method;
use proptest::prelude::*;
use tower_method_policy::{Cacheable, MethodSet, RegisteredMethod};

use crate::support::strategies::{TCHARS, any_method, method, set};

/// A row of the registry.
struct Row {
    name: String,
    safe: bool,
    idempotent: bool,
    cacheable: Cacheable,
    reserved: bool,
    references: Vec<String>,
}

/// The registry, in the order of the file.
fn registry() -> Vec<Row> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/http-methods.csv");
    let registry = std::fs::read_to_string(path).expect("the registry is there");
    let mut lines = registry.lines();
    let header = lines.next().expect("it has a header");
    let rows = lines.map(|line| {
        // Only the notes, which come last, are quoted and have commas.
        let columns = header.split(',').count();
        let row: Vec<_> = line.splitn(columns, ',').collect();
        assert_eq!(row.len(), columns, "{line}");
        let column = |name: &str| {
            let at = header.split(',').position(|column| column == name);
            row[at.expect("the column is there")]
        };
        let yes = |name: &str| match column(name) {
            "yes" => true,
            "no" => false,
            other => panic!("{name} is {other}"),
        };
        Row {
            name: column("method").to_owned(),
            safe: yes("safe"),
            idempotent: yes("idempotent"),
            cacheable: match column("cacheable") {
                "yes" => Cacheable::Yes,
                "conditional" => Cacheable::Conditional,
                "limited" => Cacheable::Limited,
                "no" => Cacheable::No,
                other => panic!("cacheable is {other}"),
            },
            reserved: yes("reserved"),
            references: column("reference")
                .split("; ")
                // A remark in parentheses follows one of them.
                .map(|reference| reference.split(" (").next().unwrap_or(reference).to_owned())
                .collect(),
        }
    });
    rows.collect()
}

/// The unreserved methods whose row satisfies `condition`.
fn rows_where(condition: impl Fn(&Row) -> bool) -> MethodSet {
    let rows = registry()
        .into_iter()
        .filter(|row| !row.reserved && condition(row));
    rows.map(|row| method(&row.name)).collect()
}

/// The unreserved methods that `rfc` is a reference of.
fn defined_by(rfc: &str) -> MethodSet {
    rows_where(|row| {
        let mut references = row.references.iter();
        references.any(|reference| reference.split(' ').next() == Some(rfc))
    })
}

#[test]
fn the_table_holds_the_registry_row_by_row() {
    let registry = registry();
    assert_eq!(registry.len(), 41);
    for row in &registry {
        let name = &row.name;
        let entry = RegisteredMethod::of(&method(name)).expect(name);
        assert_eq!(entry.name(), name);
        assert_eq!(entry.is_safe(), row.safe, "{name}");
        assert_eq!(entry.is_idempotent(), row.idempotent, "{name}");
        assert_eq!(entry.cacheable(), row.cacheable, "{name}");
        assert_eq!(entry.is_reserved(), row.reserved, "{name}");
        assert_eq!(entry.references(), row.references, "{name}");
    }
}

#[test]
fn the_table_holds_nothing_but_the_registry() {
    let in_table: Vec<_> = RegisteredMethod::ALL
        .iter()
        .map(|entry| entry.name())
        .collect();
    let in_registry: Vec<_> = registry().into_iter().map(|row| row.name).collect();
    assert_eq!(in_table.len(), in_registry.len());
    assert_eq!(
        in_table.into_iter().collect::<BTreeSet<_>>(),
        in_registry.iter().map(String::as_str).collect(),
    );
}

#[test]
fn the_table_is_in_canonical_order() {
    let names: Vec<_> = RegisteredMethod::ALL
        .iter()
        .map(|entry| entry.name())
        .collect();
    let (daily, rest) = names.split_at(10);
    assert_eq!(
        daily,
        [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"
        ]
    );
    assert!(rest.is_sorted(), "{rest:?}");
}

#[test]
fn each_entry_is_found_by_its_own_name() {
    for entry in RegisteredMethod::ALL {
        assert_eq!(RegisteredMethod::of(&method(entry.name())), Some(entry));
    }
    // The constants of `http` are found whether it has a variant for the name or not.
    assert_eq!(
        RegisteredMethod::of(&Method::GET),
        Some(&RegisteredMethod::ALL[0])
    );
    assert_eq!(
        RegisteredMethod::of(&Method::CONNECT),
        Some(&RegisteredMethod::ALL[8])
    );
}

/// Methods are case-sensitive (RFC 9110 §9.1), and a name is found whole or not at all: every
/// name at an edit distance of one from a registered one is tried.
#[test]
fn names_that_are_almost_registered_are_not_found() {
    let registered: BTreeSet<_> = registry().into_iter().map(|row| row.name).collect();
    let mut tried = 0;
    for name in &registered {
        let title_case = format!("{}{}", &name[..1], name[1..].to_lowercase());
        let mut variants = vec![name.to_lowercase(), title_case, name.replace('-', "_")];
        for at in 0..=name.len() {
            let (start, end) = name.split_at(at);
            variants.push(start.to_owned());
            variants.push(end.to_owned());
            variants.extend(TCHARS.chars().map(|c| format!("{start}{c}{end}")));
            if let Some(rest) = end.get(1..) {
                variants.push(format!("{start}{rest}"));
                variants.extend(TCHARS.chars().map(|c| format!("{start}{c}{rest}")));
            }
        }
        for variant in variants {
            if !variant.is_empty() && !registered.contains(&variant) {
                assert_eq!(RegisteredMethod::of(&method(&variant)), None, "{variant}");
                tried += 1;
            }
        }
    }
    assert!(tried > 10_000, "{tried}");
}

proptest! {
    #[test]
    fn a_method_is_found_if_and_only_if_its_name_is_in_the_registry(method in any_method()) {
        let listed = registry().iter().any(|row| row.name == method.as_str());
        prop_assert_eq!(RegisteredMethod::of(&method).is_some(), listed);
    }
}

#[test]
fn every_named_set_is_what_its_rfc_lists() {
    // RFC 9110 §9.3.
    let rfc9110 = set("GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE");
    assert_eq!(MethodSet::RFC9110, rfc9110);
    assert_eq!(MethodSet::RFC9110, defined_by("RFC9110"));

    // The known methods of OpenTelemetry's `http.request.method`.
    assert_eq!(
        MethodSet::STANDARD,
        set("CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE")
    );
    assert_eq!(
        MethodSet::STANDARD,
        rfc9110 | defined_by("RFC5789") | defined_by("RFC10008")
    );

    // RFC 4918 §9.1, §9.2, §9.3, §9.8 to §9.11; §9.4 to §9.7 are about methods of HTTP itself.
    assert_eq!(
        MethodSet::WEBDAV,
        set("PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK")
    );
    assert_eq!(MethodSet::WEBDAV, defined_by("RFC4918"));

    // RFC 3253 §3.5, §3.6, §4.3 to §4.5, §6.3, §7.1, §8.2, §11.2, §12.6, §13.5.
    assert_eq!(
        MethodSet::WEBDAV_VERSIONING,
        set(
            "VERSION-CONTROL REPORT CHECKOUT CHECKIN UNCHECKOUT MKWORKSPACE UPDATE LABEL MERGE \
             BASELINE-CONTROL MKACTIVITY"
        )
    );
    assert_eq!(MethodSet::WEBDAV_VERSIONING, defined_by("RFC3253"));

    assert_eq!(MethodSet::WEBDAV_ORDERED, set("ORDERPATCH"));
    assert_eq!(MethodSet::WEBDAV_ORDERED, defined_by("RFC3648"));

    assert_eq!(MethodSet::WEBDAV_ACL, set("ACL"));
    assert_eq!(MethodSet::WEBDAV_ACL, defined_by("RFC3744"));

    assert_eq!(
        MethodSet::WEBDAV_REDIRECT,
        set("MKREDIRECTREF UPDATEREDIRECTREF")
    );
    assert_eq!(MethodSet::WEBDAV_REDIRECT, defined_by("RFC4437"));

    assert_eq!(MethodSet::CALDAV, set("MKCALENDAR"));
    assert_eq!(MethodSet::CALDAV, defined_by("RFC4791"));

    assert_eq!(MethodSet::WEBDAV_SEARCH, set("SEARCH"));
    assert_eq!(MethodSet::WEBDAV_SEARCH, defined_by("RFC5323"));

    assert_eq!(MethodSet::WEBDAV_BIND, set("BIND UNBIND REBIND"));
    assert_eq!(MethodSet::WEBDAV_BIND, defined_by("RFC5842"));
}

#[test]
fn the_sets_of_properties_are_the_registry_s_columns() {
    assert_eq!(MethodSet::SAFE, rows_where(|row| row.safe));
    assert_eq!(
        MethodSet::SAFE,
        set("GET HEAD OPTIONS TRACE QUERY PROPFIND REPORT SEARCH")
    );

    assert_eq!(MethodSet::IDEMPOTENT, rows_where(|row| row.idempotent));
    assert_eq!(
        MethodSet::REGISTERED - MethodSet::IDEMPOTENT,
        set("POST PATCH CONNECT LOCK")
    );

    assert_eq!(MethodSet::REGISTERED, rows_where(|_| true));
}

/// Nobody may use `PRI` (RFC 9113 §3.4) and `*` (RFC 9110 §18.2); every other set is a subset of
/// this one, as the next test says.
#[test]
fn every_registered_method_but_the_reserved_names_is_in_the_set_of_all() {
    for entry in RegisteredMethod::ALL {
        let reserved = ["PRI", "*"].contains(&entry.name());
        assert_eq!(entry.is_reserved(), reserved, "{}", entry.name());
        assert_eq!(
            MethodSet::REGISTERED.contains(&method(entry.name())),
            !reserved,
            "{}",
            entry.name()
        );
    }
}

#[test]
fn the_named_sets_are_related_as_their_rfcs_are() {
    // What extends WebDAV defines methods of its own: no two of these have one in common.
    let families = [
        ("STANDARD", MethodSet::STANDARD),
        ("WEBDAV", MethodSet::WEBDAV),
        ("WEBDAV_VERSIONING", MethodSet::WEBDAV_VERSIONING),
        ("WEBDAV_ORDERED", MethodSet::WEBDAV_ORDERED),
        ("WEBDAV_ACL", MethodSet::WEBDAV_ACL),
        ("WEBDAV_REDIRECT", MethodSet::WEBDAV_REDIRECT),
        ("CALDAV", MethodSet::CALDAV),
        ("WEBDAV_SEARCH", MethodSet::WEBDAV_SEARCH),
        ("WEBDAV_BIND", MethodSet::WEBDAV_BIND),
    ];
    for (name, one) in &families {
        for (other_name, other) in &families {
            assert_eq!(
                one.is_disjoint(other),
                name != other_name,
                "{name}, {other_name}"
            );
        }
    }

    // Together they are the registry, but for the two methods of the obsolete RFC 2068.
    let (_, all) = families
        .into_iter()
        .reduce(|(name, all), (_, family)| (name, all | family))
        .expect("there are families");
    assert_eq!(MethodSet::REGISTERED - all.clone(), set("LINK UNLINK"));
    assert!(MethodSet::REGISTERED.is_superset(&all));

    assert!(MethodSet::RFC9110.is_subset(&MethodSet::STANDARD));
    assert_eq!(MethodSet::STANDARD - MethodSet::RFC9110, set("PATCH QUERY"));

    // RFC 9110 §9.2.2: "PUT, DELETE, and safe request methods are idempotent".
    assert!(MethodSet::SAFE.is_subset(&MethodSet::IDEMPOTENT));
    assert!(MethodSet::IDEMPOTENT.is_subset(&MethodSet::REGISTERED));
    assert_eq!(
        MethodSet::RFC9110 & (MethodSet::IDEMPOTENT - MethodSet::SAFE),
        set("PUT DELETE")
    );
}
