//! Tests the rows of the decision table in their order, requests without a path, and method names. `service.rs`
//! compares random layers with a model of the table.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::{Decision, MethodPolicyLayer, Policy};

use crate::support::strategies::{method, methods_at_targets, policy};

type Body = Full<Bytes>;

/// Returns the decision as text: `forward`, `405` and the allowed methods, or `501`.
fn decide(policy: &Policy, method: &Method, path: &str) -> String {
    match policy.decide(method, path) {
        Decision::Forward => "forward".to_owned(),
        Decision::NotAllowed { allow } if allow.is_empty() => "405 nothing".to_owned(),
        Decision::NotAllowed { allow } => format!("405 {allow}"),
        Decision::NotImplemented => "501".to_owned(),
    }
}

/// Returns a request. `+o` after the method adds `Origin`, and `+r` adds `Access-Control-Request-Method`.
fn request(method: &str, target: &str) -> Request<Body> {
    let mut parts = method.split('+');
    let request = Request::builder().method(parts.next().expect("a method"));
    let request = parts.fold(request, |request, field| match field {
        "o" => request.header("origin", "https://example.com"),
        _ => request.header("access-control-request-method", "PUT"),
    });
    let request = request.uri(target).body(Body::default());
    request.expect("a valid request")
}

/// Sends `request` through `layer` to an inner service that answers `418` with its own `Allow`.
async fn response(layer: &MethodPolicyLayer, request: Request<Body>) -> Response<Body> {
    let inner = service_fn(async |_: Request<Body>| {
        let response = Response::builder().status(StatusCode::IM_A_TEAPOT);
        let response = response.header("allow", "INNER").body(Body::from("inner"));
        Ok::<_, Infallible>(response.expect("valid"))
    });
    let Ok(response) = layer.layer(inner).oneshot(request).await;
    response
}

/// Returns the outcome as text: `forward`, or the status and the `Allow` of the answer.
async fn outcome(layer: &MethodPolicyLayer, request: Request<Body>) -> String {
    let response = response(layer, request).await;
    if response.status() == StatusCode::IM_A_TEAPOT {
        assert_eq!(response.headers()["allow"], "INNER");
        return "forward".to_owned();
    }
    let status = response.status().as_u16();
    let allow = response.headers().get("allow");
    if status == 200 {
        // The layer's own answer to `OPTIONS` has no other fields.
        assert_eq!(response.headers()["content-length"], "0");
        assert_eq!(response.headers().len(), 1 + usize::from(allow.is_some()));
        assert!(response.extensions().is_empty());
    }
    match allow.map(HeaderValue::to_str) {
        Some(Ok("")) => format!("{status} nothing"),
        Some(allow) => format!("{status} {}", allow.expect("text")),
        None => status.to_string(),
    }
}

/// Checks a table. Its columns are:
///
/// - the calls that build a policy
/// - methods and targets; each method is requested at each target
/// - the outcome if the layer does not answer `OPTIONS`
/// - the outcome if the layer answers `OPTIONS`, if it is a different one
///
/// If the inner service decides, the outcome is the same, except that a `501` becomes `forward` where no rule applies.
///
/// `Policy::decide` must agree with a layer that does not answer `OPTIONS`, except for preflights, because it does
/// not see header fields.
async fn check(table: &str) {
    for line in table.trim().lines() {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [calls, requests, off, ref rest @ ..] = columns[..] else {
            panic!("{line}");
        };
        let on = rest.first().copied().unwrap_or(off);
        for (method, target) in methods_at_targets(requests) {
            for (answer_options, expected) in [(false, off), (true, on)] {
                let layer = MethodPolicyLayer::new(policy(calls)).answer_options(answer_options);
                let outcome = outcome(&layer, request(method, target)).await;
                assert_eq!(
                    outcome, expected,
                    "{line}: {method} {target}, answer_options({answer_options})"
                );
                let layer = layer.inner_decides(true);
                let outcome = self::outcome(&layer, request(method, target)).await;
                let (parts, _) = request(method, target).into_parts();
                let has_rule = policy(calls).rule_at(parts.uri.path()).is_some();
                let expected = if expected == "501" && !has_rule { "forward" } else { expected };
                assert_eq!(outcome, expected, "{line}: {method} {target}, inner_decides");
            }
            if !method.contains('+') {
                let (parts, _) = request(method, target).into_parts();
                let decision = decide(&policy(calls), &parts.method, parts.uri.path());
                assert_eq!(decision, off, "{line}: {method} {target}");
            }
        }
    }
}

// The rows.

