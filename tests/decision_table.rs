//! The decision table, row by row in its own order, the sentences about its words, and the facts about
//! method names.

mod support;

use std::collections::HashMap;
use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use proptest::prelude::*;
use proptest::sample::select;
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::{Decision, MethodPolicyLayer, MethodSet, Policy, RuleKind, WouldReject};

use crate::support::strategies::{
    METHODS, PATHS, Setting, TCHARS, any_method, method, policy_of, set, settings,
};

type Body = Full<Bytes>;

/// A decision in a word: `forward`, `405` with what is allowed, or `501`.
fn decide(policy: &Policy, method: &Method, path: &str) -> String {
    match policy.decide(method, path) {
        Decision::Forward => "forward".to_owned(),
        Decision::NotAllowed { allow } => format!("405 {allow}"),
        Decision::NotImplemented => "501".to_owned(),
    }
}

/// A request without a body.
fn request(method: &str, target: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(target);
    request.body(Body::default()).expect("a valid request")
}

fn preflight(target: &str) -> Request<Body> {
    let mut request = request("OPTIONS", target);
    for (name, value) in [
        ("origin", "https://example.com"),
        ("access-control-request-method", "PUT"),
    ] {
        let value = value.parse().expect("a field value");
        request.headers_mut().insert(name, value);
    }
    request
}

/// Sends `request` through `layer` to an inner service that answers `418` with an `Allow` of its own.
async fn response(layer: &MethodPolicyLayer, request: Request<Body>) -> Response<Body> {
    let inner = service_fn(async |_: Request<Body>| {
        let response = Response::builder().status(StatusCode::IM_A_TEAPOT);
        let response = response.header("allow", "INNER").body(Body::from("inner"));
        Ok::<_, Infallible>(response.expect("valid"))
    });
    let Ok(response) = layer.layer(inner).oneshot(request).await;
    response
}

/// What a layer does, in a word: `forward`, or the status and the `Allow` field if there is one.
async fn outcome(layer: &MethodPolicyLayer, request: Request<Body>) -> String {
    let response = response(layer, request).await;
    if response.status() == StatusCode::IM_A_TEAPOT {
        assert_eq!(response.headers()["allow"], "INNER");
        return "forward".to_owned();
    }
    let status = response.status().as_u16();
    match response.headers().get("allow") {
        Some(allow) => format!("{status} {}", allow.to_str().expect("text")),
        None => status.to_string(),
    }
}

/// One policy of each kind of configuration, and a path at which to ask it.
fn policies() -> [(&'static str, Policy, &'static str); 6] {
    let routes = Policy::new()
        .fallback([Method::GET])
        .route("/dav/{*path}", set("GET PROPFIND PUT"))
        .expect("valid");
    [
        ("default", Policy::new(), "/"),
        (
            "fallback",
            Policy::new().fallback([Method::GET, Method::POST]),
            "/",
        ),
        (
            "recognize",
            Policy::new().recognize(set("PROPFIND TRACK LINK M-SEARCH M-GET PURGE")),
            "/",
        ),
        (
            "recognize_only",
            Policy::new().recognize_only([Method::POST]),
            "/",
        ),
        ("route", routes.clone(), "/dav/file"),
        ("the fallback next to a route", routes, "/"),
    ]
}

// The rows, by their numbers.

/// RFC 9110 §9.1: "All general-purpose servers MUST support the methods GET and HEAD."
#[tokio::test]
async fn row_1_get_and_head_are_forwarded() {
    let without_get = [
        ("empty fallback", Policy::new().fallback([]), "/"),
        (
            "rule without GET",
            Policy::new().route("/login", [Method::POST]).unwrap(),
            "/login",
        ),
        (
            "empty registry",
            Policy::new().recognize_only([]).fallback([]),
            "/",
        ),
    ];
    for (configuration, policy, path) in policies().into_iter().chain(without_get) {
        for method in ["GET", "HEAD"] {
            for path in [path, "*", "", "/elsewhere"] {
                let decision = decide(&policy, &method.parse().unwrap(), path);
                assert_eq!(decision, "forward", "{configuration} {method} {path}");
            }
            for answer_options in [false, true] {
                let layer = MethodPolicyLayer::new(policy.clone()).answer_options(answer_options);
                let outcome = outcome(&layer, request(method, path)).await;
                assert_eq!(outcome, "forward", "{configuration} {method}");
            }
        }
    }
}

