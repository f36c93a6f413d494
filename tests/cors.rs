//! The policy and tower-http's `CorsLayer`: the policy outside, and `CorsLayer` outside.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW,
};
use http::{HeaderValue, Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::cors::{Any, CorsLayer};
use tower_method_policy::{MethodPolicyLayer, Rejection};

use crate::support::strategies::policy;

fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(Any).allow_methods(Any).expose_headers([ALLOW])
}

/// A layer with the policy of `calls`.
fn layer(calls: &str, answer_options: bool) -> MethodPolicyLayer {
    MethodPolicyLayer::new(policy(calls)).answer_options(answer_options)
}

async fn hello(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from("hello")))
}

/// A request from another origin, or a preflight of `method` if it is `preflight method`.
async fn ask<S>(site: S, method: &str) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let request = Request::builder().uri("/").header("origin", "https://other.example");
    let request = match method.strip_prefix("preflight ") {
        Some(of) => request.method("OPTIONS").header("access-control-request-method", of),
        None => request.method(method),
    };
    let Ok(response) = site.oneshot(request.body(Body::empty()).unwrap()).await;
    response
}

#[track_caller]
fn assert_response(response: &Response<Body>, status: u16, allow: Option<&'static str>) {
    assert_eq!(response.status(), status);
    let allow = allow.map(HeaderValue::from_static);
    assert_eq!(response.headers().get(ALLOW), allow.as_ref());
}

/// Whether scripts of the other origin can read the response and its `Allow`.
fn is_readable(response: &Response<Body>) -> bool {
    let origin = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
    let exposed = response.headers().get(ACCESS_CONTROL_EXPOSE_HEADERS);
    assert_eq!(origin.is_some(), exposed.is_some());
    origin.is_some_and(|origin| origin == "*") && exposed.is_some_and(|name| name == "allow")
}

#[track_caller]
fn assert_answer_of_cors(response: &Response<Body>) {
    assert_response(response, 200, None);
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "*");
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

/// `patch`: browsers do not change it to upper case (Fetch, "normalize a method").
#[tokio::test]
async fn scripts_can_read_rejections_only_with_cors_outside() {
    for (method, status, allow) in [
        ("DELETE", 405, Some("GET, HEAD, POST")),
        ("PROPFIND", 501, None),
        ("FOO", 501, None),
        ("patch", 501, None),
    ] {
        let policy = layer("fallback GET POST", false);
        let outside = cors().layer(policy.layer(service_fn(hello)));
        let response = ask(outside, method).await;
        assert_response(&response, status, allow);
        assert!(is_readable(&response), "{method}");

        let inside = policy.layer(cors().layer(service_fn(hello)));
        let response = ask(inside.clone(), method).await;
        assert_response(&response, status, allow);
        assert!(!is_readable(&response), "{method}");
        // They can read forwarded responses.
        assert!(is_readable(&ask(inside, "POST").await));
    }
}

/// `CorsLayer` answers every `OPTIONS` itself, preflight or not. A policy that does not recognize `OPTIONS`
/// would reject each that reaches it.
#[tokio::test]
async fn with_cors_outside_no_options_reaches_the_policy() {
    for (calls, answer_options) in [
        ("recognize_only; fallback GET", false),
        ("fallback GET POST", false),
        ("fallback GET POST", true),
    ] {
        let policy = layer(calls, answer_options);
        let site = cors().layer(policy.layer(service_fn(hello)));
        for method in ["OPTIONS", "preflight POST", "preflight DELETE", "preflight patch"] {
            let response = ask(site.clone(), method).await;
            assert_answer_of_cors(&response);
            assert!(response.extensions().get::<Rejection>().is_none());
        }
        let plain = Request::options("/").body(Body::empty()).unwrap();
        assert_response(&site.oneshot(plain).await.unwrap(), 200, None);
    }
}

#[tokio::test]
async fn with_the_policy_outside_preflights_reach_the_cors_layer_whatever_the_rules_list() {
    for calls in [
        "",
        "fallback",
        "fallback GET POST",
        "fallback OPTIONS",
        "route / PUT",
        "fallback; exempt /",
        "recognize_only OPTIONS; fallback",
    ] {
        for answer_options in [false, true] {
            let policy = layer(calls, answer_options);
            for method in ["preflight POST", "preflight PROPFIND", "preflight patch"] {
                let site = policy.layer(cors().layer(service_fn(hello)));
                assert_answer_of_cors(&ask(site, method).await);
            }
        }
    }
    // The policy answers a plain `OPTIONS`.
    let site = layer("fallback GET", true).layer(cors().layer(service_fn(hello)));
    let response = ask(site, "OPTIONS").await;
    assert_response(&response, 200, Some("GET, HEAD, OPTIONS"));
    assert!(!is_readable(&response));
}

/// The documented placement: `CorsLayer` is in the router, and the policy is around it.
#[tokio::test]
async fn with_cors_in_the_router_preflights_and_plain_options_are_both_answered() {
    let router = Router::new().route("/", get("a").post("a")).layer(cors());
    let app = layer("", true).layer(router);
    let response = ask(app.clone(), "preflight POST").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "*");
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    // `CorsLayer` answers it, and axum adds the methods of the route.
    let response = ask(app.clone(), "OPTIONS").await;
    assert_response(&response, 200, Some("GET,HEAD,POST"));
    // The router's own 405 is readable, as every response of the router.
    let response = ask(app, "DELETE").await;
    assert_response(&response, 405, Some("GET,HEAD,POST"));
    assert!(is_readable(&response));
}
