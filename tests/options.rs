//! The two answers to `OPTIONS` (RFC 9110 §9.3.7): the layer's own `200`, and the inner service's `405` that
//! becomes `200`. `decision_table.rs` tests which answer a request gets. `axum.rs` tests a real router.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::request::Builder;
use http::{HeaderValue, Request, Response, Version};
use http_body_util::Full;
use tower::{Layer, service_fn};
use tower_method_policy::{
    MethodPolicyLayer, MethodSet, PlainText, ProblemDetails, Rejection, Respond, WouldReject,
};

use crate::support::answer::{fields, send};
use crate::support::strategies::policy;

type Body = Full<bytes::Bytes>;

/// A layer that answers `OPTIONS`, with the policy of `calls`.
fn answering(calls: &str) -> MethodPolicyLayer {
    MethodPolicyLayer::new(policy(calls)).answer_options(true)
}

/// Returns the response to `request`. `layer` wraps an inner service that answers with `inner`.
async fn ask<R>(
    layer: &MethodPolicyLayer<R>,
    request: Builder,
    inner: impl Fn() -> Response<Body>,
) -> Response<String>
where
    R: Respond<Body> + Clone,
{
    let inner = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(inner()));
    let request = request.body(Body::default()).unwrap();
    send(layer.layer(inner), request).await
}

/// An inner service's response. `allow` has its `Allow` fields, each after a `|`.
fn inner(status: u16, allow: &str) -> Response<Body> {
    let response = Response::builder().status(status);
    let fields = allow.split('|').skip(1);
    let response = fields.fold(response, |response, value| response.header("allow", value));
    response.body(Body::from("inner")).unwrap()
}

fn teapot() -> Response<Body> {
    inner(418, "|INNER")
}

/// Asserts that the response is a 200 with `allow`, `Content-Length: 0`, and nothing else.
#[track_caller]
fn assert_empty(response: &Response<String>, allow: Option<&str>) {
    assert_eq!(response.status(), 200);
    let allow = allow.map_or(String::new(), |allow| format!("allow: {allow} & "));
    let expected = format!("{allow}content-length: 0");
    assert_eq!(fields(response.headers()), expected);
    assert!(response.extensions().is_empty());
    assert_eq!(response.body(), "");
}

/// Asserts that the response of [`inner`] passed unchanged.
#[track_caller]
fn assert_inner(response: &Response<String>, status: u16, allow: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(fields(response.headers()), format!("allow: {allow}"));
    assert!(response.extensions().is_empty());
    assert_eq!(response.body(), "inner");
}

// The layer's own answer.

#[tokio::test]
async fn the_layer_s_200_has_only_allow_and_content_length() {
    for (target, allow) in [
        ("/", Some("GET, HEAD, POST, OPTIONS")),
        ("http://example.com/closed?query", Some("OPTIONS")),
        ("*", None),
    ] {
        let layer = answering("fallback GET POST; route /closed");
        assert_empty(&ask(&layer, Request::options(target), teapot).await, allow);
    }
}

/// Only an intermediary handles `Max-Forwards` (RFC 9110 §7.6.2).
#[tokio::test]
async fn the_fields_and_extensions_of_a_request_do_not_change_the_layer_s_200() {
    for (name, value) in [
        ("max-forwards", "0"),
        ("max-forwards", "1"),
        ("access-control-request-headers", "x-a"),
        ("content-type", "application/grpc"),
        ("accept", "application/json"),
        ("allow", "PUT"),
        ("cookie", "secret"),
    ] {
        let request = Request::options("/").header(name, value).extension("peer");
        let response = ask(&answering("fallback GET"), request, teapot).await;
        assert_empty(&response, Some("GET, HEAD, OPTIONS"));
    }
}

/// An answer to `OPTIONS` is not a rejection.
#[tokio::test]
async fn observers_responders_and_rejection_fields_do_not_affect_the_layer_s_200() {
    async fn check<R: Respond<Body> + Clone>(layer: MethodPolicyLayer<R>) {
        let observed = Arc::new(AtomicBool::new(false));
        let observer = observed.clone();
        let layer = layer
            .on_rejection(move |_, _| observer.store(true, Ordering::Relaxed))
            .cache_control(HeaderValue::from_static("no-store"));
        for (target, allow) in [("/", Some("GET, HEAD, OPTIONS")), ("*", None)] {
            assert_empty(&ask(&layer, Request::options(target), teapot).await, allow);
        }
        assert!(!observed.load(Ordering::Relaxed));
    }
    let layer = answering("fallback GET");
    check(layer.clone()).await;
    check(layer.clone().respond_with(PlainText)).await;
    check(layer.clone().respond_with(ProblemDetails)).await;
    check(layer.respond_with_fn(|_, _| Response::new(Body::from("rejected")))).await;
}

