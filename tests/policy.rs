//! The configuration of a policy: what it rejects, what path patterns mean, and what holds for every
//! policy however it was made.

mod support;

use std::collections::BTreeSet;

use http::Method;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tower_method_policy::{Allow, Decision, MethodSet, Policy, PolicyError};

use crate::support::strategies::{
    METHODS, PATHS, PATTERNS, any_method, method, policies, policy_of, set, settings,
};

/// A policy whose path rules each allow a method of their own, so that it shows which one was taken.
fn routed(patterns: &[&str]) -> Policy {
    patterns
        .iter()
        .fold(Policy::new().allow([]), |policy, pattern| {
            policy.route(pattern, [mark(pattern)]).expect(pattern)
        })
}

/// The method that the rule for `pattern` allows.
fn mark(pattern: &str) -> Method {
    let hex: String = pattern.bytes().map(|byte| format!("{byte:02x}")).collect();
    method(&format!("RULE-{hex}"))
}

/// What `policy` lists at `path`.
fn allowed<'a>(policy: &'a Policy, path: &str) -> &'a Allow {
    policy.allowed_at(path).expect("a rule speaks")
}

/// `PRI` and `*` are in no named set, but nothing forbids to configure them.
#[test]
fn any_token_can_be_configured() {
    for name in ["PRI", "*", "**", "pri"] {
        let all = set(name);
        assert!(
            Policy::new()
                .recognize(all.clone())
                .recognized()
                .is_superset(&all)
        );
        assert!(
            Policy::new()
                .recognize_only(all.clone())
                .recognized()
                .is_superset(&all)
        );
        let policy = Policy::new().allow(all.clone()).route("/a", all).unwrap();
        assert_eq!(
            allowed(&policy, "/").to_string(),
            format!("GET, HEAD, {name}")
        );
        assert_eq!(policy.decide(&method(name), "/a"), Decision::Forward);
    }
}

// Patterns.

