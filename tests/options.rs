//! The two answers to `OPTIONS` (RFC 9110 §9.3.7): the layer's own, and the inner service's `405` that
//! becomes `200`.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::handler::Handler;
use axum::routing::{any, delete, get, options, patch, post, put};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::{
    BodyDrain, MethodPolicyLayer, MethodSet, PlainText, Policy, ProblemDetails, Rejection, Respond,
    WouldReject,
};

type Body = Full<Bytes>;

/// The response of `layer` to `request` around an inner service that answers with `inner`.
async fn ask<R>(
    layer: &MethodPolicyLayer<R>,
    request: http::request::Builder,
    inner: impl Fn() -> Response<Body>,
) -> Response<Body>
where
    R: Respond<Body> + Clone,
{
    let service = layer.layer(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(inner())
    }));
    let Ok(response) = service
        .oneshot(request.body(Body::default()).unwrap())
        .await;
    response
}

fn teapot() -> Response<Body> {
    let response = Response::builder().status(StatusCode::IM_A_TEAPOT);
    let response = response.header("allow", "INNER").body(Body::from("inner"));
    response.unwrap()
}

/// An inner service's `405` with these `Allow` fields.
fn method_not_allowed(allow: &[&[u8]]) -> Response<Body> {
    let mut response = Response::new(Body::from("inner"));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    for value in allow {
        let value = HeaderValue::from_bytes(value).unwrap();
        response.headers_mut().append("allow", value);
    }
    response
}

fn preflight(target: &str) -> http::request::Builder {
    Request::options(target)
        .header("origin", "https://example.com")
        .header("access-control-request-method", "PUT")
}

fn answering(policy: Policy) -> MethodPolicyLayer {
    MethodPolicyLayer::new(policy).answer_options(true)
}

/// The fields in a fixed order.
fn fields(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let fields = headers.iter();
    let fields = fields.map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let mut fields: Vec<_> = fields.collect();
    fields.sort_unstable();
    fields
}

async fn content(response: Response<Body>) -> Bytes {
    let Ok(content) = response.into_body().collect().await;
    content.to_bytes()
}

/// Asserts that nothing but the status line, `allow`, and `Content-Length: 0` is in the response.
#[track_caller]
fn assert_own(response: &Response<Body>, allow: Option<&str>) {
    assert_eq!(response.status(), StatusCode::OK);
    let allow = allow.map(|allow| ("allow", allow));
    let expected: Vec<_> = allow.into_iter().chain([("content-length", "0")]).collect();
    assert_eq!(fields(response.headers()), expected);
    assert!(response.extensions().is_empty());
}

#[track_caller]
fn assert_forwarded(response: &Response<Body>) {
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(fields(response.headers()), [("allow", "INNER")]);
    assert!(response.extensions().is_empty());
}

// The layer's own answer.

#[tokio::test]
async fn the_own_answer_is_200_with_allow_content_length_and_nothing_else() {
    let policy = Policy::new()
        .fallback([Method::GET, Method::POST])
        .route("/login", [Method::POST])
        .unwrap()
        .route("/closed", [])
        .unwrap()
        .subtree("/dav", MethodSet::WEBDAV - Method::OPTIONS)
        .unwrap();
    for (target, allow) in [
        ("/", Some("GET, HEAD, POST, OPTIONS")),
        ("/login", Some("POST, OPTIONS")),
        ("/login?query", Some("POST, OPTIONS")),
        ("http://example.com/login", Some("POST, OPTIONS")),
        ("/closed", Some("OPTIONS")),
        (
            "/dav/a",
            Some(
                "GET, HEAD, PUT, DELETE, OPTIONS, COPY, LOCK, MKCOL, MOVE, PROPFIND, PROPPATCH, \
                 UNLOCK",
            ),
        ),
        ("*", None),
    ] {
        let response = ask(&answering(policy.clone()), Request::options(target), teapot).await;
        assert_own(&response, allow);
        assert_eq!(content(response).await, "");
    }
}

