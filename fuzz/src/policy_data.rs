use std::time::Duration;

use http::Method;
use httpdate::{fmt_http_date, parse_http_date};
use serde_json::{Map, Value};
use tower_method_policy::{BodyDrain, Decision, MethodSet, Policy, RetryAfter};

use crate::names::REGISTERED;
use crate::patterns::{self, Segment, Validity, prefix_validity, validity};

/// Reads any text as a policy in TOML and in JSON: an error that says what is wrong and where, or a policy
/// that is what its parts say. And the other way round: parts without a mistake are a policy.
pub fn policy_data(text: &str) {
    let parts = toml::from_str::<Value>(text);
    match toml::from_str::<Policy>(text) {
        Ok(policy) => is_of(&policy, &parts.expect("any TOML"), text),
        Err(error) => {
            is_bounded(error.message());
            let place = error.span().expect("a place");
            assert!(text.get(place.clone()).is_some(), "{place:?}: {error}");
            // What TOML has and JSON has not becomes null or a map.
            let is_valid = parts.is_ok_and(|parts| of_policy(&parts) == Validity::Valid);
            assert!(
                !is_valid || text.contains("nan") || text.contains("inf"),
                "{error}"
            );
        }
    }
    match serde_json::from_str::<Policy>(text) {
        Ok(policy) => is_of(
            &policy,
            &serde_json::from_str(text).expect("any JSON"),
            text,
        ),
        Err(error) => {
            has_a_place(&error, text);
            if let Ok(parts) = serde_json::from_str::<Value>(text) {
                // Nothing is twice there any more.
                let again = serde_json::from_value::<Policy>(parts.clone());
                assert_eq!(
                    again.is_ok(),
                    of_policy_surely(&parts, again.is_ok()),
                    "{error}"
                );
            }
        }
    }
    match serde_json::from_str::<RetryAfter>(text) {
        Ok(retry_after) => assert_eq!(retry_after, retry_after_of(text)),
        Err(error) => has_a_place(&error, text),
    }
    match serde_json::from_str::<BodyDrain>(text) {
        Ok(drain) => assert_eq!(drain, drain_of(text)),
        Err(error) => has_a_place(&error, text),
    }
}

fn is_bounded(message: &str) {
    assert!(!message.is_empty());
    assert!(message.len() < 1000, "{message}");
}

fn has_a_place(error: &serde_json::Error, text: &str) {
    is_bounded(&error.to_string());
    // It ends with the place. Lines count from 1, and so do columns, in bytes. The end of a line is one
    // more.
    let lines: Vec<_> = text.split('\n').collect();
    assert!((1..=lines.len()).contains(&error.line()), "{error}");
    let line = lines[error.line() - 1];
    assert!(error.column() <= line.len() + 1, "{error}");
}

/// Whether the parts are a policy; where that is doubtful, `is_ok`.
fn of_policy_surely(parts: &Value, is_ok: bool) -> bool {
    match of_policy(parts) {
        Validity::Valid => true,
        Validity::Doubtful => is_ok,
        Validity::Invalid => false,
    }
}

/// Whether the parts are a policy.
fn of_policy(parts: &Value) -> Validity {
    let Some(parts) = parts.as_object() else {
        return Validity::Invalid;
    };
    let settings = parts
        .iter()
        .map(|(name, value)| match (name.as_str(), value) {
            ("recognize" | "routes" | "subtrees" | "exempt", Value::Null) => Validity::Valid,
            ("recognize" | "recognize_only" | "fallback", methods) => of_methods(methods),
            ("routes", Value::Object(rules)) => of_rules(rules, validity),
            ("subtrees", Value::Object(rules)) => of_rules(rules, prefix_validity),
            ("exempt", Value::Array(patterns)) => {
                let patterns = patterns.iter().map(|pattern| match pattern {
                    Value::String(pattern) => validity(pattern),
                    _ => Validity::Invalid,
                });
                patterns.max().unwrap_or(Validity::Valid)
            }
            _ => Validity::Invalid,
        });
    let worst = settings.max().unwrap_or(Validity::Valid);
    if worst == Validity::Invalid {
        return worst;
    }
    let entries = entries(parts);
    for (at, (_, expanded)) in entries.iter().enumerate() {
        let mut earlier = entries[..at].iter().flat_map(|(_, expanded)| expanded);
        if earlier.any(|one| expanded.iter().any(|other| patterns::conflict(one, other))) {
            return Validity::Invalid;
        }
    }
    worst
}

