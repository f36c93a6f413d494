//! The rules for an OpenAPI document, and the errors.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use method_policy_openapi::from_openapi;
use serde_json::{Value, json};

/// The rules for a document, as `path: methods`.
fn rules(document: Value) -> Vec<String> {
    let policy = from_openapi::policy(&document).unwrap();
    // The router answers at every other path.
    assert_eq!(policy.fallback_rule(), None);
    let rules = policy.rules().map(|rule| format!("{rule}: {}", rule.methods()));
    rules.map(|rule| rule.strip_prefix("route ").unwrap().to_owned()).collect()
}

fn with_paths(paths: Value) -> Value {
    json!({ "openapi": "3.2.0", "paths": paths })
}

/// A document with these servers, and the operation `GET` at `/a`.
fn with_servers(servers: Value) -> Value {
    json!({ "openapi": "3.1.0", "servers": servers, "paths": { "/a": { "get": {} } } })
}

/// The place and the reason of the error, which is short.
fn error(document: Value) -> (String, String) {
    let error = from_openapi::policy(&document).unwrap_err();
    assert!(error.len() < 1000, "{error}");
    let (place, reason) = error.split_once("` in the OpenAPI document: ").unwrap();
    (place[1..].to_owned(), reason.to_owned())
}

/// The reason of the error for a server with this URL and these variables.
fn error_at(url: &str, variables: Value) -> String {
    let servers = json!([{ "url": url, "variables": variables }]);
    let (place, reason) = error(with_servers(servers));
    assert_eq!(place, "servers");
    let (server, reason) = reason.split_once("`: ").unwrap();
    let server = server.strip_prefix("the server `").unwrap();
    assert!(url.starts_with(server.trim_end_matches('…')), "{server}");
    reason.to_owned()
}

/// The lines of a table with two columns, `left => right`.
fn rows(table: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = table.trim().lines();
    lines.map(|line| line.split_once("=> ").unwrap()).map(|(left, right)| (left.trim_end(), right))
}

/// References are not followed, so a cycle is harmless.
#[test]
fn a_rule_lists_the_methods_of_the_operations() {
    for (operations, methods) in rows(
        r##"
{ "get": {} } => GET, HEAD
{ "get": {}, "head": {} } => GET, HEAD
{ "head": {} } => HEAD
{ "post": {} } => POST
{ "query": {}, "put": {} } => PUT, QUERY
{ "get": {}, "put": {}, "post": {}, "delete": {}, "head": {} } => GET, HEAD, POST, PUT, DELETE
{ "options": {}, "patch": {}, "trace": {}, "query": {} } => PATCH, OPTIONS, TRACE, QUERY
{ "additionalOperations": { "LINK": {} } } => LINK
{ "get": {}, "additionalOperations": { "COPY": {}, "x-Own": {}, "get": {} } } => GET, HEAD, COPY, get, x-Own
{ "summary": "", "parameters": [], "x-item": {}, "servers": [], "post": { "responses": {} } } => POST
{ "description": "", "delete": {} } => DELETE
{ "post": { "requestBody": { "$ref": "#/paths/~1a/post/requestBody" } } } => POST
{ "put": { "callbacks": { "a": { "$ref": "#/paths/~1a/put/callbacks/a" } } } } => PUT
"##,
    ) {
        let item: Value = serde_json::from_str(operations).unwrap();
        let expected = [format!("/a: {methods}")];
        assert_eq!(rules(with_paths(json!({ "x-paths": 1, "/a": item }))), expected);
    }
    let no_paths = json!({ "openapi": "3.1.1", "webhooks": {} });
    assert_eq!(rules(no_paths), [""; 0]);
}

#[test]
fn the_path_is_the_pattern_of_a_route() {
    for path in ["/", "/a/{id}", "/a/{id}/b/{other-id}", "/files/{*rest}", "/caf%C3%A9/a:b@c"] {
        let document = json!({ "openapi": "3.0.3", "paths": { path: { "post": {} } } });
        assert_eq!(rules(document), [format!("{path}: POST")]);
    }
}

#[test]
fn the_path_of_the_server_url_precedes_the_path() {
    let variables = json!({
        "region": { "enum": ["eu", "us"], "default": "eu" },
        "base": { "default": "api" },
        "version": { "enum": ["v1", "v2/beta"], "default": "v1" },
        "server": { "default": "//h" },
    });
    for (urls, paths) in rows(
        "
 => /a
/ => /a
/api/v1 => /api/v1/a
/api/v1/ => /api/v1/a
https://example.com => /a
https://example.com/ => /a
https://user@example.com:8080/api => /api/a
http://[::1]/api => /api/a
//example.com/api => /api/a
https://example.com/v1 https://staging.example.com/v1/ /v2 => /v1/a /v2/a
https://{region}.example.com/{base}/{version} => /api/v1/a /api/v2/beta/a
{server}/v1 => /v1/a
",
    ) {
        let urls = urls.split_whitespace();
        let servers: Value =
            urls.map(|url| json!({ "url": url, "variables": variables })).collect();
        let expected: Vec<_> = paths.split(' ').map(|path| format!("{path}: GET, HEAD")).collect();
        assert_eq!(rules(with_servers(servers)), expected, "{paths}");
    }
}