/// `Max-Forwards` is the business of a reverse proxy.
#[tokio::test]
async fn the_own_answer_does_not_depend_on_other_fields() {
    let layer = answering(Policy::new().fallback([Method::GET]));
    for (name, value) in [
        ("max-forwards", "0"),
        ("max-forwards", "1"),
        ("origin", "https://example.com"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-a"),
        ("content-type", "application/grpc"),
        ("accept", "application/json"),
        ("x-http-method-override", "DELETE"),
    ] {
        let request = Request::options("/").header(name, value);
        let response = ask(&layer, request, teapot).await;
        assert_own(&response, Some("GET, HEAD, OPTIONS"));
    }
}

/// An answer to `OPTIONS` is not a rejection.
#[tokio::test]
async fn observers_responders_and_fields_of_rejections_are_not_for_the_own_answer() {
    async fn own_answer<R: Respond<Body> + Clone>(layer: MethodPolicyLayer<R>) {
        let observed = Arc::new(AtomicBool::new(false));
        let observer = observed.clone();
        let layer = layer
            .on_rejection(move |_, _| observer.store(true, Ordering::Relaxed))
            .cache_control(HeaderValue::from_static("no-store"));
        for (target, allow) in [("/", Some("GET, HEAD, OPTIONS")), ("*", None)] {
            let response = ask(&layer, Request::options(target), teapot).await;
            assert_own(&response, allow);
            assert_eq!(content(response).await, "");
        }
        assert!(!observed.load(Ordering::Relaxed));
    }
    let layer = answering(Policy::new().fallback([Method::GET]));
    own_answer(layer.clone()).await;
    own_answer(layer.clone().respond_with(PlainText)).await;
    own_answer(layer.clone().respond_with(ProblemDetails)).await;
    own_answer(layer.respond_with_fn(|_, _| Response::new(Body::from("rejected")))).await;
}

/// The extensions and fields of the request stay out of the response.
#[tokio::test]
async fn nothing_of_the_request_is_in_the_own_answer() {
    let layer = answering(Policy::new().fallback([Method::GET]));
    let request = Request::options("/")
        .extension("peer")
        .header("allow", "PUT")
        .header("cookie", "secret");
    let response = ask(&layer, request, teapot).await;
    assert_own(&response, Some("GET, HEAD, OPTIONS"));
}

/// The body of an answered `OPTIONS` is drained as that of a rejected request.
#[tokio::test]
async fn an_unread_body_closes_the_connection() {
    let policy = Policy::new().fallback([Method::GET]);
    let layer = answering(policy).body_drain(BodyDrain::default().max_bytes(3));
    let service = layer.layer(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(teapot())
    }));
    for target in ["/", "*"] {
        for (body, closes) in [("", false), ("abc", false), ("abcd", true)] {
            for (version, is_http1) in [(Version::HTTP_11, true), (Version::HTTP_2, false)] {
                let request = Request::options(target).version(version);
                let request = request.body(Body::from(body)).unwrap();
                let Ok(response) = service.clone().oneshot(request).await;
                assert_eq!(response.status(), StatusCode::OK);
                let closed = response.headers().contains_key("connection");
                assert_eq!(closed, closes && is_http1, "{body} {version:?}");
            }
        }
    }
}

#[tokio::test]
async fn by_default_options_is_not_answered() {
    for layer in [
        MethodPolicyLayer::default(),
        MethodPolicyLayer::default()
            .answer_options(true)
            .answer_options(false),
        MethodPolicyLayer::new(Policy::new().fallback([Method::OPTIONS])),
    ] {
        for target in ["/", "/a", "*"] {
            assert_forwarded(&ask(&layer, Request::options(target), teapot).await);
        }
        // A 405 of the inner service stays.
        let inner = || method_not_allowed(&[b"GET"]);
        let response = ask(&layer, Request::options("/"), inner).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(fields(response.headers()), [("allow", "GET")]);
        assert_eq!(content(response).await, "inner");
    }
}