fn of_rules(rules: &Map<String, Value>, of_pattern: fn(&str) -> Validity) -> Validity {
    let rules = rules.iter();
    let rules = rules.map(|(pattern, methods)| of_pattern(pattern).max(of_methods(methods)));
    rules.max().unwrap_or(Validity::Valid)
}

fn of_methods(value: &Value) -> Validity {
    let is_valid = match value {
        Value::String(list) => elements(list).all(is_method),
        Value::Array(names) => names
            .iter()
            .all(|name| name.as_str().is_some_and(is_method)),
        _ => false,
    };
    match is_valid {
        true => Validity::Valid,
        false => Validity::Invalid,
    }
}

/// The names in a string with commas.
fn elements(list: &str) -> impl Iterator<Item = &str> {
    let names = list.split(',').map(|name| name.trim_matches([' ', '\t']));
    names.filter(|name| !name.is_empty())
}

/// A method in data, which no product writes for something else.
fn is_method(name: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_no_method = ["ANY", "ALL", "NONE", "PRI"].contains(&&*name.to_uppercase());
    let is_in_another_case =
        !REGISTERED.contains(&name) && REGISTERED.contains(&&*name.to_uppercase());
    !name.is_empty() && name.chars().all(is_name) && !is_no_method && !is_in_another_case
}

/// Everything with a pattern, in the form in which [`tower_method_policy::Rule`] displays it and with what
/// it stands for. The exempt paths are without a name.
fn entries(parts: &Map<String, Value>) -> Vec<(Option<String>, Vec<Vec<Segment>>)> {
    let rules = |name: &str| {
        let rules = parts.get(name).and_then(Value::as_object);
        let patterns = rules.into_iter().flat_map(Map::keys);
        patterns.cloned().collect::<Vec<_>>()
    };
    let routes = rules("routes").into_iter();
    let routes = routes.map(|pattern| {
        (
            Some(format!("route {pattern}")),
            vec![patterns::segments(&pattern)],
        )
    });
    let subtrees = rules("subtrees").into_iter();
    let subtrees = subtrees.map(|prefix| {
        (
            Some(format!("subtree {prefix}")),
            patterns::subtree(&prefix),
        )
    });
    let exempt = parts.get("exempt").into_iter().flat_map(strings);
    let exempt = exempt.map(|pattern| (None, vec![patterns::segments(pattern)]));
    routes.chain(subtrees).chain(exempt).collect()
}

/// `policy` is the one that is built of the same parts, and decides as they say.
fn is_of(policy: &Policy, parts: &Value, text: &str) {
    assert_ne!(of_policy(parts), Validity::Invalid, "{parts}");
    let parts = parts.as_object().expect("a map");
    assert_eq!(policy, &built_of(parts));
    let written = serde_json::to_string(policy.recognized()).expect("a list");
    let read: MethodSet = serde_json::from_str(&written).expect("a list");
    assert_eq!(&read, policy.recognized());

    let entries = entries(parts);
    let fallback = parts.get("fallback").map(|_| "fallback".to_owned());
    let rules = policy.rules();
    let patterns = rules.map(|rule| rule.pattern().expect("a pattern"));
    let patterns = patterns.chain(policy.exempt_paths());
    let patterns = patterns.flat_map(|pattern| {
        let path = pattern.replace(['{', '}'], "");
        [format!("{path}/"), format!("{path}/a"), path]
    });
    let paths = ["", "*", "/", "//", text].map(str::to_owned);
    let paths: Vec<_> = paths.into_iter().chain(patterns).take(24).collect();
    let methods = [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS];
    let methods: MethodSet = policy
        .recognized()
        .iter()
        .take(16)
        .chain(&methods)
        .collect();
    for path in &paths {
        let rule = policy.rule_at(path);
        // No request has a path with this byte, which the crate uses itself.
        if !path.contains('\u{1}') {
            let expanded = entries
                .iter()
                .flat_map(|(name, expanded)| expanded.iter().map(move |pattern| (name, pattern)));
            let matching = expanded.filter(|(_, pattern)| patterns::matches(pattern, path));
            let best = matching.min_by_key(|(_, pattern)| patterns::specificity(pattern));
            let expected = best.map_or(&fallback, |(name, _)| name);
            assert_eq!(&rule.map(|rule| rule.to_string()), expected, "{path}");
        }
        for method in &methods {
            let is_recognized = policy.recognized().contains(method);
            let decision = match rule.map(|rule| rule.methods()) {
                _ if [Method::GET, Method::HEAD].contains(method) => Decision::Forward,
                Some(allow) if allow.contains(method) => Decision::Forward,
                Some(allow) if is_recognized => Decision::NotAllowed { allow },
                None if is_recognized => Decision::Forward,
                _ => Decision::NotImplemented,
            };
            assert_eq!(policy.decide(method, path), decision, "{method} {path}");
        }
    }
}

