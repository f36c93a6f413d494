//! The configuration of a policy: what it recognizes, its rules, and properties of every policy.

mod support;

use std::collections::BTreeSet;

use http::Method;
use proptest::collection::vec;
use proptest::prelude::*;
use tower_method_policy::{Decision, MethodSet, Policy, Rule, RuleKind};

use crate::support::strategies::{
    METHODS, PATHS, PATTERNS, SUBTREES, Setting, any_method, method, policies, policy_of, set,
    settings,
};

/// Returns the methods that `policy` lists at `path`, or `None` if no rule applies there.
fn listed(policy: &Policy, path: &str) -> Option<String> {
    policy.rule_at(path).map(|rule| rule.methods().to_string())
}

/// Returns the kind and the pattern of the rule at `path`.
fn rule_at<'a>(policy: &'a Policy, path: &str) -> Option<(RuleKind, Option<&'a str>)> {
    policy
        .rule_at(path)
        .map(|rule| (rule.kind(), rule.pattern()))
}

// What is recognized.

#[test]
fn a_new_policy_recognizes_the_standard_methods_and_has_no_rules() {
    for policy in [Policy::new(), Policy::default()] {
        assert_eq!(policy.recognized(), &MethodSet::STANDARD);
        assert_eq!(policy.rule_at("/"), None);
        assert_eq!(policy.fallback_rule(), None);
        assert_eq!(policy.rules().len(), 0);
        assert_eq!(policy.exempt_paths().len(), 0);
        for method in &MethodSet::STANDARD {
            assert_eq!(policy.decide(method, "/"), Decision::Forward, "{method}");
        }
        for name in ["FOO", "get", "M-GET", "PROPFIND", "PRI", "*"] {
            assert_eq!(policy.decide(&method(name), "/"), Decision::NotImplemented);
        }
    }
}

#[test]
fn recognize_adds_methods() {
    let policy = Policy::new()
        .recognize(method("FOO"))
        .recognize(set("PROPFIND"))
        .recognize([]);
    let expected = MethodSet::STANDARD | set("FOO PROPFIND");
    assert_eq!(policy.recognized(), &expected);
    assert_eq!(policy.decide(&method("FOO"), "/"), Decision::Forward);

    let policy = policy.fallback([]);
    assert_eq!(policy.recognized(), &expected);
    let allow = &MethodSet::new();
    assert_eq!(
        policy.decide(&method("FOO"), "/"),
        Decision::NotAllowed { allow }
    );
}

#[test]
fn recognize_only_replaces_the_default_and_nothing_else() {
    let policy = Policy::new().recognize_only(set("POST"));
    assert_eq!(policy.recognized(), &set("GET HEAD POST"));
    assert_eq!(policy.rule_at("/"), None);

    // A second call replaces the first.
    let policy = policy.recognize(set("FOO")).recognize_only(set("QUERY"));
    assert_eq!(policy.recognized(), &set("GET HEAD QUERY FOO"));

    let policy = policy.fallback(set("BAR")).route("/a", set("BAZ")).unwrap();
    let policy = policy.subtree("/b", set("QUX")).unwrap();
    assert_eq!(policy.recognized(), &set("GET HEAD QUERY FOO BAR BAZ QUX"));

    assert_eq!(
        Policy::new().recognize_only([]).recognized(),
        &set("GET HEAD")
    );
}

/// Every later call builds the registry again. None of them may lose the methods of a rule.
#[test]
fn a_method_that_only_one_rule_lists_is_recognized_everywhere() {
    let foo = method("FOO");
    let route = || Policy::new().route("/a", [foo.clone()]).unwrap();
    let subtree = || Policy::new().subtree("/a", [foo.clone()]).unwrap();
    for policy in [route(), subtree()] {
        for policy in [
            policy.clone(),
            policy.clone().recognize([]),
            policy.clone().recognize_only([]),
            policy.clone().fallback([]),
            policy.clone().route("/b", []).unwrap(),
            policy.clone().subtree("/b", []).unwrap(),
            policy.clone().exempt("/b").unwrap(),
        ] {
            assert_eq!(policy.decide(&foo, "/a"), Decision::Forward);
            for path in ["/", "/b", "/c", "*", ""] {
                let expected = match policy.rule_at(path) {
                    Some(rule) => Decision::NotAllowed {
                        allow: rule.methods(),
                    },
                    None => Decision::Forward,
                };
                assert_eq!(policy.decide(&foo, path), expected, "{path}");
            }
        }
    }
}

