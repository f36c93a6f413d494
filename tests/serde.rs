//! Policies as data: what each format accepts, and the errors.

#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use http::Method;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tower_method_policy::{Decision, MethodSet, Policy, RetryAfter};

use crate::support::strategies::{
    PATHS, Setting, any_method, method, policy_of, registered_names, set, settings,
};

// Accepted data.

const TOML: &str = r#"
recognize = ["ACL", "REPORT"]
recognize_only = "GET, HEAD, POST"
fallback = ["POST"]
exempt = ["/ws", "/assets/{*path}"]

[routes]
"/login" = ["POST"]
"/users/{id}" = "PUT, DELETE"
"/closed" = []

[subtrees]
"/dav" = ["OPTIONS", "GET", "PUT", "PROPFIND"]
"#;

const JSON: &str = r#"{
    "subtrees": { "/dav": ["OPTIONS", "GET", "PUT", "PROPFIND"] },
    "exempt": ["/ws", "/assets/{*path}"],
    "routes": {
        "/closed": "",
        "/users/{id}": "PUT, DELETE",
        "/login": ["POST"]
    },
    "fallback": "POST",
    "recognize_only": ["GET", "HEAD", "POST"],
    "recognize": "ACL, REPORT"
}"#;

const YAML: &str = r#"
fallback: [POST]
recognize: [ACL, REPORT]
routes:
  /login: [POST]
  /users/{id}: PUT, DELETE
  /closed: []
exempt:
  - /ws
  - /assets/{*path}
subtrees:
  /dav:
    - OPTIONS
    - GET
    - PUT
    - PROPFIND
recognize_only: GET, HEAD, POST
"#;

#[test]
fn a_policy_is_the_same_in_every_format_and_order() {
    let expected = Policy::new()
        .recognize(set("ACL REPORT"))
        .recognize_only(set("GET HEAD POST"))
        .fallback(set("POST"))
        .route("/login", set("POST"))
        .and_then(|policy| policy.route("/users/{id}", set("PUT DELETE")))
        .and_then(|policy| policy.route("/closed", []))
        .and_then(|policy| policy.subtree("/dav", set("OPTIONS GET PUT PROPFIND")))
        .and_then(|policy| policy.exempt("/ws"))
        .and_then(|policy| policy.exempt("/assets/{*path}"))
        .unwrap();

    assert_eq!(toml::from_str::<Policy>(TOML).unwrap(), expected);
    assert_eq!(serde_json::from_str::<Policy>(JSON).unwrap(), expected);
    assert_eq!(serde_saphyr::from_str::<Policy>(YAML).unwrap(), expected);
}

#[test]
fn rules_and_exempt_paths_have_the_order_of_the_data() {
    let policy: Policy = serde_json::from_str(JSON).unwrap();
    let rules: Vec<_> = policy.rules().map(|rule| rule.to_string()).collect();
    assert_eq!(
        rules,
        [
            "subtree /dav",
            "route /closed",
            "route /users/{id}",
            "route /login"
        ]
    );
    let exempt: Vec<_> = policy.exempt_paths().collect();
    assert_eq!(exempt, ["/ws", "/assets/{*path}"]);
}

#[test]
fn every_key_is_optional() {
    for policy in [
        toml::from_str("").unwrap(),
        serde_json::from_str("{}").unwrap(),
        serde_saphyr::from_str("{}").unwrap(),
        toml::from_str("routes = {}").unwrap(),
        toml::from_str("subtrees = {}").unwrap(),
        toml::from_str("exempt = []").unwrap(),
        toml::from_str("recognize = []").unwrap(),
    ] {
        let policy: Policy = policy;
        assert_eq!(policy, Policy::new());
    }
}

#[test]
fn null_is_an_empty_list_or_map() {
    for name in ["recognize", "routes", "subtrees", "exempt"] {
        let json: Policy = serde_json::from_str(&format!("{{\"{name}\": null}}")).unwrap();
        assert_eq!(json, Policy::new(), "{name}");
        for null in ["null", "~", ""] {
            let yaml: Policy = serde_saphyr::from_str(&format!("{name}: {null}\n")).unwrap();
            assert_eq!(yaml, Policy::new(), "{name}: {null}");
        }
    }
}