/// Fetch, "CORS-preflight request".
#[tokio::test]
async fn row_2_a_preflight_is_forwarded_where_options_is_recognized() {
    for policy in [
        Policy::new(),
        Policy::new().fallback([]),
        Policy::new().fallback([Method::OPTIONS]),
        Policy::new().recognize_only([]).recognize(Method::OPTIONS),
        // A rule that lists OPTIONS somewhere else.
        Policy::new()
            .recognize_only([])
            .fallback([])
            .route("/other", [Method::OPTIONS])
            .unwrap(),
    ] {
        for answer_options in [false, true] {
            let layer = MethodPolicyLayer::new(policy.clone()).answer_options(answer_options);
            for target in ["/", "/a?b", "http://example.com/", "*"] {
                let outcome = outcome(&layer, preflight(target)).await;
                assert_eq!(outcome, "forward", "{policy:?} {answer_options} {target}");
            }
        }
    }
    for policy in [
        Policy::new().recognize_only([]),
        Policy::new().recognize_only([Method::PUT]).fallback([]),
    ] {
        let layer = MethodPolicyLayer::new(policy);
        assert_eq!(outcome(&layer, preflight("/")).await, "501");
        // Answering makes OPTIONS recognized.
        let layer = layer.answer_options(true);
        assert_eq!(outcome(&layer, preflight("/")).await, "forward");
    }
}

/// Fetch: only `OPTIONS` with both fields is a preflight.
#[tokio::test]
async fn row_2_is_only_for_preflights() {
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::GET]));
    for missing in ["origin", "access-control-request-method"] {
        let mut half = preflight("/");
        half.headers_mut().remove(missing);
        assert_eq!(outcome(&layer, half).await, "405 GET, HEAD", "{missing}");
    }
    for (method, expected) in [("PUT", "405 GET, HEAD"), ("options", "501"), ("FOO", "501")] {
        let mut request = preflight("/");
        *request.method_mut() = method.parse().unwrap();
        assert_eq!(outcome(&layer, request).await, expected, "{method}");
    }
}

/// RFC 9110 §9.3.7.
#[tokio::test]
async fn row_3_options_is_answered_where_a_rule_applies_that_does_not_list_it() {
    for (rule, expected) in [
        ("", "200 OPTIONS"),
        ("POST", "200 POST, OPTIONS"),
        ("GET", "200 GET, HEAD, OPTIONS"),
        ("FOO GET TRACE", "200 GET, HEAD, OPTIONS, TRACE, FOO"),
    ] {
        for policy in [
            Policy::new().fallback(set(rule)),
            Policy::new().recognize_only([]).fallback(set(rule)),
            Policy::new().route("/", set(rule)).unwrap(),
        ] {
            let layer = MethodPolicyLayer::new(policy.clone()).answer_options(true);
            let outcome = outcome(&layer, request("OPTIONS", "/")).await;
            assert_eq!(outcome, expected, "{policy:?}");
        }
    }
    // The subtree's prefix, the prefix with a slash, and below.
    let policy = Policy::new().subtree("/dav", [Method::PUT]).unwrap();
    let layer = MethodPolicyLayer::new(policy).answer_options(true);
    for target in ["/dav", "/dav/", "/dav/a/b"] {
        let outcome = outcome(&layer, request("OPTIONS", target)).await;
        assert_eq!(outcome, "200 PUT, OPTIONS", "{target}");
    }
    assert_eq!(outcome(&layer, request("OPTIONS", "/")).await, "forward");

    // Without answering, OPTIONS is a method like any other.
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::GET]));
    let not_allowed = outcome(&layer, request("OPTIONS", "/")).await;
    assert_eq!(not_allowed, "405 GET, HEAD");
}

