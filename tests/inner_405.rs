//! The table about a `405` of the inner service, in front of a plain service. `inner_405_axum.rs` has real routers
//! and real connections.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::{Builder, Parts};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::Full;
use tower::{Layer, service_fn};
use tower_method_policy::{
    EmptyBody, MethodPolicyLayer, PlainText, ProblemDetails, Rejection, Respond, RetryAfter,
    WouldReject,
};

use crate::support::answer::{fields, send};
use crate::support::strategies::{methods_at_targets, policy};

type Body = Full<Bytes>;
type Responder = Arc<dyn Respond<Body> + Send + Sync>;

/// Returns the response to `request`. `layer` wraps an inner service that answers with `inner`.
async fn ask<R: Respond<Body>>(
    layer: &MethodPolicyLayer<R>,
    request: Builder,
    inner: impl Fn() -> Response<Body>,
) -> Response<String> {
    let inner = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(inner()));
    send(layer.layer(inner), request.body(Body::default()).unwrap()).await
}

/// A layer with the policy of `calls` that lets the inner service decide.
fn deciding(calls: &str) -> MethodPolicyLayer {
    MethodPolicyLayer::new(policy(calls)).inner_decides(true)
}

/// The inner service's `405`. `allow` has its `Allow` fields with `;` between them, or is `-` for none.
fn inner(allow: &str) -> Response<Body> {
    let response = Response::builder().status(405);
    let fields = allow.split(';').filter(|_| allow != "-").map(str::trim);
    let response = fields.fold(response, |response, value| response.header("allow", value));
    response.body(Body::from("inner")).unwrap()
}

/// Returns a request. `+p` after the method makes it a preflight.
fn request(method: &str, target: &str) -> Builder {
    let (method, fields) = method.split_once('+').unwrap_or((method, ""));
    let request = Request::builder().method(method).uri(target);
    match fields {
        "p" => request.header("origin", "http://a").header("access-control-request-method", "PUT"),
        _ => request,
    }
}

/// Returns the result as text:
///
/// - `same`: the inner service's `405` is unchanged
/// - `+ GET, OPTIONS`: only its `Allow` is changed
/// - `405 GET`, `501`: the layer answers in its place
/// - `200 GET, OPTIONS`: it is turned into the answer to `OPTIONS`
fn outcome(response: &Response<String>, allow: &str) -> String {
    let status = response.status().as_u16();
    let is_inner = response.body() == "inner";
    let is_same = response.headers() == inner(allow).headers();
    let sent: Vec<_> = response.headers().get_all("allow").iter().collect();
    assert!(sent.len() <= 1 || is_same, "{sent:?}");
    let mark = response.extensions().get::<Rejection>();
    let sent = sent.first().map(|allow| allow.to_str().unwrap());
    let sent = sent.map(|allow| if allow.is_empty() { "nothing" } else { allow });
    match (status, mark, is_inner) {
        (405, None, true) if is_same => "same".to_owned(),
        (405, None, true) => format!("+ {}", sent.unwrap()),
        // An answer to `HEAD` has no content.
        (405, Some(mark), _) => {
            assert_eq!((mark.rule(), mark.is_enforced()), (None, true));
            assert_eq!(mark.to_string(), "405 Method Not Allowed");
            assert_eq!(mark.allow().unwrap().to_string(), sent.unwrap().replace("nothing", ""));
            format!("405 {}", sent.unwrap())
        }
        (501, Some(mark), false) => {
            assert_eq!((mark.rule(), mark.allow(), sent), (None, None, None));
            assert_eq!(mark.to_string(), "501 Not Implemented");
            "501".to_owned()
        }
        (200, None, false) => format!("200 {}", sent.unwrap()),
        _ => panic!("{response:?}"),
    }
}