#[test]
fn a_path_item_and_an_operation_can_have_servers() {
    let [v1, v2, v3] = ["/v1", "/v2", "/v3"].map(|url| json!({ "url": url }));
    let paths = json!({
        "/a": { "get": {} },
        "/b": { "servers": [{ "url": "/" }], "get": {} },
        "/c": { "servers": [v2], "get": {}, "put": {}, "post": { "servers": [v2, v3] } },
    });
    let document = json!({ "openapi": "3.2.0", "servers": [v1], "paths": paths });
    let c = ["/v2/c: GET, HEAD, POST, PUT", "/v3/c: POST"];
    assert_eq!(rules(document), [&["/v1/a: GET, HEAD", "/b: GET, HEAD"][..], &c].concat());
}

#[test]
fn a_server_without_a_path_is_an_error() {
    let variables = json!({ "a": { "default": "a b" }, "b": { "default": "{*rest}" } });
    for (url, reason) in rows(
        "
 => it is neither a URL nor an absolute path
v1 => it does not begin with `/`
./v1// => it is neither a URL nor an absolute path
/v1?a=b => it has a query, a fragment, or a brace
https://example.com#a => it has a query, a fragment, or a brace
/../v1 => the segment `..` is resolved by clients
/{a => a `{` without a `}`
/a} => it has a query, a fragment, or a brace
/{b} => it has a query, a fragment, or a brace
/{a} => it is neither a URL nor an absolute path
",
    ) {
        assert_eq!(error_at(url, variables.clone()), reason, "{url}");
    }
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
        let error = error_at("/{base}", variables.clone());
        assert_eq!(error, reason, "{variables}");
    }
}