/// RFC 9110 §9.3.7: `OPTIONS *` is a "ping" of the server, and rules do not describe the server.
#[tokio::test]
async fn row_3_options_asterisk_is_answered_without_allow() {
    for policy in [
        Policy::new(),
        Policy::new().recognize_only([]),
        Policy::new().fallback([]),
        Policy::new().fallback([Method::OPTIONS]),
        Policy::new().fallback([Method::GET, Method::PUT]),
        Policy::new().route("/a", [Method::POST]).unwrap(),
        Policy::new().exempt("/{*rest}").unwrap(),
    ] {
        let layer = MethodPolicyLayer::new(policy.clone()).answer_options(true);
        let outcome = outcome(&layer, request("OPTIONS", "*")).await;
        assert_eq!(outcome, "200", "{policy:?}");
    }
    // Without answering, `*` is at the fallback.
    for (policy, expected) in [
        (Policy::new(), "forward"),
        (Policy::new().fallback([Method::OPTIONS]), "forward"),
        (Policy::new().fallback([Method::GET]), "405 GET, HEAD"),
        (Policy::new().recognize_only([]), "501"),
    ] {
        let layer = MethodPolicyLayer::new(policy.clone());
        let outcome = outcome(&layer, request("OPTIONS", "*")).await;
        assert_eq!(outcome, expected, "{policy:?}");
    }
    // A path that looks like it, and a request without a path.
    let layer = MethodPolicyLayer::new(Policy::new().fallback([])).answer_options(true);
    for target in ["/*", "/%2A", "http://example.com/*", "example.com:443"] {
        let outcome = outcome(&layer, request("OPTIONS", target)).await;
        assert_eq!(outcome, "200 OPTIONS", "{target}");
    }
}

#[tokio::test]
async fn row_4_a_method_that_the_rule_lists_is_forwarded() {
    let policy = Policy::new().fallback(set("POST FOO TRACE"));
    let policy = policy.route("/dav", set("PROPFIND DELETE")).unwrap();
    let policy = policy.subtree("/files", set("PUT FOO")).unwrap();
    let layer = MethodPolicyLayer::new(policy.clone());
    for (path, methods) in [
        ("/", ["POST", "FOO", "TRACE"]),
        ("/dav", ["PROPFIND", "DELETE", "GET"]),
        ("/files", ["PUT", "FOO", "GET"]),
        ("/files/", ["PUT", "FOO", "GET"]),
        ("/files/a/b", ["PUT", "FOO", "GET"]),
    ] {
        for name in methods {
            assert_eq!(decide(&policy, &method(name), path), "forward", "{name}");
            assert_eq!(outcome(&layer, request(name, path)).await, "forward");
        }
    }
}

#[tokio::test]
async fn row_4_without_a_rule_a_recognized_method_is_forwarded() {
    let standard = [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "CONNECT", "TRACE",
    ];
    for name in standard {
        let decision = decide(&Policy::new(), &method(name), "/");
        assert_eq!(decision, "forward", "{name}");
    }

    // A rule does not apply at another path, but its methods are recognized there.
    let policy = Policy::new().route("/dav", set("PROPFIND")).unwrap();
    for name in standard.into_iter().chain(["PROPFIND"]) {
        assert_eq!(decide(&policy, &method(name), "/"), "forward", "{name}");
    }
    assert_eq!(decide(&policy, &method("POST"), "/dav"), "405 PROPFIND");

    // An exempt path has no rule, not even the fallback.
    let policy = policy.fallback([]).exempt("/ws").unwrap();
    for name in standard.into_iter().chain(["PROPFIND"]) {
        assert_eq!(decide(&policy, &method(name), "/ws"), "forward", "{name}");
        let elsewhere = decide(&policy, &method(name), "/ws/");
        assert_eq!(elsewhere, "405 ", "{name}");
    }
    assert_eq!(decide(&policy, &method("FOO"), "/ws"), "501");
}