/// Checks a table. Its columns are:
///
/// - the calls that build a policy
/// - methods and targets; each method is requested at each target. All requests are forwarded.
/// - the inner service's `Allow`
/// - the outcome if the layer answers `OPTIONS`
/// - the outcome if the inner service decides
/// - the outcome for both, if it is a different one
///
/// Without a setting, the `405` is unchanged.
async fn check(table: &str) {
    for line in table.trim().lines() {
        let columns: Vec<_> = line.split('|').map(str::trim).collect();
        let [calls, requests, allow, answering, deciding, ref rest @ ..] = columns[..] else {
            panic!("{line}");
        };
        let both = rest.first().copied().unwrap_or(deciding);
        for (method, target) in methods_at_targets(requests) {
            for (answers, decides, expected) in [
                (false, false, "same"),
                (true, false, answering),
                (false, true, deciding),
                (true, true, both),
            ] {
                if expected == "-" {
                    continue;
                }
                let layer = MethodPolicyLayer::new(policy(calls))
                    .answer_options(answers)
                    .inner_decides(decides);
                let response = ask(&layer, request(method, target), || inner(allow)).await;
                let outcome = outcome(&response, allow);
                assert_eq!(outcome, expected, "{line}: {method} {target} {answers} {decides}");
                // A layer that only reports changes nothing.
                let layer = layer.report_only(true);
                let response = ask(&layer, request(method, target), || inner(allow)).await;
                assert_eq!(self::outcome(&response, allow), "same");
                assert!(response.extensions().get::<WouldReject>().is_none());
            }
        }
    }
}

// The list of methods.

/// RFC 9110 §10.2.1 and §5.3.
#[tokio::test]
async fn the_list_is_that_of_all_allow_fields() {
    let long = ["A-LONG-METHOD-NAME"; 1_000].join(",");
    check(&format!(
        "recognize A-LONG-METHOD-NAME | DELETE / | {long} | + OPTIONS, A-LONG-METHOD-NAME | 405 A-LONG-METHOD-NAME | 405 OPTIONS, A-LONG-METHOD-NAME
                | DELETE / | GET,HEAD    | + GET, HEAD, OPTIONS | 405 GET, HEAD | 405 GET, HEAD, OPTIONS
                | DELETE / | GET;POST    | + GET, POST, OPTIONS | 405 GET, POST | 405 GET, POST, OPTIONS
                | DELETE / | PUT ,, GET,;;PUT | + GET, PUT, OPTIONS | 405 GET, PUT | 405 GET, PUT, OPTIONS
                | DELETE / |             | + OPTIONS            | 405 nothing   | 405 OPTIONS
                | DELETE / | , ,;        | + OPTIONS            | 405 nothing   | 405 OPTIONS
                | DELETE / | POST, OPTIONS | same               | 405 POST, OPTIONS
        recognize get | DELETE / | get   | + OPTIONS, get       | 405 get       | 405 OPTIONS, get"
    ))
    .await;
}

/// A `405` without `Allow`, as RFC 4918 §9.3.1 has it for `MKCOL` on an existing resource, or with an `Allow` that is
/// not a list of methods, may not be about the method. A `501` would be false.
#[tokio::test]
async fn without_a_usable_list_the_response_stays_unchanged_for_every_method() {
    for allow in [
        "-", "*", "PRI", "GET, *", "GET;PRI", "A B", "A; B C", "\"GET\"", "GET, (B)", "G@T",
        "GET;é", "GET/1.1",
    ] {
        check(&format!(
            "       | GET HEAD POST DELETE OPTIONS / *:1 | {allow} | - | same | -
                    | GET HEAD POST DELETE OPTIONS / | {allow} | same | same
            recognize MKCOL FOO | MKCOL FOO / | {allow} | same | same
            fallback POST MKCOL OPTIONS | POST MKCOL OPTIONS / | {allow} | same | same"
        ))
        .await;
        for method in ["MKCOL", "FOO", "get"] {
            let response = ask(&deciding(""), request(method, "/"), || inner(allow)).await;
            assert_eq!(outcome(&response, allow), "same", "{method}");
        }
    }
}

