//! The configuration of a policy: its recognized methods and its rules.
//! `decision_table.rs` and `service.rs` test its decisions.

mod support;

use http::Method;
use tower_method_policy::{MethodPolicyLayer, MethodSet, Policy, Rule, RuleKind};

use crate::support::strategies::{method, policy, set};

#[test]
fn a_new_policy_recognizes_the_standard_methods_and_has_no_rules() {
    for policy in [Policy::new(), Policy::default()] {
        assert_eq!(policy.recognized(), &MethodSet::STANDARD);
        assert_eq!(policy.rule_at("/"), None);
        assert_eq!(policy.fallback_rule(), None);
        assert_eq!(policy.rules().len(), 0);
        assert_eq!(policy.exempt_paths().len(), 0);
    }
}

/// In code, any token can be a method, even `PRI` and `*`.
#[test]
fn default_methods_added_methods_and_listed_methods_are_recognized() {
    for (calls, expected) in [
        ("recognize FOO; recognize PROPFIND; recognize", "STANDARD FOO PROPFIND"),
        ("recognize FOO; fallback", "STANDARD FOO"),
        ("recognize PRI * ** pri ANY GET|POST", "STANDARD PRI * ** pri ANY GET|POST"),
        ("recognize_only", "GET HEAD"),
        ("recognize_only POST", "GET HEAD POST"),
        ("recognize FOO; recognize_only POST; recognize_only QUERY", "GET HEAD QUERY FOO"),
        (
            "recognize_only; fallback BAR; route /a BAZ; subtree /b QUX; exempt /c",
            "GET HEAD BAR BAZ QUX",
        ),
        // The methods of a replaced fallback are not recognized.
        ("fallback FOO POST; fallback PUT", "STANDARD"),
    ] {
        let standard = MethodSet::STANDARD.to_string().replace(',', "");
        let expected = set(&expected.replace("STANDARD", &standard));
        assert_eq!(policy(calls).recognized(), &expected, "{calls}");
    }
}

#[test]
fn a_policy_can_be_rebuilt_from_its_rules_and_exempt_paths() {
    let policy =
        policy("route /b/{id} PUT; fallback POST; subtree /dav FOO; exempt /ws; route /a GET");
    let rules: Vec<_> = policy.rules().map(|rule| rule.to_string()).collect();
    assert_eq!(rules, ["route /b/{id}", "subtree /dav", "route /a"]);
    let fallback = policy.fallback_rule().unwrap();
    assert_eq!(fallback.to_string(), "fallback");
    assert_eq!(policy.rule_at("/"), Some(fallback));

    let add = |again: Policy, rule: Rule<'_>| match (rule.kind(), rule.pattern()) {
        (RuleKind::Route, Some(pattern)) => again.route(pattern, rule.methods()).unwrap(),
        (RuleKind::Subtree, Some(prefix)) => again.subtree(prefix, rule.methods()).unwrap(),
        (kind, pattern) => {
            assert_eq!((kind, pattern), (RuleKind::Fallback, None));
            again.fallback(rule.methods())
        }
    };
    let again = policy.rules().chain([fallback]).fold(Policy::new(), add);
    let exempt = policy.exempt_paths();
    let again = exempt.fold(again, |again, pattern| again.exempt(pattern).unwrap());
    assert_eq!(again, policy);
    assert!(again.rules().eq(policy.rules()));
}

#[test]
fn a_layer_returns_its_policy() {
    let policy = policy("route /a PUT; fallback POST");
    assert_eq!(*MethodPolicyLayer::new(policy.clone()).policy(), policy);
}

#[test]
fn the_debug_text_of_a_policy_shows_its_recognized_methods_and_rules() {
    let policy = policy("recognize_only; fallback POST; route /a FOO; exempt /ws; subtree /dav");
    assert_eq!(
        format!("{policy:?}"),
        "Policy { recognized: [GET, HEAD, POST, FOO], fallback: Some([POST]), \
         paths: {\"/a\": [FOO], \"/dav\": [], \"/ws\": exempt} }"
    );
}