/// An absent fallback, restriction, or rule would allow more.
#[test]
fn null_is_an_error_where_absent_would_allow_more() {
    let expected =
        "expected a list of method names (`[]` for none) or one string with commas between them";
    for [json, yaml] in [
        ["{\"fallback\": null▶}", "fallback: "],
        ["{\"fallback\": null▶}", "fallback: ~"],
        ["{\"recognize_only\": null▶}", "recognize_only: null"],
        ["{\"routes\": {\"/a\": null▶}}", "routes:\n  /a:\n  /b: []"],
        ["{\"subtrees\": {\"/a\": null▶}}", "subtrees:\n  /a: null"],
    ] {
        assert_json(json, &format!("invalid type: null, {expected}"));
        let error = serde_saphyr::from_str::<Policy>(yaml)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    // A list with null in it is not a list of names or paths.
    for json in [
        "{\"fallback\": [null]}",
        "{\"recognize\": [\"GET\", null]}",
        "{\"exempt\": [null]}",
        "null",
    ] {
        assert!(serde_json::from_str::<Policy>(json).is_err(), "{json}");
    }
}

#[test]
fn an_empty_list_is_not_an_absent_one() {
    for empty in [r#""""#, "[]", r#"", ,""#] {
        let policy: Policy = serde_json::from_str(&format!(r#"{{"fallback": {empty}}}"#)).unwrap();
        assert_eq!(policy, Policy::new().fallback([]));
    }
    let policy: Policy = toml::from_str("recognize_only = ''").unwrap();
    assert_eq!(policy, Policy::new().recognize_only([]));
}

/// White space and empty elements are ignored, as in RFC 9110 §5.6.1.
#[test]
fn a_string_is_read_as_an_allow_field_is() {
    for list in ["PURGE, GET", " ,PURGE,\tGET ,, PURGE", "GET,PURGE"] {
        let methods: MethodSet = serde_json::from_value(json!(list)).unwrap();
        assert_eq!(methods, set("GET PURGE"), "{list:?}");
        assert_eq!(methods, list.parse().unwrap());
    }
}

#[test]
fn own_names_are_accepted() {
    let names = "PURGE M-SEARCH RPC_IN_DATA VERSION-CONTROL BAN2 purge Purge m-get ANYTHING ALLOW";
    let names: Vec<_> = names.split(' ').collect();
    let methods: MethodSet = serde_json::from_value(json!(names)).unwrap();
    assert_eq!(methods, set(&names.join(" ")));
    let methods: MethodSet = serde_json::from_value(json!(names.join(","))).unwrap();
    assert_eq!(methods, set(&names.join(" ")));
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

// Errors. Each document has a `▶` where the error is expected: for TOML and YAML at the start of the
// mistake, for JSON after the text that serde_json has read.

/// Returns `document` without its mark, the mark's line, and the number of bytes before it in that line.
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
fn a_registered_name_in_another_case_is_an_error() {
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
            "fallback = ▶' Post'",
            "{\"fallback\": \" Post\"▶}",
            "fallback: ▶' Post'",
        ],
    );
    assert_everywhere(
        r#""put" is not "PUT": methods are case-sensitive"#,
        [
            "[subtrees]\n'/a' = ▶'POST, put'",
            "{\"subtrees\": {\"/a\": \"POST, put\"▶}}",
            "subtrees:\n  /a: ▶POST, put",
        ],
    );
    assert_everywhere(
        r#""version-control" is not "VERSION-CONTROL": methods are case-sensitive"#,
        [
            "[routes]\n'/' = [▶'version-control']",
            "{\"routes\": {\"/\": [\"version-control\"▶]}}",
            "routes:\n  /: [▶version-control]",
        ],
    );
}

#[test]
fn a_name_that_stands_for_other_methods_is_an_error() {
    for name in ["ANY", "any", "All", "ALL", "*"] {
        assert_everywhere(
            &format!("{name:?} stands for no method: list each method by its name"),
            [
                &format!("fallback = ▶'{name}'"),
                &format!("{{\"fallback\": \"{name}\"▶}}"),
                &format!("fallback: ▶'{name}'"),
            ],
        );
    }
    for name in ["NONE", "none", "None"] {
        assert_everywhere(
            &format!("{name:?} stands for no method: write an empty list"),
            [
                &format!("[routes]\n'/a' = [▶'{name}']"),
                &format!("{{\"routes\": {{\"/a\": [\"{name}\"▶]}}}}"),
                &format!("routes:\n  /a: [▶{name}]"),
            ],
        );
    }
    for name in ["PRI", "pri"] {
        assert_everywhere(
            &format!("{name:?} is reserved and not a method (RFC 9113 §3.4)"),
            [
                &format!("recognize = [▶'{name}']"),
                &format!("{{\"recognize\": [\"{name}\"▶]}}"),
                &format!("recognize: [▶{name}]"),
            ],
        );
    }
}

#[test]
fn a_text_that_is_not_a_name_is_an_error() {
    for (text, culprit) in [
        ("GET|POST", '|'),
        ("GET POST", ' '),
        ("GET;POST", ';'),
        ("GET/POST", '/'),
        ("GET+POST", '+'),
        ("!DELETE", '!'),
        ("^DELETE", '^'),
        ("-DELETE*", '*'),
        ("P*", '*'),
        ("**", '*'),
        ("(GET)", '('),
        ("[GET]", '['),
        ("{GET}", '{'),
        ("GET.", '.'),
        ("GÉT", 'É'),
        ("`POST`", '`'),
        ("<GET>", '<'),
        ("$METHOD", '$'),
        ("GET:POST", ':'),
        ("~GET", '~'),
    ] {
        let problem = format!(
            "{text:?} is not a method name: {culprit:?} cannot be part of one. List each method by \
             its name, as in \"GET, POST\""
        );
        assert_everywhere(
            &problem,
            [
                &format!("fallback = ▶'{text}'"),
                &format!("{{\"fallback\": \"{text}\"▶}}"),
                &format!("fallback: ▶'{text}'"),
            ],
        );
        assert_everywhere(
            &problem,
            [
                &format!("[routes]\n'/a' = ['PUT', ▶'{text}']"),
                &format!("{{\"routes\": {{\"/a\": [\"PUT\", \"{text}\"▶]}}}}"),
                &format!("routes:\n  /a: [PUT, ▶'{text}']"),
            ],
        );
    }
    // Quotation marks in the text, and a list within a list of names.
    for text in ["'POST'", "\"POST\"", "GET, 'POST'", "[GET, POST]"] {
        let error = serde_json::from_value::<MethodSet>(json!(text)).unwrap_err();
        assert!(
            error.to_string().contains("is not a method name: "),
            "{error}"
        );
    }
    let error = serde_json::from_value::<MethodSet>(json!(["GET, POST"])).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(r#""GET, POST" is not a method name: ',' "#),
        "{error}"
    );
    assert_everywhere(
        r#""" is not a method name"#,
        [
            "fallback = [▶'']",
            "{\"fallback\": [\"\"▶]}",
            "fallback: [▶'']",
        ],
    );
}

#[test]
fn an_invalid_pattern_is_an_error_at_its_place() {
    assert_everywhere(
        r#"route "/users/{name}" conflicts with the earlier route "/users/{id}""#,
        [
            "[routes]\n'/users/{id}' = 'PUT'\n▶'/users/{name}' = 'PUT'",
            "{\"routes\": {\n  \"/users/{id}\": [],\n  \"/users/{name}\"▶: []}}",
            "routes:\n  /users/{id}: []\n  ▶/users/{name}: []",
        ],
    );
    assert_everywhere(
        r#"route "users" does not begin with `/`"#,
        [
            "[routes]\n▶users = []",
            "{\"routes\": {\"users\"▶: []}}",
            "routes:\n  ▶users: []",
        ],
    );
    assert_everywhere(
        r#"subtree "/dav/" includes the path with a trailing slash already: write it without"#,
        [
            "[subtrees]\n▶'/dav/' = []",
            "{\"subtrees\": {\"/dav/\"▶: []}}",
            "subtrees:\n  ▶/dav/: []",
        ],
    );
    assert_everywhere(
        r#"exempt path "/a" conflicts with the earlier exempt path "/a""#,
        [
            "exempt = ['/a', ▶'/a']",
            "{\"exempt\": [\"/a\", \"/a\"▶]}",
            "exempt:\n  - /a\n  - ▶/a",
        ],
    );
    for pattern in [
        "/admin/{proxy+}",
        "/users/{id:[0-9]+}",
        "/go/{path...}",
        "/flask/<id>",
        "/q?b=c",
        "/a*",
        "/:id",
        "/a b",
        "/{id}.json",
    ] {
        let error = Policy::new().route(pattern, []).unwrap_err().to_string();
        assert_everywhere(
            &error,
            [
                &format!("fallback = ['DELETE']\n[routes]\n▶'{pattern}' = []"),
                &format!("{{\"routes\": {{\"{pattern}\"▶: []}}}}"),
                &format!("routes:\n  ▶'{pattern}': []"),
            ],
        );
        let error = Policy::new().exempt(pattern).unwrap_err().to_string();
        assert_everywhere(
            &error,
            [
                &format!("exempt = [▶'{pattern}']"),
                &format!("{{\"exempt\": [\"{pattern}\"▶]}}"),
                &format!("exempt: [▶'{pattern}']"),
            ],
        );
    }
}

/// Of the three, only serde_json leaves duplicates to the types that it reads.
#[test]
fn a_duplicate_is_an_error() {
    for (problem, document) in [
        (
            "`fallback` is given twice",
            "{\"fallback\": [],\n\"fallback\"▶: []}",
        ),
        (
            "`recognize` is given twice",
            "{\"recognize\": [], \"recognize\"▶: \"PUT\"}",
        ),
        (
            "`routes` is given twice",
            "{\"routes\": {}, \"fallback\": [], \"routes\"▶: {}}",
        ),
        (
            "route \"/a\" conflicts with the earlier route \"/a\"",
            "{\"routes\": {\"/a\": [], \"/b\": [], \"/a\"▶: []}}",
        ),
        (
            "subtree \"/a\" conflicts with the earlier route \"/a/\"",
            "{\"routes\": {\"/a/\": []}, \"subtrees\": {\"/a\"▶: []}}",
        ),
    ] {
        assert_json(document, problem);
    }
    assert_toml("fallback = []\n▶fallback = []", "duplicate key");
    assert_toml("[routes]\n'/a' = []\n▶'/a' = []", "duplicate key");
    for (document, key) in [
        ("fallback: []\n▶fallback: []", "fallback"),
        ("routes:\n  /a: []\n  ▶/a: []", "/a"),
    ] {
        let problem = format!(
            "duplicate mapping key: {key}, set DuplicateKeyPolicy in Options if acceptable"
        );
        assert_yaml(document, &problem);
    }
}

#[test]
fn an_unknown_setting_is_an_error_that_names_the_known_ones() {
    // The second is a name of an earlier version, the others are common mistakes.
    for name in [
        "fallbacks",
        "allow",
        "Fallback",
        "recognize-only",
        "route",
        "default_rule",
    ] {
        assert_everywhere(
            &format!(
                "{name:?} is not a setting here: use one of `recognize`, `recognize_only`, \
                 `fallback`, `routes`, `subtrees`, `exempt`"
            ),
            [
                &format!("\n▶{name} = []"),
                &format!("{{\n  \"{name}\"▶: []\n}}"),
                &format!("exempt: []\n▶{name}: []"),
            ],
        );
    }
}

const METHODS_EXPECTED: &str =
    "expected a list of method names (`[]` for none) or one string with commas between them";

/// For YAML, serde-saphyr gives the place of the key if the value is not a string, list, or map.
#[test]
fn a_wrong_type_is_an_error_that_names_the_right_one() {
    assert_everywhere(
        &format!("invalid type: integer `1`, {METHODS_EXPECTED}"),
        [
            "[routes]\n'/a' = ▶1",
            "{\"routes\": {\"/a\": 1▶}}",
            "routes:\n  ▶/a: 1",
        ],
    );
    assert_everywhere(
        &format!("invalid type: boolean `true`, {METHODS_EXPECTED}"),
        [
            "recognize = ▶true",
            "{\"recognize\": true▶}",
            "▶recognize: true",
        ],
    );
    let problem = format!("invalid type: map, {METHODS_EXPECTED}");
    assert_toml("recognize = ▶{ methods = [] }", &problem);
    assert_json("{\"recognize\": {▶\"methods\": []}}", &problem);
    assert_toml("[routes]\n'/a' = ▶{ methods = 'PUT' }", &problem);
    // A date in TOML is a map to its readers.
    assert_toml("[routes]\n'/a' = ▶1979-05-27", &problem);
    assert_toml("fallback = ▶1979-05-27T07:32:00Z", &problem);
    assert_toml("recognize = ▶07:32:00", &problem);
    let routes = "expected a map of path patterns and their methods";
    let exempt = "expected a list of path patterns";
    for (problem, toml, json) in [
        (
            "invalid type: integer `1`, expected a method name".to_owned(),
            "fallback = [▶1]",
            "{\"fallback\": [1▶]}",
        ),
        (
            "invalid type: integer `2`, expected a path pattern".to_owned(),
            "exempt = ['/a', ▶2]",
            "{\"exempt\": [\"/a\", 2▶]}",
        ),
        (
            format!("invalid type: string \"/ws\", {exempt}"),
            "exempt = ▶'/ws'",
            "{\"exempt\": \"/ws\"▶}",
        ),
        (
            format!("invalid type: string \"/a\", {routes}"),
            "routes = ▶'/a'",
            "{\"routes\": \"/a\"▶}",
        ),
        (
            format!("invalid type: boolean `false`, {routes}"),
            "subtrees = ▶false",
            "{\"subtrees\": false▶}",
        ),
    ] {
        assert_toml(toml, &problem);
        assert_json(json, &problem);
    }
    for (document, expected) in [
        ("routes = []", routes),
        ("subtrees = ['/a']", routes),
        ("exempt = { '/a' = [] }", exempt),
        ("exempt = 1979-05-27", exempt),
        ("fallback = { }", METHODS_EXPECTED),
    ] {
        let error = toml::from_str::<Policy>(document).unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
    let error = toml::from_str::<Policy>("routes = 1979-05-27").unwrap_err();
    assert!(error.message().contains(routes), "{error}");
    for json in ["[]", "1", "\"GET\"", "true"] {
        let error = serde_json::from_str::<Policy>(json)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("expected a map with the settings of a policy"),
            "{error}"
        );
    }
}

/// In every place: values, keys, patterns, unknown settings, and wrong types.
#[test]
fn errors_for_huge_data_are_short() {
    let parts = [
        "G ",
        "é",
        "\u{1}",
        "\u{10ffff}",
        "/",
        "{",
        "GET,",
        "{a}/",
        "\"",
        "\\",
    ];
    let strings = parts.map(|part| part.repeat(8_000 / part.len()));
    for huge in strings
        .into_iter()
        .chain(["a", "\u{1}", "{"].map(|part| part.repeat(1_000_000)))
    {
        let part = huge.chars().next();
        let slash = format!("/{huge}");
        for data in [
            json!(huge),
            json!({ &huge: [] }),
            json!({ "recognize": format!("{huge}|") }),
            json!({ "recognize_only": [format!("{huge}|")] }),
            json!({ "fallback": format!("PUT, {huge}|") }),
            json!({ "routes": huge }),
            json!({ "routes": { &huge: [], format!("{huge}?"): [] } }),
            json!({ "routes": { &slash: [], format!("{slash}?"): [] } }),
            json!({ "routes": { "/a": format!("{huge}|") } }),
            json!({ "routes": { "/a": { &huge: [] } } }),
            json!({ "subtrees": { format!("/:{huge}"): [] } }),
            json!({ "exempt": huge }),
            json!({ "exempt": [format!("{slash}?")] }),
            json!({ "exempt": { &huge: 1 } }),
        ] {
            let error = serde_json::from_value::<Policy>(data.clone())
                .unwrap_err()
                .to_string();
            assert!(
                error.len() < 1_000,
                "{part:?} {} {}",
                error.len(),
                &error[..200]
            );
            let error = serde_json::from_str::<Policy>(&data.to_string())
                .unwrap_err()
                .to_string();
            assert!(error.len() < 1_000, "{part:?} {}", error.len());
        }
    }
    let error = serde_json::from_value::<RetryAfter>(json!("1".repeat(1_000_000))).unwrap_err();
    assert!(error.to_string().len() < 1_000);
}

#[test]
fn other_values_of_retry_after_are_errors() {
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
            format!("invalid type: string \"soon\", {expected}"),
        ),
        (r#""""#, format!("invalid type: string \"\", {expected}")),
        (
            r#""Sun, 31 Feb 2027 08:49:37 GMT""#,
            format!("invalid type: string \"Sun, 31 Feb 2027 08:49:37 GMT\", {expected}"),
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

// Properties of all data.

/// Whether data may not contain this name, although a set may.
fn is_mistake(method: &Method) -> bool {
    let name = method.as_str();
    let upper = name.to_ascii_uppercase();
    let is_registered = registered_names().contains(&upper);
    ["*", "ANY", "ALL", "NONE", "PRI"].contains(&&*upper)
        || (is_registered && upper != name)
        || name.contains(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c))
}

/// Names that data may not contain.
fn mistakes() -> impl Strategy<Value = Method> {
    let lower_case = registered_names()
        .into_iter()
        .map(|name| name.to_lowercase());
    let others = [
        "PRI", "Get", "pROPFIND", "any", "All", "NONE", "GET|POST", "!PUT", "P*", "'POST'",
    ];
    let others = others.map(str::to_owned);
    select(lower_case.chain(others).collect::<Vec<_>>()).prop_map(|name| method(&name))
}

/// `methods` without the names that data may not contain.
fn acceptable(methods: &MethodSet) -> MethodSet {
    let methods = methods.iter().filter(|method| !is_mistake(method));
    methods.collect()
}

/// A setting that data can express.
fn acceptable_setting(setting: Setting) -> Setting {
    match setting {
        Setting::Recognize(methods) => Setting::Recognize(acceptable(&methods)),
        Setting::RecognizeOnly(methods) => Setting::RecognizeOnly(acceptable(&methods)),
        Setting::Fallback(methods) => Setting::Fallback(acceptable(&methods)),
        Setting::Route(pattern, methods) => Setting::Route(pattern, acceptable(&methods)),
        Setting::Subtree(prefix, methods) => Setting::Subtree(prefix, acceptable(&methods)),
        Setting::Exempt(pattern) => Setting::Exempt(pattern),
    }
}

/// The policy of [`policy_of`] as data. `forms` chooses between a list and a string for each set.
fn written(settings: &[Setting], forms: &[bool]) -> Value {
    let mut data = json!({});
    let mut recognized = MethodSet::new();
    for (setting, is_list) in settings.iter().zip(forms.iter().cycle()) {
        let write = |methods: &MethodSet| match is_list {
            true => json!(methods),
            false => json!(methods.to_string()),
        };
        match setting {
            Setting::Recognize(methods) => {
                recognized |= methods;
                data["recognize"] = write(&recognized);
            }
            Setting::RecognizeOnly(methods) => data["recognize_only"] = write(methods),
            Setting::Fallback(methods) => data["fallback"] = write(methods),
            Setting::Route(pattern, methods) => data["routes"][pattern] = write(methods),
            Setting::Subtree(prefix, methods) => data["subtrees"][prefix] = write(methods),
            Setting::Exempt(pattern) => match &mut data["exempt"] {
                Value::Array(exempt) => exempt.push(json!(pattern)),
                absent => *absent = json!([pattern]),
            },
        }
    }
    data
}

proptest! {
    #[test]
    fn sets_are_read_back(methods in vec(any_method(), 0..12)) {
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
    fn a_set_with_a_mistake_is_an_error(mistake in mistakes(), others in vec(any_method(), 0..4)) {
        prop_assert!(is_mistake(&mistake));
        let methods: MethodSet = others.into_iter().chain([mistake]).collect();
        let [list, string] = [json!(methods), json!(methods.to_string())];
        prop_assert!(serde_json::from_value::<MethodSet>(list).is_err());
        prop_assert!(serde_json::from_value::<MethodSet>(string).is_err());
    }

    #[test]
    fn policies_are_read_in_every_format(
        settings in settings(),
        forms in vec(any::<bool>(), 8),
    ) {
        let settings: Vec<_> = settings.into_iter().map(acceptable_setting).collect();
        let data = written(&settings, &forms);
        let expected = policy_of(&settings);

        let json: Policy = serde_json::from_str(&data.to_string()).unwrap();
        prop_assert_eq!(&json, &expected);
        let toml: Policy = toml::from_str(&toml::to_string(&data).unwrap()).unwrap();
        prop_assert_eq!(&toml, &expected);
        let yaml: Policy = serde_saphyr::from_str(&serde_saphyr::to_string(&data).unwrap()).unwrap();
        prop_assert_eq!(&yaml, &expected);
    }

    /// Data that consists of parts of policies is a policy or an error. Nothing panics.
    #[test]
    fn any_data_is_a_policy_or_an_error(data in any_data()) {
        let text = data.to_string();
        let read = serde_json::from_str::<Policy>(&text);
        if let Ok(policy) = &read {
            for (path, _) in PATHS {
                let decision = policy.decide(&Method::GET, path);
                prop_assert_eq!(decision, Decision::Forward);
            }
        }
        let _ = serde_json::from_str::<RetryAfter>(&text);
        // The two parsers agree, except about values that TOML does not have.
        if let Ok(text) = toml::to_string(&data) {
            prop_assert_eq!(toml::from_str::<Policy>(&text).is_ok(), read.is_ok(), "{}", text);
        }
    }
}

/// Values of every kind, roughly in the shape of a policy.
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
            "NONE",
            "/{a}.b",
            "recognize",
            "recognize_only",
            "fallback",
            "routes",
            "subtrees",
            "exempt",
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
