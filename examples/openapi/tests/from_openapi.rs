//! What becomes of an OpenAPI document, and why of some nothing does.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use method_policy_openapi::from_openapi;
use serde_json::{Value, json};

/// The rules for a document with these paths, as `path: methods`.
fn rules_of_paths(paths: Value) -> Vec<String> {
    rules(json!({ "openapi": "3.2.0", "paths": paths }))
}

fn rules(document: Value) -> Vec<String> {
    let policy = from_openapi::policy(&document).unwrap();
    // Whatever is not in the document is the router's business.
    assert_eq!(policy.default_rule(), None);
    let rules = policy.rules();
    rules
        .map(|(path, rule)| format!("{path}: {rule}"))
        .collect()
}

/// The document's path `/a`, with an operation for `GET`, at these servers.
fn rules_at(servers: Value) -> Vec<String> {
    rules(json!({ "openapi": "3.1.0", "servers": servers, "paths": { "/a": { "get": {} } } }))
}

/// The place and the reason of the error that a document with these paths is.
fn error_of_paths(paths: Value) -> (String, String) {
    error(json!({ "openapi": "3.2.0", "paths": paths }))
}

fn error(document: Value) -> (String, String) {
    let error = from_openapi::policy(&document).unwrap_err();
    let (place, reason) = error.split_once("` in the OpenAPI document: ").unwrap();
    (
        place.strip_prefix('`').unwrap().to_owned(),
        reason.to_owned(),
    )
}

/// The reason why there is no rule for a server with this URL and these variables.
fn error_at(url: &str, variables: Value) -> String {
    let servers = json!([{ "url": url, "variables": variables }]);
    let (place, reason) =
        error(json!({ "openapi": "3.1.0", "servers": servers, "paths": { "/a": { "get": {} } } }));
    assert_eq!(place, "servers");
    let of_server = format!("the server `{url}`: ");
    reason.strip_prefix(&of_server).unwrap().to_owned()
}

#[test]
fn each_operation_is_a_method_of_its_path() {
    let all = json!({ "/a": {
        "get": {}, "put": {}, "post": {}, "delete": {}, "options": {}, "head": {}, "patch": {},
        "trace": {}, "query": {},
    } });
    assert_eq!(
        rules_of_paths(all),
        ["/a: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, QUERY"]
    );
    for (operations, methods) in [
        (json!({ "get": {} }), "GET, HEAD"),
        (json!({ "get": {}, "head": {} }), "GET, HEAD"),
        (json!({ "head": {} }), "HEAD"),
        (json!({ "post": {} }), "POST"),
        (json!({ "query": {}, "put": {} }), "PUT, QUERY"),
    ] {
        assert_eq!(
            rules_of_paths(json!({ "/a": operations })),
            [format!("/a: {methods}")]
        );
    }
}

