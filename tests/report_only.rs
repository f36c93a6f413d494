//! A layer that only reports, with other layers that report or enforce a policy, and with the tests of an application.
//! `service.rs` compares what it observes and its marks with a model.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::{any, get};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_method_policy::{MethodPolicyLayer, MethodSet, Policy, Reason, Rejection, WouldReject};

type Body = Full<Bytes>;

async fn hello(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from("hello")))
}

fn request(name: &str) -> Request<Body> {
    Request::builder().method(name).body(Body::default()).unwrap()
}

/// A layer that only reports, and the lines that its observer writes.
fn reporting() -> (MethodPolicyLayer, Arc<Mutex<Vec<String>>>) {
    let log = Arc::<Mutex<Vec<String>>>::default();
    let seen = log.clone();
    let policy = Policy::new().fallback([Method::GET, Method::POST]);
    let layer = MethodPolicyLayer::new(policy).report_only(true);
    let layer = layer.on_rejection(move |rejection, request| {
        let line = format!("{} {rejection}", request.method);
        seen.lock().unwrap().push(line);
    });
    (layer, log)
}

/// The reasons of the reported rejection and of the enforced rejection.
fn marks(response: &Response<Body>) -> [Option<Reason>; 2] {
    let mark = response.extensions().get::<WouldReject>();
    let enforced = response.extensions().get::<Rejection>();
    [mark.map(WouldReject::rejection), enforced].map(|mark| mark.map(Rejection::reason))
}

/// A response has one mark of a type.
#[tokio::test]
async fn the_mark_of_the_outer_of_two_reporting_layers_replaces_that_of_the_inner_one() {
    let (outer, outer_log) = reporting();
    let (_, inner_log) = reporting();
    let seen = inner_log.clone();
    let inner = MethodPolicyLayer::new(Policy::new().recognize_only([])).report_only(true);
    let inner = inner.on_rejection(move |rejection, _| {
        seen.lock().unwrap().push(rejection.to_string());
    });
    let service = outer.layer(inner.layer(service_fn(hello)));
    let response = service.oneshot(request("DELETE")).await.unwrap();
    assert_eq!(marks(&response), [Some(Reason::NotAllowed), None]);
    let line = "DELETE 405 Method Not Allowed by fallback (report only)";
    assert_eq!(*outer_log.lock().unwrap(), [line]);
    assert_eq!(*inner_log.lock().unwrap(), ["501 Not Implemented (report only)"]);
}

#[tokio::test]
async fn a_stricter_policy_can_report_outside_an_enforced_policy() {
    let methods = [Method::GET, Method::POST, Method::PUT];
    let enforced = MethodPolicyLayer::new(Policy::new().fallback(methods));
    let (stricter, log) = reporting();
    let not_allowed = Some(Reason::NotAllowed);
    let not_implemented = Some(Reason::NotImplemented);
    for (name, status, expected) in [
        ("POST", 200, [None, None]),
        ("PUT", 200, [not_allowed, None]),
        ("DELETE", 405, [not_allowed, not_allowed]),
        ("FOO", 501, [not_implemented, not_implemented]),
    ] {
        let service = stricter.layer(enforced.layer(service_fn(hello)));
        let response = service.oneshot(request(name)).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(marks(&response), expected, "{name}");
    }
    assert_eq!(log.lock().unwrap().len(), 3);
}

/// An application that invented a method, and has a WebDAV method and a router's `405`.
fn application() -> Router {
    let import = any(async |method: Method| match method.as_str() {
        "IMPORT" | "PROPFIND" => (StatusCode::OK, method.to_string()),
        _ => (StatusCode::BAD_REQUEST, String::new()),
    });
    Router::new().route("/cart", import).route("/users", get("users"))
}

/// The tests of the application. Returns the requests that did not get the expected answer.
async fn own_tests(layer: &MethodPolicyLayer) -> Vec<String> {
    let mut failures = Vec::new();
    for (method, path, status) in [
        ("IMPORT", "/cart", 200),
        ("IMPORT", "/cart", 200),
        ("PROPFIND", "/cart", 200),
        ("DELETE", "/users", 405),
        ("GET", "/users", 200),
    ] {
        let request = Request::builder().method(method).uri(path).body(Body::default());
        let Ok(response) = layer.layer(application()).oneshot(request.unwrap()).await;
        if response.status() != status {
            failures.push(format!("{method} {path}"));
        }
    }
    failures
}

/// The first step of `docs/rollout.md`.
#[tokio::test]
async fn the_tests_of_an_application_find_the_methods_that_a_policy_would_reject() {
    let found = Arc::<Mutex<BTreeSet<String>>>::default();
    let collected = found.clone();
    let collecting =
        MethodPolicyLayer::default().report_only(true).on_rejection(move |rejection, request| {
            let line = format!("{} {}: {rejection}", request.method, request.uri.path());
            collected.lock().unwrap().insert(line);
        });
    assert!(own_tests(&collecting).await.is_empty());
    let expected = [
        "IMPORT /cart: 501 Not Implemented (report only)",
        "PROPFIND /cart: 501 Not Implemented (report only)",
    ];
    assert!(found.lock().unwrap().iter().eq(expected));

    // Enforced, the policy breaks the application unless the methods are on its list.
    let failures = own_tests(&MethodPolicyLayer::default()).await;
    assert_eq!(failures, ["IMPORT /cart", "IMPORT /cart", "PROPFIND /cart"]);
    let policy = Policy::new().recognize(MethodSet::from_static("IMPORT, PROPFIND"));
    assert!(own_tests(&MethodPolicyLayer::new(policy)).await.is_empty());
    // The router decides, so there is nothing to collect.
    found.lock().unwrap().clear();
    assert!(own_tests(&collecting.clone().inner_decides(true)).await.is_empty());
    assert!(found.lock().unwrap().is_empty());
    let deciding = MethodPolicyLayer::default().inner_decides(true);
    assert!(own_tests(&deciding).await.is_empty());
}