/// The inner service knows more, such as `DAV` and `MS-Author-Via` of a WebDAV server.
#[tokio::test]
async fn a_rule_that_lists_options_leaves_it_to_the_inner_service() {
    let policy = Policy::new()
        .fallback([Method::GET])
        .subtree("/dav", MethodSet::WEBDAV)
        .unwrap();
    let dav = || {
        let response = Response::builder()
            .header("allow", "OPTIONS, GET, PROPFIND")
            .header("dav", "1, 2")
            .header("ms-author-via", "DAV");
        response.body(Body::from("<options/>")).unwrap()
    };
    for target in ["/dav", "/dav/", "/dav/a"] {
        let response = ask(&answering(policy.clone()), Request::options(target), dav).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            fields(response.headers()),
            [
                ("allow", "OPTIONS, GET, PROPFIND"),
                ("dav", "1, 2"),
                ("ms-author-via", "DAV"),
            ]
        );
        assert_eq!(content(response).await, "<options/>");
    }
}

// The turned answer.

/// Requests whose `405` is turned: no rule, an exempt path, a rule that lists `OPTIONS`.
fn turning() -> [MethodPolicyLayer; 4] {
    [
        answering(Policy::new()),
        answering(Policy::new().recognize_only([])),
        answering(Policy::new().fallback([]).exempt("/").unwrap()),
        answering(Policy::new().fallback([Method::OPTIONS, Method::TRACE])),
    ]
}

#[tokio::test]
async fn a_405_with_allow_becomes_200_with_its_allow_and_options() {
    for (allow, expected) in [
        (&[&b"GET"[..]][..], "GET, OPTIONS"),
        (&[b"GET,HEAD"], "GET, HEAD, OPTIONS"),
        (&[b"POST, OPTIONS"], "POST, OPTIONS"),
        (&[b"PROPFIND ,\t PUT,, FOO,"], "PUT, OPTIONS, PROPFIND, FOO"),
        // An empty one: the resource allows nothing.
        (&[b""], "OPTIONS"),
        (&[b" "], "OPTIONS"),
        (&[b" ,, "], "OPTIONS"),
        // Several are joined (RFC 9110 §5.3).
        (&[b"GET", b"POST"], "GET, POST, OPTIONS"),
        (&[b"GET, PUT", b"", b"PUT, FOO"], "GET, PUT, OPTIONS, FOO"),
        // A method is case-sensitive, and every token is one.
        (&[b"get, Options"], "OPTIONS, Options, get"),
        (&[b"PRIX, pri, **"], "OPTIONS, **, PRIX, pri"),
    ] {
        for layer in turning() {
            let inner = || method_not_allowed(allow);
            let response = ask(&layer, Request::options("/"), inner).await;
            assert_own(&response, Some(expected));
            assert_eq!(content(response).await, "");
        }
    }
    let long = vec!["A-LONG-METHOD-NAME"; 10_000].join(",");
    let inner = || method_not_allowed(&[long.as_bytes()]);
    let response = ask(&turning()[0], Request::options("/"), inner).await;
    assert_own(&response, Some("OPTIONS, A-LONG-METHOD-NAME"));
}

#[tokio::test]
async fn a_405_whose_allow_is_missing_or_not_a_list_of_methods_stays() {
    for allow in [
        &[][..],
        &[&b"*"[..]],
        &[b"PRI"],
        &[b"GET, *"],
        &[b"GET", b"PRI, PUT"],
        &[b"GET POST"],
        &[b"GET; POST"],
        &[b"\"GET\""],
        &[b"GET, (PUT)"],
        &[b"GET", b"P\xe9T"],
        &[b"\xff"],
        &[b"G@T", b"PUT"],
        &[b"GET/1.1"],
    ] {
        for layer in turning() {
            let inner = || {
                let mut response = method_not_allowed(allow);
                let headers = response.headers_mut();
                headers.insert("content-type", HeaderValue::from_static("text/plain"));
                headers.insert("content-length", HeaderValue::from_static("5"));
                response.extensions_mut().insert(Rejection::not_allowed([]));
                response
            };
            let response = ask(&layer, Request::options("/"), inner).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers(), inner().headers());
            assert!(response.extensions().get::<Rejection>().is_some());
            assert_eq!(content(response).await, "inner", "{allow:?}");
        }
    }
}

