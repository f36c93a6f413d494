//! `MethodSet`: how it is made, compared, combined, written and read.

mod support;

use std::collections::{BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};

use http::Method;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use tower_method_policy::{MethodSet, ParseMethodSetError, RegisteredMethod};

use crate::support::strategies::{METHODS, any_method, method, set};

/// What a set is compared with: the names of its methods.
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

/// The registered methods in the order of the table, then the others alphabetically.
fn in_canonical_order(names: &Names) -> Vec<&str> {
    let rank = |name: &&str| {
        let registered = RegisteredMethod::ALL;
        let at = registered.iter().position(|entry| entry.name() == *name);
        at.unwrap_or(registered.len())
    };
    let mut ordered: Vec<_> = names.iter().map(String::as_str).collect();
    ordered.sort_by_key(rank);
    ordered
}

#[test]
fn the_order_is_canonical() {
    let set = set(
        "ZED get UNLOCK QUERY CONNECT TRACE *A OPTIONS ACL DELETE PRI PATCH PUT POST * HEAD \
                   GET A-NAME-OF-MORE-THAN-FIFTEEN-BYTES",
    );
    assert_eq!(
        set.to_string(),
        "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT, QUERY, \
         *, ACL, PRI, UNLOCK, \
         *A, A-NAME-OF-MORE-THAN-FIFTEEN-BYTES, ZED, get"
    );
}

#[test]
fn every_way_to_build_a_set_gives_the_same_one() {
    let propfind = method("PROPFIND");
    let long = method("A-NAME-OF-MORE-THAN-FIFTEEN-BYTES");
    let methods = [long.clone(), Method::POST, propfind.clone(), Method::POST];
    let expected = set("POST PROPFIND A-NAME-OF-MORE-THAN-FIFTEEN-BYTES");

    assert_eq!(MethodSet::from(methods.clone()), expected);
    assert_eq!(MethodSet::from(methods.to_vec()), expected);
    assert_eq!(MethodSet::from_iter(methods.clone()), expected);
    assert_eq!(MethodSet::from_iter(&methods), expected);

    let mut extended = MethodSet::new();
    extended.extend(methods.clone());
    assert_eq!(extended, expected);

    let mut extended = MethodSet::from(Method::POST);
    extended.extend(&methods);
    assert_eq!(extended, expected);

    let mut inserted = MethodSet::default();
    assert!(inserted.insert(Method::POST));
    assert!(inserted.insert(long.clone()));
    assert!(inserted.insert(propfind.clone()));
    assert!(!inserted.insert(Method::POST));
    assert!(!inserted.insert(long.clone()));
    assert!(!inserted.insert(propfind.clone()));
    assert_eq!(inserted, expected);

    let united = MethodSet::from(Method::POST) | propfind.into() | long.into();
    assert_eq!(united, expected);
}

#[test]
fn the_empty_set_is_empty() {
    for empty in [
        MethodSet::new(),
        MethodSet::default(),
        MethodSet::from([]),
        MethodSet::from_iter(Vec::<Method>::new()),
        MethodSet::SAFE - MethodSet::SAFE,
    ] {
        assert!(empty.is_empty());
        assert_eq!(empty.len(), 0);
        assert_eq!(empty.iter().next(), None);
        assert_eq!(empty.to_string(), "");
        assert_eq!(format!("{empty:?}"), "[]");
        assert!(!empty.contains(&Method::GET));
        assert!(!empty.contains(&method("FOO")));
        assert!(empty.is_subset(&empty) && empty.is_superset(&empty) && empty.is_disjoint(&empty));
    }
}

#[test]
fn methods_are_case_sensitive() {
    let set = set("get Post");
    assert!(set.contains(&method("get")));
    assert!(!set.contains(&Method::GET));
    assert!(!set.contains(&Method::POST));
    assert_eq!(set.len(), 2);
}

#[test]
fn debug_reads_as_a_list() {
    let set = set("FOO GET");
    assert_eq!(format!("{set:?}"), "[GET, FOO]");
    assert_eq!(format!("{set:#?}"), "[\n    GET,\n    FOO,\n]");
}