#[test]
fn policies_that_differ_in_one_thing_are_not_equal() {
    let all = "|recognize FOO|recognize_only|fallback|fallback POST|route /a POST|route /a PUT|route /a/ POST|\
               subtree /a POST|exempt /a|exempt /a/|route /a POST; exempt /b|route /a POST; route /b";
    for one in all.split('|') {
        for other in all.split('|') {
            assert_eq!(policy(one) == policy(other), one == other, "{one} {other}");
        }
    }
    // `GET` includes `HEAD`, so a rule need not list `HEAD`.
    assert_eq!(policy("route /a GET"), policy("route /a GET HEAD"));
}

/// A later call can replace the methods of `recognize_only` and `fallback`, but not those of other calls.
#[test]
fn equal_policies_stay_equal_after_the_same_call() {
    let all = "|recognize|recognize GET|recognize POST|recognize FOO|recognize_only POST|recognize_only GET POST|\
               recognize_only FOO POST|recognize FOO; recognize_only POST|recognize FOO; recognize_only FOO POST|\
               recognize POST; recognize_only|recognize POST; recognize_only POST|fallback|fallback FOO|\
               recognize FOO; fallback FOO|recognize_only FOO; fallback FOO|recognize_only; fallback FOO|\
               recognize_only STANDARD FOO|recognize_only STANDARD FOO; fallback FOO|fallback POST|\
               recognize POST; fallback POST|route /a FOO|recognize FOO; route /a FOO|recognize_only FOO; route /a FOO";
    let standard = MethodSet::STANDARD.to_string().replace(',', "");
    let calls = "|recognize FOO|recognize_only|recognize_only POST|fallback|fallback BAR|route /b FOO|exempt /b|\
                 recognize_only; fallback";
    let all = all.replace("STANDARD", &standard);
    let mut equal = 0;
    for [one, other] in all.split('|').flat_map(|one| all.split('|').map(move |other| [one, other]))
    {
        let after = |call: &str| [one, other].map(|before| policy(&format!("{before}; {call}")));
        let [a, b] = after("");
        let has_same_rules = a.rules().eq(b.rules()) && a.fallback_rule() == b.fallback_rule();
        let recognizes_the_same = calls.split('|').all(|call| {
            let [a, b] = after(call);
            a.recognized() == b.recognized()
        });
        assert_eq!(a == b, has_same_rules && recognizes_the_same, "{one} | {other}");
        if a == b {
            equal += 1;
            for call in calls.split('|') {
                let [a, b] = after(call);
                assert_eq!(a, b, "{one} | {other} | {call}");
            }
        }
    }
    assert!(equal > all.split('|').count(), "some of the policies are equal");
}

#[test]
fn a_change_to_a_clone_does_not_change_the_original() {
    let original = policy("fallback POST; route /a FOO");
    let clone = original.clone().fallback([Method::PUT]);
    let clone = clone.route("/b", set("BAR")).unwrap();
    assert_eq!(original, policy("fallback POST; route /a FOO"));
    assert_eq!(clone, policy("fallback PUT; route /a FOO; route /b BAR"));
    assert!(!original.recognized().contains(&method("BAR")));
}

/// This is fast, because a new rule is not compared with all earlier rules.
#[test]
fn a_policy_can_have_20_000_rules() {
    let build = |numbers: &mut dyn Iterator<Item = u32>| {
        numbers.fold(Policy::new(), |policy, n| {
            policy.route(&format!("/items/{n}"), [Method::PUT]).unwrap()
        })
    };
    let policy = build(&mut (0..20_000));
    assert_eq!(policy.rules().len(), 20_000);
    let last = policy.rule_at("/items/19999").unwrap();
    assert_eq!(last.pattern(), Some("/items/19999"));
    assert_eq!(policy.rule_at("/items/20000"), None);
    assert_eq!(policy, build(&mut (0..20_000).rev()));
}