#[tokio::test]
async fn only_a_405_is_turned() {
    for status in [200, 204, 301, 400, 401, 403, 404, 406, 500, 501, 503] {
        for layer in turning() {
            let inner = || {
                let mut response = method_not_allowed(&[b"GET"]);
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                response
            };
            let response = ask(&layer, Request::options("/"), inner).await;
            assert_eq!(response.status(), status);
            assert_eq!(fields(response.headers()), [("allow", "GET")]);
            assert_eq!(content(response).await, "inner");
        }
    }
}

#[tokio::test]
async fn a_405_to_another_method_is_not_turned() {
    let layer = answering(Policy::new().recognize([Method::from_bytes(b"OPTIONS-X").unwrap()]));
    for method in ["GET", "HEAD", "POST", "DELETE", "TRACE", "OPTIONS-X"] {
        let request = Request::builder().method(method).uri("/");
        let response = ask(&layer, request, || method_not_allowed(&[b"GET"])).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(fields(response.headers()), [("allow", "GET")]);
        assert_eq!(content(response).await, "inner", "{method}");
    }
}

/// The fields that describe the content go with it, and no other field does.
#[tokio::test]
async fn the_turned_answer_loses_the_fields_of_the_content_and_keeps_all_others() {
    const REMOVED: [&str; 13] = [
        "content-type",
        "content-encoding",
        "content-language",
        "content-location",
        "content-range",
        "content-disposition",
        "content-digest",
        "transfer-encoding",
        "trailer",
        "etag",
        "last-modified",
        "accept-ranges",
        "repr-digest",
    ];
    const KEPT: [&str; 20] = [
        "access-control-allow-origin",
        "access-control-expose-headers",
        "cache-control",
        "connection",
        "content-security-policy",
        "content-security-policy-report-only",
        "cross-origin-opener-policy",
        "dav",
        "date",
        "expires",
        "link",
        "retry-after",
        "server",
        "set-cookie",
        "strict-transport-security",
        "vary",
        "want-content-digest",
        "www-authenticate",
        "x-content-type-options",
        "x-request-id",
    ];
    #[derive(Clone, Debug, PartialEq)]
    struct Mark;

    let inner = || {
        let mut response = method_not_allowed(&[b"GET", b"PUT"]);
        *response.version_mut() = Version::HTTP_10;
        let headers = response.headers_mut();
        // Each of them twice.
        for name in REMOVED.into_iter().chain(KEPT).chain(["content-length"]) {
            headers.append(name, HeaderValue::from_static("1"));
            headers.append(name, HeaderValue::from_static("2"));
        }
        response.extensions_mut().insert(Mark);
        response.extensions_mut().insert(Rejection::not_allowed([]));
        response
    };
    for layer in turning() {
        let response = ask(&layer, Request::options("/"), inner).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.version(), Version::HTTP_10);
        let kept = KEPT.into_iter().flat_map(|name| [(name, "1"), (name, "2")]);
        let mut expected: Vec<_> = kept.collect();
        expected.extend([("allow", "GET, PUT, OPTIONS"), ("content-length", "0")]);
        expected.sort_unstable();
        assert_eq!(fields(response.headers()), expected);
        assert_eq!(response.extensions().get(), Some(&Mark));
        assert_eq!(response.extensions().len(), 1);
        assert_eq!(content(response).await, "");
    }
}

