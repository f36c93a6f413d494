//! Policies as data: what is understood, what is not, and what is then said of it.

#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderName, HeaderValue, Method};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tower_method_policy::{Allow, MethodSet, Policy, RegisteredMethod, RetryAfter};

use crate::support::strategies::{
    METHODS, PATHS, PATTERNS, Setting, any_method, method, policy_of, set, settings,
};

fn header(rule: Allow, name: &str, value: &str) -> Allow {
    let name: HeaderName = name.parse().unwrap();
    rule.options_header(name, HeaderValue::from_str(value).unwrap())
}

/// Everything that a policy is asked for is the same for both; the order of rules aside, for a format
/// may give them in another one than they were written in.
fn assert_same(policy: &Policy, expected: &Policy) {
    let rules = |policy: &Policy| -> BTreeMap<String, Allow> {
        let rules = policy.rules();
        rules
            .map(|(pattern, rule)| (pattern.to_owned(), rule.clone()))
            .collect()
    };
    assert_eq!(policy.recognized(), expected.recognized());
    assert_eq!(policy.default_rule(), expected.default_rule());
    assert_eq!(rules(policy), rules(expected));
    for name in METHODS {
        for (path, _) in PATHS {
            let method = method(name);
            let (is, shall_be) = (policy.decide(&method, path), expected.decide(&method, path));
            assert_eq!(is, shall_be, "{name} {path}");
        }
    }
}

// What is understood.

const TOML: &str = r#"
recognize = ["ACL", "REPORT"]
recognize_only = "GET, HEAD, POST"
allow = ["POST"]

[routes]
"/login" = { exactly = ["POST"] }
"/dav/{*path}" = { methods = ["PUT", "PROPFIND"], options_headers = { DAV = "1, 2" } }
"/users/{id}" = "PUT, DELETE"

[routes."/search"]
options_headers = { Accept-Query = ["text/plain", "application/sql"], allow-x = [] }
exactly = "QUERY"
"#;

const JSON: &str = r#"{
    "routes": {
        "/search": {
            "options_headers": {
                "Accept-Query": ["text/plain", "application/sql"],
                "allow-x": []
            },
            "exactly": "QUERY"
        },
        "/users/{id}": "PUT, DELETE",
        "/dav/{*path}": {
            "methods": ["PUT", "PROPFIND"],
            "options_headers": { "DAV": "1, 2" }
        },
        "/login": { "exactly": ["POST"] }
    },
    "allow": ["POST"],
    "recognize_only": "GET, HEAD, POST",
    "recognize": ["ACL", "REPORT"]
}"#;

const YAML: &str = r#"
allow: [POST]
recognize: [ACL, REPORT]
routes:
  /login: { exactly: [POST] }
  /dav/{*path}:
    options_headers:
      DAV: 1, 2
    methods: [PUT, PROPFIND]
  /users/{id}: PUT, DELETE
  /search:
    exactly: QUERY
    options_headers:
      Accept-Query:
        - text/plain
        - application/sql
      allow-x: []
recognize_only: GET, HEAD, POST
"#;

#[test]
fn a_policy_is_the_same_in_every_format_and_order() {
    let dav = header(Allow::new(set("PUT PROPFIND")), "dav", "1, 2");
    let search = header(Allow::exactly(set("QUERY")), "accept-query", "text/plain");
    let search = header(search, "accept-query", "application/sql");
    let expected = Policy::new()
        .recognize(set("ACL REPORT"))
        .recognize_only(set("GET HEAD POST"))
        .allow(set("POST"))
        .route("/login", Allow::exactly(set("POST")))
        .and_then(|policy| policy.route("/dav/{*path}", dav))
        .and_then(|policy| policy.route("/users/{id}", set("PUT DELETE")))
        .and_then(|policy| policy.route("/search", search))
        .unwrap();

    assert_same(&toml::from_str(TOML).unwrap(), &expected);
    assert_same(&serde_json::from_str(JSON).unwrap(), &expected);
    assert_same(&serde_saphyr::from_str(YAML).unwrap(), &expected);
}

