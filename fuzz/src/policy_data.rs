use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use httpdate::{fmt_http_date, parse_http_date};
use serde_json::{Map, Value};
use tower_method_policy::{Allow, Decision, MethodSet, Policy, RetryAfter};

/// Any text as a policy in TOML and in JSON: an error that says what is wrong and where, or a policy
/// that is what its parts say.
pub fn policy_data(text: &str) {
    match toml::from_str::<Policy>(text) {
        Ok(policy) => {
            let parts = toml::from_str(text).expect("any TOML");
            assert_is_of(&policy, &parts, text);
        }
        Err(error) => {
            assert!(!error.message().is_empty());
            let place = error.span().expect("a place");
            assert!(text.get(place.clone()).is_some(), "{place:?}: {error}");
        }
    }
    match serde_json::from_str::<Policy>(text) {
        Ok(policy) => {
            let parts = serde_json::from_str(text).expect("any JSON");
            assert_is_of(&policy, &parts, text);
        }
        Err(error) => assert_has_a_place(&error, text),
    }
    match serde_json::from_str::<RetryAfter>(text) {
        Ok(retry_after) => assert_eq!(retry_after, retry_after_of(text)),
        Err(error) => assert_has_a_place(&error, text),
    }
}

fn assert_has_a_place(error: &serde_json::Error, text: &str) {
    let message = error.to_string();
    assert!(!message.is_empty());
    // It ends with the place. Lines count from 1, and so do columns, in bytes; the end of a line is one
    // more.
    let lines: Vec<_> = text.split('\n').collect();
    assert!((1..=lines.len()).contains(&error.line()), "{error}");
    let line = lines[error.line() - 1];
    assert!(error.column() <= line.len() + 1, "{error}");
}

/// `policy` is the one that is built of the same parts, and decides as they say.
fn assert_is_of(policy: &Policy, parts: &Value, text: &str) {
    let parts = parts.as_object().expect("a map");
    let expected = built_of(parts);
    assert_eq!(policy.recognized(), expected.recognized());
    // This compares what is added to the answer to `OPTIONS`, too.
    assert_eq!(policy.default_rule(), expected.default_rule());
    let sorted = |policy: &Policy| {
        let rules = policy.rules();
        let rules = rules.map(|(pattern, rule)| (pattern.to_owned(), rule.clone()));
        let mut rules: Vec<_> = rules.collect();
        rules.sort_by(|(one, _), (other, _)| one.cmp(other));
        rules
    };
    let rules = sorted(policy);
    assert_eq!(rules, sorted(&expected));
    for name in parts.keys() {
        assert!(["recognize", "recognize_only", "allow", "routes"].contains(&name.as_str()));
    }

    let patterns = rules
        .iter()
        .map(|(pattern, _)| pattern.replace(['{', '}'], ""));
    let paths = ["", "*", "/", text].map(str::to_owned);
    let paths: Vec<_> = paths.into_iter().chain(patterns).take(16).collect();
    let methods = [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS];
    let methods: MethodSet = policy
        .recognized()
        .iter()
        .take(16)
        .chain(&methods)
        .collect();
    for path in &paths {
        assert_eq!(policy.allowed_at(path), expected.allowed_at(path));
        for method in &methods {
            let is_recognized = policy.recognized().contains(method);
            let decision = match policy.allowed_at(path) {
                _ if [Method::GET, Method::HEAD].contains(method) => Decision::Forward,
                Some(allow) if allow.methods().contains(method) => Decision::Forward,
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
    if let Some(rule) = parts.get("allow") {
        policy = policy.allow(rule_of(rule));
    }
    if let Some(routes) = parts.get("routes") {
        for (pattern, rule) in routes.as_object().expect("a map") {
            policy = policy.route(pattern, rule_of(rule)).expect("a pattern");
        }
    }
    policy
}

fn rule_of(value: &Value) -> Allow {
    let Some(fields) = value.as_object() else {
        return Allow::new(methods_of(value));
    };
    let mut rule = match (fields.get("methods"), fields.get("exactly")) {
        (Some(methods), None) => Allow::new(methods_of(methods)),
        (None, Some(methods)) => Allow::exactly(methods_of(methods)),
        both => panic!("{both:?}"),
    };
    let headers = fields.get("options_headers");
    for (name, values) in headers
        .iter()
        .flat_map(|headers| headers.as_object().expect("a map"))
    {
        for value in strings(values) {
            let name: HeaderName = name.parse().expect("a field name");
            rule = rule.options_header(name, HeaderValue::from_str(value).expect("a field value"));
        }
    }
    rule
}

fn methods_of(value: &Value) -> MethodSet {
    let methods: Vec<_> = match value {
        Value::String(list) => {
            let names = list.split(',').map(|name| name.trim_matches([' ', '\t']));
            names.filter(|name| !name.is_empty()).collect()
        }
        list => strings(list).collect(),
    };
    let methods = methods.into_iter().map(|name| {
        assert!(!["*", "PRI"].contains(&name));
        Method::from_bytes(name.as_bytes()).expect("a method name")
    });
    methods.collect()
}

/// One or a list of them.
fn strings(value: &Value) -> impl Iterator<Item = &str> {
    let list = value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice);
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