proptest! {
    #[test]
    fn a_set_holds_what_was_put_into_it_in_canonical_order(
        methods in vec(any_method(), 0..=20),
        others in vec(any_method(), 0..=20),
    ) {
        let names: Names = methods.iter().map(Method::to_string).collect();
        let set = MethodSet::from_iter(&methods);

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
    }

    #[test]
    fn the_order_of_insertion_leaves_no_trace(
        (methods, shuffled) in vec(any_method(), 0..=12).prop_flat_map(|methods| {
            (Just(methods.clone()), Just(methods).prop_shuffle())
        }),
    ) {
        let set = MethodSet::from_iter(&methods);
        let other = MethodSet::from_iter(shuffled.iter().chain(&methods));
        prop_assert_eq!(&set, &other);
        prop_assert_eq!(set.to_string(), other.to_string());
        prop_assert_eq!(format!("{set:?}"), format!("{other:?}"));
    }

    #[test]
    fn the_operators_are_those_of_sets(a in any_names(), b in any_names()) {
        let (set_a, set_b) = (set_of(&a), set_of(&b));

        let union = &set_a | &set_b;
        prop_assert_eq!(names_of(&union), &a | &b);
        prop_assert_eq!(&union, &set_of(&(&a | &b)));
        prop_assert_eq!(&union, &(set_a.clone() | set_b.clone()));

        let intersection = &set_a & &set_b;
        prop_assert_eq!(names_of(&intersection), &a & &b);
        prop_assert_eq!(&intersection, &set_of(&(&a & &b)));
        prop_assert_eq!(&intersection, &(set_a.clone() & set_b.clone()));

        let difference = &set_a - &set_b;
        prop_assert_eq!(names_of(&difference), &a - &b);
        prop_assert_eq!(&difference, &set_of(&(&a - &b)));
        prop_assert_eq!(&difference, &(set_a.clone() - set_b.clone()));

        // What was taken out is out, what was left is in, and it can be put back.
        for name in &b {
            prop_assert!(union.contains(&method(name)));
            prop_assert_eq!(intersection.contains(&method(name)), a.contains(name));
            prop_assert!(!difference.contains(&method(name)));
        }
        prop_assert_eq!(difference | intersection, set_a);
    }

    #[test]
    fn the_relations_are_those_of_sets(a in any_names(), b in any_names(), c in any_names()) {
        // Two sets at random are seldom related, so some are made of others.
        for (a, b) in [(&a, &b), (&a, &(&a | &b)), (&(&a - &c), &a), (&(&a - &b), &(&b | &c))] {
            let (set_a, set_b) = (set_of(a), set_of(b));
            prop_assert_eq!(set_a.is_subset(&set_b), a.is_subset(b));
            prop_assert_eq!(set_a.is_superset(&set_b), a.is_superset(b));
            prop_assert_eq!(set_b.is_subset(&set_a), b.is_subset(a));
            prop_assert_eq!(set_b.is_superset(&set_a), b.is_superset(a));
            prop_assert_eq!(set_a.is_disjoint(&set_b), a.is_disjoint(b));
            prop_assert_eq!(set_b.is_disjoint(&set_a), b.is_disjoint(a));
            prop_assert_eq!(set_a == set_b, a == b);
        }
    }

    #[test]
    fn equal_sets_hash_alike_however_they_came_about(a in any_names(), b in any_names()) {
        let state = RandomState::new();
        let (set_a, set_b) = (set_of(&a), set_of(&b));
        let kept = set_of(&(&a - &b));
        for same in [&set_a - &set_b, &(&set_a | &set_b) - &set_b, &set_a & &kept] {
            prop_assert_eq!(&same, &kept);
            prop_assert_eq!(state.hash_one(&same), state.hash_one(&kept));
        }
    }

    #[test]
    fn what_a_set_writes_it_reads_back(names in any_names()) {
        let set = set_of(&names);
        prop_assert_eq!(set.to_string().parse(), Ok(set));
    }

    /// RFC 9110 §5.6.1.2: `#element => [ element ] *( OWS "," OWS [ element ] )`.
    #[test]
    fn lists_are_read_with_any_white_space_and_empty_elements(
        elements in vec(("[ \t]{0,3}", prop::option::of(any_method()), "[ \t]{0,3}"), 0..=12),
    ) {
        let list: Vec<_> = elements
            .iter()
            .map(|(before, method, after)| {
                format!("{before}{}{after}", method.as_ref().map_or("", Method::as_str))
            })
            .collect();
        let methods = elements.into_iter().filter_map(|(_, method, _)| method);
        prop_assert_eq!(list.join(",").parse(), Ok(MethodSet::from_iter(methods)));
    }

    #[test]
    fn any_text_is_read_or_its_first_bad_token_is_named(
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
            Err(ParseMethodSetError::InvalidToken { token, position, .. }) => {
                let before = &list[..position];
                let bad = elements.find(|element| !is_token(element));
                prop_assert_eq!(bad.map(|element| element.trim_matches(ows)), Some(&*token));
                prop_assert!(list[position..].starts_with(&token));
                prop_assert!(before.trim_end_matches(ows).is_empty()
                    || before.trim_end_matches(ows).ends_with(','));
                prop_assert!(before.split(',').all(is_token));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn different_sets_hash_differently() {
    let state = RandomState::new();
    let of_any_length = (0..=METHODS.len()).map(|n| METHODS[..n].join(" "));
    let of_one = METHODS[1..].iter().map(|name| name.to_string());
    let sets: Vec<_> = of_any_length.chain(of_one).collect();
    let hashes: HashSet<_> = sets
        .iter()
        .map(|names| state.hash_one(set(names)))
        .collect();
    assert_eq!(hashes.len(), sets.len());
}

#[test]
fn lists_of_methods_are_read() {
    for (list, expected) in [
        ("", ""),
        (" \t ", ""),
        (",", ""),
        (" , ,\t,", ""),
        ("GET", "GET"),
        ("GET,HEAD", "GET, HEAD"),
        ("POST, GET", "GET, POST"),
        (",GET,,HEAD,", "GET, HEAD"),
        ("\tGET \t,\t HEAD ", "GET, HEAD"),
        ("GET, GET,FOO, GET , FOO", "GET, FOO"),
        ("get, GET", "GET, get"),
        ("*", "*"),
        ("'q', `q`, $&|~", "$&|~, 'q', `q`"),
    ] {
        let set: MethodSet = list.parse().unwrap();
        assert_eq!(set.to_string(), expected, "{list:?}");
    }
}

/// What is no token (RFC 9110 §5.6.2) is named with its place. White space is space and tab alone
/// (§5.6.3).
#[test]
fn bad_tokens_are_named_with_their_byte_position() {
    for (list, bad, at) in [
        ("P OST", "P OST", 0),
        ("GET, , P OST", "P OST", 7),
        ("GET HEAD", "GET HEAD", 0),
        ("  \t é", "é", 4),
        ("GET,ü,é", "ü", 4),
        ("GET,\u{a0}HEAD", "\u{a0}HEAD", 4),
        ("GET,\tHEAD\n", "HEAD\n", 5),
        ("GET\r\n,HEAD", "GET\r\n", 0),
        ("GET;q=1", "GET;q=1", 0),
        ("GET,\"HEAD\" ,POST", "\"HEAD\"", 4),
        ("GET/HEAD", "GET/HEAD", 0),
        ("FOO, (comment) , BAR:", "(comment)", 5),
        ("\0", "\0", 0),
        ("GET,\u{b}", "\u{b}", 4),
    ] {
        let error = list.parse::<MethodSet>().unwrap_err();
        let ParseMethodSetError::InvalidToken {
            token, position, ..
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!((token.as_str(), *position), (bad, at), "{list:?}");
        assert_eq!(
            error.to_string(),
            format!("{bad:?} at byte {at} is not a method name")
        );
    }
}

#[test]
fn a_hundred_thousand_unregistered_methods_are_a_set_like_any_other() {
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
    assert!((set - even.clone()).is_disjoint(&even));
}