/// RFC 9110 §9.1: "All general-purpose servers MUST support the methods GET and HEAD."
#[tokio::test]
async fn row_1_get_and_head_are_forwarded() {
    check(
        "                         | GET HEAD / * /a example.com:443 | forward
        fallback                  | GET HEAD / * /a example.com:443 | forward
        fallback GET POST         | GET HEAD / * /a | forward
        recognize_only            | GET HEAD / * /a | forward
        recognize_only; fallback  | GET HEAD / * /a | forward
        recognize_only POST       | GET HEAD / * /a | forward
        route /a POST             | GET HEAD / * /a | forward
        subtree /a; fallback POST | GET HEAD / * /a /a/ /a/b | forward",
    )
    .await;
}

/// A preflight is an `OPTIONS` request with both fields (Fetch, "CORS-preflight request").
#[tokio::test]
async fn row_2_a_preflight_is_forwarded() {
    check(
        "                                              | OPTIONS+o+r / /a?b http://a/ * | forward
        fallback                                       | OPTIONS+o+r / /a?b http://a/ * | forward
        fallback OPTIONS                               | OPTIONS+o+r / * | forward
        recognize_only; recognize OPTIONS              | OPTIONS+o+r / * | forward
        recognize_only; fallback; route /other OPTIONS | OPTIONS+o+r / * | forward
        recognize_only                                 | OPTIONS+o+r / * | forward
        recognize_only PUT; fallback                   | OPTIONS+o+r / * | forward
        recognize_only GET POST; route /a POST         | OPTIONS+o+r / /a * | forward
        fallback GET | OPTIONS+o OPTIONS+r / | 405 GET, HEAD | 200 GET, HEAD, OPTIONS
        fallback GET | PUT+o+r /             | 405 GET, HEAD | 405 GET, HEAD, OPTIONS
        fallback GET | options+o+r FOO+o+r / | 501",
    )
    .await;
}

/// RFC 9110 §9.3.7.
#[tokio::test]
async fn row_3_options_is_answered_if_the_rule_does_not_list_it() {
    check(
        "fallback                   | OPTIONS / /* /%2A example.com:443 | 405 nothing | 200 OPTIONS
        fallback POST               | OPTIONS / http://a/* | 405 POST | 200 POST, OPTIONS
        fallback GET                | OPTIONS / | 405 GET, HEAD | 200 GET, HEAD, OPTIONS
        recognize_only; fallback A  | OPTIONS / | 501 | 200 OPTIONS, A
        route / FOO GET TRACE       | OPTIONS / | 405 GET, HEAD, TRACE, FOO | 200 GET, HEAD, OPTIONS, TRACE, FOO
        route /a PUT; fallback POST | OPTIONS /a | 405 PUT | 200 PUT, OPTIONS
        subtree /a PUT              | OPTIONS /a /a/ /a/b/c | 405 PUT | 200 PUT, OPTIONS",
    )
    .await;
}

/// `OPTIONS *` is a "ping" of the server (RFC 9110 §9.3.7). A fallback that lists `OPTIONS` says that the inner service
/// answers it.
#[tokio::test]
async fn row_3_options_asterisk_is_answered_without_allow() {
    check(
        "                | OPTIONS * | forward | 200
        recognize_only   | OPTIONS * | 501 | 200
        fallback         | OPTIONS * | 405 nothing | 200
        fallback OPTIONS | OPTIONS * | forward
        fallback GET     | OPTIONS * | 405 GET, HEAD | 200
        recognize_only; fallback OPTIONS TRACE | OPTIONS * | forward
        route /a POST    | OPTIONS * | forward | 200
        exempt /{*rest}  | OPTIONS * | forward | 200",
    )
    .await;
}

/// `inner_405.rs` tests how the layer turns the inner service's `405` to an `OPTIONS` request into `200`.
#[tokio::test]
async fn row_4_a_recognized_method_is_forwarded_if_the_rule_lists_it_or_no_rule_applies() {
    check(
        "fallback POST FOO TRACE  | POST FOO TRACE / /a * | forward
        route /a PROPFIND DELETE  | PROPFIND DELETE /a | forward
        subtree /a PUT FOO        | PUT FOO /a /a/ /a/b/c | forward
                                  | POST PUT PATCH DELETE OPTIONS QUERY CONNECT TRACE / | forward
        recognize FOO             | POST PUT FOO / | forward
        route /a FOO              | POST PUT FOO OPTIONS / /b | forward
        subtree /a; fallback FOO; exempt /ws | FOO POST TRACE OPTIONS /ws | forward
        fallback OPTIONS          | OPTIONS / | forward
        route /a GET OPTIONS      | OPTIONS /a | forward
        fallback; exempt /        | OPTIONS / | forward
        recognize_only            | OPTIONS / | 501 | forward",
    )
    .await;
}

