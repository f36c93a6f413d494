//! Tests how a `MethodSet` is built, compared, combined, written, and parsed.

mod support;

use std::collections::BTreeSet;

use http::header::ALLOW;
use http::{HeaderMap, HeaderValue, Method};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use tower_method_policy::{MethodSet, Policy, method_excerpt};

use crate::support::strategies::{any_method, is_mistake, method, registered_names, set};

/// The model of a set: the names of its methods.
type Names = BTreeSet<String>;

fn any_names() -> impl Strategy<Value = Names> {
    btree_set(any_method().prop_map(|method| method.to_string()), 0..=12)
}

fn set_of(names: &Names) -> MethodSet {
    names.iter().map(|name| method(name)).collect()
}

fn names_of(set: &MethodSet) -> Names {
    set.iter().map(Method::to_string).collect()
}

/// Returns the common methods in the order of `first`, then the other registered methods, then all others. The last
/// two groups are sorted alphabetically.
fn in_canonical_order(names: &Names) -> Vec<&str> {
    let first = "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT QUERY".split(' ');
    let registered = |name: &str| registered_names().iter().any(|entry| entry == name);
    let mut ordered: Vec<_> = names.iter().map(String::as_str).collect();
    ordered.sort_by_key(|name| {
        let at = first.clone().position(|common| common == *name);
        (at.unwrap_or(usize::MAX), !registered(name))
    });
    ordered
}

#[test]
fn methods_are_written_in_canonical_order() {
    let canonical =
        "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT QUERY * ACL PRI UNLOCK *A ZED get";
    let mut names: Vec<_> = canonical.split(' ').collect();
    names.sort_unstable();
    assert_eq!(set(&names.join(" ")).to_string(), canonical.replace(' ', ", "));
}

/// The calls of `fallback` test the conversions for `impl Into<MethodSet>`.
#[test]
fn every_way_to_build_a_set_gives_the_same_set() {
    let expected = set("POST PROPFIND A-NAME-OF-MORE-THAN-FIFTEEN-BYTES");
    let [long, propfind] = ["A-NAME-OF-MORE-THAN-FIFTEEN-BYTES", "PROPFIND"].map(method);
    let methods = [long.clone(), Method::POST, propfind.clone(), Method::POST];
    let list = methods.to_vec();
    let fallback = |policy: Policy| policy.fallback_rule().unwrap().methods().clone();
    let mut extended = MethodSet::new();
    extended.extend(methods.clone());
    let mut extended_by_reference = MethodSet::from(Method::POST);
    extended_by_reference.extend(&methods);
    for built in [
        fallback(Policy::new().fallback(methods.clone())),
        fallback(Policy::new().fallback(&methods)),
        fallback(Policy::new().fallback(&methods[..])),
        fallback(Policy::new().fallback(list.clone())),
        fallback(Policy::new().fallback(&list)),
        fallback(Policy::new().fallback(&expected)),
        fallback(Policy::new().fallback(&Method::POST)) | &propfind | &long,
        MethodSet::from_static("PROPFIND, POST, A-NAME-OF-MORE-THAN-FIFTEEN-BYTES"),
        MethodSet::from_iter(methods.clone()),
        MethodSet::from_iter(&methods),
        MethodSet::from_iter(expected.clone()),
        MethodSet::from_iter(&expected),
        extended,
        extended_by_reference,
        MethodSet::from(Method::POST) | propfind | long,
    ] {
        assert_eq!(built, expected);
    }
}

#[test]
fn name_or_other_returns_other_if_the_set_does_not_contain_the_method() {
    let known = set("GET FOO");
    assert_eq!(known.name_or_other(&Method::GET), "GET");
    assert_eq!(known.name_or_other(&method("FOO")), "FOO");
    assert_eq!(known.name_or_other(&method("get")), "_OTHER");
    assert_eq!(known.name_or_other(&Method::PUT), "_OTHER");
}