/// The response side of the row is in `options.rs`.
#[tokio::test]
async fn row_4_an_options_that_no_rule_or_a_listing_rule_covers_reaches_the_inner_service() {
    for policy in [
        Policy::new(),
        Policy::new().recognize_only([]),
        Policy::new().fallback([Method::OPTIONS]),
        Policy::new().route("/", set("GET OPTIONS")).unwrap(),
        Policy::new().fallback([]).exempt("/").unwrap(),
        Policy::new().route("/other", [Method::GET]).unwrap(),
    ] {
        let layer = MethodPolicyLayer::new(policy.clone()).answer_options(true);
        let outcome = outcome(&layer, request("OPTIONS", "/")).await;
        assert_eq!(outcome, "forward", "{policy:?}");
    }
}

/// RFC 9110 §15.5.6: "the method received in the request-line is known by the origin server but not
/// supported by the target resource".
#[tokio::test]
async fn row_5_a_recognized_method_that_the_rule_does_not_list_is_a_405_with_allow() {
    let login = Policy::new().fallback([Method::POST]);
    assert_eq!(decide(&login, &Method::DELETE, "/"), "405 POST");

    let policy = Policy::new()
        .fallback(set("GET POST"))
        .recognize(set("PURGE"));
    let layer = MethodPolicyLayer::new(policy.clone());
    for name in [
        "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "PURGE",
    ] {
        let decision = decide(&policy, &method(name), "/");
        assert_eq!(decision, "405 GET, HEAD, POST", "{name}");
        let outcome = outcome(&layer, request(name, "/")).await;
        assert_eq!(outcome, "405 GET, HEAD, POST", "{name}");
    }

    // A method that a rule lists somewhere is recognized everywhere. The rule at the path says what is
    // allowed there, and the fallback adds nothing to it.
    let policy = policy.route("/dav", set("PROPFIND DELETE")).unwrap();
    let policy = policy.subtree("/files", set("LOCK")).unwrap();
    for name in ["PROPFIND", "DELETE", "LOCK"] {
        let decision = decide(&policy, &method(name), "/");
        assert_eq!(decision, "405 GET, HEAD, POST", "{name}");
    }
    assert_eq!(
        decide(&policy, &Method::POST, "/dav"),
        "405 DELETE, PROPFIND"
    );
    assert_eq!(decide(&policy, &Method::POST, "/files/a"), "405 LOCK");
}

/// RFC 9110 §15.6.2: "the appropriate response when the server does not recognize the request method
/// and is not capable of supporting it for any resource".
#[tokio::test]
async fn row_6_any_other_method_is_a_501() {
    for name in ["FOO", "get", "Get", "M-GET", "TRACK", "PROPFIND"] {
        assert_eq!(decide(&Policy::new(), &method(name), "/"), "501", "{name}");
        for policy in [Policy::new(), Policy::new().fallback([Method::POST])] {
            for answer_options in [false, true] {
                let layer = MethodPolicyLayer::new(policy.clone()).answer_options(answer_options);
                let outcome = outcome(&layer, request(name, "/")).await;
                assert_eq!(outcome, "501", "{name}");
            }
        }
    }
    let policy = Policy::new().recognize_only([Method::POST]);
    for name in [
        "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY", "PATCH",
    ] {
        assert_eq!(decide(&policy, &method(name), "/"), "501", "{name}");
    }
}