/// A rule says what the inner service handles. Without one, the inner service is asked.
#[tokio::test]
async fn row_4_where_no_rule_applies_every_method_is_forwarded_if_the_inner_service_decides() {
    for (calls, requests, expected) in [
        ("", "FOO get PROPFIND M-GET POST OPTIONS / /a * example.com:443", "forward"),
        ("recognize_only", "FOO POST OPTIONS / *", "forward"),
        ("exempt /a; fallback", "FOO POST OPTIONS /a", "forward"),
        ("route /a PUT", "FOO POST /b", "forward"),
        ("route /a PUT", "POST OPTIONS /a", "405 PUT"),
        ("route /a PUT", "FOO get /a", "501"),
        ("route /a PUT; recognize FOO", "FOO /a", "405 PUT"),
        ("subtree /a PUT", "FOO /a /a/ /a/b", "501"),
        ("fallback GET", "FOO / * example.com:443", "501"),
        ("fallback GET", "POST / *", "405 GET, HEAD"),
        ("fallback FOO", "FOO GET / *", "forward"),
    ] {
        let layer = MethodPolicyLayer::new(policy(calls)).inner_decides(true);
        for (method, target) in methods_at_targets(requests) {
            let outcome = outcome(&layer, request(method, target)).await;
            assert_eq!(outcome, expected, "{calls}: {method} {target}");
        }
    }
    // The layer itself answers `OPTIONS *` if no rule applies.
    let layer = MethodPolicyLayer::default().inner_decides(true).answer_options(true);
    assert_eq!(outcome(&layer, request("OPTIONS", "*")).await, "200");
}

/// RFC 9110 §15.5.6: "the method received in the request-line is known by the origin server but not
/// supported by the target resource". If the layer answers `OPTIONS`, every `Allow` lists it.
#[tokio::test]
async fn row_5_a_recognized_method_that_the_rule_does_not_list_gets_405_and_allow() {
    check(
        "fallback                       | DELETE / /a * | 405 nothing | 405 OPTIONS
        fallback POST                   | DELETE QUERY / | 405 POST | 405 POST, OPTIONS
        fallback OPTIONS                | DELETE / | 405 OPTIONS
        fallback HEAD                   | DELETE / | 405 HEAD | 405 HEAD, OPTIONS
        fallback GET | POST PUT PATCH DELETE TRACE CONNECT QUERY / | 405 GET, HEAD | 405 GET, HEAD, OPTIONS
        fallback get                    | DELETE / | 405 get | 405 OPTIONS, get
        fallback PUT; recognize PURGE   | PURGE / | 405 PUT | 405 PUT, OPTIONS
        fallback PUT; fallback POST     | DELETE PUT / | 405 POST | 405 POST, OPTIONS
        route /a FOO; fallback POST     | FOO /b | 405 POST | 405 POST, OPTIONS
        route /a FOO; fallback POST     | POST /a | 405 FOO | 405 OPTIONS, FOO
        subtree /a LOCK; fallback POST  | LOCK / | 405 POST | 405 POST, OPTIONS
        subtree /a LOCK; fallback POST  | POST TRACE /a /a/ /a/b | 405 LOCK | 405 OPTIONS, LOCK
        fallback; exempt /ws            | PUT /ws/ | 405 nothing | 405 OPTIONS",
    )
    .await;
}

/// RFC 9110 §15.6.2: "the appropriate response when the server does not recognize the request method
/// and is not capable of supporting it for any resource".
#[tokio::test]
async fn row_6_any_other_method_gets_501() {
    check(
        "                    | FOO get Get M-GET TRACK PROPFIND options OPTIONSX / * | 501
        fallback POST        | FOO get Get M-GET TRACK PROPFIND options OPTIONSX / * | 501
        recognize_only POST  | PUT DELETE TRACE CONNECT QUERY PATCH / | 501
        recognize_only       | PUT TRACE options OPTION / | 501
        fallback; exempt /ws | FOO /ws | 501",
    )
    .await;
}

/// The target of an ordinary `CONNECT` is an authority without a path (RFC 9110 §9.3.6). The target of an extended
/// `CONNECT` has a path (RFC 8441 §4).
#[tokio::test]
async fn the_fallback_applies_to_a_request_without_a_path() {
    check(
        "route / CONNECT; route /{*all} CONNECT; fallback POST | CONNECT a:443 | 405 POST | 405 POST, OPTIONS
        route / CONNECT; route /{*all} CONNECT; fallback POST | CONNECT http://a http://a/b | forward
        route / PUT; route /{*all} PUT        | CONNECT a:443 | forward
        route /chat PUT; exempt /ws; fallback | CONNECT http://a/chat | 405 PUT | 405 PUT, OPTIONS
        route /chat PUT; exempt /ws; fallback | CONNECT http://a/ws | forward",
    )
    .await;
}