#[test]
fn the_debug_output_is_a_list() {
    let set = set("FOO GET");
    assert_eq!(format!("{set:?}"), "[GET, FOO]");
    assert_eq!(format!("{:?}", MethodSet::new()), "[]");
    assert_eq!(format!("{set:#?}"), "[\n    GET,\n    FOO,\n]");
}

proptest! {
    #[test]
    fn a_set_contains_its_methods_in_canonical_order(
        methods in vec(any_method(), 0..=20),
        others in vec(any_method(), 0..=20),
    ) {
        let names: Names = methods.iter().map(Method::to_string).collect();
        let set = MethodSet::from_iter(&methods);

        // The order of insertion does not matter.
        prop_assert_eq!(&set, &set_of(&names));
        prop_assert_eq!(set.len(), names.len());
        prop_assert_eq!(set.is_empty(), names.is_empty());
        for method in methods.iter().chain(&others) {
            prop_assert_eq!(set.contains(method), names.contains(method.as_str()), "{}", method);
        }

        let ordered = in_canonical_order(&names);
        prop_assert!(set.iter().eq(&ordered));
        prop_assert!((&set).into_iter().eq(&ordered));
        prop_assert!(set.clone().into_iter().eq(ordered.iter().copied()));
        prop_assert_eq!(set.to_string(), ordered.join(", "));

        // The iterators know how many methods are left.
        let (mut iter, mut into_iter) = (set.iter(), set.clone().into_iter());
        for left in (0..ordered.len()).rev() {
            prop_assert_eq!(iter.next().cloned(), into_iter.next());
            prop_assert_eq!((iter.len(), into_iter.len()), (left, left));
            prop_assert!(iter.clone().eq(&ordered[ordered.len() - left..]));
            prop_assert!(into_iter.clone().eq(ordered[ordered.len() - left..].iter().copied()));
        }
        prop_assert_eq!((iter.next(), into_iter.next()), (None, None));
        prop_assert_eq!((iter.next(), into_iter.next()), (None, None));
    }

    #[test]
    fn methods_can_be_inserted_and_removed_one_by_one(
        steps in vec((any_method(), any::<bool>()), 0..=40),
    ) {
        let (mut set, mut names) = (MethodSet::new(), Names::new());
        for (method, inserts) in steps {
            if inserts {
                prop_assert_eq!(set.insert(method.clone()), names.insert(method.to_string()));
            } else {
                prop_assert_eq!(set.remove(&method), names.remove(method.as_str()));
            }
            prop_assert_eq!(&set, &set_of(&names));
        }
    }

    #[test]
    fn the_operators_agree_with_those_of_btree_set(a in any_names(), b in any_names()) {
        let (set_a, set_b) = (set_of(&a), set_of(&b));

        let (union, intersection, difference) = (&set_a | &set_b, &set_a & &set_b, &set_a - &set_b);
        let [mut joined, mut common, mut reduced] = [(); 3].map(|()| set_a.clone());
        joined |= &set_b;
        common &= &set_b;
        reduced -= &set_b;
        for (set, assigned, names) in [
            (&union, &joined, &a | &b),
            (&intersection, &common, &a & &b),
            (&difference, &reduced, &a - &b),
        ] {
            prop_assert_eq!(names_of(set), names.clone());
            prop_assert_eq!(set, &set_of(&names));
            prop_assert_eq!(set, assigned);
        }

        // The returned sets can be used like any other set.
        for name in &b {
            prop_assert!(union.contains(&method(name)));
            prop_assert_eq!(intersection.contains(&method(name)), a.contains(name));
            prop_assert!(!difference.contains(&method(name)));
        }
        prop_assert_eq!(difference | intersection, set_a);
    }

    #[test]
    fn comparisons_agree_with_those_of_btree_set(a in any_names(), b in any_names(), c in any_names()) {
        // Two random sets are rarely equal or subsets, so some of these sets are made from others.
        for (a, b) in [(&a, &b), (&a, &(&a | &b)), (&(&a - &c), &a), (&(&a - &b), &(&b | &c))] {
            let (set_a, set_b) = (set_of(a), set_of(b));
            prop_assert_eq!(set_a.is_subset(&set_b), a.is_subset(b));
            prop_assert_eq!(set_b.is_subset(&set_a), b.is_subset(a));
            prop_assert_eq!(set_a == set_b, a == b);
        }
    }

    #[test]
    fn parsing_any_text_succeeds_or_names_the_first_bad_name(
        list in prop_oneof![any::<String>(), "[A-Z,, \t\u{a0}é\"\r\n]{0,20}"],
    ) {
        let ows = [' ', '\t'];
        let is_name = |element: &str| {
            let method = Method::from_bytes(element.trim_matches(ows).as_bytes());
            element.trim_matches(ows).is_empty() || method.is_ok_and(|method| !is_mistake(&method))
        };
        let mut elements = list.split(',');
        match list.parse::<MethodSet>() {
            Ok(_) => prop_assert!(elements.all(is_name)),
            Err(error) => {
                let (before, after) = list.split_at(error.position());
                let bad = after.split(',').next().map(|element| element.trim_matches(ows));
                prop_assert_eq!(elements.find(|element| !is_name(element)).map(|e| e.trim_matches(ows)), bad);
                let shown: String = bad.unwrap_or_default().chars().take(8).collect();
                let shown = format!("{shown:?}");
                prop_assert!(error.to_string().starts_with(shown.trim_end_matches('"')), "{}", error);
                let before = before.trim_end_matches(ows);
                prop_assert!(before.is_empty() || before.ends_with(','));
                prop_assert!(before.split(',').all(is_name));
            }
        }
    }
}

