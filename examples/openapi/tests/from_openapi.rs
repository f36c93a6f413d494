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
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` in the OpenAPI document: {}",
            error.place, error.reason
        )
    );
    (error.place, error.reason)
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
        "/user-{name}": { "get": {} },
        "/files/{*rest}": { "get": {} },
        "/caf%C3%A9/a:b@c": { "get": {} },
    });
    let document = json!({ "openapi": "3.0.3", "paths": paths });
    let policy = from_openapi::policy(&document).unwrap();
    for (path, allow) in [
        ("/", Some("GET, HEAD")),
        ("/a/1", Some("GET, HEAD")),
        ("/a/1/b/2", Some("POST")),
        ("/user-1", Some("GET, HEAD")),
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
    let a = json!({ "a": { "default": "a b" } });
    for (url, reason) in [
        ("", "it is relative to where the document is served"),
        ("v1", "it is relative to where the document is served"),
        ("./v1//", "it is relative to where the document is served"),
        ("/v1?a=b", "it has a query or a fragment"),
        ("https://example.com#a", "it has a query or a fragment"),
        ("/../v1", "clients resolve the segment `..`"),
        ("/{a", "a `{` without a `}`"),
        ("/a}", "a request's path cannot have '}'"),
        ("/{a}", "a request's path cannot have ' '"),
    ] {
        assert_eq!(error_at(url, a.clone()), reason, "{url}");
    }
    let error = error_of_paths(json!({ "/a": { "get": { "servers": [{ "url": "v1" }] } } }));
    let reason = "GET: the server `v1`: it is relative to where the document is served";
    assert_eq!(error, ("/a".to_owned(), reason.to_owned()));
}

#[test]
fn a_path_that_no_pattern_says_is_an_error() {
    for (path, reason) in [
        ("a", "it does not begin with `/`"),
        ("", "it does not begin with `/`"),
        (
            "/a/{x}-{y}",
            "`-{y}` follows the parameter `{x}`, which can only end a segment",
        ),
        (
            "/a/{x}{y}",
            "`{y}` follows the parameter `{x}`, which can only end a segment",
        ),
        (
            "/a/{x}.json",
            "`.json` follows the parameter `{x}`, which can only end a segment",
        ),
        ("/a/{{x}}", "the parameter `{{x}` has a brace in its name"),
        ("/a/{x", "`{x` has no `}` in its segment"),
        ("/a/{x/y}", "`{x` has no `}` in its segment"),
        ("/a/x}", "a request's path cannot have '}'"),
        ("/a?b=c", "a request's path cannot have '?'"),
        ("/a#b", "a request's path cannot have '#'"),
        ("/caf\u{e9}", "a request's path cannot have '\u{e9}'"),
        ("/100%", "a `%` without two hexadecimal digits after it"),
        ("/a/./b", "clients resolve the segment `.`"),
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
            "it is a `$ref`, which has to be resolved before",
        ),
        (
            json!({}),
            "it has no operation, so what it allows is not known",
        ),
        (
            json!({ "additionalOperations": {} }),
            "it has no operation, so what it allows is not known",
        ),
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
            "`A B` among `additionalOperations` is not a method",
        ),
        (
            json!({ "additionalOperations": { "": {} } }),
            "`` among `additionalOperations` is not a method",
        ),
        (
            json!({ "additionalOperations": { "QUERY": {} } }),
            "`QUERY` is among `additionalOperations`, but has a field of its own",
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
        let reason = "it is not that of OpenAPI 3";
        assert_eq!(error(document), ("openapi".to_owned(), reason.to_owned()));
    }
    let reason = "it is not an object";
    assert_eq!(
        error_of_paths(json!([])),
        ("paths".to_owned(), reason.to_owned())
    );
}