#[tokio::test]
async fn a_405_passes_unchanged_if_the_layer_does_not_answer_options() {
    let listed = MethodPolicyLayer::new(policy("fallback OPTIONS"));
    for layer in [MethodPolicyLayer::default(), answering("").answer_options(false), listed] {
        for target in ["/", "/a", "*"] {
            let inner = || inner(405, "|GET");
            let response = ask(&layer, Request::options(target), inner).await;
            assert_inner(&response, 405, "GET");
        }
    }
}

/// The inner service can add fields, as a WebDAV server adds `DAV` and `MS-Author-Via`.
#[tokio::test]
async fn if_a_rule_lists_options_the_inner_service_answers() {
    let rules = policy("fallback GET").subtree("/dav", MethodSet::WEBDAV);
    let layer = MethodPolicyLayer::new(rules.unwrap()).answer_options(true);
    let dav = || {
        let mut response = inner(200, "|OPTIONS, GET, PROPFIND");
        let headers = response.headers_mut();
        headers.insert("dav", HeaderValue::from_static("1, 2"));
        headers.insert("ms-author-via", HeaderValue::from_static("DAV"));
        response
    };
    for target in ["/dav", "/dav/", "/dav/a"] {
        let response = ask(&layer, Request::options(target), dav).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers(), dav().headers());
        assert_eq!(response.body(), "inner");
    }
}

// The inner service's `405` that becomes `200`.

/// Layers that change a `405`: no rule applies, or the rule lists `OPTIONS`. They recognize or allow all methods of
/// these tests.
fn changing_layers() -> [MethodPolicyLayer; 3] {
    let methods = "PROPFIND FOO get Options PRIX pri ** A-LONG-METHOD-NAME";
    [
        format!("recognize {methods}"),
        format!("recognize_only POST PUT {methods}"),
        format!("fallback OPTIONS POST PUT {methods}"),
    ]
    .map(|calls| answering(&calls))
}

#[tokio::test]
async fn a_405_with_allow_becomes_200_and_options_is_added_to_allow() {
    let long = "|".to_owned() + &["A-LONG-METHOD-NAME"; 10_000].join(",");
    for (allow, expected) in [
        ("|GET", "GET, OPTIONS"),
        ("|GET,HEAD", "GET, HEAD, OPTIONS"),
        ("|PROPFIND ,\t PUT,, FOO,", "PUT, OPTIONS, PROPFIND, FOO"),
        // An empty `Allow`: the resource allows no methods.
        ("|", "OPTIONS"),
        ("| ", "OPTIONS"),
        ("| ,, ", "OPTIONS"),
        // Several fields are joined (RFC 9110 §5.3).
        ("|GET|POST", "GET, POST, OPTIONS"),
        ("|GET, PUT||PUT, FOO", "GET, PUT, OPTIONS, FOO"),
        // Methods are case-sensitive, and any token can be a method.
        ("|get, Options", "OPTIONS, Options, get"),
        ("|PRIX, pri, **", "OPTIONS, **, PRIX, pri"),
        (&long, "OPTIONS, A-LONG-METHOD-NAME"),
    ] {
        for layer in changing_layers() {
            let response = ask(&layer, Request::options("/"), || inner(405, allow)).await;
            assert_empty(&response, Some(expected));
        }
    }
}

#[tokio::test]
async fn a_405_stays_if_its_allow_is_missing_or_not_a_list_of_methods() {
    for allow in [
        "", "|*", "|PRI", "|GET, *", "|A|PRI", "|A B", "|A; B", "|\"A\"", "|A, (B)", "|GET|Pé",
        "|é", "|G@T|PUT", "|GET/1.1",
    ] {
        for layer in changing_layers() {
            let inner = || {
                let mut response = inner(405, allow);
                let headers = response.headers_mut();
                headers.insert("content-type", HeaderValue::from_static("text/plain"));
                headers.insert("content-length", HeaderValue::from_static("5"));
                response.extensions_mut().insert(Rejection::not_allowed([]));
                response
            };
            let response = ask(&layer, Request::options("/"), inner).await;
            assert_eq!(response.status(), 405, "{allow:?}");
            assert_eq!(response.headers(), inner().headers());
            assert!(response.extensions().get::<Rejection>().is_some());
            assert_eq!(response.body(), "inner", "{allow:?}");
        }
    }
}

/// A layer that answers `OPTIONS` recognizes it, even if its policy does not.
#[tokio::test]
async fn a_405_that_lists_options_is_not_about_the_method_and_passes_unchanged() {
    for allow in ["OPTIONS", "GET, OPTIONS"] {
        for layer in changing_layers() {
            let inner = || inner(405, &format!("|{allow}"));
            let response = ask(&layer, Request::options("/"), inner).await;
            assert_inner(&response, 405, allow);
        }
    }
}