#[test]
fn invalid_patterns_are_rejected_with_the_reason() {
    let no_slash = "it does not begin with `/`";
    let parameter = "valid name";
    let segment = "one parameter";
    let catch_all = "Catch-all";
    for (pattern, expected) in [
        ("", "it is empty; the root is `/`"),
        ("users", no_slash),
        ("*", no_slash),
        ("{id}", no_slash),
        (" /users", no_slash),
        ("example.com:443", no_slash),
        ("http://example.com/", no_slash),
        ("/{", parameter),
        ("/}", parameter),
        ("/{}", parameter),
        ("/{id", parameter),
        ("/{*}", parameter),
        ("/{a}{b}", segment),
        ("/{id}.json", segment),
        ("/{*rest}/", catch_all),
        ("/{*rest}/posts", catch_all),
        ("/:id", "write `{id}`"),
        ("/users/:id/posts", "write `{id}`"),
        ("/users/{user}/:post", "write `{post}`"),
        ("/files/*rest", "write `{*rest}`"),
        // There is no name to take up.
        ("/:", "write `{name}`"),
        ("/files/*", "write `{*rest}`"),
        ("/files/**", "write `{*rest}`"),
        ("/:{id}", "write `{name}`"),
    ] {
        let error = Policy::new().route(pattern, [Method::POST]).unwrap_err();
        let PolicyError::InvalidPattern {
            pattern: named,
            reason,
            ..
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!(named, pattern);
        assert!(reason.contains(expected), "{pattern}: {reason}");
        assert_eq!(
            error.to_string(),
            format!("invalid path pattern `{pattern}`: {reason}")
        );
    }
}

/// Both patterns are named as they were written, whatever other rules there are and however the
/// parameters are called.
#[test]
fn conflicting_patterns_are_both_named() {
    let others = [
        "/",
        "/users",
        "/users/me",
        "/static/css/{*file}",
        "/{{id}}",
        "/v{version}/users",
    ];
    for (existing, pattern) in [
        ("/a", "/a"),
        ("/{id}", "/{id}"),
        ("/{id}", "/{name}"),
        ("/users/{id}", "/users/{name}"),
        ("/users/{user}/posts/{post}", "/users/{id}/posts/{number}"),
        ("/{first}/{second}/edit", "/{a}/{b}/edit"),
        ("/static/{*path}", "/static/{*rest}"),
        ("/static/{*path}", "/static/{file}"),
        ("/static/{file}", "/static/{*path}"),
        ("/static/{*path}", "/static/{dir}/index.html"),
        ("/{dir}/index.html", "/{*path}"),
        ("/a{id}", "/a{name}"),
        ("/{{b}}", "/{{b}}"),
        ("/{{b}}/{id}", "/{{b}}/{name}"),
    ] {
        for others in [&others[..0], &others] {
            for [before, after] in [[others, &[]], [&[], others]] {
                let rules = [before, &[existing], after].concat();
                let error = routed(&rules).route(pattern, [Method::POST]).unwrap_err();
                let PolicyError::ConflictingPattern {
                    pattern: rejected,
                    existing: named,
                    ..
                } = &error
                else {
                    panic!("{error:?}");
                };
                assert_eq!(
                    (rejected.as_str(), named.as_str()),
                    (pattern, existing),
                    "{rules:?}"
                );
                assert_eq!(
                    error.to_string(),
                    format!("path pattern `{pattern}` conflicts with `{existing}`")
                );
            }
        }
    }
}

proptest! {
    /// Any text is a pattern or an error, and of two patterns that do not go together each names
    /// the other.
    #[test]
    fn patterns_conflict_in_either_order(a in patterns(), b in patterns()) {
        let one = Policy::new().allow([]).route(&a, set("A"));
        let other = Policy::new().allow([]).route(&b, set("B"));
        let (Ok(one), Ok(other)) = (one, other) else { return Ok(()) };

        match (one.route(&b, set("B")), other.route(&a, set("A"))) {
            (Ok(one), Ok(other)) => {
                for (path, _) in PATHS {
                    prop_assert_eq!(one.allowed_at(path), other.allowed_at(path), "{}", path);
                }
            }
            (
                Err(PolicyError::ConflictingPattern { pattern, existing, .. }),
                Err(PolicyError::ConflictingPattern { pattern: pattern2, existing: existing2, .. }),
            ) => {
                prop_assert_eq!((&pattern, &existing), (&b, &a));
                prop_assert_eq!((&pattern2, &existing2), (&a, &b));
            }
            (one, other) => prop_assert!(false, "{:?} {:?}", one.err(), other.err()),
        }
    }
}

/// Patterns, not all of them valid, that match [`PATHS`] and often conflict.
fn patterns() -> impl Strategy<Value = String> {
    let segment = select(vec![
        "/",
        "/users",
        "/users/",
        "/{id}",
        "/{user}",
        "/{*rest}",
        "/me",
        "/m{x}",
        "/posts",
        "/static",
        "/static/{*path}",
        "/literal",
        "/{{id}}",
        "{",
        "}",
        "{*",
        "a",
    ]);
    prop_oneof![
        9 => vec(segment, 1..=4).prop_map(|segments| segments.concat()),
        1 => any::<String>().prop_map(|text| format!("/{text}")),
    ]
}

// Paths.

#[test]
fn the_most_specific_pattern_that_matches_the_path_is_taken() {
    // Each pattern alone, all together, and all together in the opposite order.
    let reversed: Vec<_> = PATTERNS.iter().rev().copied().collect();
    let alone = PATTERNS.iter().map(std::slice::from_ref);
    for configured in alone.chain([PATTERNS, &reversed]) {
        let policy = routed(configured);
        for (path, matching) in PATHS {
            let taken = matching.iter().find(|pattern| configured.contains(pattern));
            let expected = MethodSet::from([Method::GET, Method::HEAD])
                | taken.map(|pattern| mark(pattern)).into_iter().collect();
            let allowed = allowed(&policy, path).methods();
            assert_eq!(allowed, &expected, "{path} {configured:?}");
        }
    }
}

#[test]
fn a_rule_takes_the_default_rule_s_place_and_adds_nothing_to_it() {
    let policy = Policy::new()
        .allow(set("POST"))
        .route("/a", set("PUT"))
        .unwrap();
    assert_eq!(allowed(&policy, "/a").to_string(), "GET, HEAD, PUT");
    assert_eq!(allowed(&policy, "/b").to_string(), "GET, HEAD, POST");

    let policy = Policy::new().route("/a", []).unwrap();
    assert_eq!(allowed(&policy, "/a").to_string(), "GET, HEAD");
}

/// Nothing is decoded or normalised: a rule is about the path exactly as it was received.
#[test]
fn a_pattern_is_matched_against_the_raw_path() {
    let policy = routed(&["/admin", "/a%20b", "/caf%C3%A9", "/x/"]);
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
        ("/a%20b", Some("/a%20b")),
        ("/a b", None),
        ("/caf%C3%A9", Some("/caf%C3%A9")),
        ("/caf%c3%a9", None),
        ("/café", None),
        ("/x/", Some("/x/")),
        ("/x", None),
    ] {
        let allowed = allowed(&policy, path).methods();
        match rule {
            Some(pattern) => assert!(allowed.contains(&mark(pattern)), "{path}"),
            None => assert_eq!(allowed, &set("GET HEAD"), "{path}"),
        }
    }
}