proptest! {
    /// The table once more, with the registry and the rules put together from the settings.
    #[test]
    fn every_policy_decides_as_the_table_says(
        settings in settings(),
        method in prop_oneof![3 => select(METHODS).prop_map(method), 1 => any_method()],
        (path, patterns) in select(PATHS),
    ) {
        let mut added = MethodSet::new();
        let mut only = MethodSet::STANDARD;
        let mut fallback = None;
        // `None` for an exempt path.
        let mut path_rules = HashMap::new();
        for setting in &settings {
            match setting.clone() {
                Setting::Recognize(methods) => added |= methods,
                Setting::RecognizeOnly(methods) => only = methods,
                Setting::Fallback(methods) => fallback = Some(methods),
                Setting::Route(pattern, methods) | Setting::Subtree(pattern, methods) => {
                    path_rules.insert(pattern, Some(methods));
                }
                Setting::Exempt(pattern) => {
                    path_rules.insert(pattern, None);
                }
            }
        }

        let mut recognized = only | added;
        for rule in path_rules.values().chain([&fallback]).flatten() {
            recognized |= rule;
        }
        let path_rule = patterns.iter().find_map(|pattern| path_rules.remove(pattern));
        let rule = path_rule.unwrap_or(fallback).map(|mut methods| {
            if methods.contains(&Method::GET) {
                methods.insert(Method::HEAD);
            }
            methods
        });

        let is_allowed = match &rule {
            Some(rule) => rule.contains(&method),
            None => recognized.contains(&method),
        };
        let expected = if [Method::GET, Method::HEAD].contains(&method) || is_allowed {
            "forward".to_owned()
        } else if recognized.contains(&method) {
            format!("405 {}", rule.expect("without a rule a recognized method is forwarded"))
        } else {
            "501".to_owned()
        };
        prop_assert_eq!(decide(&policy_of(&settings), &method, path), expected);
    }
}

// The words.

#[test]
fn the_default_registry_is_that_of_rfc_9110_with_patch_and_query() {
    let expected = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT, QUERY";
    assert_eq!(Policy::new().recognized().to_string(), expected);
}

#[test]
fn recognize_adds_and_recognize_only_replaces() {
    for (policy, expected) in [
        (
            Policy::new().recognize(set("FOO")).recognize(set("BAR")),
            "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, CONNECT, QUERY, BAR, FOO",
        ),
        (Policy::new().recognize_only([]), "GET, HEAD"),
        (
            Policy::new().recognize_only(set("PUT FOO")),
            "GET, HEAD, PUT, FOO",
        ),
        (
            Policy::new()
                .recognize_only(set("PUT"))
                .recognize_only(set("FOO")),
            "GET, HEAD, FOO",
        ),
        // The order does not matter.
        (
            Policy::new()
                .recognize(set("FOO"))
                .recognize_only(set("PUT")),
            "GET, HEAD, PUT, FOO",
        ),
        // Every rule counts.
        (
            Policy::new()
                .fallback(set("A"))
                .route("/", set("B"))
                .unwrap()
                .subtree("/s", set("C"))
                .unwrap()
                .recognize_only([]),
            "GET, HEAD, A, B, C",
        ),
        // A fallback that was replaced does not.
        (
            Policy::new()
                .recognize_only([])
                .fallback(set("A"))
                .fallback(set("B")),
            "GET, HEAD, B",
        ),
    ] {
        assert_eq!(policy.recognized().to_string(), expected, "{policy:?}");
    }
}

#[tokio::test]
async fn with_answering_options_is_recognized_and_nothing_else_is() {
    let layer = MethodPolicyLayer::new(Policy::new().recognize_only([])).answer_options(true);
    assert_eq!(outcome(&layer, request("OPTIONS", "/")).await, "forward");
    for name in ["PUT", "TRACE", "options", "OPTION", "OPTIONSX"] {
        assert_eq!(outcome(&layer, request(name, "/")).await, "501", "{name}");
    }
    // `Policy::decide` does not know the setting.
    let decision = decide(layer.policy(), &Method::OPTIONS, "/");
    assert_eq!(decision, "501");
    let policy = Policy::new().fallback([Method::GET]);
    let layer = MethodPolicyLayer::new(policy).answer_options(true);
    let decision = decide(layer.policy(), &Method::OPTIONS, "/");
    assert_eq!(decision, "405 GET, HEAD");
}

