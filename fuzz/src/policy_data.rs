use http::Method;
use tower_method_policy::{Decision, Policy, RetryAfter};

/// Any text as a policy in TOML and in JSON: an error, or a policy that decides.
pub fn policy_data(text: &str) {
    let in_toml = toml::from_str::<Policy>(text).ok();
    let in_json = serde_json::from_str::<Policy>(text).ok();
    for policy in [in_toml, in_json].into_iter().flatten() {
        for path in ["", "*", "/", text] {
            assert_eq!(policy.decide(&Method::GET, path), Decision::Forward);
            for method in policy.recognized() {
                assert_ne!(policy.decide(method, path), Decision::NotImplemented);
            }
        }
        for (pattern, rule) in policy.rules() {
            assert!(policy.recognized().is_superset(rule.methods()));
            let _ = policy.decide(&Method::PUT, pattern);
        }
    }
    let _ = serde_json::from_str::<RetryAfter>(text);
}