// Method names.

/// Policies, each with the calls that build it and the path of the requests.
const POLICIES: [(&str, &str); 6] = [
    ("", "/"),
    ("fallback GET POST", "/"),
    ("recognize PROPFIND TRACK LINK M-SEARCH M-GET PURGE", "/"),
    ("recognize_only POST", "/"),
    ("fallback GET; route /dav PROPFIND PUT", "/dav"),
    ("fallback GET; route /dav PROPFIND PUT", "/"),
];

/// Methods, with one letter for each policy: `F` for forward, `4` for `405`, `5` for `501`.
const KNOWN: &[(&str, &str)] = &[
    ("GET HEAD", "FFFFFF"),
    ("POST", "FFFF44"),
    ("PUT", "F4F5F4"),
    ("DELETE OPTIONS PATCH QUERY TRACE CONNECT", "F4F544"),
    // Registered or in use, but not recognized by default.
    ("PROPFIND", "55F5F4"),
    ("TRACK LINK M-SEARCH M-GET PURGE", "55F555"),
];

/// Names that none of [`POLICIES`] recognizes.
const UNKNOWN: &[&str] = &[
    // Registered or in use.
    "SEARCH UNLINK ACL BASELINE-CONTROL UPDATEREDIRECTREF NOTIFY BAN DEBUG BCOPY RPC_IN_DATA",
    // Reserved: the HTTP/2 preface and the wildcard.
    "PRI *",
    // Methods are case-sensitive.
    "get Get gET GEt head Head Post post options trace query propfind Propfind purge m-search",
    // Names with the same length, beginning, or end as a recognized method.
    "G GE ET GETX XGET GETGET GET- -GET GET. GOT PET SET HEA HEADER HEAP READ POS POSTS PUTS PUR",
    "PATCHES DELETED OPTION TRACES TRACER CONNECTED QUERIES PROPFINDS PROPFINE PROP-FIND MSEARCH",
    "M_SEARCH M-POST",
    // Valid tokens that do not look like methods.
    "a 0 200 - ** null undefined HTTP %s%n .. '--",
];

fn decisions(method: &Method) -> String {
    let decisions = POLICIES.map(|(calls, path)| match policy(calls).decide(method, path) {
        Decision::Forward => 'F',
        Decision::NotAllowed { .. } => '4',
        Decision::NotImplemented => '5',
    });
    String::from_iter(decisions)
}

#[test]
fn a_method_is_recognized_only_by_its_exact_name() {
    let unknown = UNKNOWN.iter().map(|names| (*names, "555555"));
    for (names, expected) in KNOWN.iter().copied().chain(unknown) {
        for name in names.split(' ') {
            assert_eq!(decisions(&method(name)), expected, "{name}");
        }
    }
}

/// RFC 9112 §3: "A server that receives a method longer than any that it implements SHOULD respond
/// with a 501 (Not Implemented) status code." hyper accepts every method that fits into its buffer.
#[test]
fn a_method_longer_than_any_implemented_one_gets_501() {
    for length in [15, 16, 17, 64, 65, 255, 256, 65_535, 65_536, 70_000] {
        for name in ["A".repeat(length), format!("GET{}", "T".repeat(length)), "GET".repeat(length)]
        {
            assert_eq!(decisions(&method(&name)), "555555", "{length}");
        }
    }
}

#[test]
fn a_long_method_that_a_rule_lists_is_forwarded() {
    let long = |length| "A".repeat(length);
    let policy = Policy::new().fallback([method(&long(70_000))]);
    assert_eq!(decide(&policy, &method(&long(70_000)), "/"), "forward");
    for near in [long(69_999), long(70_001), long(69_999) + "B"] {
        assert_eq!(decide(&policy, &method(&near), "/"), "501");
    }
}

#[tokio::test]
async fn fields_and_parameters_with_another_method_or_path_are_ignored() {
    let layer = MethodPolicyLayer::new(policy("fallback DELETE; route /admin"));
    let fields = "x-http-method-override x-http-method x-method-override x-original-method method";
    for overriding in ["GET", "DELETE", "POST", "FOO"] {
        for (method, expected) in [("DELETE", "forward"), ("POST", "405 DELETE"), ("FOO", "501")] {
            let mut request = request(method, &format!("/?_method={overriding}"));
            for field in fields.split(' ') {
                let value = HeaderValue::from_static(overriding);
                request.headers_mut().insert(field, value);
            }
            for field in ["x-original-url", "x-rewrite-url"] {
                request.headers_mut().insert(field, HeaderValue::from_static("/admin"));
            }
            assert_eq!(outcome(&layer, request).await, expected, "{overriding}");
        }
    }
}