/// The policy of these settings, which are in order.
fn built_of(parts: &Map<String, Value>) -> Policy {
    let mut policy = Policy::new();
    if let Some(methods) = parts.get("recognize") {
        policy = policy.recognize(methods_of(methods));
    }
    if let Some(methods) = parts.get("recognize_only") {
        policy = policy.recognize_only(methods_of(methods));
    }
    if let Some(methods) = parts.get("fallback") {
        policy = policy.fallback(methods_of(methods));
    }
    let rules = |name: &str| {
        parts
            .get(name)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
    };
    for (pattern, methods) in rules("routes") {
        policy = policy
            .route(pattern, methods_of(methods))
            .expect("a pattern");
    }
    for (prefix, methods) in rules("subtrees") {
        policy = policy
            .subtree(prefix, methods_of(methods))
            .expect("a prefix");
    }
    for pattern in parts.get("exempt").into_iter().flat_map(strings) {
        policy = policy.exempt(pattern).expect("a pattern");
    }
    policy
}

fn methods_of(value: &Value) -> MethodSet {
    let names: Vec<_> = match value {
        Value::String(list) => elements(list).collect(),
        list => strings(list).collect(),
    };
    let methods = names.into_iter();
    let methods = methods.map(|name| Method::from_bytes(name.as_bytes()).expect("a method"));
    methods.collect()
}

/// The strings of a list; of null there are none.
fn strings(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    list.iter().map(|value| value.as_str().expect("a string"))
}

fn retry_after_of(text: &str) -> RetryAfter {
    match serde_json::from_str(text).expect("any JSON") {
        Value::Number(seconds) => {
            let seconds = seconds.as_u64().expect("a whole number, not below zero");
            RetryAfter::after(Duration::from_secs(seconds))
        }
        Value::String(date) => {
            let time = parse_http_date(&date).expect("a date");
            assert_eq!(fmt_http_date(time), date);
            RetryAfter::at(time)
        }
        other => panic!("{other}"),
    }
}

fn drain_of(text: &str) -> BodyDrain {
    let mut drain = BodyDrain::default();
    let parts: Map<String, Value> = serde_json::from_str(text).expect("a map");
    for (name, value) in &parts {
        let seconds = || match value.as_u64() {
            Some(seconds) => Duration::from_secs(seconds),
            None => {
                let seconds = value.as_f64().expect("a number");
                Duration::try_from_secs_f64(seconds).expect("not below zero")
            }
        };
        drain = match name.as_str() {
            "max_bytes" => drain.max_bytes(value.as_u64().expect("a whole number")),
            "timeout_seconds" => drain.timeout(seconds()),
            "idle_timeout_seconds" => drain.idle_timeout(seconds()),
            "idle_timeout_unknown_length_seconds" => drain.idle_timeout_unknown_length(seconds()),
            other => panic!("{other}"),
        };
    }
    drain
}