#[test]
fn a_path_that_is_not_a_pattern_is_an_error() {
    for (path, reason) in rows(
        "
a => it does not begin with `/`
 => it does not begin with `/`
/user-{x} => the segment `user-{x}` is not one parameter in braces
/a/{x}-{y} => the segment `{x}-{y}` is not one parameter in braces
/a/{x}{y} => the segment `{x}{y}` is not one parameter in braces
/a/{x}.json => the segment `{x}.json` is not one parameter in braces
/a/{{x}} => the segment `{{x}}` is not one parameter in braces
/a/{x => the segment `{x` is not one parameter in braces
/a/{x/y} => the segment `{x` is not one parameter in braces
/a/x} => the segment `x}` is not one parameter in braces
/a/{ => the segment `{` is not one parameter in braces
/a?b=c => the segment `a?b=c` has a character that the path of a request cannot have
/a#b => the segment `a#b` has a character that the path of a request cannot have
/caf\u{e9} => the segment `caf\u{e9}` has a character that the path of a request cannot have
/100% => the segment `100%` has a `%` without two hexadecimal digits after it
/%\u{e9} => the segment `%\u{e9}` has a character that the path of a request cannot have
/a/./b => the segment `.` is resolved by clients
",
    ) {
        let paths = json!({ "/ok": { "get": {} }, path: { "get": {} } });
        assert_eq!(error(with_paths(paths)), (path.to_owned(), reason.to_owned()));
    }
}

/// The crate's own reason is a part of the error.
#[test]
fn a_path_that_the_policy_rejects_is_an_error() {
    for path in ["/:a", "/{}", "/{*a}/b", "/a//b"] {
        let (place, reason) = error(with_paths(json!({ path: { "get": {} } })));
        assert_eq!(place, path);
        assert!(reason.contains(&format!("route {path:?} ")), "{reason}");
    }
    let same = json!({ "/a/{x}": { "get": {} }, "/a/{y}": { "post": {} } });
    let servers = json!([{ "url": "/" }, { "url": "/v1" }]);
    let paths = json!({ "/a": { "get": {} }, "/v1/a": { "post": {} } });
    let over_servers = json!({ "openapi": "3.1.0", "servers": servers, "paths": paths });
    for (document, path) in [(with_paths(same), "/a/{y}"), (over_servers, "/v1/a")] {
        let (place, reason) = error(document);
        assert_eq!(place, path);
        assert!(reason.contains("conflict"), "{reason}");
    }
}

#[test]
fn a_path_item_that_is_not_complete_is_an_error() {
    for (item, reason) in rows(
        r##"
{ "$ref": "#/components/pathItems/a", "get": {} } => it is a `$ref`; resolve it first
{} => it has no operation
{ "additionalOperations": {} } => it has no operation
{ "GET": {} } => `GET` is not a field of a path item
{ "connect": {} } => `connect` is not a field of a path item
[] => it is not an object
{ "get": null } => GET: it is not an object
{ "additionalOperations": [] } => `additionalOperations`: it is not an object
{ "additionalOperations": { "A B": {} } } => A B: it is not a method
{ "additionalOperations": { "": {} } } => : it is not a method
{ "servers": {}, "get": {} } => `servers` is not an array
{ "servers": [{}], "get": {} } => a server has no `url`
{ "get": { "servers": [{ "url": "v1" }] } } => GET: the server `v1`: it does not begin with `/`
"##,
    ) {
        let item: Value = serde_json::from_str(item).unwrap();
        let paths = json!({ "/ok": { "get": {} }, "/a": item });
        assert_eq!(error(with_paths(paths)), ("/a".to_owned(), reason.to_owned()));
    }
}

#[test]
fn a_document_of_another_format_is_an_error() {
    for document in [
        json!(null),
        json!({ "paths": {} }),
        json!({ "swagger": "2.0", "basePath": "/v1", "paths": {} }),
        json!({ "openapi": "4.0.0", "paths": {} }),
    ] {
        assert_eq!(error(document), ("openapi".into(), "it is not version 3".into()));
    }
    assert_eq!(error(with_paths(json!([]))), ("paths".into(), "it is not an object".into()));
}

const TOO_MANY: &str = "with it, the document has more than 10000 rules and URLs";
const TOO_LONG: &str = "its URLs are longer than 2000 bytes";

#[test]
fn a_short_document_with_many_or_long_urls_is_an_error() {
    let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    for count in [5, 9, 100] {
        let names: Vec<String> = (0..count).map(|number| format!("v{number}")).collect();
        let url: String = names.iter().map(|name| format!("/{{{name}}}")).collect();
        let values = names.into_iter().map(|name| (name, json!({ "enum": digits })));
        let variables = Value::Object(values.collect());
        // Variables in the host also count.
        for url in [url.clone(), format!("https://{}/", url.replace('/', "a"))] {
            assert_eq!(error_at(&url, variables.clone()), TOO_MANY);
            // A path and an operation can have servers.
            let servers = json!([{ "url": url, "variables": variables }]);
            for (item, start) in [
                (json!({ "servers": servers, "get": {} }), "the server `"),
                (json!({ "put": { "servers": servers } }), "PUT: the server `"),
            ] {
                let (place, reason) = error(with_paths(json!({ "/b": item })));
                assert_eq!(place, "/b");
                assert!(reason.starts_with(start), "{reason}");
            }
        }
    }
    let long = "x".repeat(1000);
    for (url, value, reason) in [
        ("/{v}".repeat(30), json!({ "enum": ["a", "b"] }), TOO_MANY),
        ("/{v}{v}{v}".to_owned(), json!({ "default": long }), TOO_LONG),
        ("/{v}".repeat(400), json!({ "default": long }), TOO_LONG),
        ("/{v}".repeat(400), json!({ "default": "abcdef" }), TOO_LONG),
        (format!("/{long}{long}{long}"), json!({ "default": "a" }), TOO_LONG),
        ("{".repeat(3000), json!({ "default": "a" }), TOO_LONG),
    ] {
        assert_eq!(error_at(&url, json!({ "v": value })), reason);
    }
    // The server's URL and the path are too long together.
    let path = format!("/{long}");
    let paths = json!({ (&*path): { "get": {} } });
    let document = json!({ "openapi": "3.1.0", "servers": [{ "url": path }], "paths": paths });
    assert_eq!(error(document).1, format!("GET: {TOO_LONG}"));
}

#[test]
fn a_large_document_is_an_error() {
    fn object(count: usize, start: &str, value: Value) -> Value {
        let members = (0..count).map(|number| (format!("{start}{number}"), value.clone()));
        Value::Object(members.collect())
    }
    let paths = |count| object(count, "/", json!({ "get": {} }));
    assert_eq!(rules(with_paths(paths(10_000))).len(), 10_000);
    let too_many = ("/10000".to_owned(), format!("GET: {TOO_MANY}"));
    assert_eq!(error(with_paths(paths(10_001))), too_many);
    // Each path counts once for each server.
    let servers: Value = (0..100).map(|number| json!({ "url": format!("/{number}") })).collect();
    let document = json!({ "openapi": "3.1.0", "servers": servers, "paths": paths(100) });
    assert_eq!(error(document).0, "/99");
    let values: Vec<_> = (0..10_001).map(|number| number.to_string()).collect();
    let variables = json!({ "v": { "enum": values } });
    assert_eq!(error_at("/{v}", variables), TOO_MANY);
    let item = json!({ "additionalOperations": object(10_001, "M", json!({})) });
    let reason = error(with_paths(json!({ "/a": item }))).1;
    assert_eq!(reason, format!("M10000: {TOO_MANY}"));
}

#[test]
fn the_error_for_a_very_long_name_is_short() {
    let name = "\u{1F600}".repeat(100_000);
    for paths in [
        json!({ (&*name): { "get": {} } }),
        json!({ (format!("/{name}")): { "get": {} } }),
        json!({ "/a": { (&*name): {} } }),
        json!({ "/a": { "additionalOperations": { (&*name): {} } } }),
    ] {
        error(with_paths(paths));
    }
    error(with_servers(json!([{ "url": name }])));
}