/// The methods of a fallback that was replaced are forgotten.
#[test]
fn a_second_fallback_replaces_the_first() {
    let policy = Policy::new()
        .fallback(set("FOO POST"))
        .fallback([Method::PUT]);
    assert_eq!(listed(&policy, "/").as_deref(), Some("PUT"));
    assert_eq!(policy.recognized(), &MethodSet::STANDARD);
    assert_eq!(policy.decide(&method("FOO"), "/"), Decision::NotImplemented);
    assert_eq!(policy, Policy::new().fallback([Method::PUT]));
}

// Rules are taken literally.

#[test]
fn a_rule_lists_its_methods_and_head_if_it_lists_get() {
    for (methods, expected) in [
        ("POST", "POST"),
        ("GET", "GET, HEAD"),
        ("PUT GET", "GET, HEAD, PUT"),
        ("HEAD", "HEAD"),
        ("HEAD POST", "HEAD, POST"),
        ("", ""),
        ("get", "get"),
        ("OPTIONS", "OPTIONS"),
        ("FOO GET ACL", "GET, HEAD, ACL, FOO"),
    ] {
        let methods = set(methods);
        let policy = Policy::new()
            .route("/route", &methods)
            .and_then(|policy| policy.subtree("/subtree", &methods))
            .unwrap()
            .fallback(&methods);
        for path in ["/route", "/subtree", "/subtree/a", "/", "*", ""] {
            assert_eq!(listed(&policy, path).as_deref(), Some(expected), "{path}");
            // `GET` and `HEAD` are forwarded and recognized in any case.
            for forwarded in [Method::GET, Method::HEAD] {
                assert_eq!(policy.decide(&forwarded, path), Decision::Forward);
                assert!(policy.recognized().contains(&forwarded));
            }
            let Decision::NotAllowed { allow } = policy.decide(&Method::DELETE, path) else {
                panic!("DELETE {path}");
            };
            assert_eq!(allow.to_string(), expected);
        }
    }
}

#[test]
fn a_rule_replaces_the_fallback_at_its_paths() {
    let policy = Policy::new()
        .fallback(set("POST"))
        .route("/a", set("PUT"))
        .unwrap();
    assert_eq!(listed(&policy, "/a").as_deref(), Some("PUT"));
    assert_eq!(listed(&policy, "/b").as_deref(), Some("POST"));
    assert_eq!(listed(&policy, "/a/").as_deref(), Some("POST"));
}

#[test]
fn an_exempt_path_has_no_rule_as_if_there_were_no_fallback() {
    let policy = Policy::new()
        .recognize(set("FOO"))
        .fallback([Method::GET])
        .subtree("/dav", set("PUT"))
        .and_then(|policy| policy.exempt("/ws"))
        .and_then(|policy| policy.exempt("/rooms/{room}/ws"))
        .and_then(|policy| policy.exempt("/dav/open"))
        .and_then(|policy| policy.exempt("/assets/{*path}"))
        .unwrap();
    for path in [
        "/ws",
        "/rooms/7/ws",
        "/rooms//ws",
        "/dav/open",
        "/assets/a/b",
        "/assets//",
    ] {
        assert_eq!(policy.rule_at(path), None, "{path}");
        for method in policy.recognized() {
            assert_eq!(
                policy.decide(method, path),
                Decision::Forward,
                "{method} {path}"
            );
        }
        let unknown = method("UNKNOWN");
        assert_eq!(policy.decide(&unknown, path), Decision::NotImplemented);
    }
    for path in [
        "/ws/",
        "/rooms/7/ws/",
        "/dav/open/",
        "/assets",
        "/assets/",
        "/",
    ] {
        assert!(policy.rule_at(path).is_some(), "{path}");
    }
    let exempt: Vec<_> = policy.exempt_paths().collect();
    assert_eq!(
        exempt,
        ["/ws", "/rooms/{room}/ws", "/dav/open", "/assets/{*path}"]
    );
}

/// Nothing is known about the methods that a target allows.
#[test]
fn if_no_rule_applies_every_recognized_method_is_forwarded() {
    for policy in [
        Policy::new(),
        Policy::new().recognize(set("FOO")),
        Policy::new().recognize_only(set("CONNECT TRACE FOO")),
        Policy::new().route("/a", set("FOO")).unwrap(),
        Policy::new().route("/{*rest}", set("FOO")).unwrap(),
        Policy::new().subtree("/a", set("FOO")).unwrap(),
        Policy::new().exempt("/").unwrap(),
    ] {
        for path in ["*", "", "/"] {
            assert_eq!(policy.rule_at(path), None);
            for method in policy.recognized() {
                assert_eq!(policy.decide(method, path), Decision::Forward, "{method}");
            }
            let unknown = method("UNKNOWN");
            assert_eq!(policy.decide(&unknown, path), Decision::NotImplemented);
        }
    }
}