/// RFC 9110 §15.5.6: the server "MUST generate an Allow header field" with the methods that the target supports. A
/// `405` that lists the request's own method has another cause.
#[tokio::test]
async fn a_405_that_lists_the_method_of_the_request_stays_unchanged() {
    check(
        "                 | DELETE /        | GET, DELETE | same | same
                          | GET /           | GET         | same | same
                          | GET /           | HEAD        | + HEAD, OPTIONS | 405 HEAD | 405 HEAD, OPTIONS
                          | OPTIONS /       | GET, OPTIONS| same | same
        recognize MKCOL   | MKCOL /         | GET, MKCOL  | same | same
        fallback PUT      | PUT /           | GET;PUT     | same | same",
    )
    .await;
    // A layer that answers `OPTIONS` recognizes it.
    let answering = MethodPolicyLayer::new(policy("recognize_only")).answer_options(true);
    let response = ask(&answering, request("OPTIONS", "/"), || inner("GET, OPTIONS")).await;
    assert_eq!(outcome(&response, "GET, OPTIONS"), "same");
    let response = ask(&deciding(""), request("MKCOL", "/"), || inner("GET, MKCOL")).await;
    assert_eq!(outcome(&response, "GET, MKCOL"), "same");
}

/// A rule decides which methods reach the inner service. The `Allow` of the inner service may list more.
#[tokio::test]
async fn methods_that_the_layer_rejects_at_the_target_are_left_out() {
    check(
        "fallback GET POST        | POST /   | GET, HEAD, PUT, FOO | + GET, HEAD, OPTIONS | 405 GET, HEAD | 405 GET, HEAD, OPTIONS
        fallback POST             | POST /   | GET, HEAD, PUT      | + GET, HEAD, OPTIONS | 405 GET, HEAD | 405 GET, HEAD, OPTIONS
        fallback POST             | POST /   | OPTIONS, PUT        | + OPTIONS | 405 nothing | 405 OPTIONS
        route /a POST; fallback PUT | POST /a | PUT, GET           | + GET, OPTIONS | 405 GET | 405 GET, OPTIONS
        subtree /a POST           | POST /a/b | PUT, GET           | + GET, OPTIONS | 405 GET | 405 GET, OPTIONS
                                  | DELETE / | GET, PROPFIND, FOO  | + GET, OPTIONS | 405 GET, PROPFIND, FOO | 405 GET, OPTIONS, PROPFIND, FOO
        recognize_only DELETE     | DELETE / | GET, POST, FOO      | + GET, OPTIONS | 405 GET, POST, FOO | 405 GET, POST, OPTIONS, FOO
        recognize FOO             | DELETE / | GET, FOO            | + GET, OPTIONS, FOO | 405 GET, FOO | 405 GET, OPTIONS, FOO",
    )
    .await;
}

/// Seen: jsonrpsee, warp, and rustical send a `405` without `Allow`. RFC 9110 §15.5.6 forbids it.
#[tokio::test]
async fn a_missing_allow_is_that_of_the_rule_if_the_rule_does_not_list_the_method() {
    check(
        "fallback POST           | GET HEAD /  | -    | same | 405 POST | 405 POST, OPTIONS
        route /a POST PUT        | GET HEAD /a | -    | same | 405 POST, PUT | 405 POST, PUT, OPTIONS
        fallback                 | GET HEAD /  | -    | same | 405 nothing | 405 OPTIONS
        fallback HEAD            | GET /       | -    | same | 405 HEAD | 405 HEAD, OPTIONS
        fallback HEAD            | HEAD /      | -    | same | same
        fallback GET             | GET HEAD /  | -    | same | same
        fallback POST            | GET HEAD /  | *    | same | same
        fallback POST            | POST /      | -    | same | same
        fallback POST; exempt /a | GET HEAD /a | -    | same | same",
    )
    .await;
}

// The rows.

/// A browser takes an ok status for permission.
#[tokio::test]
async fn the_answer_to_a_preflight_is_unchanged() {
    check(
        "                      | OPTIONS+p / /a * | GET  | same | same
        recognize_only         | OPTIONS+p / /a * | GET  | same | same
        fallback               | OPTIONS+p / /a * | GET  | same | same
        fallback OPTIONS       | OPTIONS+p / /a * | GET  | same | same",
    )
    .await;
}