#[tokio::test]
async fn a_rule_is_taken_literally_and_get_brings_head() {
    for (rule, methods) in [
        ("", ""),
        ("POST", "POST"),
        ("HEAD", "HEAD"),
        ("GET", "GET, HEAD"),
        ("HEAD GET", "GET, HEAD"),
        ("get", "get"),
        ("OPTIONS PUT", "PUT, OPTIONS"),
        ("PROPFIND FOO", "PROPFIND, FOO"),
    ] {
        let policies = [
            (RuleKind::Fallback, Policy::new().fallback(set(rule))),
            (
                RuleKind::Route,
                Policy::new().route("/a", set(rule)).unwrap(),
            ),
            (
                RuleKind::Subtree,
                Policy::new().subtree("/a", set(rule)).unwrap(),
            ),
        ];
        for (kind, policy) in policies {
            let found = policy.rule_at("/a").unwrap();
            assert_eq!(found.kind(), kind);
            assert_eq!(found.methods().to_string(), methods);
            let layer = MethodPolicyLayer::new(policy);
            let rejected = outcome(&layer, request("TRACE", "/a")).await;
            assert_eq!(rejected, format!("405 {methods}"), "{kind:?}");
        }
    }
    // A second fallback replaces the first.
    let policy = Policy::new()
        .fallback([Method::PUT])
        .fallback([Method::POST]);
    assert_eq!(decide(&policy, &Method::TRACE, "/"), "405 POST");
}

/// The layer answers `OPTIONS`, so a list of what the target supports has it.
#[tokio::test]
async fn with_answering_every_allow_of_the_layer_includes_options() {
    for (rule, allow) in [
        ("", "OPTIONS"),
        ("POST", "POST, OPTIONS"),
        ("OPTIONS", "OPTIONS"),
        ("GET TRACE", "GET, HEAD, OPTIONS, TRACE"),
    ] {
        let policy = Policy::new().fallback(set(rule));
        let layer = MethodPolicyLayer::new(policy).answer_options(true);
        let rejected = outcome(&layer, request("DELETE", "/")).await;
        assert_eq!(rejected, format!("405 {allow}"));
    }
}

/// RFC 9110 §9.3.6: the target of a plain `CONNECT` is an authority. RFC 8441 §4: that of an extended one
/// has a path.
#[tokio::test]
async fn a_request_without_a_path_is_at_the_fallback() {
    let policy = Policy::new()
        .route("/{*all}", [Method::CONNECT])
        .unwrap()
        .route("/", [Method::CONNECT])
        .unwrap();
    let fallback = policy.clone().fallback([Method::GET]);
    for (policy, target, expected) in [
        (&fallback, "example.com:443", "405 GET, HEAD"),
        (&policy, "example.com:443", "forward"),
        (&fallback, "http://example.com/chat", "forward"),
        (&fallback, "http://example.com", "forward"),
    ] {
        let layer = MethodPolicyLayer::new(policy.clone());
        let outcome = outcome(&layer, request("CONNECT", target)).await;
        assert_eq!(outcome, expected, "{target}");
    }
    let websocket = Policy::new()
        .route("/chat", [Method::GET])
        .unwrap()
        .exempt("/ws")
        .unwrap();
    for (target, expected) in [
        ("http://example.com/chat", "405 GET, HEAD"),
        ("http://example.com/ws", "forward"),
    ] {
        let layer = MethodPolicyLayer::new(websocket.clone());
        let outcome = outcome(&layer, request("CONNECT", target)).await;
        assert_eq!(outcome, expected, "{target}");
    }
}

