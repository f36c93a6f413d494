//! Tests of `support/agreement.rs`, the helper that compares a policy's rules with an axum router.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "support/agreement.rs"]
mod agreement;

use std::panic::AssertUnwindSafe;

use agreement::agree;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::routing::{MethodFilter, MethodRouter, any, get};
use futures_util::FutureExt;
use tower::{Layer, ServiceExt};
use tower_method_policy::{MethodPolicyLayer, MethodSet, Policy};

fn methods(list: &str) -> MethodSet {
    list.parse().unwrap()
}

/// A route that handles these methods.
fn handlers(list: &str) -> MethodRouter {
    let methods = methods(list).into_iter();
    methods.fold(MethodRouter::new(), |route, method| {
        route.on(MethodFilter::try_from(method).unwrap(), async || ())
    })
}

/// A router with these routes.
fn router(routes: &[(&str, &str)]) -> Router {
    routes.iter().fold(Router::new(), |router, (path, list)| router.route(path, handlers(list)))
}

/// A policy with these routes.
fn routes(routes: &[(&str, &str)]) -> Policy {
    let add = |policy: Policy, (pattern, list): &(&str, &str)| policy.route(pattern, methods(list));
    routes.iter().try_fold(Policy::new(), add).unwrap()
}

/// The lines of the message with which `agree` fails.
async fn differences(router: &Router, policy: &Policy, more_paths: &[&str]) -> Vec<String> {
    let agreed = AssertUnwindSafe(agree(router, policy, more_paths));
    let panic = agreed.catch_unwind().await.unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    let (first, lines) = message.split_once('\n').unwrap();
    assert_eq!(first, "router and policy disagree:");
    lines.lines().map(str::to_owned).collect()
}

const AGREED: &[(&str, &str)] = &[
    ("/", "GET, POST"),
    ("/login", "POST"),
    ("/ping", "HEAD"),
    ("/own", "GET, OPTIONS"),
    ("/none", "PUT, PATCH, DELETE, TRACE, CONNECT"),
    ("/a/{id}", "GET, PUT"),
    ("/a/{id}/b/{name}", "GET, PUT"),
    ("/rest/{*path}", "GET, PUT"),
    ("/{{c}}/{d}", "GET, PUT"),
];

#[tokio::test]
async fn a_rule_written_as_the_route_agrees() {
    let not_compared = agree(&router(AGREED), &routes(AGREED), &[]).await;
    assert!(not_compared.is_empty());
}

/// Each with the methods of the route and of the rule, and the advice.
#[tokio::test]
async fn a_difference_names_the_rule_and_the_methods_of_both() {
    const NEEDS_GET: &str = " (the rule needs GET)";
    const ADDS_OPTIONS: &str = " (the layer adds OPTIONS, the rule need not)";
    let cases = [
        ("/x/{id}", "GET, HEAD, DELETE", "GET, HEAD, PUT", ""),
        ("/1", "POST", "GET, HEAD, POST", ""),
        // `GET` is forwarded anyway, so nobody would notice until a client reads `Allow`.
        ("/2", "GET, HEAD, POST", "POST", NEEDS_GET),
        ("/3/{id}", "GET, HEAD", "", NEEDS_GET),
        ("/4/{*path}", "GET, HEAD, PUT", "PUT", NEEDS_GET),
        ("/5", "GET, HEAD", "HEAD", NEEDS_GET),
        ("/6", "GET, HEAD", "GET, HEAD, OPTIONS", ADDS_OPTIONS),
        ("/7", "POST", "POST, OPTIONS", ADDS_OPTIONS),
        ("/8", "GET, HEAD, OPTIONS", "GET, HEAD", ""),
    ];
    let handled = cases.map(|(pattern, handled, ..)| (pattern, handled));
    let listed = cases.map(|(pattern, _, listed, _)| (pattern, listed));
    let router = router(&[AGREED, &handled].concat());
    let policy = routes(&[AGREED, &listed].concat());
    let policy = policy.route("/logout", [Method::POST]).unwrap();
    let lines = cases.map(|(pattern, handled, listed, advice)| {
        let handled = format!("route {pattern}: the router handles [{handled}]");
        format!("{handled}, the rule lists [{listed}]{advice}")
    });
    let mut expected = Vec::from(lines);
    expected.push("route /logout: the router has no route for it".to_owned());
    expected.push("/elsewhere: no rule applies".to_owned());
    let found = differences(&router, &policy, &["/elsewhere"]).await;
    assert_eq!(found, expected);
}

