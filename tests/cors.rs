//! The policy and tower-http's `CorsLayer`, in the documented order and in the other one.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ORIGIN,
};
use http::{Method, Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::{Any, CorsLayer};
use tower_method_policy::{AnswerOptions, EmptyBody, HandleOptions, MethodPolicyLayer, Policy};

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
fn site<O>(outside: Outside, policy: &MethodPolicyLayer<EmptyBody, O>) -> BoxService
where
    O: HandleOptions<Body> + Send + 'static,
{
    let hello = service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::from("hello")))
    });
    match outside {
        Outside::Cors => BoxService::new(cors().layer(policy.layer(hello))),
        Outside::Policy => BoxService::new(policy.layer(cors().layer(hello))),
    }
}

/// `GET`, `HEAD`, `POST`, and no `OPTIONS`.
fn posts() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().allow([Method::POST]))
}

/// `OPTIONS`, too, and the policy answers it.
fn describing() -> MethodPolicyLayer<EmptyBody, AnswerOptions> {
    MethodPolicyLayer::new(Policy::new().allow([Method::POST, Method::OPTIONS])).answer_options()
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
    // `patch`: browsers do not upper-case it (Fetch, "normalize a method").
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
    // It rejects `OPTIONS`, so it would count each preflight that reaches it.
    let policy = posts().on_rejection(move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
    });

    for method in ["POST", "DELETE", "PROPFIND", "patch"] {
        let response = ask(site(Outside::Cors, &policy), preflight(method)).await;
        assert_eq!(response.status(), StatusCode::OK, "{method}");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "*");
    }
    assert_eq!(rejected.load(Ordering::Relaxed), 0);

    ask(site(Outside::Cors, &policy), from_other_origin("DELETE")).await;
    assert_eq!(rejected.load(Ordering::Relaxed), 1);
}

/// `CorsLayer` answers every `OPTIONS` itself, preflight or not.
#[tokio::test]
async fn with_cors_outside_no_options_is_answered_by_the_policy() {
    for service in [
        || site(Outside::Cors, &posts()),
        || site(Outside::Cors, &describing()),
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
    // What is forwarded they can read.
    let response = ask(site(Outside::Policy, &posts()), from_other_origin("POST")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_readable(&response);
}

#[tokio::test]
async fn with_the_policy_outside_preflights_are_rejected_where_options_is_not_allowed() {
    // Even that of an allowed method: to the browser the preflight has failed.
    let response = ask(site(Outside::Policy, &posts()), preflight("POST")).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[ALLOW], "GET, HEAD, POST");
    assert_unreadable(&response);
}

#[tokio::test]
async fn with_the_policy_outside_and_answering_options_preflights_reach_the_cors_layer() {
    for method in ["POST", "DELETE", "PROPFIND"] {
        let response = ask(site(Outside::Policy, &describing()), preflight(method)).await;
        assert_eq!(response.status(), StatusCode::OK, "{method}");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "*");
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!response.headers().contains_key(ALLOW), "{method}");
    }
}

#[tokio::test]
async fn with_the_policy_outside_and_answering_options_a_plain_one_is_answered_by_the_policy() {
    let request = from_other_origin("OPTIONS");
    let response = ask(site(Outside::Policy, &describing()), request).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[ALLOW], "GET, HEAD, POST, OPTIONS");
    assert_unreadable(&response);
}