#[tokio::test]
async fn with_report_only_every_row_forwards_and_rows_5_and_6_leave_a_mark() {
    let policy = Policy::new().fallback([Method::GET]);
    let layer = MethodPolicyLayer::new(policy).report_only(true);
    for answer_options in [false, true] {
        let layer = layer.clone().answer_options(answer_options);
        let options = if answer_options { None } else { Some(405) };
        for (request, mark) in [
            (request("GET", "/"), None),
            (preflight("/"), None),
            (request("OPTIONS", "/"), options),
            (request("OPTIONS", "*"), options),
            (request("DELETE", "/"), Some(405)),
            (request("FOO", "/"), Some(501)),
        ] {
            let line = format!("{} {}", request.method(), request.uri());
            let response = response(&layer, request).await;
            assert_eq!(response.status(), StatusCode::IM_A_TEAPOT, "{line}");
            assert_eq!(response.headers().len(), 1, "{line}");
            assert_eq!(response.headers()["allow"], "INNER", "{line}");
            let found = response.extensions().get::<WouldReject>();
            let found = found.map(|mark| mark.rejection().status().as_u16());
            assert_eq!(found, mark, "{line}");
            assert_eq!(response.extensions().len(), usize::from(mark.is_some()));
        }
    }
}

// The facts.

/// What six configurations decide on some names: `F` forwarded, `4` rejected with 405, `5` with 501.
/// In the order of [`policies`]: the default; a fallback with POST; PROPFIND, TRACK, LINK, M-SEARCH, M-GET,
/// and PURGE recognized; only POST recognized; a route with PROPFIND and PUT; the fallback next to it.
const FACTS: &[(&str, &str)] = &[
    ("GET HEAD", "FFFFFF"),
    ("POST", "FFFF44"),
    ("PUT", "F4F5F4"),
    ("DELETE OPTIONS PATCH QUERY TRACE CONNECT", "F4F544"),
    // Registered, or in use, but implemented only where a server says so.
    ("PROPFIND", "55F5F4"),
    ("TRACK LINK M-SEARCH M-GET PURGE", "55F555"),
];

/// Names that no policy recognizes unless it is told to.
const UNKNOWN: &[&str] = &[
    // Registered, or in use.
    "SEARCH UNLINK ACL BASELINE-CONTROL UPDATEREDIRECTREF NOTIFY BAN DEBUG BCOPY RPC_IN_DATA",
    // Reserved: the HTTP/2 preface and the wildcard.
    "PRI *",
    // Methods are case-sensitive.
    "get Get gET GEt head Head post Post options trace query propfind Propfind purge m-search",
    // A name is compared whole, not by its length or by how it begins or ends.
    "G GE ET GETX XGET GETGET GET- -GET GET. GOT PET SET HEA HEADER HEAP READ POS POSTS PUTS PUR",
    "PATCHES DELETED OPTION TRACES TRACER CONNECTED QUERIES PROPFINDS PROPFINE PROP-FIND MSEARCH",
    "M_SEARCH M-POST",
    // Valid tokens that do not look like methods.
    "a 0 200 - ** null undefined HTTP %s%n .. '--",
];

#[test]
fn a_name_is_compared_as_a_whole() {
    let unknown = UNKNOWN.iter().map(|names| (*names, "555555"));
    for (names, expected) in FACTS.iter().copied().chain(unknown) {
        for name in names.split(' ') {
            let decide = |policy: &Policy, path| match policy.decide(&method(name), path) {
                Decision::Forward => 'F',
                Decision::NotAllowed { .. } => '4',
                Decision::NotImplemented => '5',
            };
            let decisions = policies().map(|(_, policy, path)| decide(&policy, path));
            assert_eq!(String::from_iter(decisions), expected, "{name}");
        }
    }
}

/// A method is a token (RFC 9110 §9.1, §5.6.2), and `http` accepts nothing else.
#[test]
fn exactly_the_tokens_are_methods() {
    assert!(Method::from_bytes(b"").is_err());
    for byte in 0..=u8::MAX {
        let is_tchar = TCHARS.as_bytes().contains(&byte);
        assert_eq!(
            is_tchar,
            byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
        );
        // `http` stores names of up to 15 bytes in another way than longer ones.
        for length in [1, 3, 15, 16, 40] {
            for at in [0, length / 2, length - 1] {
                let mut name = vec![b'A'; length];
                name[at] = byte;
                assert_eq!(
                    Method::from_bytes(&name).is_ok(),
                    is_tchar,
                    "{byte:#04x} at {at}"
                );
            }
        }
    }
}