/// `PRI` and `*` are in no constant, but code can name them.
#[test]
fn any_token_can_be_configured_in_code() {
    for name in ["PRI", "*", "**", "pri", "ANY", "GET|POST"] {
        let all = set(name);
        assert!(all.is_subset(Policy::new().recognize(&all).recognized()));
        assert!(all.is_subset(Policy::new().recognize_only(&all).recognized()));
        let policy = Policy::new().fallback(&all).route("/a", all).unwrap();
        assert_eq!(listed(&policy, "/").as_deref(), Some(name));
        assert_eq!(policy.decide(&method(name), "/a"), Decision::Forward);
    }
}

// Paths.

#[test]
fn the_most_specific_pattern_that_matches_the_path_is_taken() {
    let add = |policy: Policy, pattern: &&str| match SUBTREES.contains(pattern) {
        true => policy.subtree(pattern, []).unwrap(),
        false => policy.route(pattern, []).unwrap(),
    };
    // Each pattern alone, all together, and all together in the opposite order.
    let all = [PATTERNS, SUBTREES].concat();
    let reversed: Vec<_> = all.iter().rev().copied().collect();
    let alone = all.iter().map(std::slice::from_ref);
    for configured in alone.chain([&all[..], &reversed]) {
        let policy = configured.iter().fold(Policy::new().fallback([]), add);
        for (path, matching) in PATHS {
            let taken = matching.iter().find(|pattern| configured.contains(pattern));
            let expected = match taken {
                Some(pattern) if SUBTREES.contains(pattern) => (RuleKind::Subtree, Some(*pattern)),
                Some(pattern) => (RuleKind::Route, Some(*pattern)),
                None => (RuleKind::Fallback, None),
            };
            assert_eq!(
                rule_at(&policy, path),
                Some(expected),
                "{path} {configured:?}"
            );
        }
    }
}

#[test]
fn a_pattern_is_matched_against_the_raw_path() {
    let patterns = ["/admin", "/a%20b", "/caf%C3%A9", "/x/"];
    let policy = patterns.iter().fold(Policy::new(), |policy, pattern| {
        policy.route(pattern, []).unwrap()
    });
    for (path, rule) in [
        ("/admin", Some("/admin")),
        ("/%61dmin", None),
        ("/ADMIN", None),
        ("/admin/", None),
        ("//admin", None),
        ("/./admin", None),
        ("/x/../admin", None),
        ("/admin;v=1", None),
        ("/admin%00", None),
        ("/admin?x", None),
        ("/a%20b", Some("/a%20b")),
        ("/a b", None),
        ("/caf%C3%A9", Some("/caf%C3%A9")),
        ("/caf%c3%a9", None),
        ("/café", None),
        ("/x/", Some("/x/")),
        ("/x", None),
    ] {
        let found = policy.rule_at(path).and_then(|rule| rule.pattern());
        assert_eq!(found, rule, "{path}");
    }
}

/// `OPTIONS *` and a classic `CONNECT` have no path (RFC 9112 §3.2.3, §3.2.4).
#[test]
fn targets_without_a_path_are_at_the_fallback() {
    let policy = Policy::new()
        .route("/", [])
        .and_then(|policy| policy.route("/{*rest}", []))
        .unwrap()
        .fallback(set("OPTIONS CONNECT"));
    for path in ["*", ""] {
        assert_eq!(rule_at(&policy, path), Some((RuleKind::Fallback, None)));
        assert_eq!(policy.decide(&Method::OPTIONS, path), Decision::Forward);
        assert_eq!(policy.decide(&Method::CONNECT, path), Decision::Forward);
    }
    for path in ["/", "/*"] {
        let decision = policy.decide(&Method::OPTIONS, path);
        assert!(matches!(decision, Decision::NotAllowed { .. }));
    }
}

// Reading a policy back.