/// `OPTIONS *` and a classic `CONNECT` name no resource (RFC 9112 §3.2.3, §3.2.4).
#[test]
fn targets_without_a_path_have_the_default_rule() {
    let policy = routed(&["/", "/{*rest}"]).allow(set("OPTIONS CONNECT"));
    for path in ["*", ""] {
        assert_eq!(
            allowed(&policy, path).to_string(),
            "GET, HEAD, OPTIONS, CONNECT"
        );
        assert_eq!(policy.decide(&Method::OPTIONS, path), Decision::Forward);
        assert_eq!(policy.decide(&Method::CONNECT, path), Decision::Forward);
    }
    for path in ["/", "/*"] {
        assert!(matches!(
            policy.decide(&Method::OPTIONS, path),
            Decision::NotAllowed { .. }
        ));
    }
}

// The registry and the default rule.

#[test]
fn a_new_policy_recognises_the_standard_methods() {
    for policy in [Policy::new(), Policy::default()] {
        assert_eq!(policy.recognized(), &MethodSet::STANDARD);
        assert_eq!(policy.allowed_at("/"), None);
    }
}

#[test]
fn recognize_adds_to_the_registry() {
    let policy = Policy::new()
        .recognize(set("FOO"))
        .recognize(set("PROPFIND"));
    assert_eq!(
        policy.recognized(),
        &(MethodSet::STANDARD | set("FOO PROPFIND"))
    );
    assert_eq!(policy.decide(&method("FOO"), "/"), Decision::Forward);

    let policy = policy.allow([]);
    assert_eq!(
        policy.recognized(),
        &(MethodSet::STANDARD | set("FOO PROPFIND"))
    );
    assert_eq!(allowed(&policy, "/").to_string(), "GET, HEAD");
}

#[test]
fn recognize_only_replaces_the_start_of_the_registry_alone() {
    let policy = Policy::new().recognize_only(set("POST"));
    assert_eq!(policy.recognized(), &set("GET HEAD POST"));
    assert_eq!(policy.allowed_at("/"), None);

    let policy = policy.recognize_only(set("QUERY")).recognize(set("FOO"));
    assert_eq!(policy.recognized(), &set("GET HEAD POST QUERY FOO"));

    let policy = policy.allow(set("BAR")).route("/a", set("BAZ")).unwrap();
    assert_eq!(policy.recognized(), &set("GET HEAD POST QUERY FOO BAR BAZ"));

    assert_eq!(
        Policy::new().recognize_only([]).recognized(),
        &set("GET HEAD")
    );
}

#[test]
fn allow_called_again_adds() {
    let policy = Policy::new()
        .allow([])
        .allow([Method::POST])
        .allow(Method::PUT)
        .allow([]);
    assert_eq!(allowed(&policy, "/").to_string(), "GET, HEAD, POST, PUT");
}

