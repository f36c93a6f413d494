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
use tower_method_policy::{MethodSet, Policy, RetryAfter};

use crate::support::strategies::{
    Setting, any_method, method, policy_of, registered_names, set, settings,
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
        rules.join(", "),
        "subtree /dav, route /closed, route /users/{id}, route /login"
    );
    let exempt: Vec<_> = policy.exempt_paths().collect();
    assert_eq!(exempt, ["/ws", "/assets/{*path}"]);
}

#[test]
fn every_key_is_optional() {
    let nulls = "recognize routes subtrees exempt".split(' ');
    let yaml = nulls.clone().flat_map(|name| {
        [
            format!("{name}: null"),
            format!("{name}: ~"),
            format!("{name}:"),
        ]
    });
    for yaml in yaml.chain(["{}".to_owned()]) {
        assert_eq!(
            serde_saphyr::from_str::<Policy>(&yaml).unwrap(),
            Policy::new(),
            "{yaml}"
        );
    }
    for json in nulls.map(|name| json!({ name: null })).chain([json!({})]) {
        assert_eq!(
            serde_json::from_value::<Policy>(json).unwrap(),
            Policy::new()
        );
    }
    for toml in [
        "",
        "routes = {}",
        "subtrees = {}",
        "exempt = []",
        "recognize = []",
    ] {
        assert_eq!(
            toml::from_str::<Policy>(toml).unwrap(),
            Policy::new(),
            "{toml}"
        );
    }
}

/// An absent fallback, restriction, or rule would allow more.
#[test]
fn null_is_an_error_where_absent_would_allow_more() {
    for [json, yaml] in [
        ["{\"fallback\": null▶}", "fallback: "],
        ["{\"fallback\": null▶}", "fallback: ~"],
        ["{\"recognize_only\": null▶}", "recognize_only: null"],
        ["{\"routes\": {\"/a\": null▶}}", "routes:\n  /a:\n  /b: []"],
        ["{\"subtrees\": {\"/a\": null▶}}", "subtrees:\n  /a: null"],
    ] {
        assert_json(json, &format!("invalid type: null, {METHODS_EXPECTED}"));
        let error = serde_saphyr::from_str::<Policy>(yaml)
            .unwrap_err()
            .to_string();
        assert!(error.contains(METHODS_EXPECTED), "{error}");
    }
    // A list with null in it is not a list of names or paths.
    let recognize = json!({ "recognize": ["GET", null] });
    for json in [
        json!({ "fallback": [null] }),
        recognize,
        json!({ "exempt": [null] }),
        json!(null),
    ] {
        assert!(
            serde_json::from_value::<Policy>(json.clone()).is_err(),
            "{json}"
        );
    }
}

#[test]
fn an_empty_list_is_not_an_absent_one() {
    for empty in [json!(""), json!([]), json!(", ,")] {
        let policy: Policy = serde_json::from_value(json!({ "fallback": empty })).unwrap();
        assert_eq!(policy, Policy::new().fallback([]));
        let policy: Policy = serde_json::from_value(json!({ "recognize_only": empty })).unwrap();
        assert_eq!(policy, Policy::new().recognize_only([]));
    }
}

/// White space and empty elements are ignored, as in RFC 9110 §5.6.1.
#[test]
fn a_string_is_read_as_an_allow_field_is() {
    for list in ["PURGE, GET", " ,PURGE,\tGET ,, PURGE", "GET,PURGE"] {
        let methods: MethodSet = serde_json::from_value(json!(list)).unwrap();
        assert_eq!(methods, set("GET PURGE"), "{list:?}");
    }
}

#[test]
fn own_names_are_accepted() {
    let names = "PURGE M-SEARCH RPC_IN_DATA VERSION-CONTROL BAN2 purge Purge m-get ANYTHING ALLOW";
    let list: Vec<_> = names.split(' ').collect();
    for data in [json!(list), json!(list.join(","))] {
        assert_eq!(
            serde_json::from_value::<MethodSet>(data).unwrap(),
            set(names)
        );
    }
}