#[tokio::test]
async fn other_statuses_pass_unchanged() {
    for status in [200, 204, 301, 400, 401, 403, 404, 406, 500, 501, 503] {
        for layer in changing_layers() {
            let inner = || inner(status, "|GET");
            let response = ask(&layer, Request::options("/"), inner).await;
            assert_inner(&response, status, "GET");
        }
    }
}

/// The new response has no content, so the fields that describe content are removed.
#[tokio::test]
async fn a_changed_405_loses_the_fields_of_its_content_and_keeps_all_others() {
    let removed = "content-type content-encoding content-language content-location content-range \
        content-disposition content-digest content-md5 digest transfer-encoding trailer etag last-modified \
        accept-ranges repr-digest signature signature-input sourcemap content-length";
    let kept = "access-control-allow-origin access-control-expose-headers cache-control connection \
        content-security-policy content-security-policy-report-only cross-origin-opener-policy dav \
        date expires link retry-after server set-cookie strict-transport-security vary \
        want-content-digest www-authenticate x-content-type-options x-request-id";
    let inner = || {
        let mut response = inner(405, "|GET|PUT");
        *response.version_mut() = Version::HTTP_10;
        let headers = response.headers_mut();
        // Each field appears twice.
        for name in removed.split(' ').chain(kept.split(' ')) {
            headers.append(name, HeaderValue::from_static("1"));
            headers.append(name, HeaderValue::from_static("2"));
        }
        response.extensions_mut().insert("mark");
        response.extensions_mut().insert(Rejection::not_allowed([]));
        response
    };
    for layer in changing_layers() {
        let response = ask(&layer, Request::options("/"), inner).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.version(), Version::HTTP_10);
        let kept = kept.split(' ').flat_map(|name| [format!("{name}: 1"), format!("{name}: 2")]);
        let added = ["allow: GET, PUT, OPTIONS", "content-length: 0"].map(str::to_owned);
        let mut expected: Vec<_> = kept.chain(added).collect();
        expected.sort_by_cached_key(|field| field.split(':').next().unwrap().to_owned());
        assert_eq!(fields(response.headers()), expected.join(" & "));
        // The status changes, and an extension may describe it.
        assert!(response.extensions().is_empty());
        assert_eq!(response.body(), "");
    }
}

/// If a preflight succeeds, the browser sends the request.
#[tokio::test]
async fn a_405_to_a_preflight_stays_a_405() {
    let inner = || {
        let mut response = inner(405, "|GET");
        for name in ["origin", "methods", "headers"] {
            let name: http::HeaderName = format!("access-control-allow-{name}").parse().unwrap();
            let any = HeaderValue::from_static("*");
            response.headers_mut().insert(name, any);
        }
        response
    };
    for layer in changing_layers().into_iter().chain([answering("fallback")]) {
        for target in ["/", "/a", "*"] {
            let preflight = Request::options(target)
                .header("origin", "https://example.com")
                .header("access-control-request-method", "PUT");
            let response = ask(&layer, preflight, inner).await;
            assert_eq!(response.status(), 405);
            assert_eq!(response.headers(), inner().headers());
            assert_eq!(response.body(), "inner");
        }
    }
}

#[tokio::test]
async fn two_nested_policies_give_one_answer_to_options() {
    let nested = async |outer: &str, inner: MethodPolicyLayer, method: &str| {
        let inner = inner.respond_with(ProblemDetails);
        let teapot = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(teapot()));
        let request = Request::builder().method(method);
        let request = request.body(Body::default()).unwrap();
        send(answering(outer).layer(inner.layer(teapot)), request).await
    };
    let posts = MethodPolicyLayer::new(policy("fallback POST"));
    let answers = posts.clone().answer_options(true);
    for (outer, inner, allow) in [
        // The outer policy changes the 405 of the inner policy and removes its mark.
        ("", posts.clone(), "POST, OPTIONS"),
        // The inner policy answers.
        ("", answers.clone(), "POST, OPTIONS"),
        // The outer policy answers and does not call the inner policy.
        ("fallback PUT", answers, "PUT, OPTIONS"),
    ] {
        assert_empty(&nested(outer, inner, "OPTIONS").await, Some(allow));
    }
    // A 405 to another method and a 501 keep their marks.
    let unknown = MethodPolicyLayer::new(policy("recognize_only"));
    for (inner, method, status) in [(posts.clone(), "DELETE", 405), (unknown, "OPTIONS", 501)] {
        let response = nested("", inner, method).await;
        assert_eq!(response.status(), status);
        assert!(response.extensions().get::<Rejection>().is_some());
        assert_ne!(response.body(), "");
    }
    // The mark of a policy that only reports also stays.
    let response = nested("", posts.report_only(true), "OPTIONS").await;
    assert_eq!(response.status(), 418);
    assert!(response.extensions().get::<WouldReject>().is_some());
}