/// What the targets allow is not known, so nothing is said about it.
#[test]
fn where_no_rule_speaks_everything_recognised_is_forwarded() {
    for policy in [
        Policy::new(),
        Policy::new().recognize(set("FOO")),
        Policy::new().recognize_only(set("CONNECT TRACE FOO")),
        Policy::new().route("/a", set("FOO")).unwrap(),
        Policy::new().route("/{*rest}", set("FOO")).unwrap(),
    ] {
        for path in ["*", "", "/"] {
            assert_eq!(policy.allowed_at(path), None);
            for method in policy.recognized() {
                assert_eq!(policy.decide(method, path), Decision::Forward, "{method}");
            }
            let unknown = method("UNKNOWN");
            assert_eq!(policy.decide(&unknown, path), Decision::NotImplemented);
        }
    }
}

/// A target that does not serve `GET` says so; the request is its handler's all the same.
#[test]
fn a_rule_can_list_exactly_what_it_is_given() {
    let policy = Policy::new()
        .allow(Allow::exactly(set("PUT")))
        .route("/login", Allow::exactly([Method::POST]))
        .unwrap()
        .route("/closed", Allow::exactly([]))
        .unwrap();
    for (path, list) in [
        ("/login", "POST"),
        ("/closed", ""),
        ("/", "PUT"),
        ("*", "PUT"),
    ] {
        assert_eq!(allowed(&policy, path).header_value(), list);
        for forwarded in ["GET", "HEAD"].map(method) {
            assert_eq!(policy.decide(&forwarded, path), Decision::Forward);
            assert!(policy.recognized().contains(&forwarded));
        }
        let allow = allowed(&policy, path);
        let delete = policy.decide(&Method::DELETE, path);
        assert_eq!(delete, Decision::NotAllowed { allow });
    }
    // Rules for the same targets are united, be they exact or not.
    let policy = policy.allow(Allow::exactly(set("FOO")));
    assert_eq!(allowed(&policy, "/").to_string(), "PUT, FOO");
    let policy = policy.allow(set("BAR"));
    assert_eq!(
        allowed(&policy, "/").to_string(),
        "GET, HEAD, PUT, BAR, FOO"
    );
}

#[test]
fn a_policy_can_be_read_back() {
    let policy = Policy::new();
    assert_eq!((policy.rules().len(), policy.default_rule()), (0, None));

    let policy = policy
        .route("/b/{id}", vec![Method::PUT])
        .unwrap()
        .allow(vec![Method::POST])
        .route("/a", Allow::exactly(vec![Method::POST]))
        .unwrap();
    let rules: Vec<_> = policy
        .rules()
        .map(|(pattern, rule)| (pattern, rule.to_string()))
        .collect();
    assert_eq!(
        rules,
        [
            ("/b/{id}", "GET, HEAD, PUT".to_owned()),
            ("/a", "POST".to_owned())
        ]
    );
    assert_eq!(policy.default_rule(), policy.allowed_at("/"));
    assert_eq!(
        policy.default_rule().unwrap().to_string(),
        "GET, HEAD, POST"
    );

    let again = policy
        .rules()
        .try_fold(Policy::new(), |again, (pattern, rule)| {
            again.route(pattern, rule.clone())
        });
    assert!(again.unwrap().rules().eq(policy.rules()));
}

#[test]
fn a_method_named_only_by_a_path_rule_is_recognised_everywhere() {
    let foo = method("FOO");
    // The registry is derived anew by each later call: none of them may lose the rule's methods.
    for policy in [
        Policy::new().route("/a", [foo.clone()]).unwrap(),
        Policy::new()
            .route("/a", [foo.clone()])
            .unwrap()
            .recognize([]),
        Policy::new()
            .route("/a", [foo.clone()])
            .unwrap()
            .recognize_only([]),
        Policy::new().route("/a", [foo.clone()]).unwrap().allow([]),
        Policy::new()
            .route("/a", [foo.clone()])
            .unwrap()
            .route("/b", [])
            .unwrap(),
    ] {
        assert_eq!(policy.decide(&foo, "/a"), Decision::Forward);
        for path in ["/", "/b", "/a/", "*", ""] {
            let expected = match policy.allowed_at(path) {
                Some(allow) => Decision::NotAllowed { allow },
                None => Decision::Forward,
            };
            assert_eq!(policy.decide(&foo, path), expected, "{path}");
        }
    }
}