#[test]
fn a_method_of_one_character_is_a_501_until_it_is_configured() {
    for character in TCHARS.chars() {
        let name = method(&character.to_string());
        for (configuration, policy, path) in policies() {
            assert_eq!(
                decide(&policy, &name, path),
                "501",
                "{character} {configuration}"
            );
        }
        // The wildcard is reserved (RFC 9110 §18.2).
        if character != '*' {
            let policy = Policy::new()
                .fallback([Method::GET])
                .recognize([name.clone()]);
            assert_eq!(decide(&policy, &name, "/"), "405 GET, HEAD");
            let policy = policy.fallback([name.clone()]);
            assert_eq!(decide(&policy, &name, "/"), "forward");
        }
    }
}

/// RFC 9112 §3: "A server that receives a method longer than any that it implements SHOULD respond
/// with a 501 (Not Implemented) status code." hyper accepts every method that fits into its buffer.
#[test]
fn a_method_longer_than_any_implemented_one_is_a_501() {
    for length in [15, 16, 17, 64, 65, 255, 256, 65_535, 65_536, 70_000] {
        for name in [
            "A".repeat(length),
            format!("GET{}", "T".repeat(length)),
            "GET".repeat(length),
        ] {
            for (configuration, policy, path) in policies() {
                assert_eq!(
                    decide(&policy, &method(&name), path),
                    "501",
                    "{configuration}"
                );
            }
        }
    }
}

#[test]
fn a_long_method_that_a_rule_lists_is_forwarded() {
    let long = method(&"A".repeat(70_000));
    let policy = Policy::new().fallback([long.clone()]);
    assert_eq!(decide(&policy, &long, "/"), "forward");

    for near in [
        "A".repeat(69_999),
        "A".repeat(70_001),
        format!("{}B", "A".repeat(69_999)),
    ] {
        assert_eq!(decide(&policy, &method(&near), "/"), "501");
    }
}

#[test]
fn a_name_one_character_away_from_get_or_head_is_a_501() {
    let policy = Policy::new().fallback([]).recognize_only([]);
    for name in ["GET", "HEAD"] {
        for at in 0..name.len() {
            for character in TCHARS.chars() {
                let (start, end) = name.split_at(at);
                let replaced = format!("{start}{character}{}", &end[1..]);
                let inserted = format!("{start}{character}{end}");
                let appended = format!("{name}{character}");
                for near in [replaced, inserted, appended] {
                    let expected = if near == name { "forward" } else { "501" };
                    assert_eq!(decide(&policy, &method(&near), "/"), expected, "{near}");
                }
            }
        }
    }
}

#[tokio::test]
async fn fields_and_parameters_that_override_the_method_are_ignored() {
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::DELETE]));
    let status = async |method: &str, overridden: &str| {
        let inner =
            service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::<Body>::default()));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/?_method={overridden}&method={overridden}"));
        for field in [
            "x-http-method-override",
            "x-http-method",
            "x-method-override",
            "x-original-method",
            "x-forwarded-method",
            "method",
        ] {
            request = request.header(field, overridden);
        }
        let request = request.body(Body::default()).unwrap();
        layer.layer(inner).oneshot(request).await.unwrap().status()
    };

    for overridden in ["GET", "DELETE", "POST", "FOO"] {
        assert_eq!(status("GET", overridden).await, StatusCode::OK);
        assert_eq!(status("DELETE", overridden).await, StatusCode::OK);
        assert_eq!(
            status("POST", overridden).await,
            StatusCode::METHOD_NOT_ALLOWED
        );
        assert_eq!(status("FOO", overridden).await, StatusCode::NOT_IMPLEMENTED);
    }
}