#[tokio::test]
async fn the_answer_at_an_exempt_path_is_unchanged() {
    check(
        "exempt /a                | GET HEAD DELETE OPTIONS /a | POST | same | same
        exempt /a; fallback TRACE | GET HEAD DELETE OPTIONS /a | POST | same | same
        exempt /a                 | DELETE /b                  | POST | + POST, OPTIONS | 405 POST | 405 POST, OPTIONS",
    )
    .await;
    // Where the inner service decides, it gets every method at an exempt path.
    for method in ["FOO", "PROPFIND", "get"] {
        let layer = deciding("exempt /a; fallback");
        let response = ask(&layer, request(method, "/a"), || inner("GET")).await;
        assert_eq!(outcome(&response, "GET"), "same");
    }
}

#[tokio::test]
async fn the_answer_to_options_is_turned_if_the_layer_answers_options() {
    check(
        "                | OPTIONS /        | GET,HEAD | 200 GET, HEAD, OPTIONS | 405 GET, HEAD | 200 GET, HEAD, OPTIONS
                         | OPTIONS /        | get, PUT;PUT | 200 PUT, OPTIONS | 405 PUT, get | 200 PUT, OPTIONS, get
        fallback OPTIONS | OPTIONS / *      | GET, PUT | 200 GET, OPTIONS | 405 GET | 200 GET, OPTIONS
        recognize_only OPTIONS | OPTIONS /  |          | 200 OPTIONS | 405 nothing | 200 OPTIONS
        fallback OPTIONS GET | OPTIONS /    | -        | same | same",
    )
    .await;
}

#[tokio::test]
async fn a_405_to_a_method_that_is_not_recognized_becomes_501() {
    for (calls, method) in [
        ("", "FOO"),
        ("", "get"),
        ("", "PROPFIND"),
        ("", "M-GET"),
        ("recognize_only", "POST"),
        ("recognize_only GET", "OPTIONS"),
        ("route /other PUT", "FOO"),
    ] {
        for allow in ["GET", "", "GET;HEAD", "PROPPATCH"] {
            let response = ask(&deciding(calls), request(method, "/"), || inner(allow)).await;
            assert_eq!(outcome(&response, allow), "501", "{calls}: {method}");
        }
    }
}

/// Nothing is rejected that the inner service handles and no rule excludes.
#[tokio::test]
async fn whatever_the_inner_service_answers_except_405_is_unchanged() {
    for layer in [deciding(""), deciding("recognize_only"), deciding("route /other")] {
        for status in [200, 204, 301, 400, 401, 403, 404, 406, 500, 501, 503] {
            for method in ["GET", "HEAD", "POST", "OPTIONS", "PROPFIND", "IMPORT", "get"] {
                let inner = || {
                    let mut response = inner("GET");
                    *response.status_mut() = StatusCode::from_u16(status).unwrap();
                    *response.version_mut() = Version::HTTP_10;
                    response.extensions_mut().insert("mark");
                    response
                };
                let layer = layer.clone().answer_options(true).respond_with(ProblemDetails);
                let response = ask(&layer, request(method, "/"), inner).await;
                assert_eq!(response.status(), status);
                assert_eq!(response.version(), Version::HTTP_10);
                assert_eq!(response.headers(), inner().headers());
                assert_eq!(response.extensions().get(), Some(&"mark"));
                assert_eq!((response.extensions().len(), &**response.body()), (1, "inner"));
            }
        }
    }
}

#[tokio::test]
async fn the_answer_of_a_policy_further_inside_is_unchanged_except_to_options() {
    let inside = MethodPolicyLayer::new(policy("fallback POST")).respond_with(PlainText);
    let inside = inside.layer(service_fn(async |_: Request<Body>| -> Result<_, Infallible> {
        panic!("the inner service is asked")
    }));
    let layer = deciding("").answer_options(true).respond_with(ProblemDetails);
    let layer = layer.on_rejection(|rejection, _| panic!("observed {rejection}"));
    let ask = async |method| {
        let request = request(method, "/").body(Body::default());
        send(layer.layer(inside.clone()), request.unwrap()).await
    };
    let response = ask("DELETE").await;
    assert_eq!(response.headers()["allow"], "POST");
    assert_eq!(response.body(), "The method DELETE is not allowed here. Allowed: POST.\n");
    let mark = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(mark.to_string(), "405 Method Not Allowed by fallback");
    assert_eq!(outcome(&ask("OPTIONS").await, "-"), "200 POST, OPTIONS");
}