#[test]
fn a_policy_can_be_read_back() {
    let policy = Policy::new()
        .route("/b/{id}", vec![Method::PUT])
        .unwrap()
        .fallback(&[Method::POST])
        .subtree("/dav", MethodSet::WEBDAV)
        .unwrap()
        .exempt("/ws")
        .unwrap()
        .route("/a", Method::GET)
        .unwrap();
    let rules: Vec<_> = policy.rules().map(|rule| rule.to_string()).collect();
    assert_eq!(rules, ["route /b/{id}", "subtree /dav", "route /a"]);
    let methods: Vec<_> = policy.rules().map(|rule| rule.methods().clone()).collect();
    assert_eq!(methods, [set("PUT"), MethodSet::WEBDAV, set("GET HEAD")]);

    let fallback = policy.fallback_rule().unwrap();
    assert_eq!(
        (fallback.kind(), fallback.pattern()),
        (RuleKind::Fallback, None)
    );
    assert_eq!(fallback.to_string(), "fallback");
    assert_eq!(policy.rule_at("/"), Some(fallback));

    // The same policy again.
    let add = |again: Policy, rule: Rule<'_>| match (rule.kind(), rule.pattern()) {
        (RuleKind::Route, Some(pattern)) => again.route(pattern, rule.methods()).unwrap(),
        (RuleKind::Subtree, Some(prefix)) => again.subtree(prefix, rule.methods()).unwrap(),
        _ => again.fallback(rule.methods()),
    };
    let again = policy.rules().chain([fallback]).fold(Policy::new(), add);
    let again = policy
        .exempt_paths()
        .fold(again, |again, pattern| again.exempt(pattern).unwrap());
    assert_eq!(again, policy);
    assert!(again.rules().eq(policy.rules()));
}

#[test]
fn the_text_of_a_policy_shows_what_is_recognized_and_each_rule() {
    let policy = Policy::new()
        .recognize_only([])
        .fallback([Method::POST])
        .route("/a", set("FOO"))
        .and_then(|policy| policy.exempt("/ws"))
        .and_then(|policy| policy.subtree("/dav", []))
        .unwrap();
    assert_eq!(
        format!("{policy:?}"),
        "Policy { recognized: [GET, HEAD, POST, FOO], fallback: Some([POST]), \
         paths: {\"/a\": [FOO], \"/dav\": [], \"/ws\": exempt} }"
    );
}

#[test]
fn policies_that_differ_in_one_thing_are_not_equal() {
    let route = |pattern: &str, list: &str| Policy::new().route(pattern, set(list)).unwrap();
    let policies = [
        Policy::new(),
        Policy::new().recognize(set("FOO")),
        Policy::new().recognize_only([]),
        Policy::new().fallback([]),
        Policy::new().fallback([Method::POST]),
        route("/a", "POST"),
        route("/a", "PUT"),
        route("/a/", "POST"),
        Policy::new().subtree("/a", set("POST")).unwrap(),
        Policy::new().exempt("/a").unwrap(),
        Policy::new().exempt("/a/").unwrap(),
        route("/a", "POST").exempt("/b").unwrap(),
        route("/a", "POST").route("/b", []).unwrap(),
    ];
    for (at, one) in policies.iter().enumerate() {
        for (other_at, other) in policies.iter().enumerate() {
            assert_eq!(one == other, at == other_at, "{one:?} {other:?}");
        }
    }
    // The HEAD that GET brings need not be listed.
    assert_eq!(route("/a", "GET"), route("/a", "GET HEAD"));
}

/// A change to a copy does not reach the original.
#[test]
fn policies_are_values() {
    let original = Policy::new()
        .fallback([Method::POST])
        .route("/a", set("FOO"))
        .unwrap();
    let copy = original
        .clone()
        .fallback([Method::PUT])
        .route("/b", set("BAR"))
        .unwrap();
    assert_eq!(listed(&original, "/").as_deref(), Some("POST"));
    assert_eq!(listed(&original, "/b").as_deref(), Some("POST"));
    assert!(!original.recognized().contains(&method("BAR")));
    assert_eq!(listed(&copy, "/").as_deref(), Some("PUT"));
    assert_eq!(listed(&copy, "/a").as_deref(), Some("FOO"));
    assert_eq!(listed(&copy, "/b").as_deref(), Some("BAR"));
}

/// Adding a rule does not go through the other rules.
#[test]
fn many_rules_are_built_and_compared() {
    let build = |numbers: &mut dyn Iterator<Item = u32>| {
        numbers.fold(Policy::new(), |policy, n| {
            policy.route(&format!("/items/{n}"), [Method::PUT]).unwrap()
        })
    };
    let policy = build(&mut (0..20_000));
    assert_eq!(policy.rules().len(), 20_000);
    assert_eq!(
        policy.rule_at("/items/19999").unwrap().pattern(),
        Some("/items/19999")
    );
    assert_eq!(policy.rule_at("/items/20000"), None);
    assert_eq!(policy, build(&mut (0..20_000).rev()));
}