/// Browsers read an ok status to a preflight as permission.
#[tokio::test]
async fn a_405_to_a_preflight_stays_a_405() {
    let inner = || {
        let mut response = method_not_allowed(&[b"GET"]);
        let any = HeaderValue::from_static("*");
        for name in [
            "access-control-allow-origin",
            "access-control-allow-methods",
            "access-control-allow-headers",
        ] {
            response.headers_mut().insert(name, any.clone());
        }
        response
    };
    let policies = [
        Policy::new(),
        Policy::new().fallback([]),
        Policy::new().fallback([Method::OPTIONS]),
        Policy::new().recognize_only([]),
    ];
    for policy in policies {
        for target in ["/", "/a", "*"] {
            let response = ask(&answering(policy.clone()), preflight(target), inner).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(response.headers(), inner().headers());
            assert_eq!(content(response).await, "inner");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes() {
    let service = answering(Policy::new()).layer(service_fn(async |_: Request<Body>| {
        Err::<Response<Body>, _>("inner error")
    }));
    let request = Request::options("/").body(Body::default()).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap_err(), "inner error");
}

#[tokio::test]
async fn with_report_only_nothing_is_answered_and_nothing_is_turned() {
    for policy in [Policy::new(), Policy::new().fallback([Method::GET])] {
        let layer = answering(policy).report_only(true);
        for target in ["/", "*"] {
            let inner = || method_not_allowed(&[b"GET"]);
            let response = ask(&layer, Request::options(target), inner).await;
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(fields(response.headers()), [("allow", "GET")]);
            // An answer is not a rejection.
            assert!(response.extensions().is_empty());
            assert_eq!(content(response).await, "inner");
        }
    }
}

#[tokio::test]
async fn a_policy_inside_a_policy_gives_the_methods_of_the_inner_one() {
    async fn nested(
        outer: &MethodPolicyLayer,
        inner: &MethodPolicyLayer<ProblemDetails>,
        request: http::request::Builder,
    ) -> Response<Body> {
        let service = outer.layer(inner.layer(service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(teapot())
        })));
        let Ok(response) = service
            .oneshot(request.body(Body::default()).unwrap())
            .await;
        response
    }
    let outer = answering(Policy::new());
    let inner = MethodPolicyLayer::new(Policy::new().fallback([Method::POST]));
    let inner = inner.respond_with(ProblemDetails);

    // The 405 of the inner policy is turned, and its mark is removed.
    let response = nested(&outer, &inner, Request::options("/")).await;
    assert_own(&response, Some("POST, OPTIONS"));
    assert_eq!(content(response).await, "");

    // The inner policy answers by itself.
    let answering_inner = inner.clone().answer_options(true);
    let response = nested(&outer, &answering_inner, Request::options("/")).await;
    assert_own(&response, Some("POST, OPTIONS"));

    // The outer policy answers and does not ask.
    let closed = answering(Policy::new().fallback([Method::PUT]));
    let response = nested(&closed, &answering_inner, Request::options("/")).await;
    assert_own(&response, Some("PUT, OPTIONS"));

    // A 405 to another method keeps its mark, and its Allow.
    let response = nested(&outer, &inner, Request::delete("/")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "POST");
    assert!(response.extensions().get::<Rejection>().is_some());

    // A 501 is never turned.
    let unknown = MethodPolicyLayer::new(Policy::new().recognize_only([]));
    let unknown = unknown.respond_with(ProblemDetails);
    let response = nested(&outer, &unknown, Request::options("/")).await;
    assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
    assert!(response.extensions().get::<Rejection>().is_some());

    // The mark of a policy that only reports stays.
    let reporting = inner.clone().report_only(true);
    let response = nested(&outer, &reporting, Request::options("/")).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert!(response.extensions().get::<WouldReject>().is_some());
}

// A real router.

