//! The policy and tower-http's `CorsLayer`: the policy outside, and `CorsLayer` outside.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ORIGIN,
};
use http::{Method, Request, Response, StatusCode};
use tower::util::MapResponse;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::{Any, CorsLayer};
use tower_method_policy::{MethodPolicyLayer, MethodSet, Policy};

type BoxService = tower::util::BoxService<Request<Body>, Response<Body>, Infallible>;

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(Any)
        .expose_headers([ALLOW])
}

/// Which of the two layers is outside.
#[derive(Clone, Copy, Debug)]
enum Outside {
    Cors,
    Policy,
}

/// A service behind both layers.
fn site(outside: Outside, policy: &MethodPolicyLayer) -> BoxService {
    let hello = service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::from("hello")))
    });
    match outside {
        Outside::Cors => BoxService::new(cors().layer(policy.layer(hello))),
        Outside::Policy => BoxService::new(policy.layer(cors().layer(hello))),
    }
}

/// Lists `GET` and `POST`, and no `OPTIONS`.
fn posts() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]))
}

/// The same, and the policy answers `OPTIONS`.
fn answering() -> MethodPolicyLayer {
    posts().answer_options(true)
}

fn from_other_origin(method: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri("/")
        .header(ORIGIN, "https://other.example")
        .body(Body::empty())
        .expect("a valid request")
}

fn preflight(of: &'static str) -> Request<Body> {
    let mut request = from_other_origin("OPTIONS");
    let of = http::HeaderValue::from_static(of);
    request
        .headers_mut()
        .insert(ACCESS_CONTROL_REQUEST_METHOD, of);
    request
}

async fn ask<S>(site: S, request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Ok(response) = site.oneshot(request).await;
    response
}

#[track_caller]
fn assert_readable(response: &Response<Body>) {
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    assert_eq!(response.headers()[ACCESS_CONTROL_EXPOSE_HEADERS], "allow");
}

#[track_caller]
fn assert_unreadable(response: &Response<Body>) {
    let fields = [
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
    ];
    for field in fields {
        assert!(!response.headers().contains_key(&field), "{field}");
    }
}

#[tokio::test]
async fn with_cors_outside_scripts_can_read_a_405_and_its_allow() {
    let response = ask(site(Outside::Cors, &posts()), from_other_origin("DELETE")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[ALLOW], "GET, HEAD, POST");
    assert_readable(&response);
}

#[tokio::test]
async fn with_cors_outside_scripts_can_read_a_501() {
    // `patch`: browsers do not change it to upper case (Fetch, "normalize a method").
    for method in ["PROPFIND", "FOO", "patch"] {
        let response = ask(site(Outside::Cors, &posts()), from_other_origin(method)).await;
        assert_eq!(response.status(), StatusCode::NOT_IMPLEMENTED, "{method}");
        assert!(!response.headers().contains_key(ALLOW), "{method}");
        assert_readable(&response);
    }
}

#[tokio::test]
async fn with_cors_outside_preflights_do_not_reach_the_policy() {
    let rejected = Arc::new(AtomicUsize::new(0));
    let counter = rejected.clone();
    // It does not recognize `OPTIONS`, so it would count each preflight that reaches it.
    let policy = Policy::new().recognize_only([]).fallback([Method::GET]);
    let policy = MethodPolicyLayer::new(policy).on_rejection(move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
    });

    for method in ["POST", "DELETE", "PROPFIND", "patch"] {
        let response = ask(site(Outside::Cors, &policy), preflight(method)).await;
        assert_eq!(response.status(), StatusCode::OK, "{method}");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "*");
    }
    assert_eq!(rejected.load(Ordering::Relaxed), 0);

    let request = from_other_origin("DELETE");
    ask(site(Outside::Cors, &policy), request).await;
    assert_eq!(rejected.load(Ordering::Relaxed), 1);
}

/// `CorsLayer` answers every `OPTIONS` itself, preflight or not.
#[tokio::test]
async fn with_cors_outside_no_options_is_answered_by_the_policy() {
    for service in [
        || site(Outside::Cors, &posts()),
        || site(Outside::Cors, &answering()),
    ] {
        for request in [
            from_other_origin("OPTIONS"),
            Request::options("/").body(Body::empty()).unwrap(),
        ] {
            let response = ask(service(), request).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert!(!response.headers().contains_key(ALLOW));
            assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "*");
        }
    }
}