/// The columns are the text, the position of the bad name in bytes, and the message. White space is only space and
/// tab (RFC 9110 §5.6.3).
#[test]
fn a_parse_error_names_the_bad_name_and_says_what_to_write() {
    let bad = |name: &str, culprit: char| {
        format!(
            "{name:?} is not a method name: {culprit:?} cannot be part of one. List each method by \
             its name, as in \"GET, POST\""
        )
    };
    let each = "is not a method: list each method by its name";
    let set = "is a set of this crate and not a method: list each method by its name";
    for (list, at, message) in [
        ("P OST", 0, bad("P OST", ' ')),
        ("GET, , P OST", 7, bad("P OST", ' ')),
        ("  \t é", 4, bad("é", 'é')),
        ("GET,ü,é", 4, bad("ü", 'ü')),
        ("GET,\u{a0}HEAD", 4, bad("\u{a0}HEAD", '\u{a0}')),
        ("GET,\tHEAD\n", 5, bad("HEAD\n", '\n')),
        ("GET,\"HEAD\" ,POST", 4, bad("\"HEAD\"", '"')),
        ("FOO, (comment) , BAR:", 5, bad("(comment)", '(')),
        ("GET,\0", 4, bad("\0", '\0')),
        ("GET;POST", 0, bad("GET;POST", ';')),
        ("get", 0, "\"get\" is not \"GET\": methods are case-sensitive".to_owned()),
        ("PUT, Report", 5, "\"Report\" is not \"REPORT\": methods are case-sensitive".to_owned()),
        ("*", 0, format!("\"*\" {each}")),
        ("ANY", 0, format!("\"ANY\" {each}")),
        ("all", 0, format!("\"all\" {each}")),
        ("WEBDAV", 0, format!("\"WEBDAV\" {set}")),
        ("standard", 0, format!("\"standard\" {set}")),
        ("NONE", 0, "\"NONE\" is not a method: write an empty list".to_owned()),
        ("PRI", 0, "\"PRI\" is reserved and not a method (RFC 9113 §3.4)".to_owned()),
    ] {
        let error = list.parse::<MethodSet>().unwrap_err();
        assert_eq!((error.position(), error.to_string()), (at, message), "{list:?}");
        assert_eq!(MethodSet::try_from(list), Err(error));
    }
}