// What an adopted answer carries.

const CONTENT: &str = "content-type content-encoding content-language content-location content-range \
    content-disposition content-digest content-md5 digest transfer-encoding trailer etag last-modified \
    accept-ranges repr-digest signature signature-input sourcemap content-length";

const OTHERS: &str = "access-control-allow-origin access-control-expose-headers cache-control connection \
    content-security-policy cross-origin-opener-policy dav date expires link retry-after server set-cookie \
    strict-transport-security vary want-content-digest www-authenticate x-content-type-options";

const ID: &str = "x-request-id";

const GRPC: &str = "grpc-status grpc-message grpc-status-details-bin";

/// A `405` with every field twice, and with an extension.
fn full() -> Response<Body> {
    let mut response = inner("GET");
    *response.version_mut() = Version::HTTP_10;
    for name in [CONTENT, OTHERS, GRPC, ID].iter().flat_map(|names| names.split_whitespace()) {
        for value in ["1", "2"] {
            response.headers_mut().append(name, HeaderValue::from_static(value));
        }
    }
    response.extensions_mut().insert("mark");
    response
}

/// The expected fields, as [`fields`] writes them: each of `names` twice, and `more`.
fn twice(names: &str, more: &[&str]) -> String {
    let names = names.split_whitespace();
    let all = names.flat_map(|name| [format!("{name}: 1"), format!("{name}: 2")]);
    let mut all: Vec<_> = all.chain(more.iter().map(|field| (*field).to_owned())).collect();
    all.sort_by_cached_key(|field| field.split(':').next().unwrap().to_owned());
    all.join(" & ")
}

/// `Vary` and `Set-Cookie` of the responder are added. With `EmptyBody`, the default, an application's own error page
/// stays.
#[tokio::test]
async fn an_adopted_or_turned_answer_keeps_all_values_of_all_fields_except_those_of_the_content() {
    let empty: Responder = Arc::new(EmptyBody);
    let own: Responder = Arc::new(|_: &Rejection, _: &Parts| {
        let response = Response::builder().header("vary", "3").header("set-cookie", "3");
        response.header("x-request-id", "3").body(Body::from("own")).unwrap()
    });
    let of_own = ["allow: GET, OPTIONS", "vary: 3", "set-cookie: 3", "x-request-id: 3"];
    let of_grpc = [
        "allow: GET, OPTIONS",
        "content-type: application/grpc",
        "grpc-message: the HTTP method is rejected here",
        "grpc-status: 12",
    ];
    for (responder, method, status, kept, added, body) in [
        (&own, "DELETE", 405, &[][..], &of_own[..], "own"),
        (&own, "FOO", 501, &[], &of_own[1..], "own"),
        (&own, "OPTIONS", 200, &[GRPC, ID], &["allow: GET, OPTIONS", "content-length: 0"], ""),
        (&empty, "DELETE", 405, &[CONTENT, ID], &["allow: GET, OPTIONS"], "inner"),
        (&empty, "FOO", 501, &[ID], &[], ""),
        (&empty, "POST", 405, &[ID], &of_grpc, ""),
    ] {
        let layer = deciding("").answer_options(true).respond_with(responder.clone());
        // Every gRPC call is a `POST`.
        let request = request(method, "/").header("content-type", "application/grpc");
        let response = ask(&layer, request, full).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.version(), Version::HTTP_10);
        let kept = format!("{OTHERS} {}", kept.join(" "));
        assert_eq!(fields(response.headers()), twice(&kept, added));
        assert_eq!(response.body(), body);
        // A reason phrase, for example, belongs to the old status.
        let kept = if status == 405 { Some(&"mark") } else { None };
        assert_eq!(response.extensions().get(), kept);
        let is_adopted = response.extensions().get::<Rejection>().is_some();
        assert_eq!(is_adopted, status != 200);
        let count = usize::from(is_adopted) + usize::from(kept.is_some());
        assert_eq!(response.extensions().len(), count);
    }
}