#[test]
fn path_rules_have_the_order_of_the_data() {
    let policy: Policy = serde_json::from_str(JSON).unwrap();
    let patterns: Vec<_> = policy.rules().map(|(pattern, _)| pattern).collect();
    assert_eq!(
        patterns,
        ["/search", "/users/{id}", "/dav/{*path}", "/login"]
    );
}

#[test]
fn every_key_is_optional() {
    for policy in [
        toml::from_str("").unwrap(),
        serde_json::from_str("{}").unwrap(),
        serde_saphyr::from_str("{}").unwrap(),
        toml::from_str("routes = {}").unwrap(),
        toml::from_str("recognize = []").unwrap(),
    ] {
        assert_same(&policy, &Policy::new());
    }
}

/// A list without any method is one all the same.
#[test]
fn an_empty_list_is_not_an_absent_one() {
    for empty in [r#""""#, "[]", r#"", ,""#, r#"{ "methods": [] }"#] {
        let policy: Policy = serde_json::from_str(&format!(r#"{{"allow": {empty}}}"#)).unwrap();
        assert_same(&policy, &Policy::new().allow([]));
    }
    let policy: Policy = toml::from_str("allow = { exactly = '' }").unwrap();
    assert_same(&policy, &Policy::new().allow(Allow::exactly([])));
    let policy: Policy = toml::from_str("recognize_only = ''").unwrap();
    assert_same(&policy, &Policy::new().recognize_only([]));
}

/// In a list that is one string, as in the field (RFC 9110 §5.6.1): white space, empty elements.
#[test]
fn a_string_is_read_as_an_allow_field_is() {
    for list in ["PURGE, GET", " ,PURGE,\tGET ,, PURGE", "GET,PURGE"] {
        let methods: MethodSet = serde_json::from_value(json!(list)).unwrap();
        assert_eq!(methods, set("GET PURGE"), "{list:?}");
        assert_eq!(methods, list.parse().unwrap());
    }
}

/// Names that are not registered are taken as they are.
#[test]
fn other_names_may_be_in_any_case() {
    let methods: MethodSet = serde_json::from_value(json!(["purge", "Purge", "m-get"])).unwrap();
    assert_eq!(methods, set("purge Purge m-get"));
}

#[test]
fn a_set_is_written_in_canonical_order() {
    let methods = set("foo ACL PUT GET BAR");
    assert_eq!(
        serde_json::to_string(&methods).unwrap(),
        r#"["GET","PUT","ACL","BAR","foo"]"#
    );
    assert_eq!(serde_json::to_string(&MethodSet::new()).unwrap(), "[]");
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let at = |data: &str| -> RetryAfter {
        let [in_json, in_toml, in_yaml] =
            [
                serde_json::from_str(data).unwrap(),
                toml::from_str::<BTreeMap<String, RetryAfter>>(&format!("value = {data}")).unwrap()
                    ["value"]
                    .clone(),
                serde_saphyr::from_str(data).unwrap(),
            ];
        assert_eq!(in_json, in_toml);
        assert_eq!(in_json, in_yaml);
        in_json
    };
    let after = |seconds| RetryAfter::after(Duration::from_secs(seconds));
    assert_eq!(at("0"), after(0));
    assert_eq!(at("3600"), after(3600));
    assert_eq!(at(&i64::MAX.to_string()), after(i64::MAX as u64));
    assert_eq!(
        serde_json::from_str::<RetryAfter>(&u64::MAX.to_string()).unwrap(),
        after(u64::MAX)
    );
    assert_eq!(
        at(r#""Sun, 06 Nov 1994 08:49:37 GMT""#),
        RetryAfter::at(UNIX_EPOCH + Duration::from_secs(784_111_777))
    );
    assert_eq!(
        at(r#""Fri, 31 Dec 9999 23:59:59 GMT""#),
        RetryAfter::at(UNIX_EPOCH + Duration::from_secs(253_402_300_799))
    );
}

// What is not understood. Each document has a `▶` where the error shall be: for TOML and YAML at the
// start of the mistake, for JSON after what serde_json has read of it.

/// `document` without its mark, and the mark's line and the bytes before it in that line.
fn marked(document: &str) -> (String, usize, usize) {
    let (before, after) = document.split_once('▶').expect(document);
    let (line, start) = match before.rsplit_once('\n') {
        Some((lines, start)) => (lines.split('\n').count() + 1, start),
        None => (1, before),
    };
    (format!("{before}{after}"), line, start.len())
}

fn assert_toml(document: &str, problem: &str) {
    let (document, line, column) = marked(document);
    let shown = toml::from_str::<Policy>(&document).unwrap_err().to_string();
    let lines: Vec<_> = shown.lines().collect();
    let place = format!("TOML parse error at line {line}, column {}", column + 1);
    assert_eq!(lines[0], place, "{shown}");
    assert_eq!(lines[lines.len() - 1], problem, "{shown}");
}

fn assert_json(document: &str, problem: &str) {
    let (document, line, column) = marked(document);
    let error = serde_json::from_str::<Policy>(&document).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{problem} at line {line} column {column}"),
        "{document}"
    );
}

fn assert_yaml(document: &str, problem: &str) {
    let (document, line, column) = marked(document);
    let error = serde_saphyr::from_str::<Policy>(&document).unwrap_err();
    let shown = error.to_string();
    assert_eq!(
        shown.lines().next().unwrap(),
        format!("error: line {line} column {}: {problem}", column + 1),
        "{shown}"
    );
}

fn assert_everywhere(problem: &str, [toml, json, yaml]: [&str; 3]) {
    assert_toml(toml, problem);
    assert_json(json, problem);
    assert_yaml(yaml, problem);
}

#[test]
fn a_registered_name_in_another_case_is_a_mistake() {
    assert_everywhere(
        r#""get" is not "GET": methods are case-sensitive"#,
        [
            "recognize = [\n  'ACL',\n  ▶'get',\n]\n",
            "{\n  \"recognize\": [\n    \"ACL\",\n    \"get\"▶\n  ]\n}",
            "recognize:\n  - ACL\n  - ▶get\n",
        ],
    );
    assert_everywhere(
        r#""Post" is not "POST": methods are case-sensitive"#,
        [
            "allow = ▶' Post'",
            "{\"allow\": \" Post\"▶}",
            "allow: ▶' Post'",
        ],
    );
    assert_everywhere(
        r#""put" at byte 6 is not "PUT": methods are case-sensitive"#,
        [
            "allow = {\n  exactly = ▶'POST, put' }",
            "{\"allow\": {\"exactly\": \"POST, put\"▶}}",
            "allow:\n  exactly: ▶POST, put",
        ],
    );
    assert_everywhere(
        r#""version-control" is not "VERSION-CONTROL": methods are case-sensitive"#,
        [
            "[routes]\n'/' = { methods = [▶'version-control'] }",
            "{\"routes\": {\"/\": {\"methods\": [\"version-control\"▶]}}}",
            "routes:\n  /: { methods: [▶version-control] }",
        ],
    );
}

#[test]
fn what_is_not_a_token_is_not_a_method() {
    assert_everywhere(
        r#""G ET" is not a method name: ' ' cannot be part of one"#,
        [
            "recognize_only = [▶'G ET']",
            "{\"recognize_only\": [\"G ET\"▶]}",
            "recognize_only: [▶G ET]",
        ],
    );
    assert_everywhere(
        r#""G ET" at byte 6 is not a method name: ' ' cannot be part of one"#,
        [
            "allow = ▶'POST, G ET, PUT'",
            "{\"allow\": \"POST, G ET, PUT\"▶}",
            "allow: ▶POST, G ET, PUT",
        ],
    );
    assert_everywhere(
        r#""GET, POST" is not a method name: ',' cannot be part of one"#,
        [
            "allow = [▶'GET, POST']",
            "{\"allow\": [\"GET, POST\"▶]}",
            "allow: [▶'GET, POST']",
        ],
    );
    assert_everywhere(
        r#""GÉT\n" is not a method name: 'É' cannot be part of one"#,
        [
            "allow = ▶\"GÉT\\n\"",
            "{\"allow\": \"GÉT\\n\"▶}",
            "allow: ▶\"GÉT\\n\"",
        ],
    );
    assert_everywhere(
        r#""" is not a method name"#,
        ["allow = [▶'']", "{\"allow\": [\"\"▶]}", "allow: [▶'']"],
    );
}

#[test]
fn reserved_names_are_not_methods() {
    assert_everywhere(
        r#""*" does not stand for all methods: list each by its name"#,
        ["allow = ▶'*'", "{\"allow\": \"*\"▶}", "allow: ▶'*'"],
    );
    assert_everywhere(
        "\"PRI\" is no method: the name is reserved, for it opens an HTTP/2 connection (RFC 9113 §3.4)",
        [
            "recognize = [▶'PRI']",
            "{\"recognize\": [\"PRI\"▶]}",
            "recognize: [▶PRI]",
        ],
    );
}

#[test]
fn patterns_that_cannot_be_are_told_at_the_pattern() {
    assert_everywhere(
        "path pattern `/users/{name}` conflicts with `/users/{id}`",
        [
            "[routes]\n'/users/{id}' = 'PUT'\n▶'/users/{name}' = 'PUT'",
            "{\"routes\": {\n  \"/users/{id}\": [],\n  \"/users/{name}\"▶: []}}",
            "routes:\n  /users/{id}: []\n  ▶/users/{name}: []",
        ],
    );
    assert_everywhere(
        "invalid path pattern `users`: it does not begin with `/`",
        [
            "[routes]\n▶users = []",
            "{\"routes\": {\"users\"▶: []}}",
            "routes:\n  ▶users: []",
        ],
    );
    assert_everywhere(
        "invalid path pattern `/users/:id`: a segment begins with `:`; for a parameter, write `{id}`",
        [
            "[routes.▶'/users/:id']\nmethods = 'PUT'",
            "{\"routes\": {\"/users/:id\"▶: []}}",
            "routes:\n  ▶/users/:id: []",
        ],
    );
}

/// Of the three, only serde_json leaves this to what is read.
#[test]
fn what_is_given_twice_is_a_mistake() {
    for (problem, document) in [
        (
            "duplicate field `allow`",
            "{\"allow\": [],\n\"allow\"▶: []}",
        ),
        (
            "duplicate field `recognize`",
            "{\"recognize\": [], \"recognize\"▶: \"PUT\"}",
        ),
        (
            "duplicate field `routes`",
            "{\"routes\": {}, \"allow\": [], \"routes\"▶: {}}",
        ),
        (
            "duplicate field `methods`",
            "{\"allow\": {\"methods\": [], \"methods\"▶: []}}",
        ),
        (
            "path pattern `/a` is given twice",
            "{\"routes\": {\"/a\": [], \"/b\": [], \"/a\"▶: []}}",
        ),
        (
            "header field \"DAV\" is given twice: give it one list of values",
            "{\"allow\": {\"options_headers\": {\"DAV\": \"1\", \"DAV\"▶: \"2\"}}}",
        ),
    ] {
        assert_json(document, problem);
    }
    assert_toml("allow = []\n▶allow = []", "duplicate key");
    assert_toml("[routes]\n'/a' = []\n▶'/a' = []", "duplicate key");
    for (document, key) in [
        ("allow: []\n▶allow: []", "allow"),
        ("routes:\n  /a: []\n  ▶/a: []", "/a"),
    ] {
        let problem = format!(
            "duplicate mapping key: {key}, set DuplicateKeyPolicy in Options if acceptable"
        );
        assert_yaml(document, &problem);
    }
}

#[test]
fn unknown_fields_are_told_with_the_known_ones() {
    assert_everywhere(
        "unknown field `allowed`, expected one of `recognize`, `recognize_only`, `allow`, `routes`",
        [
            "\n▶allowed = []",
            "{\n  \"allowed\"▶: []\n}",
            "allow: []\n▶allowed: []",
        ],
    );
    assert_everywhere(
        "unknown field `method`, expected one of `methods`, `exactly`, `options_headers`",
        [
            "allow = { ▶method = 'PUT' }",
            "{\"allow\": {\"method\"▶: \"PUT\"}}",
            "allow:\n  ▶method: PUT",
        ],
    );
}

#[test]
fn a_rule_has_one_list_of_methods() {
    let problem = "a rule has `methods` or `exactly`, not both";
    // The keys of a TOML table come sorted.
    assert_toml("allow = { ▶methods = 'PUT', exactly = 'POST' }", problem);
    assert_json("{\"allow\": {\"methods\": [], \"exactly\"▶: []}}", problem);
    assert_yaml("allow:\n  exactly: PUT\n  ▶methods: PUT", problem);

    assert_everywhere(
        "missing field `methods` or `exactly`",
        [
            "allow = ▶{ options_headers = { DAV = '1' } }",
            "{\"allow\": {\"options_headers\": {\"DAV\": \"1\"}}▶}",
            "allow:\n  ▶options_headers: { DAV: '1' }",
        ],
    );
}

#[test]
fn header_fields_are_valid() {
    assert_everywhere(
        r#""D V" is not a header field name: ' ' cannot be part of one"#,
        [
            "allow = { exactly = '', options_headers = { ▶'D V' = '1' } }",
            "{\"allow\": {\"options_headers\": {\"D V\"▶: \"1\"}}}",
            "allow:\n  options_headers:\n    ▶D V: '1'",
        ],
    );
    assert_everywhere(
        r#""1\n2" is not a header field value: '\n' cannot be part of one"#,
        [
            "allow = { exactly = '', options_headers = { DAV = ▶\"1\\n2\" } }",
            "{\"allow\": {\"options_headers\": {\"DAV\": [\"1\\n2\"▶]}}}",
            "allow:\n  options_headers:\n    DAV: ▶\"1\\n2\"",
        ],
    );
    assert_everywhere(
        r#"header field "dav" is given twice: give it one list of values"#,
        [
            "allow = { exactly = '', options_headers = { DAV = '1', ▶dav = '2' } }",
            "{\"allow\": {\"options_headers\": {\"DAV\": \"1\", \"dav\"▶: \"2\"}}}",
            "allow:\n  options_headers:\n    DAV: '1'\n    ▶dav: '2'",
        ],
    );
}

/// A header can hold some 24,000 fields. `Allow::options_header` panics at the next.
#[test]
fn more_fields_than_a_header_can_hold_are_an_error() {
    let headers: BTreeMap<_, _> = (0..40_000).map(|n| (format!("x-{n}"), "")).collect();
    let data = json!({ "exactly": [], "options_headers": headers });
    let error = serde_json::from_value::<Allow>(data).unwrap_err();
    assert_eq!(error.to_string(), "there are too many header fields");

    let data = json!({ "exactly": [], "options_headers": { "dav": vec![""; 40_000] } });
    assert!(serde_json::from_value::<Allow>(data).is_ok());
}

/// For YAML, serde-saphyr gives the place of the key where the value is no string, list or map.
#[test]
fn wrong_types_are_told_with_what_was_expected() {
    let rule = "expected a list of method names, one string with commas between them, or a map with \
                `methods` or `exactly`";
    assert_everywhere(
        &format!("invalid type: integer `1`, {rule}"),
        [
            "[routes]\n'/a' = ▶1",
            "{\"routes\": {\"/a\": 1▶}}",
            "routes:\n  ▶/a: 1",
        ],
    );
    assert_everywhere(
        "invalid type: boolean `true`, expected a list of method names, or one string with commas \
         between them",
        [
            "recognize = ▶true",
            "{\"recognize\": true▶}",
            "▶recognize: true",
        ],
    );
    assert_everywhere(
        "invalid type: map, expected a list of method names, or one string with commas between them",
        [
            "recognize = ▶{ methods = [] }",
            "{\"recognize\": {▶\"methods\": []}}",
            "recognize: ▶{ methods: [] }",
        ],
    );
    assert_everywhere(
        "invalid type: integer `1`, expected the value of a header field, or a list of its values",
        [
            "allow = { exactly = [], options_headers = { DAV = ▶1 } }",
            "{\"allow\": {\"options_headers\": {\"DAV\": 1▶}}}",
            "allow: { options_headers: { ▶DAV: 1 } }",
        ],
    );

    // serde-saphyr reads scalars as strings, and asks for maps itself, where these are expected.
    for (problem, toml, json) in [
        (
            "invalid type: integer `1`, expected a method name",
            "allow = [▶1]",
            "{\"allow\": [1▶]}",
        ),
        (
            "invalid type: integer `2`, expected the value of a header field",
            "allow = { exactly = [], options_headers = { DAV = ['1', ▶2] } }",
            "{\"allow\": {\"options_headers\": {\"DAV\": [\"1\", 2▶]}}}",
        ),
        (
            "invalid type: sequence, expected a map of path patterns and their rules",
            "routes = ▶[]",
            "{\"routes\": ▶[]}",
        ),
        (
            "invalid type: string \"DAV\", expected a map of header field names and values",
            "allow = { exactly = [], options_headers = ▶'DAV' }",
            "{\"allow\": {\"options_headers\": \"DAV\"▶}}",
        ),
    ] {
        assert_toml(toml, problem);
        assert_json(json, problem);
    }
    assert_json(
        "[]▶",
        "invalid type: sequence, expected a map with the settings of a policy",
    );
}

#[test]
fn other_values_of_retry_after_are_told_what_to_be() {
    let expected = "expected a whole number of seconds, or an HTTP date such as \"Sun, 06 Nov 1994 08:49:37 GMT\"";
    let date = "is not an IMF-fixdate: write \"Sun, 06 Nov 1994 08:49:37 GMT\"";
    for (value, problem) in [
        ("-1", format!("invalid value: integer `-1`, {expected}")),
        (
            "1.5",
            format!("invalid type: floating point `1.5`, {expected}"),
        ),
        ("true", format!("invalid type: boolean `true`, {expected}")),
        ("[]", format!("invalid type: sequence, {expected}")),
        (
            r#""soon""#,
            format!("invalid value: string \"soon\", {expected}"),
        ),
        (r#""""#, format!("invalid value: string \"\", {expected}")),
        (
            r#""Sun, 31 Feb 2027 08:49:37 GMT""#,
            format!("invalid value: string \"Sun, 31 Feb 2027 08:49:37 GMT\", {expected}"),
        ),
        (
            r#""120""#,
            r#""120" is a string: write a number of seconds without quotes"#.to_owned(),
        ),
        // The obsolete formats, a wrong day of the week, white space.
        (
            r#""Sunday, 06-Nov-94 08:49:37 GMT""#,
            format!("\"Sunday, 06-Nov-94 08:49:37 GMT\" {date}"),
        ),
        (
            r#""Sun Nov  6 08:49:37 1994""#,
            format!("\"Sun Nov  6 08:49:37 1994\" {date}"),
        ),
        (
            r#""Mon, 06 Nov 1994 08:49:37 GMT""#,
            format!("\"Mon, 06 Nov 1994 08:49:37 GMT\" {date}"),
        ),
        (
            r#"" Sun, 06 Nov 1994 08:49:37 GMT""#,
            format!("\" Sun, 06 Nov 1994 08:49:37 GMT\" {date}"),
        ),
    ] {
        type Table = BTreeMap<String, RetryAfter>;

        let error = toml::from_str::<Table>(&format!("retry = {value}")).unwrap_err();
        let shown = error.to_string();
        assert!(
            shown.starts_with("TOML parse error at line 1, column 9\n"),
            "{shown}"
        );
        assert_eq!(error.message(), problem);

        let column = r#"{"retry": "#.len() + value.len();
        let error = serde_json::from_str::<Table>(&format!(r#"{{"retry": {value}}}"#)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{problem} at line 1 column {column}")
        );

        let error = serde_saphyr::from_str::<Table>(&format!("\nretry: {value}")).unwrap_err();
        let shown = error.to_string();
        assert!(shown.starts_with("error: line 2 column "), "{shown}");
        assert!(shown.lines().next().unwrap().ends_with(&problem), "{shown}");
    }
}

// What holds for all data.

/// Whether data may not have this name, although a set may.
fn is_mistake(method: &Method) -> bool {
    let upper_case = method.as_str().to_ascii_uppercase();
    let upper_case = Method::from_bytes(upper_case.as_bytes()).unwrap();
    RegisteredMethod::of(&upper_case)
        .is_some_and(|entry| entry.is_reserved() || entry.name() != method.as_str())
}

/// Names that data may not have.
fn mistakes() -> impl Strategy<Value = Method> {
    let registered = RegisteredMethod::ALL.iter();
    let lower_case = registered.map(|entry| entry.name().to_lowercase());
    let others = ["PRI", "Get", "pROPFIND"].map(str::to_owned);
    select(lower_case.chain(others).collect::<Vec<_>>()).prop_map(|name| method(&name))
}

/// `methods` without what data may not have.
fn acceptable(methods: &MethodSet) -> MethodSet {
    let methods = methods.iter().filter(|method| !is_mistake(method));
    methods.collect()
}

/// A setting that data can have, with header fields for its rule.
fn with_headers(setting: Setting, headers: &[(&str, &str)]) -> Setting {
    let rule = |rule: Allow| {
        let rule = Allow::exactly(acceptable(rule.methods()));
        let headers = headers.iter();
        headers.fold(rule, |rule, (name, value)| header(rule, name, value))
    };
    match setting {
        Setting::Recognize(methods) => Setting::Recognize(acceptable(&methods)),
        Setting::RecognizeOnly(methods) => Setting::RecognizeOnly(acceptable(&methods)),
        Setting::Allow(allow) => Setting::Allow(rule(allow)),
        Setting::Route(pattern, allow) => Setting::Route(pattern, rule(allow)),
    }
}

/// Settings, each with header fields and a number that chooses how it is written.
type Written = Vec<(Setting, Vec<(&'static str, &'static str)>, u8)>;

fn written_settings() -> impl Strategy<Value = Written> {
    let field = || {
        (
            select(vec!["dav", "accept-patch"]),
            select(vec!["1", "2, \"x\"", ""]),
        )
    };
    let how = vec((vec(field(), 0..3), any::<u8>()), 4 + PATTERNS.len());
    (settings(), how).prop_map(|(settings, how)| {
        let settings = settings.into_iter().zip(how);
        let settings = settings
            .map(|(setting, (headers, form))| (with_headers(setting, &headers), headers, form));
        settings.collect()
    })
}

/// A set in one of its two forms.
fn written_set(methods: &MethodSet, form: u8) -> Value {
    match form % 2 {
        0 => json!(methods),
        _ => json!(methods.to_string()),
    }
}

/// A rule in one of its forms: `exactly` always can be, the others where `GET` and `HEAD` are.
fn written_rule(methods: &MethodSet, headers: &[(&str, &str)], form: u8) -> Value {
    let list = written_set(methods, form);
    let field = match form / 2 % 3 {
        _ if !methods.is_superset(&set("GET HEAD")) => "exactly",
        0 if headers.is_empty() => return list,
        1 => "exactly",
        _ => "methods",
    };
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in headers {
        values.entry(name).or_default().push(value);
    }
    let values: BTreeMap<_, _> = values
        .into_iter()
        .map(|(name, values)| match *values {
            [value] if form / 6 % 2 == 0 => (name, json!(value)),
            _ => (name, json!(values)),
        })
        .collect();
    json!({ field: list, "options_headers": values })
}

/// What [`policy_of`] makes of `settings`, as data.
fn written(settings: &Written) -> Value {
    let mut policy = serde_json::Map::new();
    let mut routes = serde_json::Map::new();
    let mut default_rule: Option<(MethodSet, Vec<(&str, &str)>)> = None;
    for (setting, headers, form) in settings {
        let mut add = |key: &str, methods: &MethodSet| {
            let earlier = policy.get(key).cloned();
            let earlier: MethodSet =
                earlier.map_or_else(MethodSet::new, |data| serde_json::from_value(data).unwrap());
            policy.insert(key.to_owned(), written_set(&(&earlier | methods), *form));
        };
        match setting {
            Setting::Recognize(methods) => add("recognize", methods),
            Setting::RecognizeOnly(methods) => add("recognize_only", methods),
            Setting::Allow(rule) => {
                let (methods, all) = default_rule.get_or_insert_default();
                *methods = &*methods | rule.methods();
                all.extend(headers);
                policy.insert("allow".to_owned(), written_rule(methods, all, *form));
            }
            Setting::Route(pattern, rule) => {
                let rule = written_rule(rule.methods(), headers, *form);
                routes.insert((*pattern).to_owned(), rule);
            }
        }
    }
    policy.insert("routes".to_owned(), routes.into());
    policy.into()
}

proptest! {
    #[test]
    fn sets_are_read_as_they_were_written(methods in vec(any_method(), 0..12)) {
        let methods = acceptable(&methods.into_iter().collect());

        let text = serde_json::to_string(&methods).unwrap();
        prop_assert_eq!(&serde_json::from_str::<MethodSet>(&text).unwrap(), &methods);

        let table = BTreeMap::from([("methods", &methods)]);
        let text = toml::to_string(&table).unwrap();
        let table: BTreeMap<String, MethodSet> = toml::from_str(&text).unwrap();
        prop_assert_eq!(&table["methods"], &methods);

        let text = serde_saphyr::to_string(&methods).unwrap();
        prop_assert_eq!(&serde_saphyr::from_str::<MethodSet>(&text).unwrap(), &methods);

        let text = serde_json::to_string(&methods.to_string()).unwrap();
        prop_assert_eq!(&serde_json::from_str::<MethodSet>(&text).unwrap(), &methods);
    }

    #[test]
    fn a_set_with_a_mistake_in_it_is_not_read(mistake in mistakes(), others in vec(any_method(), 0..4)) {
        prop_assert!(is_mistake(&mistake));
        let methods: MethodSet = others.into_iter().chain([mistake]).collect();
        let [list, string] = [json!(methods), json!(methods.to_string())];
        prop_assert!(serde_json::from_value::<MethodSet>(list).is_err());
        prop_assert!(serde_json::from_value::<MethodSet>(string).is_err());
    }

    #[test]
    fn policies_are_read_as_they_were_written(settings in written_settings()) {
        let data = written(&settings);
        let settings: Vec<_> = settings.into_iter().map(|(setting, ..)| setting).collect();
        let expected = policy_of(&settings);

        assert_same(&serde_json::from_str(&data.to_string()).unwrap(), &expected);
        assert_same(&toml::from_str(&toml::to_string(&data).unwrap()).unwrap(), &expected);
        let yaml = serde_saphyr::to_string(&data).unwrap();
        assert_same(&serde_saphyr::from_str(&yaml).unwrap(), &expected);
    }

    /// Data that is put together from what policies are made of: a policy, which then decides, or an
    /// error, but no panic.
    #[test]
    fn any_data_is_a_policy_or_an_error(data in any_data()) {
        let text = data.to_string();
        let read = serde_json::from_str::<Policy>(&text);
        if let Ok(policy) = &read {
            for (path, _) in PATHS {
                let _ = policy.decide(&Method::PUT, path);
            }
        }
        let _ = serde_json::from_str::<RetryAfter>(&text);
        // The two parsers agree, apart from what TOML does not have.
        if let Ok(text) = toml::to_string(&data) {
            prop_assert_eq!(toml::from_str::<Policy>(&text).is_ok(), read.is_ok(), "{}", text);
        }
    }
}

/// Values of every kind, more or less in the shape of a policy.
fn any_data() -> impl Strategy<Value = Value> {
    let text = || {
        let words = select(vec![
            "GET",
            "get",
            "POST, PUT",
            "*",
            "PRI",
            "",
            ",",
            "G ET",
            "/",
            "/a",
            "/{id}",
            "/{x}",
            "/{*r}",
            "/:a",
            "/{",
            "dav",
            "DAV",
            "recognize",
            "recognize_only",
            "allow",
            "routes",
            "methods",
            "exactly",
            "options_headers",
            "Sun, 06 Nov 1994 08:49:37 GMT",
        ]);
        prop_oneof![9 => words.prop_map(str::to_owned), 1 => ".{0,8}"]
    };
    let leaf = prop_oneof![
        6 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        let pairs = vec((text(), inner.clone()), 0..5);
        prop_oneof![
            1 => vec(inner, 0..4).prop_map(Value::from),
            3 => pairs.prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}
