//! Tests the policy with tower-http's `CorsLayer`, once with `CorsLayer` outside and once with the policy outside.

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
use tower_method_policy::MethodPolicyLayer;

use crate::support::strategies::policy;

fn cors() -> CorsLayer {
    CorsLayer::new().allow_origin(Any).allow_methods(Any).expose_headers([ALLOW])
}

/// Returns a layer with the policy that `calls` builds.
fn layer(calls: &str, answer_options: bool) -> MethodPolicyLayer {
    MethodPolicyLayer::new(policy(calls)).answer_options(answer_options)
}

async fn hello(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from("hello")))
}

/// Sends a request from another origin. The method `preflight PUT` sends the preflight of a `PUT` request.
async fn ask<S>(service: S, method: &str) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let request = Request::builder().uri("/").header("origin", "https://other.example");
    let request = match method.strip_prefix("preflight ") {
        Some(method) => request.method("OPTIONS").header("access-control-request-method", method),
        None => request.method(method),
    };
    let Ok(response) = service.oneshot(request.body(Body::empty()).unwrap()).await;
    response
}

#[track_caller]
fn assert_response(response: &Response<Body>, status: u16, allow: Option<&'static str>) {
    assert_eq!(response.status(), status);
    let allow = allow.map(HeaderValue::from_static);
    assert_eq!(response.headers().get(ALLOW), allow.as_ref());
}

/// Returns whether scripts of the other origin can read the response and its `Allow`.
fn is_readable(response: &Response<Body>) -> bool {
    let origin = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN);
    let exposed = response.headers().get(ACCESS_CONTROL_EXPOSE_HEADERS);
    assert_eq!(origin.is_some(), exposed.is_some());
    origin.is_some_and(|origin| origin == "*") && exposed.is_some_and(|name| name == "allow")
}

/// Browsers do not convert `patch` to upper case (Fetch, "normalize a method").
#[tokio::test]
async fn scripts_can_read_rejections_only_with_cors_layer_outside() {
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
        // With `CorsLayer` inside, scripts can still read forwarded responses.
        assert!(is_readable(&ask(inside, "POST").await));
    }
    // Outside, it answers every `OPTIONS` request.
    let outside = cors().layer(layer("", true).layer(service_fn(hello)));
    assert_response(&ask(outside, "OPTIONS").await, 200, None);
}

/// The documentation recommends this placement. `CorsLayer` is in the router, and the policy wraps the router.
#[tokio::test]
async fn cors_layer_in_the_router_answers_preflights_and_other_options_requests() {
    let router = Router::new().route("/", get("a").post("a")).layer(cors());
    let app = layer("", true).layer(router);
    let response = ask(app.clone(), "preflight POST").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "*");
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    // `CorsLayer` answers, and axum adds `Allow`.
    let response = ask(app.clone(), "OPTIONS").await;
    assert_response(&response, 200, Some("GET,HEAD,POST"));
    // Scripts can read the router's `405`, because `CorsLayer` wraps every route.
    let response = ask(app, "DELETE").await;
    assert_response(&response, 405, Some("GET, HEAD, POST, OPTIONS"));
    assert!(is_readable(&response));
}