/// `Retry-After` belongs to a `501` only. What the inner service sends stays.
#[tokio::test]
async fn configured_fields_are_added_to_an_adopted_answer_that_does_not_have_them() {
    let layer = deciding("")
        .cache_control(HeaderValue::from_static("no-store"))
        .retry_after(RetryAfter::after(Duration::from_secs(60)));
    for (method, own, expected) in [
        ("DELETE", "x-a", "allow: GET & cache-control: no-store & x-a: 7"),
        ("DELETE", "cache-control", "allow: GET & cache-control: 7"),
        ("FOO", "x-a", "cache-control: no-store & retry-after: 60 & x-a: 7"),
        ("FOO", "retry-after", "cache-control: no-store & retry-after: 7"),
    ] {
        let inner = || {
            let mut response = inner("GET");
            response.headers_mut().insert(own, HeaderValue::from_static("7"));
            response
        };
        let response = ask(&layer, request(method, "/"), inner).await;
        assert_eq!(fields(response.headers()), expected, "{method} {own}");
    }
}

/// RFC 9110 §8.6: the `Content-Length` of an answer to `HEAD` is that of the answer to `GET`.
#[tokio::test]
async fn an_adopted_answer_to_head_has_no_content_and_the_length_of_the_answer_to_get() {
    let layer = deciding("").respond_with(PlainText);
    let get = ask(&layer, request("GET", "/"), || inner("POST")).await;
    assert_eq!(get.body(), "The method GET is not allowed here. Allowed: POST.\n");
    let head = ask(&layer, request("HEAD", "/"), || inner("POST")).await;
    assert_eq!((head.status(), &**head.body()), (get.status(), ""));
    let expected = "allow: POST & content-length: 51 & content-type: text/plain; charset=utf-8";
    assert_eq!(fields(head.headers()), expected);
    // No other length is added.
    let head = ask(&deciding(""), request("HEAD", "/"), || inner("POST")).await;
    assert_eq!((fields(head.headers()), &**head.body()), ("allow: POST".to_owned(), ""));
}

/// hyper cannot read the rest of a body of more than 8 KiB that the inner service has left. The bytes after a
/// `CONNECT` may belong to another protocol.
#[tokio::test]
async fn an_adopted_or_turned_answer_over_http_1_ends_the_connection_if_content_may_be_left() {
    let layer = deciding("").answer_options(true);
    let inner = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(inner("POST")));
    let service = layer.layer(inner);
    for (method, length, version, closes) in [
        ("DELETE", 8192, Version::HTTP_11, false),
        ("DELETE", 8193, Version::HTTP_11, true),
        ("OPTIONS", 8193, Version::HTTP_10, true),
        ("FOO", 8193, Version::HTTP_2, false),
        ("CONNECT", 0, Version::HTTP_11, true),
        ("CONNECT", 0, Version::HTTP_2, false),
    ] {
        let request = request(method, "/").version(version);
        let request = request.body(Body::from(vec![0; length])).unwrap();
        let response = send(service.clone(), request).await;
        let connection = response.headers().get("connection");
        let is_closed = connection.is_some_and(|value| value == "close");
        assert_eq!(is_closed, closes, "{method} {length} {version:?}");
    }
}

#[tokio::test]
async fn an_answer_has_one_connection_close() {
    let inner = || {
        let mut response = inner("GET");
        let values = [HeaderValue::from_static("x-hop"), HeaderValue::from_static("Close")];
        response.headers_mut().extend(values.map(|value| (http::header::CONNECTION, value)));
        response
    };
    let response = ask(&deciding(""), request("CONNECT", "http://a/"), inner).await;
    assert_eq!(fields(response.headers()), "allow: GET & connection: x-hop & connection: Close");
}