/// The same rules are right whether the layer answers `OPTIONS` or not.
#[tokio::test]
async fn rules_that_agree_give_the_router_s_allow_also_if_the_layer_answers_options() {
    let router = router(AGREED);
    let layer = MethodPolicyLayer::new(routes(AGREED)).answer_options(true);
    let app = layer.layer(router.clone());
    let request = |method, path| {
        let request = Request::builder().method(method).uri(path);
        request.body(Body::empty()).unwrap()
    };
    for (path, answer) in [
        ("/", Some("GET, HEAD, POST, OPTIONS")),
        ("/login", Some("POST, OPTIONS")),
        // The handler sends none.
        ("/own", None),
    ] {
        let Ok(response) = app.clone().oneshot(request("OPTIONS", path)).await;
        assert_eq!(response.status(), 200, "{path}");
        let allow = response.headers().get("allow");
        assert_eq!(allow.map(|allow| allow.to_str().unwrap()), answer, "{path}");

        let Ok(by_layer) = app.clone().oneshot(request("DELETE", path)).await;
        let Ok(by_router) = router.clone().oneshot(request("DELETE", path)).await;
        let [by_layer, by_router] = [by_layer, by_router].map(|response| {
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            methods(response.headers()["allow"].to_str().unwrap())
        });
        assert_eq!(by_layer, by_router | Method::OPTIONS, "{path}");
    }
}

#[tokio::test]
async fn the_fallback_is_compared_at_the_given_paths() {
    let router = router(&[("/a", "POST"), ("/b", "GET")]).route("/c", any(""));
    let policy = Policy::new().fallback([Method::POST]);
    assert!(agree(&router, &policy, &["/a"]).await.is_empty());
    assert_eq!(agree(&router, &policy, &["/a", "/c"]).await, ["/c"]);
    assert_eq!(
        differences(&router, &policy, &["/a", "/b", "/c", "/d"]).await,
        [
            "fallback at /b: the router handles [GET, HEAD], the rule lists [POST] (the rule needs GET)",
            "/d: the router has no route for it",
        ]
    );
}

/// axum sends `Allow` also if the fallback of a route answers.
#[tokio::test]
async fn a_fallback_of_the_route_hides_no_route() {
    let router = Router::new()
        .route("/a", get("").fallback(StatusCode::NOT_FOUND))
        .route("/b", get(""))
        .method_not_allowed_fallback(async || StatusCode::IM_A_TEAPOT);
    let policy = routes(&[("/a", "GET, PUT"), ("/b", "GET, PUT")]);
    let expected = ["/a", "/b"].map(|path| {
        format!("route {path}: the router handles [GET, HEAD], the rule lists [GET, HEAD, PUT]")
    });
    assert_eq!(differences(&router, &policy, &[]).await, expected);
}

#[tokio::test]
async fn handlers_of_all_methods_are_returned_and_not_compared() {
    let router = Router::new()
        .route("/any", any(""))
        .route("/both", any("").post(""))
        .route_service("/service", get("").put(""))
        .nest_service("/nested", any(""))
        .route("/none", any(StatusCode::NOT_FOUND));
    // A service that sends `Allow` is compared.
    let policy = routes(&[("/service", "GET, PUT"), ("/any", "PUT"), ("/both", "PUT")]);
    let policy = policy.route("/nested", [Method::PUT]).unwrap();
    let not_compared = agree(&router, &policy, &[]).await;
    assert_eq!(not_compared, ["/any", "/both", "/nested"]);
    let policy = policy.route("/none", [Method::PUT]).unwrap();
    let expected = ["route /none: the router has no route for it"];
    assert_eq!(differences(&router, &policy, &[]).await, expected);
}

#[tokio::test]
async fn a_subtree_is_compared_at_its_prefix_and_below() {
    let paths = "/files /files/ /files/{*path} /below/{*path} /mixed/{*path}".split(' ');
    let paths: Vec<_> = paths.map(|path| (path, "GET, PUT")).collect();
    let router = router(&paths).nest_service("/dav", any("")).route("/mixed", get(""));
    let subtree = |policy: Policy, prefix| policy.subtree(prefix, methods("GET, PUT")).unwrap();
    let policy = ["/files", "/below", "/dav"].into_iter().fold(Policy::new(), subtree);
    assert_eq!(agree(&router, &policy, &[]).await, ["/dav"]);

    let policy = ["/mixed", "/none"].into_iter().fold(policy, subtree);
    assert_eq!(
        differences(&router, &policy, &[]).await,
        [
            "subtree /mixed: the router handles [GET, HEAD], the rule lists [GET, HEAD, PUT]",
            "subtree /none: the router has no route for it",
        ]
    );
}

#[tokio::test]
async fn an_exempt_path_without_a_route_is_a_difference() {
    let router = router(&[("/events/{id}", "GET")]).route("/ws", any(""));
    let exempt = |policy: Policy, pattern| policy.exempt(pattern).unwrap();
    let policy = ["/ws", "/events/{id}"].into_iter().fold(Policy::new(), exempt);
    assert!(agree(&router, &policy, &[]).await.is_empty());
    let expected = ["exempt /wss: the router has no route for it", "/ws: no rule applies"];
    let policy = exempt(policy, "/wss");
    assert_eq!(differences(&router, &policy, &["/ws"]).await, expected);
}