#[test]
fn a_set_is_written_in_canonical_order() {
    let written = serde_json::to_string(&set("foo ACL PUT GET BAR"));
    assert_eq!(written.unwrap(), r#"["GET","PUT","ACL","BAR","foo"]"#);
}

/// Reads `data`, which is JSON, from every format.
fn retry_after(data: &str) -> RetryAfter {
    let from_json = serde_json::from_str(data).unwrap();
    let from_toml: RetryTable = toml::from_str(&format!("retry = {data}")).unwrap();
    assert_eq!(from_toml["retry"], from_json);
    assert_eq!(
        serde_saphyr::from_str::<RetryAfter>(data).unwrap(),
        from_json
    );
    from_json
}

type RetryTable = BTreeMap<String, RetryAfter>;

#[test]
fn retry_after_is_seconds_or_a_date() {
    let after = |seconds| RetryAfter::after(Duration::from_secs(seconds));
    for seconds in [0, 3600, i64::MAX as u64] {
        assert_eq!(retry_after(&seconds.to_string()), after(seconds));
    }
    // More than TOML has.
    assert_eq!(
        serde_json::from_value::<RetryAfter>(json!(u64::MAX)).unwrap(),
        after(u64::MAX)
    );
    for (date, seconds) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
    ] {
        let expected = RetryAfter::at(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(retry_after(&format!("{date:?}")), expected);
    }
}

// Errors. Each document has a `▶` where the error is expected: for TOML and YAML at the start of the
// mistake, for JSON after the text that serde_json has read.

/// Returns `document` without its mark, the mark's line, and the number of bytes before it in that line.
fn marked(document: &str) -> (String, usize, usize) {
    let (before, after) = document.split_once('▶').expect(document);
    let line = before.split('\n').count();
    let start = before.rsplit('\n').next().unwrap_or_default().len();
    (format!("{before}{after}"), line, start)
}

fn assert_toml(document: &str, problem: &str) {
    let (document, line, column) = marked(document);
    let shown = toml::from_str::<Policy>(&document).unwrap_err().to_string();
    let place = format!("TOML parse error at line {line}, column {}\n", column + 1);
    assert!(shown.starts_with(&place), "{shown}");
    assert_eq!(shown.lines().last(), Some(problem), "{shown}");
}

fn assert_json(document: &str, problem: &str) {
    let (document, line, column) = marked(document);
    let shown = serde_json::from_str::<Policy>(&document)
        .unwrap_err()
        .to_string();
    assert_eq!(
        shown,
        format!("{problem} at line {line} column {column}"),
        "{document}"
    );
}

fn assert_yaml(document: &str, problem: &str) {
    let (document, line, column) = marked(document);
    let shown = serde_saphyr::from_str::<Policy>(&document)
        .unwrap_err()
        .to_string();
    let expected = format!("error: line {line} column {}: {problem}", column + 1);
    assert_eq!(shown.lines().next(), Some(&*expected), "{shown}");
}

/// Asserts the error for the method or methods `text` in every format: at every place for methods, as the
/// only one, and in a list after another.
fn assert_bad_methods(text: &str, problem: &str) {
    for place in [
        "recognize",
        "recognize_only",
        "fallback",
        "routes",
        "subtrees",
    ] {
        let documents = match place {
            "routes" | "subtrees" => [
                format!("[{place}]\n'/a' = VALUE"),
                format!("{{\"{place}\":\n{{\"/a\": VALUE}}}}"),
                format!("{place}:\n  /a: VALUE"),
            ],
            _ => [
                format!("exempt = []\n{place} = VALUE"),
                format!("{{\"exempt\": [],\n\"{place}\": VALUE}}"),
                format!("exempt: []\n{place}: VALUE"),
            ],
        };
        let [toml, json, yaml] = &documents;
        // Only a string can have several names.
        if !text.is_empty() {
            assert_toml(&toml.replace("VALUE", &format!("▶'{text}'")), problem);
            assert_json(&json.replace("VALUE", &format!("\"{text}\"▶")), problem);
            assert_yaml(&yaml.replace("VALUE", &format!("▶'{text}'")), problem);
        }
        if !text.contains([',', ' ']) {
            assert_toml(
                &toml.replace("VALUE", &format!("['PUT', ▶'{text}']")),
                problem,
            );
            assert_json(
                &json.replace("VALUE", &format!("[\"PUT\", \"{text}\"▶]")),
                problem,
            );
            assert_yaml(
                &yaml.replace("VALUE", &format!("[PUT, ▶'{text}']")),
                problem,
            );
        }
    }
}

#[test]
fn a_registered_name_in_another_case_is_an_error() {
    for (text, name) in [
        ("get", "get"),
        ("Post", "Post"),
        ("POST, put", "put"),
        ("version-control", "version-control"),
    ] {
        let upper = name.to_uppercase();
        let problem = format!("{name:?} is not {upper:?}: methods are case-sensitive");
        assert_bad_methods(text, &problem);
    }
}

#[test]
fn a_name_that_stands_for_other_methods_is_an_error() {
    for (names, problem) in [
        (
            "ANY any All ALL *",
            "stands for no method: list each method by its name",
        ),
        (
            "NONE none None",
            "stands for no method: write an empty list",
        ),
        ("PRI pri", "is reserved and not a method (RFC 9113 §3.4)"),
    ] {
        for name in names.split(' ') {
            assert_bad_methods(name, &format!("{name:?} {problem}"));
        }
    }
}

#[test]
fn a_text_that_is_not_a_name_is_an_error() {
    let problem = |text: &str, culprit: char| {
        format!(
            "{text:?} is not a method name: {culprit:?} cannot be part of one. List each method by \
             its name, as in \"GET, POST\""
        )
    };
    for (culprit, texts) in [
        ('|', "GET|POST"),
        (';', "GET;POST"),
        ('/', "GET/POST"),
        ('+', "GET+POST"),
        ('!', "!DELETE"),
        ('^', "^DELETE"),
        ('*', "-DELETE* P* **"),
        ('(', "(GET)"),
        ('[', "[GET]"),
        ('{', "{GET}"),
        ('.', "GET."),
        ('É', "GÉT"),
        ('`', "`POST`"),
        ('<', "<GET>"),
        ('$', "$METHOD"),
        (':', "GET:POST"),
        ('~', "~GET"),
    ] {
        for text in texts.split(' ') {
            assert_bad_methods(text, &problem(text, culprit));
        }
    }
    assert_bad_methods("GET POST", &problem("GET POST", ' '));
    assert_bad_methods("", "\"\" is not a method name");
    // Quotation marks in the text, and a list within a string or within a list of names.
    for (data, text, culprit) in [
        (json!("'POST'"), "'POST'", '\''),
        (json!("\"POST\""), "\"POST\"", '"'),
        (json!("GET, 'POST'"), "'POST'", '\''),
        (json!("[GET, POST]"), "[GET", '['),
        (json!(["GET, POST"]), "GET, POST", ','),
    ] {
        let error = serde_json::from_value::<MethodSet>(data).unwrap_err();
        assert_eq!(error.to_string(), problem(text, culprit));
    }
}

/// The texts themselves are tested in `patterns.rs`.
#[test]
fn an_invalid_pattern_is_an_error_at_its_place() {
    let existing = "/users/{id}";
    let patterns = "users /users/{name} /admin/{proxy+} /users/{id:[0-9]+} /go/{path...} /flask/<id> \
                    /q?b=c /a* /:id /{id}.json";
    for pattern in patterns.split(' ').chain(["/a b", "/users/{id}/", "/"]) {
        let policy = || Policy::new();
        let route = policy()
            .route(existing, [])
            .unwrap()
            .route(pattern, [])
            .err();
        let subtree = policy()
            .subtree(existing, [])
            .unwrap()
            .subtree(pattern, [])
            .err();
        for (place, problem) in [("routes", route), ("subtrees", subtree)] {
            let Some(problem) = problem.map(|error| error.to_string()) else {
                assert!(pattern.ends_with('/') && place == "routes", "{pattern}");
                continue;
            };
            assert_toml(
                &format!("[{place}]\n'{existing}' = []\n▶'{pattern}' = 'PUT'"),
                &problem,
            );
            let json = format!("{{\"{place}\": {{\n\"{existing}\": [], \"{pattern}\"▶: []}}}}");
            assert_json(&json, &problem);
            assert_yaml(
                &format!("{place}:\n  {existing}: []\n  ▶'{pattern}': []"),
                &problem,
            );
        }
        if let Err(problem) = policy().exempt(existing).unwrap().exempt(pattern) {
            let problem = problem.to_string();
            assert_toml(&format!("exempt = ['{existing}', ▶'{pattern}']"), &problem);
            assert_json(
                &format!("{{\"exempt\": [\"{existing}\",\n\"{pattern}\"▶]}}"),
                &problem,
            );
            assert_yaml(
                &format!("exempt:\n  - '{existing}'\n  - ▶'{pattern}'"),
                &problem,
            );
        }
    }
}

/// Of the three, only serde_json leaves duplicates to the types that it reads.
#[test]
fn a_duplicate_is_an_error() {
    for (problem, document) in [
        (
            "`fallback` is given twice",
            "{'fallback': [],\n'fallback'▶: []}",
        ),
        (
            "`recognize` is given twice",
            "{'recognize': [], 'recognize'▶: 'PUT'}",
        ),
        (
            "`routes` is given twice",
            "{'routes': {}, 'fallback': [], 'routes'▶: {}}",
        ),
        (
            "route \"/a\" conflicts with the earlier route \"/a\"",
            "{'routes': {'/a': [], '/b': [], '/a'▶: []}}",
        ),
        (
            "subtree \"/a\" conflicts with the earlier route \"/a/\"",
            "{'routes': {'/a/': []}, 'subtrees': {'/a'▶: []}}",
        ),
    ] {
        assert_json(&document.replace('\'', "\""), problem);
    }
    assert_toml("fallback = []\n▶fallback = []", "duplicate key");
    assert_toml("[routes]\n'/a' = []\n▶'/a' = []", "duplicate key");
    for (document, key) in [
        ("fallback: []\n▶fallback: []", "fallback"),
        ("routes:\n  /a: []\n  ▶/a: []", "/a"),
    ] {
        let advice = "set DuplicateKeyPolicy in Options if acceptable";
        assert_yaml(document, &format!("duplicate mapping key: {key}, {advice}"));
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
        let problem = format!(
            "{name:?} is not a setting here: use one of `recognize`, `recognize_only`, \
             `fallback`, `routes`, `subtrees`, `exempt`"
        );
        assert_toml(&format!("\n▶{name} = []"), &problem);
        assert_json(&format!("{{\n  \"{name}\"▶: []\n}}"), &problem);
        assert_yaml(&format!("exempt: []\n▶{name}: []"), &problem);
    }
}

const METHODS_EXPECTED: &str =
    "expected a list of method names (`[]` for none) or one string with commas between them";

/// The problem, and a document in TOML and in JSON.
const WRONG_TYPES: &str = r#"
    integer `1`, METHODS    | [routes]\n'/a' = ▶1            | {'routes': {'/a': 1▶}}
    boolean `true`, METHODS | recognize = ▶true              | {'recognize': true▶}
    map, METHODS            | recognize = ▶{ methods = [] }  | {'recognize': {▶'methods': []}}
    map, METHODS            | [subtrees]\n'/a' = ▶{ methods = 'PUT' } | {'subtrees': {'/a': {▶'methods': 'PUT'}}}
    integer `1`, expected a method name  | fallback = [▶1]        | {'fallback': [1▶]}
    integer `2`, expected a path pattern | exempt = ['/a', ▶2]    | {'exempt': ['/a', 2▶]}
    string "/ws", PATTERNS   | exempt = ▶'/ws'    | {'exempt': '/ws'▶}
    string "/a", ROUTES      | routes = ▶'/a'     | {'routes': '/a'▶}
    boolean `false`, ROUTES  | subtrees = ▶false  | {'subtrees': false▶}"#;

#[test]
fn a_wrong_type_is_an_error_that_names_the_right_one() {
    let routes = "expected a map of path patterns and their methods";
    let exempt = "expected a list of path patterns";
    for line in WRONG_TYPES.trim().lines() {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let problem = columns[0].replace("METHODS", METHODS_EXPECTED);
        let problem = problem
            .replace("ROUTES", routes)
            .replace("PATTERNS", exempt);
        let problem = format!("invalid type: {problem}");
        assert_toml(&columns[1].replace(r"\n", "\n"), &problem);
        assert_json(&columns[2].replace('\'', "\""), &problem);
    }
    // serde-saphyr gives the place of the key if the value is not a string, list, or map.
    let problem = |found: &str| format!("invalid type: {found}, {METHODS_EXPECTED}");
    assert_yaml("routes:\n  ▶/a: 1", &problem("integer `1`"));
    assert_yaml("▶recognize: true", &problem("boolean `true`"));
    // A date in TOML is a map to its readers.
    for document in [
        "[routes]\n'/a' = ▶1979-05-27",
        "fallback = ▶1979-05-27T07:32:00Z",
        "recognize = ▶07:32:00",
    ] {
        assert_toml(document, &problem("map"));
    }
    for (document, expected) in [
        ("routes = []", routes),
        ("routes = 1979-05-27", routes),
        ("subtrees = ['/a']", routes),
        ("exempt = { '/a' = [] }", exempt),
        ("exempt = 1979-05-27", exempt),
        ("fallback = { }", METHODS_EXPECTED),
    ] {
        let error = toml::from_str::<Policy>(document).unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
    for json in [json!([]), json!(1), json!("GET"), json!(true)] {
        let error = serde_json::from_value::<Policy>(json)
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
    let parts = "G_ é \u{1} \u{10ffff} / { GET, {a}/ \" \\";
    let parts = parts.split(' ').map(|part| part.replace('_', " "));
    let strings = parts.map(|part| part.repeat(8_000 / part.len()));
    for huge in strings.chain(["a", "\u{1}", "{"].map(|part| part.repeat(1_000_000))) {
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
            json!({ "routes": { "/a": { &huge: [] } } }),
            json!({ "subtrees": { format!("/:{huge}"): [] } }),
            json!({ "exempt": huge }),
            json!({ "exempt": [format!("{slash}?")] }),
            json!({ "exempt": { &huge: 1 } }),
        ] {
            let text = data.to_string();
            let from_value = serde_json::from_value::<Policy>(data).unwrap_err();
            for error in [
                from_value,
                serde_json::from_str::<Policy>(&text).unwrap_err(),
            ] {
                let error = error.to_string();
                assert!(error.len() < 1_000, "{} {}", error.len(), &text[..9]);
            }
        }
    }
    let error = serde_json::from_value::<RetryAfter>(json!("1".repeat(1_000_000))).unwrap_err();
    assert!(error.to_string().len() < 1_000);
}

#[test]
fn other_values_of_retry_after_are_errors() {
    let date = "is not an IMF-fixdate: write \"Sun, 06 Nov 1994 08:49:37 GMT\"";
    let quoted = "is a string: write a number of seconds without quotes";
    // `FOUND` and a kind: what serde calls the value.
    for (value, problem) in [
        ("-1", "FOUND value: integer `-1`"),
        ("1.5", "FOUND type: floating point `1.5`"),
        ("true", "FOUND type: boolean `true`"),
        ("[]", "FOUND type: sequence"),
        (r#""soon""#, "FOUND type: string \"soon\""),
        (r#""""#, "FOUND type: string \"\""),
        (
            r#""Sun, 31 Feb 2027 08:49:37 GMT""#,
            "FOUND type: string \"Sun, 31 Feb 2027 08:49:37 GMT\"",
        ),
        (r#""120""#, quoted),
        // The obsolete formats, a wrong day of the week, white space.
        (r#""Sunday, 06-Nov-94 08:49:37 GMT""#, date),
        (r#""Sun Nov  6 08:49:37 1994""#, date),
        (r#""Mon, 06 Nov 1994 08:49:37 GMT""#, date),
        (r#"" Sun, 06 Nov 1994 08:49:37 GMT""#, date),
    ] {
        let problem = match problem.strip_prefix("FOUND ") {
            Some(found) => format!(
                "invalid {found}, expected a whole number of seconds, or an HTTP date such as \
                 \"Sun, 06 Nov 1994 08:49:37 GMT\""
            ),
            None => format!("{value} {problem}"),
        };
        let error = toml::from_str::<RetryTable>(&format!("retry = {value}")).unwrap_err();
        let place = "TOML parse error at line 1, column 9\n";
        assert!(error.to_string().starts_with(place), "{error}");
        assert_eq!(error.message(), problem);

        let json = format!(r#"{{"retry": {value}}}"#);
        let error = serde_json::from_str::<RetryTable>(&json).unwrap_err();
        let column = json.len() - 1;
        assert_eq!(
            error.to_string(),
            format!("{problem} at line 1 column {column}")
        );

        let error = serde_saphyr::from_str::<RetryTable>(&format!("\nretry: {value}")).unwrap_err();
        let shown = error.to_string();
        let first = shown.lines().next().unwrap();
        assert!(first.starts_with("error: line 2 column "), "{shown}");
        assert!(first.ends_with(&problem), "{shown}");
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
    let others = "PRI Get pROPFIND any All NONE GET|POST !PUT P* 'POST'";
    let others = others.split(' ').map(str::to_owned);
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
}
