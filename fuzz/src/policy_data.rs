//! Policies and settings from data.

use std::time::Duration;

use httpdate::{fmt_http_date, parse_http_date};
use serde_json::{Map, Value};
use tower_method_policy::{BodyDrain, MethodSet, Policy, RetryAfter};

use crate::model::methods::registered;
use crate::model::policy::{Entry, Kind, Rule};
use crate::model::{self, Layer};
use crate::patterns::{Validity, prefix_validity, validity};

/// Reads any text as a policy in TOML and in JSON. Compares it with the policy that the builder makes from the
/// same parts. An error must have a place in the text.
pub fn policy_data(text: &str) {
    let parts = toml::from_str::<Value>(text);
    match toml::from_str::<Policy>(text) {
        Ok(policy) => check_policy(&policy, &parts.expect("TOML"), text),
        Err(error) => {
            check_length(error.message());
            let place = error.span().expect("a place");
            assert!(text.get(place.clone()).is_some(), "{place:?}: {error}");
            // In `parts`, infinity and NaN are null, and null is valid for some settings.
            let is_valid = parts.is_ok_and(|parts| read(&parts).0 == Validity::Valid);
            let is_toml_only = text.contains("nan") || text.contains("inf");
            assert!(!is_valid || is_toml_only, "{error}");
        }
    }
    let parts = serde_json::from_str::<Value>(text);
    if let Some(policy) = json::<Policy>(text) {
        check_policy(&policy, &parts.expect("JSON"), text);
    } else if let Ok(parts) = parts {
        // `parts` has no key twice, so it can be valid although the text is not.
        let is_ok = serde_json::from_value::<Policy>(parts.clone()).is_ok();
        let validity = read(&parts).0;
        let is_expected = validity == Validity::Doubtful || is_ok == (validity == Validity::Valid);
        assert!(is_expected, "{parts}");
    }
    if let Some(retry_after) = json::<RetryAfter>(text) {
        assert_eq!(retry_after, retry_after_of(text));
    }
    if let Some(drain) = json::<BodyDrain>(text) {
        assert_eq!(drain, drain_of(text));
    }
}

fn check_length(message: &str) {
    assert!(!message.is_empty() && message.len() < 1000, "{message}");
}

/// Reads JSON. An error must have a place in `text`.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    let error = match serde_json::from_str(text) {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    check_length(&error.to_string());
    // Lines and columns count from 1. The end of a line is one column more.
    let line = text.split('\n').nth(error.line() - 1);
    let line = line.unwrap_or_else(|| panic!("{error}"));
    assert!(error.column() <= line.len() + 1, "{error}");
    None
}

/// Reads a policy, and returns whether it is valid.
fn read(parts: &Value) -> (Validity, model::policy::Policy) {
    let Some(model) = model_of(parts) else {
        return (Validity::Invalid, model::policy::Policy::default());
    };
    let validities = model.entries.iter().map(|entry| match entry.kind {
        Kind::Subtree => prefix_validity(&entry.pattern),
        _ => validity(&entry.pattern),
    });
    let worst = validities.max().unwrap_or(Validity::Valid);
    if worst != Validity::Invalid && model.has_conflict() {
        return (Validity::Invalid, model);
    }
    (worst, model)
}

fn model_of(parts: &Value) -> Option<model::policy::Policy> {
    let mut model = model::policy::Policy::default();
    for (name, value) in parts.as_object()? {
        match (name.as_str(), value) {
            ("recognize" | "routes" | "subtrees" | "exempt", Value::Null) => {}
            ("recognize", _) => model.recognize = methods(value)?,
            ("recognize_only", _) => model.recognize_only = Some(methods(value)?),
            ("fallback", _) => model.fallback = Some(Rule::fallback(methods(value)?)),
            ("routes" | "subtrees", Value::Object(rules)) => {
                let is_route = name == "routes";
                let kind = if is_route { Kind::Route } else { Kind::Subtree };
                for (pattern, value) in rules {
                    let entry = Entry::new(kind, pattern, methods(value)?);
                    model.entries.push(entry);
                }
            }
            ("exempt", Value::Array(patterns)) => {
                for pattern in patterns {
                    let entry = Entry::new(Kind::Exempt, pattern.as_str()?, Vec::new());
                    model.entries.push(entry);
                }
            }
            _ => return None,
        }
    }
    Some(model)
}

/// The methods of a list, or of a string with commas.
fn methods(value: &Value) -> Option<Vec<String>> {
    let names: Vec<_> = match value {
        Value::String(list) => {
            let names = list.split(',').map(|name| name.trim_matches([' ', '\t']));
            names.filter(|name| !name.is_empty()).collect()
        }
        list => list.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?,
    };
    let names = names.into_iter();
    names.map(|name| is_method(name).then(|| name.to_owned())).collect()
}

/// Whether data may contain this method.
fn is_method(name: &str) -> bool {
    const RESERVED: &str = "ANY ALL NONE PRI WEBDAV CALDAV CARDDAV STANDARD REGISTERED RFC9110";

    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let upper = name.to_uppercase();
    let is_reserved = RESERVED.split(' ').any(|reserved| reserved == upper);
    let is_in_another_case = name != upper && registered().any(|name| name == upper);
    !name.is_empty() && name.chars().all(is_name) && !is_reserved && !is_in_another_case
}

/// Checks that `policy` equals the policy that the builder makes from `parts`, and its decisions.
fn check_policy(policy: &Policy, parts: &Value, text: &str) {
    let (validity, model) = read(parts);
    assert_ne!(validity, Validity::Invalid, "{parts}");
    assert_eq!(policy, &model.build().expect("a policy"));
    model.assert_lists(policy);
    let written = serde_json::to_string(policy.recognized()).expect("a list");
    let read: MethodSet = serde_json::from_str(&written).expect("a list");
    assert_eq!(&read, policy.recognized());

    let layer = Layer::new(model);
    let patterns = layer.policy.entries.iter().flat_map(|entry| {
        let path = entry.pattern.replace(['{', '}'], "");
        [format!("{path}/"), format!("{path}/a"), path]
    });
    let paths = ["", "*", "/", "//", text].map(str::to_owned);
    let methods = policy.recognized().iter().take(16).map(|method| method.as_str());
    let methods: Vec<_> = methods.chain(["GET", "HEAD", "PUT", "OPTIONS", "FOO"]).collect();
    for path in paths.into_iter().chain(patterns).take(24) {
        // The crate uses this byte itself. No request has it in its path.
        if !path.contains('\u{1}') {
            for method in &methods {
                layer.assert_decides(policy, method, &path);
            }
        }
    }
}

/// A whole number, or a string of digits.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(digits) if !digits.starts_with('+') => digits.parse().ok(),
        value => value.as_u64(),
    }
}

fn retry_after_of(text: &str) -> RetryAfter {
    let value = serde_json::from_str(text).expect("JSON");
    if let Some(seconds) = number(&value) {
        return RetryAfter::after(Duration::from_secs(seconds));
    }
    match value {
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
        let number = number(value).expect("a whole number");
        let seconds = Duration::from_secs(number);
        drain = match name.as_str() {
            "max_bytes" => drain.max_bytes(number),
            "timeout_seconds" => drain.timeout(seconds),
            "idle_timeout_seconds" => drain.idle_timeout(seconds),
            "idle_timeout_unknown_length_seconds" => drain.idle_timeout_unknown_length(seconds),
            other => panic!("{other}"),
        };
    }
    drain
}