#[test]
fn from_static_panics_with_the_message_of_the_parse_error() {
    assert_eq!(MethodSet::from_static(" GET,,PURGE "), set("GET PURGE"));
    assert_eq!(MethodSet::from_static(""), MethodSet::new());
    let panic = std::panic::catch_unwind(|| MethodSet::from_static("PUT, get")).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert_eq!(message, "\"get\" is not \"GET\": methods are case-sensitive");
}

/// Each case has the values of the `Allow` fields and the methods.
#[test]
fn from_allow_reads_all_fields_and_only_lists_of_methods() {
    let cases: [(&[&[u8]], Option<&str>); 16] = [
        (&[], None),
        (&[b""], Some("")),
        (&[b"", b" , "], Some("")),
        (&[b"GET,HEAD"], Some("GET HEAD")),
        (&[b"POST", b"GET , PURGE", b"POST"], Some("GET POST PURGE")),
        (&[b"get, ANY, WEBDAV, M.X"], Some("get ANY WEBDAV M.X")),
        (&[b"**, PRI*"], Some("** PRI*")),
        (&[b"*"], None),
        (&[b"GET, *"], None),
        (&[b"PRI"], None),
        (&[b"GET", b"PRI, PUT"], None),
        (&[b"GET POST"], None),
        (&[b"GET", b"\"PUT\""], None),
        (&[b"GET;POST"], None),
        (&[b"GET, \xe9"], None),
        (&[b"none (yet)"], None),
    ];
    for (values, expected) in cases {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("GET"));
        for value in values {
            headers.append(ALLOW, HeaderValue::from_bytes(value).unwrap());
        }
        assert_eq!(MethodSet::from_allow(&headers), expected.map(set), "{headers:?}");
    }
}

#[test]
fn an_excerpt_of_a_method_can_be_copied_and_has_at_most_64_bytes_of_it() {
    for (name, expected) in [
        ("DELETE", "DELETE".to_owned()),
        (&"A".repeat(64), "A".repeat(64)),
        (&"A".repeat(65), format!("{}…", "A".repeat(64))),
        (&"A".repeat(70_000), format!("{}…", "A".repeat(64))),
    ] {
        let method = method(name);
        let excerpt = method_excerpt(&method);
        assert_eq!([excerpt, excerpt].map(|excerpt| excerpt.to_string()), [&*expected, &expected]);
        assert!(format!("{excerpt:?}").len() < 200, "{excerpt:?}");
    }
}

#[test]
fn a_set_can_contain_a_hundred_thousand_unregistered_methods() {
    let all = 0..100_000;
    let name = |n: u32| method(&format!("METHOD-{n}"));
    let set: MethodSet = all.clone().rev().map(name).collect();

    assert_eq!(set.len(), all.len());
    assert!(all.clone().all(|n| set.contains(&name(n))));
    assert!(!set.contains(&name(100_000)));
    assert!(set.iter().map(Method::as_str).is_sorted());

    assert_eq!(set.to_string().parse(), Ok(set.clone()));
    assert_eq!(&set | &set, set);
    assert_eq!(&set - &set, MethodSet::new());

    let even: MethodSet = all.step_by(2).map(name).collect();
    assert_eq!((&set & &even).len(), 50_000);
    assert_eq!((set - &even) & &even, MethodSet::new());
}

#[test]
fn the_error_for_a_huge_token_is_short() {
    for list in ["é", "\u{1}"].map(|part| part.repeat(500_000)) {
        let error = list.parse::<MethodSet>().unwrap_err().to_string();
        assert!(error.len() < 1_000, "{}", error.len());
        assert!(error.contains('…'), "{error}");
    }
    // Byte 64 is in the middle of a character.
    let list = format!("a{}", "é".repeat(64));
    let expected =
        format!("\"a{}…\" is not a method name: 'é' cannot be part of one.", "é".repeat(31));
    let error = list.parse::<MethodSet>().unwrap_err().to_string();
    assert!(error.starts_with(&expected), "{error}");
}
