//! Tests how a `MethodSet` is built, compared, combined, written, and parsed.

mod support;

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};

use http::Method;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use tower_method_policy::{MethodSet, Policy};

use crate::support::strategies::{METHODS, any_method, method, registered_names, set};

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
fn the_operators_accept_methods_arrays_slices_and_sets() {
    let set = set("GET PUT FOO");
    let foo = method("FOO");
    assert_eq!((&set | Method::POST).to_string(), "GET, POST, PUT, FOO");
    assert_eq!((&set - Method::PUT).to_string(), "GET, FOO");
    assert_eq!((&set & foo.clone()).to_string(), "FOO");
    assert_eq!((&set - [Method::GET, Method::PUT]).to_string(), "FOO");
    assert_eq!((&set - &[Method::GET]).to_string(), "PUT, FOO");
    assert_eq!((&set & vec![Method::GET, Method::HEAD]).to_string(), "GET");
    assert_eq!((set.clone() & MethodSet::SAFE).to_string(), "GET");
    assert_eq!((set.clone() - &set).to_string(), "");

    let mut changed = set;
    changed |= Method::POST;
    changed |= &[Method::DELETE, Method::GET][..];
    assert_eq!(changed.to_string(), "GET, POST, PUT, DELETE, FOO");
    changed -= Method::PUT;
    changed &= [Method::GET, Method::POST, foo.clone()];
    assert_eq!(changed.to_string(), "GET, POST, FOO");
    changed -= foo;
    assert_eq!(changed.to_string(), "GET, POST");
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
    fn equal_sets_have_equal_hashes(a in any_names(), b in any_names()) {
        let state = RandomState::new();
        let (set_a, set_b) = (set_of(&a), set_of(&b));
        let kept = set_of(&(&a - &b));
        for same in [&set_a - &set_b, &(&set_a | &set_b) - &set_b, &set_a & &kept] {
            prop_assert_eq!(&same, &kept);
            prop_assert_eq!(state.hash_one(&same), state.hash_one(&kept));
        }
    }

    /// RFC 9110 §5.6.1.2: `#element => [ element ] *( OWS "," OWS [ element ] )`.
    #[test]
    fn a_list_can_have_white_space_and_empty_elements(
        elements in vec(("[ \t]{0,3}", prop::option::of(any_method()), "[ \t]{0,3}"), 0..=12),
    ) {
        let list: Vec<_> = elements
            .iter()
            .map(|(before, method, after)| {
                format!("{before}{}{after}", method.as_ref().map_or("", Method::as_str))
            })
            .collect();
        let methods = elements.into_iter().filter_map(|(_, method, _)| method);
        let set = MethodSet::from_iter(methods);
        prop_assert_eq!(list.join(",").parse(), Ok(set.clone()));
        prop_assert_eq!(MethodSet::try_from(&*set.to_string()), Ok(set));
    }

    #[test]
    fn parsing_any_text_succeeds_or_names_the_first_bad_token(
        list in prop_oneof![any::<String>(), "[A-Z,, \t\u{a0}é\"\r\n]{0,20}"],
    ) {
        let ows = [' ', '\t'];
        let is_token = |element: &str| {
            let element = element.trim_matches(ows);
            element.is_empty() || Method::from_bytes(element.as_bytes()).is_ok()
        };
        let mut elements = list.split(',');
        match list.parse::<MethodSet>() {
            Ok(_) => prop_assert!(elements.all(is_token)),
            Err(error) => {
                let (before, after) = list.split_at(error.position());
                let bad = after.split(',').next().map(|element| element.trim_matches(ows));
                prop_assert_eq!(elements.find(|element| !is_token(element)).map(|e| e.trim_matches(ows)), bad);
                let shown: String = bad.unwrap_or_default().chars().take(8).collect();
                let shown = format!("{shown:?}");
                prop_assert!(error.to_string().starts_with(shown.trim_end_matches('"')), "{}", error);
                let before = before.trim_end_matches(ows);
                prop_assert!(before.is_empty() || before.ends_with(','));
                prop_assert!(before.split(',').all(is_token));
            }
        }
    }
}

#[test]
fn different_sets_hash_differently() {
    let state = RandomState::new();
    let of_any_length = (0..=METHODS.len()).map(|n| METHODS[..n].join(" "));
    let of_one = METHODS[1..].iter().map(|name| name.to_string());
    let sets: Vec<_> = of_any_length.chain(of_one).collect();
    let hashes = sets.iter().map(|names| state.hash_one(set(names)));
    assert_eq!(hashes.collect::<HashSet<_>>().len(), sets.len());
}

/// Tokens: RFC 9110 §5.6.2. White space is only space and tab (§5.6.3).
#[test]
fn a_parse_error_names_the_bad_token_and_its_byte_position() {
    for (list, bad, at) in [
        ("P OST", "P OST", 0),
        ("GET, , P OST", "P OST", 7),
        ("  \t é", "é", 4),
        ("GET,ü,é", "ü", 4),
        ("GET,\u{a0}HEAD", "\u{a0}HEAD", 4),
        ("GET,\tHEAD\n", "HEAD\n", 5),
        ("GET,\"HEAD\" ,POST", "\"HEAD\"", 4),
        ("FOO, (comment) , BAR:", "(comment)", 5),
        ("GET,\0", "\0", 4),
    ] {
        let error = list.parse::<MethodSet>().unwrap_err();
        assert_eq!(error.position(), at, "{list:?}");
        let expected = format!("{bad:?} at byte {at} is not a method name");
        assert_eq!(error.to_string(), expected);
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
    let expected = format!("\"a{}…\" at byte 0 is not a method name", "é".repeat(31));
    assert_eq!(list.parse::<MethodSet>().unwrap_err().to_string(), expected);
}