#[test]
fn additional_operations_are_methods_as_they_are() {
    let document = json!({
        "openapi": "3.2.0",
        "paths": {
            "/a": { "get": {}, "additionalOperations": { "COPY": {}, "x-Own": {}, "get": {} } },
            "/b": { "additionalOperations": { "LINK": {} } },
        },
    });
    let policy = from_openapi::policy(&document).unwrap();
    let methods_at = |path| {
        let methods = policy.allowed_at(path).unwrap().methods();
        let mut names: Vec<_> = methods.iter().map(|method| method.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(methods_at("/a"), ["COPY", "GET", "HEAD", "get", "x-Own"]);
    assert_eq!(methods_at("/b"), ["LINK"]);
}

#[test]
fn what_is_no_operation_changes_nothing() {
    let paths = json!({
        "x-paths": 1,
        "/a": {
            "summary": "", "description": "", "parameters": [], "x-item": {}, "servers": [],
            "post": { "responses": {} },
        },
    });
    assert_eq!(rules_of_paths(paths), ["/a: POST"]);
    assert_eq!(
        rules(json!({ "openapi": "3.1.1", "webhooks": {} })),
        [""; 0]
    );
}

#[test]
fn parameters_are_those_of_patterns() {
    let paths = json!({
        "/": { "get": {} },
        "/a/{id}": { "get": {} },
        "/a/{id}/b/{other-id}": { "post": {} },
        "/files/{*rest}": { "get": {} },
        "/caf%C3%A9/a:b@c": { "get": {} },
    });
    let document = json!({ "openapi": "3.0.3", "paths": paths });
    let policy = from_openapi::policy(&document).unwrap();
    for (path, allow) in [
        ("/", Some("GET, HEAD")),
        ("/a/1", Some("GET, HEAD")),
        ("/a/1/b/2", Some("POST")),
        ("/files/1/2", Some("GET, HEAD")),
        ("/caf%C3%A9/a:b@c", Some("GET, HEAD")),
        ("/a", None),
        ("/a/1/2", None),
        ("/files", None),
    ] {
        let found = policy.allowed_at(path).map(ToString::to_string);
        assert_eq!(found.as_deref(), allow, "{path}");
    }
}

#[test]
fn the_path_of_a_servers_url_goes_in_front() {
    for (url, path) in [
        ("/", "/a"),
        ("/api/v1", "/api/v1/a"),
        ("/api/v1/", "/api/v1/a"),
        ("/api//v1", "/api//v1/a"),
        ("https://example.com", "/a"),
        ("https://example.com/", "/a"),
        ("https://user@example.com:8080/api", "/api/a"),
        ("http://[::1]/api", "/api/a"),
        ("//example.com/api", "/api/a"),
    ] {
        let expected = format!("{path}: GET, HEAD");
        assert_eq!(rules_at(json!([{ "url": url }])), [expected], "{url}");
    }
}

#[test]
fn servers_with_different_paths_make_a_rule_each() {
    assert_eq!(rules_at(json!([])), ["/a: GET, HEAD"]);
    let servers = json!([
        { "url": "https://example.com/v1" },
        { "url": "https://staging.example.com/v1/" },
        { "url": "/v2" },
    ]);
    assert_eq!(rules_at(servers), ["/v1/a: GET, HEAD", "/v2/a: GET, HEAD"]);
}

#[test]
fn the_servers_of_a_path_item_and_of_an_operation_take_the_place_of_those_around_them() {
    let document = json!({
        "openapi": "3.2.0",
        "servers": [{ "url": "/v1" }],
        "paths": {
            "/a": { "get": {} },
            "/b": { "servers": [{ "url": "/" }], "get": {} },
            "/c": {
                "servers": [{ "url": "/v2" }],
                "get": {},
                "put": {},
                "post": { "servers": [{ "url": "/v2" }, { "url": "/v3" }] },
            },
        },
    });
    assert_eq!(
        rules(document),
        [
            "/v1/a: GET, HEAD",
            "/b: GET, HEAD",
            "/v2/c: GET, HEAD, POST, PUT",
            "/v3/c: POST",
        ]
    );
}

#[test]
fn a_variable_stands_for_its_enum_or_else_for_its_default() {
    let servers = json!([{
        "url": "https://{region}.example.com/{base}/{version}",
        "variables": {
            "region": { "enum": ["eu", "us"], "default": "eu" },
            "base": { "default": "api" },
            "version": { "enum": ["v1", "v2/beta"], "default": "v1" },
        },
    }]);
    assert_eq!(
        rules_at(servers),
        ["/api/v1/a: GET, HEAD", "/api/v2/beta/a: GET, HEAD"]
    );
    let servers =
        json!([{ "url": "{server}/v1", "variables": { "server": { "default": "//h" } } }]);
    assert_eq!(rules_at(servers), ["/v1/a: GET, HEAD"]);
}

#[test]
fn a_variable_without_a_value_is_named() {
    let reason = "its variable `base` has neither an `enum` nor a `default` of strings";
    for variables in [
        json!(null),
        json!({}),
        json!({ "other": { "default": "a" } }),
        json!({ "base": {} }),
        json!({ "base": { "default": 1 } }),
        json!({ "base": { "default": "a", "enum": [] } }),
        json!({ "base": { "default": "a", "enum": ["a", 1] } }),
    ] {
        assert_eq!(
            error_at("/{base}", variables.clone()),
            reason,
            "{variables}"
        );
    }
}

#[test]
fn a_server_whose_path_is_not_known_is_an_error() {
    let a = json!({ "a": { "default": "a b" }, "b": { "default": "{*rest}" } });
    for (url, reason) in [
        ("", "it is neither a URL nor an absolute path"),
        ("v1", "it does not begin with `/`"),
        ("./v1//", "it is neither a URL nor an absolute path"),
        ("/v1?a=b", "it has a query, a fragment, or a brace"),
        (
            "https://example.com#a",
            "it has a query, a fragment, or a brace",
        ),
        ("/../v1", "the segment `..` is resolved by clients"),
        ("/{a", "a `{` without a `}`"),
        ("/a}", "it has a query, a fragment, or a brace"),
        ("/{b}", "it has a query, a fragment, or a brace"),
        ("/{a}", "it is neither a URL nor an absolute path"),
    ] {
        assert_eq!(error_at(url, a.clone()), reason, "{url}");
    }
    let error = error_of_paths(json!({ "/a": { "get": { "servers": [{ "url": "v1" }] } } }));
    let reason = "GET: the server `v1`: it does not begin with `/`";
    assert_eq!(error, ("/a".to_owned(), reason.to_owned()));
}

#[test]
fn a_path_that_no_pattern_says_is_an_error() {
    for (path, reason) in [
        ("a", "it does not begin with `/`"),
        ("", "it does not begin with `/`"),
        (
            "/user-{x}",
            "the segment `user-{x}` is not one parameter in braces",
        ),
        (
            "/a/{x}-{y}",
            "the segment `{x}-{y}` is not one parameter in braces",
        ),
        (
            "/a/{x}{y}",
            "the segment `{x}{y}` is not one parameter in braces",
        ),
        (
            "/a/{x}.json",
            "the segment `{x}.json` is not one parameter in braces",
        ),
        (
            "/a/{{x}}",
            "the segment `{{x}}` is not one parameter in braces",
        ),
        ("/a/{x", "the segment `{x` is not one parameter in braces"),
        (
            "/a/{x/y}",
            "the segment `{x` is not one parameter in braces",
        ),
        ("/a/x}", "the segment `x}` is not one parameter in braces"),
        ("/a/{", "the segment `{` is not one parameter in braces"),
        (
            "/a?b=c",
            "the segment `a?b=c` has a character that the path of a request cannot have",
        ),
        (
            "/a#b",
            "the segment `a#b` has a character that the path of a request cannot have",
        ),
        (
            "/caf\u{e9}",
            "the segment `caf\u{e9}` has a character that the path of a request cannot have",
        ),
        (
            "/100%",
            "the segment `100%` has a `%` without two hexadecimal digits after it",
        ),
        (
            "/%\u{e9}",
            "the segment `%\u{e9}` has a character that the path of a request cannot have",
        ),
        ("/a/./b", "the segment `.` is resolved by clients"),
        (
            "/:a",
            "invalid path pattern `/:a`: a segment begins with `:`; for a parameter, write `{a}`",
        ),
        (
            "/{}",
            "invalid path pattern `/{}`: Parameters must be registered with a valid name",
        ),
        (
            "/{*a}/b",
            "invalid path pattern `/{*a}/b`: Catch-all parameters are only allowed at the end of a \
             route",
        ),
    ] {
        let error = error_of_paths(json!({ "/ok": { "get": {} }, path: { "get": {} } }));
        assert_eq!(error, (path.to_owned(), reason.to_owned()));
    }
}

#[test]
fn paths_that_match_the_same_requests_are_an_error() {
    let paths = json!({ "/a/{x}": { "get": {} }, "/a/{y}": { "post": {} } });
    let reason = "path pattern `/a/{y}` conflicts with `/a/{x}`";
    assert_eq!(
        error_of_paths(paths),
        ("/a/{y}".to_owned(), reason.to_owned())
    );

    let document = json!({
        "openapi": "3.1.0",
        "servers": [{ "url": "/" }, { "url": "/v1" }],
        "paths": { "/a": { "get": {} }, "/v1/a": { "post": {} } },
    });
    let reason = "path pattern `/v1/a` conflicts with `/v1/a`";
    assert_eq!(error(document), ("/v1/a".to_owned(), reason.to_owned()));
}

#[test]
fn a_path_item_that_does_not_say_all_is_an_error() {
    for (item, reason) in [
        (
            json!({ "$ref": "#/components/pathItems/a", "get": {} }),
            "it is a `$ref`; resolve it first",
        ),
        (json!({}), "it has no operation"),
        (json!({ "additionalOperations": {} }), "it has no operation"),
        (json!({ "GET": {} }), "`GET` is not a field of a path item"),
        (
            json!({ "connect": {} }),
            "`connect` is not a field of a path item",
        ),
        (json!([]), "it is not an object"),
        (json!({ "get": null }), "GET: it is not an object"),
        (
            json!({ "additionalOperations": [] }),
            "`additionalOperations`: it is not an object",
        ),
        (
            json!({ "additionalOperations": { "A B": {} } }),
            "A B: it is not a method",
        ),
        (
            json!({ "additionalOperations": { "": {} } }),
            ": it is not a method",
        ),
        (
            json!({ "servers": {}, "get": {} }),
            "`servers` is not an array",
        ),
        (
            json!({ "servers": [{}], "get": {} }),
            "a server has no `url`",
        ),
    ] {
        let error = error_of_paths(json!({ "/ok": { "get": {} }, "/a": item }));
        assert_eq!(error, ("/a".to_owned(), reason.to_owned()));
    }
}

#[test]
fn what_is_not_a_document_of_openapi_3_is_an_error() {
    for document in [
        json!(null),
        json!({ "paths": {} }),
        json!({ "swagger": "2.0", "basePath": "/v1", "paths": {} }),
        json!({ "openapi": "4.0.0", "paths": {} }),
    ] {
        let reason = "it is not version 3";
        assert_eq!(error(document), ("openapi".to_owned(), reason.to_owned()));
    }
    let reason = "it is not an object";
    assert_eq!(
        error_of_paths(json!([])),
        ("paths".to_owned(), reason.to_owned())
    );
}

/// A document with these servers.
fn with_servers(servers: Value) -> Value {
    json!({ "openapi": "3.1.0", "servers": servers, "paths": { "/a": { "get": {} } } })
}

const TOO_MANY: &str = "with it, the document stands for more than 10000 rules";
const TOO_LONG: &str = "its URLs are longer than 2000 bytes";

#[test]
fn a_short_document_that_stands_for_a_great_many_urls_is_an_error() {
    let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    for count in [5, 9, 100] {
        let names: Vec<String> = (0..count).map(|number| format!("v{number}")).collect();
        let url: String = names.iter().map(|name| format!("/{{{name}}}")).collect();
        let values = names
            .iter()
            .map(|name| (name.clone(), json!({ "enum": digits })));
        let variables = Value::Object(values.collect());
        // In the host they are just as many.
        for url in [url.clone(), format!("https://{}/", url.replace('/', "a"))] {
            let servers = json!([{ "url": url, "variables": variables }]);
            let excerpt: String = url.chars().take(100).collect();
            let (place, reason) = error(with_servers(servers.clone()));
            assert_eq!(place, "servers");
            assert!(
                reason.starts_with(&format!("the server `{excerpt}")),
                "{reason}"
            );
            assert!(reason.ends_with(TOO_MANY), "{reason}");
            // The place is named as well if it is a path or an operation.
            let of_item = json!({ "/b": { "servers": servers, "get": {} } });
            assert_eq!(error_of_paths(of_item).0, "/b");
            let of_operation = json!({ "/b": { "put": { "servers": servers } } });
            let (place, reason) = error_of_paths(of_operation);
            assert_eq!(place, "/b");
            assert!(reason.starts_with("PUT: the server `"), "{reason}");
        }
    }
    // One variable that occurs many times.
    let url = "/{v}".repeat(30);
    let variables = json!({ "v": { "enum": ["a", "b"] } });
    assert_eq!(error_at_excerpt(&url, variables), TOO_MANY);
}

/// As `error_at`, for a URL that the error may shorten.
fn error_at_excerpt(url: &str, variables: Value) -> String {
    let (place, reason) = error(with_servers(
        json!([{ "url": url, "variables": variables }]),
    ));
    assert_eq!(place, "servers");
    assert!(reason.len() < 1000, "{reason}");
    reason.rsplit_once("`: ").unwrap().1.to_owned()
}

#[test]
fn a_short_document_that_stands_for_very_long_urls_is_an_error() {
    let value = "x".repeat(1000);
    for (url, value) in [
        ("/{v}{v}{v}".to_owned(), value.clone()),
        ("/{v}".repeat(400), value.clone()),
        ("/{v}".repeat(400), "abcdef".to_owned()),
        (format!("/{value}{value}{value}"), "a".to_owned()),
        ("{".repeat(3000), "a".to_owned()),
    ] {
        let variables = json!({ "v": { "default": value } });
        assert_eq!(error_at_excerpt(&url, variables), TOO_LONG);
    }
    let url = format!("/{value}");
    let path = format!("/{value}");
    let document = json!({
        "openapi": "3.1.0",
        "servers": [{ "url": url }],
        "paths": { (path.as_str()): { "get": {} } },
    });
    assert_eq!(error(document).1, format!("GET: {TOO_LONG}"));
}

#[test]
fn a_large_document_is_an_error() {
    let paths = |count: usize| {
        let paths = (0..count).map(|number| (format!("/{number}"), json!({ "get": {} })));
        Value::Object(paths.collect())
    };
    assert_eq!(rules_of_paths(paths(10_000)).len(), 10_000);
    assert_eq!(
        error_of_paths(paths(10_001)),
        ("/10000".to_owned(), format!("GET: {TOO_MANY}"))
    );
    // Each path counts once for each server.
    let servers: Vec<_> = (0..100)
        .map(|number| json!({ "url": format!("/{number}") }))
        .collect();
    let document = json!({ "openapi": "3.1.0", "servers": servers, "paths": paths(100) });
    assert_eq!(error(document).0, "/99");
    let values: Vec<_> = (0..10_001).map(|number| number.to_string()).collect();
    let variables = json!({ "v": { "enum": values } });
    assert_eq!(error_at("/{v}", variables), TOO_MANY);
    let methods = (0..10_001).map(|number| (format!("M{number}"), json!({})));
    let item = json!({ "additionalOperations": Value::Object(methods.collect()) });
    assert_eq!(
        error_of_paths(json!({ "/a": item })).1,
        format!("M10000: {TOO_MANY}")
    );
}

#[test]
fn references_are_not_followed_so_a_cycle_does_no_harm() {
    let document = json!({
        "openapi": "3.1.0",
        "paths": { "/a": { "post": {
            "parameters": [{ "$ref": "#/components/parameters/a" }],
            "requestBody": { "$ref": "#/paths/~1a/post/requestBody" },
            "callbacks": { "a": { "$ref": "#/components/callbacks/a" } },
        } } },
        "components": {
            "parameters": { "a": { "$ref": "#/components/parameters/a" } },
            "callbacks": { "a": { "$ref": "#/components/callbacks/a" } },
        },
    });
    assert_eq!(rules(document), ["/a: POST"]);
    let reason = "it is a `$ref`; resolve it first";
    let cycle = json!({ "/a": { "$ref": "#/paths/~1b" }, "/b": { "$ref": "#/paths/~1a" } });
    assert_eq!(error_of_paths(cycle), ("/a".to_owned(), reason.to_owned()));
}

#[test]
fn the_error_for_a_very_long_name_is_short() {
    let name = "\u{1F600}".repeat(100_000);
    for (paths, url) in [
        (json!({ (name.as_str()): { "get": {} } }), "/"),
        (json!({ (format!("/{name}")): { "get": {} } }), "/"),
        (json!({ "/a": { (name.as_str()): {} } }), "/"),
        (
            json!({ "/a": { "additionalOperations": { (name.as_str()): {} } } }),
            "/",
        ),
        (json!({ "/a": { "get": {} } }), &*name),
    ] {
        let servers = json!([{ "url": url }]);
        let document = json!({ "openapi": "3.2.0", "servers": servers, "paths": paths });
        let error = from_openapi::policy(&document).unwrap_err();
        assert!(error.len() < 1000, "{}", error.len());
    }
}