#[test]
fn a_policy_shows_what_it_recognises_and_where_it_allows_it() {
    let policy = Policy::new()
        .recognize_only([])
        .allow([Method::POST])
        .route("/a", set("FOO"))
        .unwrap();
    assert_eq!(
        format!("{policy:?}"),
        "Policy { recognized: [GET, HEAD, POST, FOO], default_rule: Some([GET, HEAD, POST]), \
         routes: {\"/a\": [GET, HEAD, FOO]} }"
    );
}

// What holds for every policy.

proptest! {
    #[test]
    fn the_order_of_calls_changes_nothing(
        (settings, shuffled) in settings().prop_flat_map(|settings| {
            (Just(settings.clone()), Just(settings).prop_shuffle())
        }),
    ) {
        let (one, other) = (policy_of(&settings), policy_of(&shuffled));
        prop_assert_eq!(one.recognized(), other.recognized());
        for (path, _) in PATHS {
            prop_assert_eq!(one.allowed_at(path), other.allowed_at(path), "{}", path);
            for name in METHODS {
                let method = method(name);
                prop_assert_eq!(one.decide(&method, path), other.decide(&method, path));
            }
        }
    }

    /// RFC 9110 §15.5.6: a 405 says what the target resource supports now.
    #[test]
    fn allow_is_the_truth(policy in policies(), others in vec(any_method(), 4)) {
        for (path, _) in PATHS {
            let allow = policy.allowed_at(path);
            for method in METHODS.iter().map(|name| method(name)).chain(others.iter().cloned()) {
                let recognized = policy.recognized().contains(&method);
                let is_get_or_head = [Method::GET, Method::HEAD].contains(&method);
                let allowed = allow.map(|allow| allow.methods().contains(&method));
                // In `Allow` if and only if it is forwarded (`GET` and `HEAD` are even if not), and the
                // same list for all that are not.
                let expected = match (allowed, allow) {
                    _ if is_get_or_head || allowed.unwrap_or(recognized) => Decision::Forward,
                    (_, Some(allow)) if recognized => Decision::NotAllowed { allow },
                    _ => Decision::NotImplemented,
                };
                prop_assert_eq!(policy.decide(&method, path), expected, "{} {}", method, path);
                // What is allowed somewhere is implemented, so it is recognised everywhere.
                prop_assert!(recognized || allowed != Some(true));
                prop_assert!(recognized || !is_get_or_head);
            }
        }
    }

    /// RFC 9110 §10.2.1, §5.6.1.1: `Allow = #method`.
    #[test]
    fn the_value_of_allow_lists_each_method_once(policy in policies()) {
        for allow in PATHS.iter().filter_map(|(path, _)| policy.allowed_at(path)) {
            let value = allow.header_value().to_str()?;
            let names: Vec<_> = value.split(", ").filter(|name| !name.is_empty()).collect();
            prop_assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
            prop_assert!(allow.methods().iter().eq(names));
            prop_assert_eq!(allow.to_string(), value);
            prop_assert_eq!(format!("{allow:?}"), format!("{:?}", allow.methods()));
        }
    }
}

/// A change to a copy does not reach the policy that it was made from.
#[test]
fn policies_are_values() {
    let original = Policy::new()
        .allow([Method::POST])
        .route("/a", set("FOO"))
        .unwrap();
    let copy = original
        .clone()
        .allow([Method::PUT])
        .route("/b", set("BAR"))
        .unwrap();
    assert_eq!(allowed(&original, "/").to_string(), "GET, HEAD, POST");
    assert_eq!(allowed(&original, "/b").to_string(), "GET, HEAD, POST");
    assert!(!original.recognized().contains(&method("BAR")));
    assert_eq!(allowed(&copy, "/").to_string(), "GET, HEAD, POST, PUT");
    assert_eq!(allowed(&copy, "/a").to_string(), "GET, HEAD, FOO");
    assert_eq!(allowed(&copy, "/b").to_string(), "GET, HEAD, BAR");
}