#[tokio::test]
async fn with_the_policy_outside_scripts_cannot_read_rejections() {
    for (method, status) in [("DELETE", 405), ("PROPFIND", 501)] {
        let response = ask(site(Outside::Policy, &posts()), from_other_origin(method)).await;
        assert_eq!(response.status(), status, "{method}");
        assert_unreadable(&response);
    }
    // They can read forwarded responses.
    let response = ask(site(Outside::Policy, &posts()), from_other_origin("POST")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_readable(&response);
}

#[tokio::test]
async fn with_the_policy_outside_preflights_reach_the_cors_layer_whatever_the_rules_list() {
    let options = Method::OPTIONS;
    let policies = [
        Policy::new(),
        Policy::new().fallback([]),
        Policy::new().fallback([Method::GET, Method::POST]),
        Policy::new().fallback([options.clone()]),
        Policy::new().fallback(MethodSet::STANDARD - options.clone()),
        Policy::new().route("/", [Method::PUT]).unwrap(),
        Policy::new().fallback([]).exempt("/").unwrap(),
        Policy::new().recognize_only([options]).fallback([]),
    ];
    for policy in policies {
        for answer_options in [false, true] {
            let layer = MethodPolicyLayer::new(policy.clone()).answer_options(answer_options);
            for method in ["POST", "DELETE", "PROPFIND", "patch"] {
                let response = ask(site(Outside::Policy, &layer), preflight(method)).await;
                assert_eq!(response.status(), StatusCode::OK, "{policy:?} {method}");
                assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "*");
                assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
                assert!(!response.headers().contains_key(ALLOW), "{method}");
            }
        }
    }
}

#[tokio::test]
async fn with_the_policy_outside_a_plain_options_is_answered_by_the_policy() {
    for request in [
        from_other_origin("OPTIONS"),
        Request::options("/").body(Body::empty()).unwrap(),
    ] {
        let response = ask(site(Outside::Policy, &answering()), request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[ALLOW], "GET, HEAD, POST, OPTIONS");
        assert_unreadable(&response);
    }
}

/// An application that allows every origin, and has no `CorsLayer`, is protected by its `405` alone.
#[tokio::test]
async fn a_405_to_a_preflight_stays_a_405() {
    let policies = [
        Policy::new(),
        Policy::new().fallback([]),
        Policy::new().fallback([Method::OPTIONS]),
        Policy::new().recognize_only([]),
    ];
    for policy in policies {
        let router = Router::new()
            .route("/", get("a").post("a"))
            .layer(SetResponseHeader);
        let app = MethodPolicyLayer::new(policy)
            .answer_options(true)
            .layer(router);
        let response = ask(app.clone(), preflight("POST")).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(response.headers()[ALLOW], "GET,HEAD,POST");
    }
}

/// The documented placement: `CorsLayer` is in the router, and the policy is around it.
#[tokio::test]
async fn with_cors_in_the_router_preflights_and_plain_options_are_both_answered() {
    let router = Router::new()
        .route("/users", get("a").post("a"))
        .layer(cors());
    let app = MethodPolicyLayer::default()
        .answer_options(true)
        .layer(router);
    let users = |mut request: Request<Body>| {
        *request.uri_mut() = "/users".parse().unwrap();
        request
    };

    let response = ask(app.clone(), users(preflight("POST"))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "*");
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");

    // `CorsLayer` answers it, and axum adds the methods of the route.
    let response = ask(app.clone(), users(from_other_origin("OPTIONS"))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[ALLOW], "GET,HEAD,POST");

    // The router's own 405 is readable, as every response of the router.
    let response = ask(app, users(from_other_origin("DELETE"))).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_readable(&response);
}

/// Adds `Access-Control-Allow-Origin: *` to every response.
#[derive(Clone)]
struct SetResponseHeader;

impl<S> Layer<S> for SetResponseHeader {
    type Service = MapResponse<S, fn(Response<Body>) -> Response<Body>>;

    fn layer(&self, inner: S) -> Self::Service {
        MapResponse::new(inner, |mut response: Response<Body>| {
            let any = http::HeaderValue::from_static("*");
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, any);
            response
        })
    }
}
