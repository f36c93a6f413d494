//! Policies as data: valid data in each format, and the errors for invalid data.

#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, UNIX_EPOCH};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use tower_method_policy::{BodyDrain, MethodSet, Policy, RetryAfter};

use crate::support::strategies::{
    Setting, configured_methods, is_mistake, policy, policy_of, set, settings_with,
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
    "routes": { "/closed": "", "/users/{id}": "PUT, DELETE", "/login": ["POST"] },
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
subtrees: { /dav: [OPTIONS, GET, PUT, PROPFIND] }
recognize_only: GET, HEAD, POST
"#;

/// Parses a document. Returns the policy or the text of the error.
fn read(format: &str, document: &str) -> Result<Policy, String> {
    match format {
        "toml" => toml::from_str(document).map_err(|error| error.to_string()),
        "json" => serde_json::from_str(document).map_err(|error| error.to_string()),
        "yaml" => serde_saphyr::from_str(document).map_err(|error| error.to_string()),
        _ => panic!("{format}"),
    }
}

#[test]
fn a_policy_is_the_same_in_every_format_and_order() {
    let expected = policy(
        "recognize ACL REPORT; recognize_only GET HEAD POST; fallback POST; route /login POST; \
         route /users/{id} PUT DELETE; route /closed; subtree /dav OPTIONS GET PUT PROPFIND; exempt /ws; \
         exempt /assets/{*path}",
    );
    for (format, document) in [("toml", TOML), ("json", JSON), ("yaml", YAML)] {
        assert_eq!(read(format, document).as_ref(), Ok(&expected));
    }
}

#[test]
fn rules_and_exempt_paths_keep_the_order_of_the_data() {
    let policy = read("json", JSON).unwrap();
    let rules: Vec<_> = policy.rules().map(|rule| rule.to_string()).collect();
    let expected = "subtree /dav, route /closed, route /users/{id}, route /login";
    assert_eq!(rules.join(", "), expected);
    assert!(policy.exempt_paths().eq(["/ws", "/assets/{*path}"]));
}

#[test]
fn every_key_is_optional_and_can_be_null_unless_null_would_allow_more() {
    let yaml = "{}|recognize: null|recognize:|routes: ~|routes:|subtrees: ~|exempt:|exempt: null";
    let json = r#"{}|{"recognize": null}|{"routes": null}|{"subtrees": null}|{"exempt": null}"#;
    let toml = "|routes = {}|subtrees = {}|exempt = []|recognize = []";
    for (format, documents) in [("toml", toml), ("json", json), ("yaml", yaml)] {
        for document in documents.split('|') {
            assert_eq!(read(format, document), Ok(Policy::new()), "{document}");
        }
    }
}

#[test]
fn an_empty_list_differs_from_an_absent_key() {
    for empty in [json!(""), json!([]), json!(", ,")] {
        let data = json!({ "fallback": empty, "recognize_only": empty });
        let policy: Policy = serde_json::from_value(data).unwrap();
        assert_eq!(policy, Policy::new().fallback([]).recognize_only([]));
    }
}

/// White space and empty elements are ignored, as in RFC 9110 §5.6.1.
#[test]
fn a_set_is_a_list_or_a_string_and_may_have_unregistered_names() {
    let names = "PURGE M-SEARCH RPC_IN_DATA VERSION-CONTROL BAN2 purge Purge m-get ANYTHING ALLOW";
    let list: Vec<_> = names.split(' ').collect();
    for (data, expected) in [
        (json!(list), names),
        (json!(list.join(",")), names),
        (json!("PURGE, GET"), "GET PURGE"),
        (json!(" ,PURGE,\tGET ,, PURGE"), "GET PURGE"),
    ] {
        let methods: MethodSet = serde_json::from_value(data).unwrap();
        assert_eq!(methods, set(expected));
    }
    let written = serde_json::to_string(&set("foo ACL PUT GET BAR"));
    assert_eq!(written.unwrap(), r#"["GET","PUT","ACL","BAR","foo"]"#);
}

/// Eight times as many routes take about eight times as long. If each route were compared with all methods of the
/// earlier routes, they would take 64 times as long.
#[test]
fn the_time_to_read_routes_with_own_methods_is_linear() {
    let data = |count: u32| {
        let routes = (0..count).map(|n| {
            // Methods in another order than their names.
            let n = n.wrapping_mul(2_654_435_761);
            (format!("/{n}"), json!([format!("A-{n}"), format!("B-{n}"), format!("C-{n}")]))
        });
        json!({ "routes": routes.collect::<serde_json::Map<_, _>>() })
    };
    let [few, many] = [1_000, 8_000].map(data);
    let time_to_read = |data: &Value| {
        let data = data.clone();
        let begin = Instant::now();
        let policy: Policy = serde_json::from_value(data).unwrap();
        assert_eq!(policy.recognized().len(), 10 + 3 * policy.rules().len());
        begin.elapsed()
    };
    let fastest = |data| (0..3).map(|_| time_to_read(data)).min().unwrap();
    let (few, many) = (fastest(&few), fastest(&many));
    assert!(many < few * 24, "{few:?} {many:?}");
}

type RetryTable = BTreeMap<String, RetryAfter>;

#[test]
fn retry_after_is_seconds_or_a_date() {
    let after = |seconds| RetryAfter::after(Duration::from_secs(seconds));
    let at = |seconds| RetryAfter::at(UNIX_EPOCH + Duration::from_secs(seconds));
    for (data, expected) in [
        ("0", after(0)),
        ("3600", after(3600)),
        ("'3600'", after(3600)),
        ("'0'", after(0)),
        ("9223372036854775807", after(i64::MAX as u64)),
        ("'Sun, 06 Nov 1994 08:49:37 GMT'", at(784_111_777)),
        ("'Fri, 31 Dec 9999 23:59:59 GMT'", at(253_402_300_799)),
    ] {
        let from_json: RetryAfter = serde_json::from_str(&data.replace('\'', "\"")).unwrap();
        let from_yaml: RetryAfter = serde_saphyr::from_str(data).unwrap();
        let from_toml: RetryTable = toml::from_str(&format!("retry = {data}")).unwrap();
        assert_eq!([&from_json, &from_yaml, &from_toml["retry"]], [&expected; 3]);
    }
    // This number is too large for TOML.
    for largest in [json!(u64::MAX), json!(u64::MAX.to_string())] {
        let largest: RetryAfter = serde_json::from_value(largest).unwrap();
        assert_eq!(largest, after(u64::MAX));
    }
}

#[test]
fn body_drain_is_a_map_of_bounds() {
    let default = BodyDrain::default();
    let all = default
        .max_bytes(u64::MAX)
        .timeout(Duration::from_secs(1))
        .idle_timeout(Duration::from_secs(2))
        .idle_timeout_unknown_length(Duration::from_secs(3));
    for (data, expected) in [
        (json!({}), default),
        (json!({ "max_bytes": 0 }), BodyDrain::none()),
        (
            json!({
                "max_bytes": u64::MAX,
                "timeout_seconds": 1,
                "idle_timeout_seconds": 2,
                "idle_timeout_unknown_length_seconds": 3,
            }),
            all,
        ),
        // Readers of environment variables pass strings.
        (
            json!({
                "max_bytes": u64::MAX.to_string(),
                "timeout_seconds": "1",
                "idle_timeout_seconds": "02",
                "idle_timeout_unknown_length_seconds": "3",
            }),
            all,
        ),
    ] {
        assert_eq!(serde_json::from_value::<BodyDrain>(data).unwrap(), expected);
    }
}

// Errors.

/// Asserts the error for `document`. A `▶` in it marks the expected position. In TOML and YAML, that is the start
/// of the mistake. In JSON, it is the end of the text that serde_json has read.
fn assert_error(format: &str, document: &str, problem: &str) {
    let Some((before, after)) = document.split_once('▶') else {
        let error = read(format, document).unwrap_err();
        assert!(error.contains(problem), "{error}");
        return;
    };
    let line = before.split('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().len();
    let error = read(format, &format!("{before}{after}")).unwrap_err();
    let (first, last) = (error.lines().next(), error.lines().last());
    let next = column + 1;
    let expected = match format {
        "json" => format!("{problem} at line {line} column {column}"),
        "yaml" => format!("error: line {line} column {next}: {problem}"),
        _ => format!("TOML parse error at line {line}, column {next}"),
    };
    assert_eq!(first, Some(&*expected), "{error}");
    assert!(format != "toml" || last == Some(problem), "{error}");
}

const METHODS_EXPECTED: &str =
    "expected a list of method names (`[]` for none) or one string with commas between them";

const UNKNOWN: &str = "is not a setting here: use one of `recognize`, `recognize_only`, `fallback`, \
                       `routes`, `subtrees`, `exempt`";

/// Asserts the errors of a table. Each line has a format, a document, and a problem. In JSON, each `'` becomes `"`.
fn assert_errors(table: &str) {
    for line in table.trim().lines() {
        let (document, problem) = line.trim().split_once(" => ").expect(line);
        let (format, document) = document.split_once(' ').expect(line);
        let document = document.trim().replace("\\n", "\n");
        let problem = problem.replace("METHODS", METHODS_EXPECTED);
        let problem =
            problem.replace("ROUTES", "expected a map of path patterns and their methods");
        let problem =
            problem.replace("DATE", "found a date, or a key that begins with `$`: expected");
        let problem = problem.replace("PATTERNS", "expected a list of path patterns");
        let problem = problem.replace("MISTAKE", UNKNOWN);
        let below = "does not begin with `/`. To use the setting, write it above";
        let problem = problem.replace("BELOW", below);
        match format {
            "json" => assert_error(format, &document.replace('\'', "\""), &problem),
            _ => assert_error(format, &document, &problem),
        }
    }
}

/// If `null` had the meaning of an absent key, the policy would allow more.
#[test]
fn null_is_an_error_if_it_would_allow_more() {
    assert_errors(
        r"json {'fallback': null▶} => invalid type: null, METHODS
        json {'recognize_only': null▶} => invalid type: null, METHODS
        json {'routes': {'/a': null▶}} => invalid type: null, METHODS
        json {'subtrees': {'/a': null▶}} => invalid type: null, METHODS
        json {'recognize': ['GET', null]} => expected a method name
        json {'exempt': [null]} => expected a path pattern
        json null => invalid type: null
        yaml fallback: ~ => METHODS
        yaml recognize_only: null => METHODS
        yaml subtrees:\n  /a: null => METHODS",
    );
}

/// The `toml` crate passes a date to serde as a map with a private key.
#[test]
fn an_error_about_a_date_says_what_is_expected() {
    let policy = "a map with the settings `recognize`, `recognize_only`, `fallback`, `routes`, `subtrees`, `exempt`";
    let drain = "a map with the settings `max_bytes`, `timeout_seconds`, `idle_timeout_seconds`, \
                 `idle_timeout_unknown_length_seconds`";
    let error_of = |document: &str, is_drain: bool| {
        let error = if is_drain {
            toml::from_str::<BTreeMap<String, BodyDrain>>(document).unwrap_err()
        } else {
            toml::from_str::<BTreeMap<String, Policy>>(document).unwrap_err()
        };
        error.message().to_owned()
    };
    for value in ["1994-11-06", "1994-11-06T08:49:37Z", "08:49:37"] {
        for (is_drain, expected) in [(false, policy), (true, drain)] {
            let expected =
                format!("found a date, or a key that begins with `$`: expected {expected}");
            assert_eq!(error_of(&format!("key = {value}"), is_drain), expected);
        }
        let bound = error_of(&format!("key = {{ max_bytes = {value} }}"), true);
        assert_eq!(bound, "invalid type: map, expected a whole number");
    }
}

/// In TOML, a setting below a table is a key of that table.
#[test]
fn the_error_about_a_setting_among_rules_says_where_to_write_it() {
    assert_errors(
        r#"toml [routes]\n'/a' = []\n▶fallback = 'GET' => route "fallback" BELOW
        toml [subtrees]\n▶exempt = ['/ws'] => subtree "exempt" BELOW
        toml [routes]\n▶retry_after = 120 => route "retry_after" does not begin with `/`
        toml [routes]\n▶users = ['GET'] => route "users" does not begin with `/`
        json {'routes': {'fallback'▶: 'GET'}} => route "fallback" BELOW
        yaml routes:\n  /a: GET\n  ▶fallback: GET => route "fallback" BELOW"#,
    );
}

/// `toml` and serde-saphyr find duplicates themselves. serde_json does not, so the policy does.
#[test]
fn a_duplicate_key_is_an_error() {
    assert_errors(
        r#"json {'fallback': [],\n'fallback'▶: []} => `fallback` is given twice
        json {'routes': {}, 'fallback': [], 'routes'▶: {}} => `routes` is given twice
        json {'routes': {'/a': [], '/b': [], '/a'▶: []}} => route "/a" conflicts with route "/a"
        json {'routes': {'/a/': []}, 'subtrees': {'/a'▶: []}} => subtree "/a" conflicts with route "/a/"
        toml fallback = []\n▶fallback = [] => duplicate key
        toml [routes]\n'/a' = []\n▶'/a' = [] => duplicate key
        yaml fallback: []\n▶fallback: [] => duplicate mapping key: fallback, set DuplicateKeyPolicy in Options if acceptable
        yaml routes:\n  /a: []\n  ▶/a: [] => duplicate mapping key: /a, set DuplicateKeyPolicy in Options if acceptable"#,
    );
}

/// These names are likely mistakes.
#[test]
fn an_unknown_setting_is_an_error_that_names_the_known_ones() {
    assert_errors(
        r#"toml \n▶fallbacks = [] => "fallbacks" MISTAKE
        toml exempt = []\n▶allow = [] => "allow" MISTAKE
        json {\n  'Fallback'▶: []\n} => "Fallback" MISTAKE
        json {'exempt': [], 'recognize-only'▶: []} => "recognize-only" MISTAKE
        yaml exempt: []\n▶route: [] => "route" MISTAKE
        yaml ▶default_rule: [] => "default_rule" MISTAKE"#,
    );
}

/// The `toml` crate passes a date to serde as a map. serde-saphyr reports the position of the key if the value is
/// not a string, list, or map.
#[test]
fn a_wrong_type_is_an_error_that_names_the_expected_type() {
    assert_errors(
        r#"toml [routes]\n'/a' = ▶1 => invalid type: integer `1`, METHODS
        json {'routes': {'/a': 1▶}} => invalid type: integer `1`, METHODS
        yaml routes:\n  ▶/a: 1 => invalid type: integer `1`, METHODS
        yaml ▶recognize: true => invalid type: boolean `true`, METHODS
        toml recognize = ▶{ methods = [] } => invalid type: map, METHODS
        json {'recognize': {▶'methods': []}} => invalid type: map, METHODS
        toml [routes]\n'/a' = ▶1979-05-27 => invalid type: map, METHODS
        toml fallback = { } => METHODS
        toml fallback = [▶1] => invalid type: integer `1`, expected a method name
        json {'fallback': [1▶]} => invalid type: integer `1`, expected a method name
        toml exempt = ['/a', ▶2] => invalid type: integer `2`, expected a path pattern
        json {'exempt': ['/a', 2▶]} => invalid type: integer `2`, expected a path pattern
        json {'exempt': '/ws'▶} => invalid type: string "/ws", PATTERNS
        toml exempt = { '/a' = [] } => PATTERNS
        toml exempt = 1979-05-27 => PATTERNS
        json {'routes': '/a'▶} => invalid type: string "/a", ROUTES
        toml routes = [] => ROUTES
        toml subtrees = ▶1979-05-27T07:32:00Z => DATE a map of path patterns and their methods
        toml subtrees = ['/a'] => ROUTES
        json [] => expected a map with the settings of a policy
        json true => expected a map with the settings of a policy"#,
    );
}

/// Asserts the error for `text` in every format and in every key for methods: alone, and in a list after another
/// method.
fn assert_bad_methods(text: &str, problem: &str) {
    let documents = r#"toml exempt = []\nrecognize = VALUE
        json {'exempt': [],\n'recognize': VALUE}
        yaml exempt: []\nrecognize: VALUE
        toml [routes]\n'/a' = VALUE
        json {'routes': {'/a': VALUE}}
        yaml routes:\n  /a: VALUE"#;
    let others = ["recognize_only", "fallback"].map(|other| documents.replace("recognize", other));
    let subtrees = documents.replace("routes", "subtrees");
    for document in
        [documents, &others[0], &others[1], &subtrees].iter().flat_map(|all| all.lines())
    {
        let is_json = document.trim().starts_with("json");
        let value = if is_json { format!("'{text}'▶") } else { format!("▶'{text}'") };
        // An empty string is a valid set. Only a string can have several names.
        if !text.is_empty() {
            assert_errors(&format!("{} => {problem}", document.replace("VALUE", &value)));
        }
        if !text.contains(',') {
            let list = document.replace("VALUE", &format!("['PUT', {value}]"));
            assert_errors(&format!("{list} => {problem}"));
        }
    }
}

#[test]
fn a_name_that_is_probably_a_mistake_is_an_error() {
    for (name, upper) in [("get", "GET"), ("Post", "POST"), ("version-control", "VERSION-CONTROL")]
    {
        let problem = format!("{name:?} is not {upper:?}: methods are case-sensitive");
        assert_bad_methods(name, &problem);
        assert_bad_methods(&format!("DELETE, {name}"), &problem);
    }
    let any = "is not a method: list each method by its name";
    let none = "is not a method: write an empty list";
    let reserved = "is reserved and not a method (RFC 9113 §3.4)";
    let set = "is a set of this crate and not a method: list each method by its name";
    for (names, problem) in [
        ("ANY any All ALL *", any),
        ("NONE none None", none),
        ("PRI pri", reserved),
        ("WEBDAV WebDAV caldav CardDAV STANDARD Registered rfc9110", set),
    ] {
        for name in names.split(' ') {
            assert_bad_methods(name, &format!("{name:?} {problem}"));
        }
    }
}

#[test]
fn a_text_that_is_not_a_method_name_is_an_error() {
    let problem = |text: &str, culprit: char| {
        format!(
            "{text:?} is not a method name: {culprit:?} cannot be part of one. List each method by \
             its name, as in \"GET, POST\""
        )
    };
    // Each element is a culprit and a text. The culprit is the text's first character that cannot be part of a name.
    let texts = "|GET|POST ;GET;POST /GET/POST +GET+POST !!DELETE ^^DELETE *-DELETE* *P* *** ((GET) [[GET] \
                 {{GET} .GET. ÉGÉT ``POST` <<GET> $$METHOD :GET:POST ~~GET";
    for text in texts.split(' ').chain([" GET POST"]) {
        let culprit = text.chars().next().unwrap_or(' ');
        let text = &text[culprit.len_utf8()..];
        assert_bad_methods(text, &problem(text, culprit));
    }
    assert_bad_methods("", "\"\" is not a method name");
    // Quotation marks in the text, a list in a string, and two names in one element of a list.
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

/// `patterns.rs` tests the texts of these errors.
#[test]
fn an_invalid_pattern_is_an_error_at_its_position() {
    let documents = r#"toml [routes]\n'OLD' = []\n▶'NEW' = 'PUT' => route
        json {'routes': {\n'OLD': [], 'NEW'▶: []}} => route
        yaml routes:\n  OLD: []\n  ▶'NEW': [] => route
        toml [subtrees]\n'OLD' = []\n▶'NEW' = 'PUT' => subtree
        json {'subtrees': {\n'OLD': [], 'NEW'▶: []}} => subtree
        yaml subtrees:\n  OLD: []\n  ▶'NEW': [] => subtree
        toml exempt = ['OLD', ▶'NEW'] => exempt path
        json {'exempt': ['OLD',\n'NEW'▶]} => exempt path
        yaml exempt:\n  - 'OLD'\n  - ▶'NEW' => exempt path"#;
    let old = "/users/{id}";
    let patterns = "/users/{name}|/admin/{proxy+}|/users/{id:[0-9]+}|/go/{path...}|/flask/<id>|/q?b=c|/a*|\
                    /:id|/a b|/{id}.json";
    for new in patterns.split('|') {
        for document in documents.replace("OLD", old).replace("NEW", new).lines() {
            let (document, kind) = document.split_once(" => ").unwrap();
            let add = |policy: Policy, pattern| match kind {
                "route" => policy.route(pattern, []),
                "subtree" => policy.subtree(pattern, []),
                _ => policy.exempt(pattern),
            };
            let policy = add(Policy::new(), old).unwrap();
            let problem = add(policy, new).unwrap_err();
            assert_errors(&format!("{document} => {problem}"));
        }
    }
    assert_errors(
        "toml [subtrees]\\n▶'/dav/' = [] => subtree \"/dav/\" already includes the path with a trailing slash: leave out the slash
        toml [subtrees]\\n▶'/dav/*' = [] => subtree \"/dav/*\" already includes everything below: leave out the last segment
        toml exempt = [▶'ws'] => exempt path \"ws\" does not begin with `/`",
    );
}

/// The huge text is a value, a key, a pattern, an unknown setting, or of a wrong type.
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
            let from_text = read("json", &data.to_string()).unwrap_err();
            let from_value = serde_json::from_value::<Policy>(data).unwrap_err();
            for error in [from_text, from_value.to_string()] {
                assert!(error.len() < 1_000, "{} {}", error.len(), &slash[..9]);
            }
        }
    }
    let huge = json!("1".repeat(1_000_000));
    for error in [
        serde_json::from_value::<RetryAfter>(huge.clone()).unwrap_err(),
        serde_json::from_value::<BodyDrain>(huge.clone()).unwrap_err(),
        serde_json::from_value::<BodyDrain>(json!({ "max_bytes": huge })).unwrap_err(),
    ] {
        assert!(error.to_string().len() < 1_000);
    }
}

#[test]
fn invalid_bounds_of_body_drain_are_errors() {
    let table = r#"{"max_bytes": "1 MB"} => invalid type: string "1 MB", expected a whole number
        {"max_bytes": "+1"} => invalid type: string "+1", expected a whole number
        {"max_bytes": "-1"} => invalid type: string "-1", expected a whole number
        {"max_bytes": "18446744073709551616"} => invalid type: string "18446744073709551616", expected a whole number
        {"max_bytes": -1} => invalid value: integer `-1`, expected a whole number
        {"max_bytes": 1.5} => invalid type: floating point `1.5`, expected a whole number
        {"max_bytes": null} => invalid type: null, expected a whole number
        {"max_bytes": 1, "max_bytes": 1} => `max_bytes` is given twice
        {"timeout": 1} => "timeout" is not a setting here: use one of BOUNDS
        "none" => invalid type: string "none", expected a map with the bounds of a body drain
        5 => invalid type: integer `5`, expected a map with the bounds of a body drain"#;
    let bounds = "`max_bytes`, `timeout_seconds`, `idle_timeout_seconds`, \
                  `idle_timeout_unknown_length_seconds`";
    for line in table.replace("BOUNDS", bounds).lines() {
        let (data, problem) = line.trim().split_once(" => ").unwrap();
        let error = serde_json::from_str::<BodyDrain>(data).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
}

/// The last dates have an obsolete format, a wrong day of the week, or white space.
#[test]
fn invalid_values_of_retry_after_are_errors() {
    let table = r#"-1 => invalid value: integer `-1`, expected a whole number
        1.5 => invalid type: floating point `1.5`, SECONDS
        [] => invalid type: sequence, SECONDS
        "" => invalid type: string "", SECONDS
        "Sun, 31 Feb 2027 08:49:37 GMT" => invalid type: string "Sun, 31 Feb 2027 08:49:37 GMT", SECONDS
        "+120" => invalid type: string "+120", SECONDS
        "120 s" => invalid type: string "120 s", SECONDS
        "18446744073709551616" => invalid type: string "18446744073709551616", SECONDS
        "Sunday, 06-Nov-94 08:49:37 GMT" => "Sunday, 06-Nov-94 08:49:37 GMT" is not an IMF-fixdate: write DATE
        "Sun Nov  6 08:49:37 1994" => "Sun Nov  6 08:49:37 1994" is not an IMF-fixdate: write DATE
        "Mon, 06 Nov 1994 08:49:37 GMT" => "Mon, 06 Nov 1994 08:49:37 GMT" is not an IMF-fixdate: write DATE
        " Sun, 06 Nov 1994 08:49:37 GMT" => " Sun, 06 Nov 1994 08:49:37 GMT" is not an IMF-fixdate: write DATE"#;
    let seconds = "expected a whole number of seconds, or an HTTP date such as DATE";
    let table = table.replace("SECONDS", seconds);
    let table = table.replace("DATE", "\"Sun, 06 Nov 1994 08:49:37 GMT\"");
    for line in table.lines() {
        let (value, problem) = line.trim().split_once(" => ").unwrap();
        let error = toml::from_str::<RetryTable>(&format!("retry = {value}")).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("TOML parse error at line 1, column 9\n"), "{error}");
        assert_eq!(error.lines().last(), Some(problem));

        let json = format!(r#"{{"retry": {value}}}"#);
        let error = serde_json::from_str::<RetryTable>(&json).unwrap_err();
        let place = format!(" at line 1 column {}", json.len() - 1);
        assert_eq!(error.to_string().strip_suffix(&place), Some(problem));

        let error = serde_saphyr::from_str::<RetryTable>(&format!("\nretry: {value}")).unwrap_err();
        let shown = error.to_string();
        let first = shown.lines().next().unwrap();
        assert!(first.starts_with("error: line 2 column "), "{shown}");
        assert!(first.ends_with(problem), "{shown}");
    }
}

// Properties of all data.

/// `methods` without the names that are errors in data.
fn acceptable(methods: MethodSet) -> MethodSet {
    methods.into_iter().filter(|method| !is_mistake(method)).collect()
}

/// Sets of methods that are valid in data.
fn acceptable_methods() -> impl Strategy<Value = MethodSet> {
    configured_methods().prop_map(acceptable)
}

/// Returns `settings` as data. `forms` chooses between a list and a string for each set.
fn written(settings: &[Setting], forms: &[bool]) -> Value {
    let mut data = json!({});
    let mut recognized = MethodSet::new();
    for (setting, is_list) in settings.iter().zip(forms.iter().cycle()) {
        let write = |methods: &MethodSet| {
            if *is_list { json!(methods) } else { json!(methods.to_string()) }
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
    fn every_policy_can_be_read_in_every_format(
        settings in settings_with(acceptable_methods),
        forms in vec(any::<bool>(), 8),
    ) {
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