/// A route of each kind, and the methods that axum's own `405` names for it.
fn router() -> (Router, [(&'static str, &'static str); 8]) {
    let router = Router::new()
        .route("/", get("a"))
        .route("/login", post("a"))
        .route("/users", get("a").post("a"))
        .route("/users/{id}", get("a").put("a").delete("a"))
        .route("/patch", patch("a"))
        .route("/files/{*path}", put("a").delete("a"))
        .nest("/api", Router::new().route("/v1", delete("a")))
        .route(
            "/wrapped",
            post((|| async { "a" }).layer(MethodPolicyLayer::default())),
        );
    let routes = [
        ("/", "GET,HEAD"),
        ("/login", "POST"),
        ("/users", "GET,HEAD,POST"),
        ("/users/7", "GET,HEAD,PUT,DELETE"),
        ("/patch", "PATCH"),
        ("/files/a/b", "PUT,DELETE"),
        ("/api/v1", "DELETE"),
        ("/wrapped", "POST"),
    ];
    (router, routes)
}

async fn ask_router(
    layer: &MethodPolicyLayer<ProblemDetails>,
    router: &Router,
    method: &str,
    target: &str,
) -> Response<axum::body::Body> {
    let request = Request::builder().method(method).uri(target);
    let request = request.body(axum::body::Body::empty()).unwrap();
    let Ok(response) = layer.layer(router.clone()).oneshot(request).await;
    response
}

fn methods(allow: &HeaderValue) -> MethodSet {
    allow.to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn in_front_of_a_router_without_rules_every_allow_is_the_router_s() {
    let layer = MethodPolicyLayer::default()
        .answer_options(true)
        .respond_with(ProblemDetails);
    let (router, routes) = router();
    for (target, allow) in routes {
        // `OPTIONS` is 200 with the router's methods.
        let response = ask_router(&layer, &router, "OPTIONS", target).await;
        assert_eq!(response.status(), StatusCode::OK, "{target}");
        let expected = methods(&HeaderValue::from_static(allow)) | Method::OPTIONS;
        assert_eq!(methods(&response.headers()["allow"]), expected, "{target}");
        assert_eq!(response.headers()["content-length"], "0", "{target}");
        assert_eq!(response.headers().len(), 2, "{:?}", response.headers());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "");

        // A recognized method has the router's own 405, or is handled.
        let expected = methods(&HeaderValue::from_static(allow));
        for method in [
            "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "QUERY",
        ] {
            let response = ask_router(&layer, &router, method, target).await;
            if expected.contains(&method.parse().unwrap()) {
                assert_eq!(response.status(), StatusCode::OK, "{method} {target}");
            } else {
                assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
                assert_eq!(response.headers()["allow"], allow, "{method} {target}");
                assert!(response.extensions().get::<Rejection>().is_none());
            }
        }

        // Any other method is a 501 without `Allow`.
        for method in ["FOO", "get", "PROPFIND"] {
            let response = ask_router(&layer, &router, method, target).await;
            assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED);
            assert!(!response.headers().contains_key("allow"));
        }
    }
    let missing = ask_router(&layer, &router, "OPTIONS", "/missing").await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    let server = ask_router(&layer, &router, "OPTIONS", "*").await;
    assert_eq!(server.status(), StatusCode::OK);
    assert!(!server.headers().contains_key("allow"));
}

#[tokio::test]
async fn routes_that_handle_options_answer_by_themselves() {
    let layer = MethodPolicyLayer::default()
        .answer_options(true)
        .respond_with(ProblemDetails);
    let router = Router::new()
        .route("/any", any("any"))
        .route("/own", get("a").merge(options(async || [("dav", "1")])))
        .route_service(
            "/service",
            service_fn(async |_| Ok::<_, Infallible>(Response::new(axum::body::Body::from("any")))),
        );
    for (target, body, dav) in [
        ("/any", "any", false),
        ("/service", "any", false),
        ("/own", "", true),
    ] {
        let response = ask_router(&layer, &router, "OPTIONS", target).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("allow"), "{target}");
        assert_eq!(response.headers().contains_key("dav"), dav);
        let content = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(content, body);
    }
}