// Properties of every policy.

proptest! {
    #[test]
    fn the_order_of_calls_does_not_matter(
        (settings, shuffled) in settings().prop_map(only_the_last_calls).prop_flat_map(|settings| {
            (Just(settings.clone()), Just(settings).prop_shuffle())
        }),
    ) {
        let (one, other) = (policy_of(&settings), policy_of(&shuffled));
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(one.recognized(), other.recognized());
        for (path, _) in PATHS {
            prop_assert_eq!(one.rule_at(path), other.rule_at(path), "{}", path);
            for name in METHODS {
                let method = method(name);
                prop_assert_eq!(one.decide(&method, path), other.decide(&method, path));
            }
        }
    }

    #[test]
    fn a_later_call_of_fallback_and_recognize_only_replaces_the_earlier_ones(
        settings in settings(),
    ) {
        prop_assert_eq!(policy_of(&settings), policy_of(&only_the_last_calls(settings.clone())));
    }

    /// RFC 9110 §15.5.6: `Allow` names the methods that the target supports.
    #[test]
    fn allow_names_the_methods_that_are_forwarded(
        policy in policies(),
        others in vec(any_method(), 4),
    ) {
        for (path, _) in PATHS {
            let allow = policy.rule_at(path).map(|rule| rule.methods());
            for method in METHODS.iter().map(|name| method(name)).chain(others.iter().cloned()) {
                let recognized = policy.recognized().contains(&method);
                let is_get_or_head = [Method::GET, Method::HEAD].contains(&method);
                let listed = allow.map(|allow| allow.contains(&method));
                let expected = match (listed, allow) {
                    _ if is_get_or_head || listed.unwrap_or(recognized) => Decision::Forward,
                    (_, Some(allow)) if recognized => Decision::NotAllowed { allow },
                    _ => Decision::NotImplemented,
                };
                prop_assert_eq!(policy.decide(&method, path), expected, "{} {}", method, path);
                // A method that is allowed somewhere is implemented, so it is recognized everywhere.
                prop_assert!(recognized || listed != Some(true));
                prop_assert!(recognized || !is_get_or_head);
            }
        }
    }

    /// The rules are those that were added, each with the `HEAD` that `GET` brings and nothing else.
    #[test]
    fn the_rules_are_those_that_were_added(settings in settings()) {
        let policy = policy_of(&settings);
        let with_head = |methods: &MethodSet| match methods.contains(&Method::GET) {
            true => methods | Method::HEAD,
            false => methods.clone(),
        };
        let mut expected = Vec::new();
        let mut exempt = Vec::new();
        for setting in &settings {
            match setting {
                Setting::Route(pattern, methods) => {
                    expected.push((RuleKind::Route, Some(*pattern), with_head(methods)));
                }
                Setting::Subtree(prefix, methods) => {
                    expected.push((RuleKind::Subtree, Some(*prefix), with_head(methods)));
                }
                Setting::Exempt(pattern) => exempt.push(*pattern),
                Setting::Recognize(_) | Setting::RecognizeOnly(_) | Setting::Fallback(_) => {}
            }
        }
        let rules = policy.rules();
        let rules = rules.map(|rule| (rule.kind(), rule.pattern(), rule.methods().clone()));
        prop_assert_eq!(rules.collect::<Vec<_>>(), expected);
        prop_assert!(policy.exempt_paths().eq(exempt));

        // No rule's text has a method twice.
        for rule in policy.rules().chain(policy.fallback_rule()) {
            let text = rule.methods().to_string();
            let names: Vec<_> = text.split(", ").filter(|name| !name.is_empty()).collect();
            prop_assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        }
    }
}

/// Returns `settings` without the calls that a later call replaces.
fn only_the_last_calls(settings: Vec<Setting>) -> Vec<Setting> {
    let is_replaced = |at: usize, setting: &Setting| {
        let later = &settings[at + 1..];
        match setting {
            Setting::Fallback(_) => later
                .iter()
                .any(|other| matches!(other, Setting::Fallback(_))),
            Setting::RecognizeOnly(_) => later
                .iter()
                .any(|other| matches!(other, Setting::RecognizeOnly(_))),
            _ => false,
        }
    };
    let kept = settings.iter().enumerate();
    let kept = kept.filter(|(at, setting)| !is_replaced(*at, setting));
    kept.map(|(_, setting)| setting.clone()).collect()
}
