//! Tests the helper `support/agreement.rs`, which compares a policy's rules with an axum router.

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

/// Returns a route that handles the methods in `list`.
fn handlers(list: &str) -> MethodRouter {
    let methods = methods(list).into_iter();
    methods.fold(MethodRouter::new(), |route, method| {
        route.on(MethodFilter::try_from(method).unwrap(), async || ())
    })
}

/// Returns a router with `routes`, each a path and the methods that it handles.
fn router_with(routes: &[(&str, &str)]) -> Router {
    routes.iter().fold(Router::new(), |router, (path, list)| router.route(path, handlers(list)))
}

/// Returns a policy with `routes`, each a pattern and the methods that its rule lists.
fn policy_with(routes: &[(&str, &str)]) -> Policy {
    let add = |policy: Policy, (pattern, list): &(&str, &str)| policy.route(pattern, methods(list));
    routes.iter().try_fold(Policy::new(), add).unwrap()
}

/// Returns the lines of the message of `agree`'s panic, without the first line.
async fn differences(router: &Router, policy: &Policy, more_paths: &[&str]) -> Vec<String> {
    let comparison = AssertUnwindSafe(agree(router, policy, more_paths));
    let panic = comparison.catch_unwind().await.unwrap_err();
    let message = panic.downcast::<String>().unwrap();
    let (first, lines) = message.split_once('\n').unwrap();
    assert_eq!(first, "router and policy disagree:");
    lines.lines().map(str::to_owned).collect()
}

/// Routes with the same methods in the router and in the policy.
const MATCHING_ROUTES: &[(&str, &str)] = &[
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
async fn rules_that_list_the_methods_of_their_routes_pass() {
    let not_compared =
        agree(&router_with(MATCHING_ROUTES), &policy_with(MATCHING_ROUTES), &[]).await;
    assert!(not_compared.is_empty());
}

#[tokio::test]
async fn each_difference_names_the_rule_and_both_lists_of_methods() {
    const ADD_GET: &str = " (add GET to the rule)";
    const REMOVE_OPTIONS: &str = " (remove OPTIONS from the rule; `answer_options` adds it)";
    // The pattern, the methods of the route, the methods of the rule, and the advice.
    let cases = [
        ("/x/{id}", "GET, HEAD, DELETE", "GET, HEAD, PUT", ""),
        ("/1", "POST", "GET, HEAD, POST", ""),
        // The layer always forwards `GET`, so only `Allow` shows this mistake.
        ("/2", "GET, HEAD, POST", "POST", ADD_GET),
        ("/3/{id}", "GET, HEAD", "", ADD_GET),
        ("/4/{*path}", "GET, HEAD, PUT", "PUT", ADD_GET),
        ("/5", "GET, HEAD", "HEAD", ADD_GET),
        ("/6", "GET, HEAD", "GET, HEAD, OPTIONS", REMOVE_OPTIONS),
        ("/7", "POST", "POST, OPTIONS", REMOVE_OPTIONS),
        ("/8", "GET, HEAD, OPTIONS", "GET, HEAD", ""),
    ];
    let handled = cases.map(|(pattern, handled, ..)| (pattern, handled));
    let listed = cases.map(|(pattern, _, listed, _)| (pattern, listed));
    let router = router_with(&[MATCHING_ROUTES, &handled].concat());
    let policy = policy_with(&[MATCHING_ROUTES, &listed].concat());
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

/// The rules stay the same if the layer answers `OPTIONS`. The layer adds `OPTIONS` to every `Allow`.
#[tokio::test]
async fn with_answer_options_allow_lists_the_methods_of_the_router_and_options() {
    let router = router_with(MATCHING_ROUTES);
    let layer = MethodPolicyLayer::new(policy_with(MATCHING_ROUTES)).answer_options(true);
    let app = layer.layer(router.clone());
    let request = |method, path| {
        let request = Request::builder().method(method).uri(path);
        request.body(Body::empty()).unwrap()
    };
    for (path, answer) in [
        ("/", Some("GET, HEAD, POST, OPTIONS")),
        ("/login", Some("POST, OPTIONS")),
        // The route's own `OPTIONS` handler sends no `Allow`.
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
    let router = router_with(&[("/a", "POST"), ("/b", "GET")]).route("/c", any(""));
    let policy = Policy::new().fallback([Method::POST]);
    assert!(agree(&router, &policy, &["/a"]).await.is_empty());
    assert_eq!(agree(&router, &policy, &["/a", "/c"]).await, ["/c"]);
    assert_eq!(
        differences(&router, &policy, &["/a", "/b", "/c", "/d"]).await,
        [
            "fallback at /b: the router handles [GET, HEAD], the rule lists [POST] (add GET to the rule)",
            "/d: the router has no route for it",
        ]
    );
}

/// axum sends `Allow` even if a fallback answers for the route.
#[tokio::test]
async fn a_route_with_its_own_fallback_is_compared() {
    let router = Router::new()
        .route("/a", get("").fallback(StatusCode::NOT_FOUND))
        .route("/b", get(""))
        .method_not_allowed_fallback(async || StatusCode::IM_A_TEAPOT);
    let policy = policy_with(&[("/a", "GET, PUT"), ("/b", "GET, PUT")]);
    let expected = ["/a", "/b"].map(|path| {
        format!("route {path}: the router handles [GET, HEAD], the rule lists [GET, HEAD, PUT]")
    });
    assert_eq!(differences(&router, &policy, &[]).await, expected);
}

#[tokio::test]
async fn a_route_whose_handler_takes_all_methods_is_returned_and_not_compared() {
    let router = Router::new()
        .route("/any", any(""))
        .route("/both", any("").post(""))
        .route_service("/service", get("").put(""))
        .nest_service("/nested", any(""))
        .route("/none", any(StatusCode::NOT_FOUND));
    // `/service` is compared, because its service sends `Allow`.
    let policy = policy_with(&[("/service", "GET, PUT"), ("/any", "PUT"), ("/both", "PUT")]);
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
    let router = router_with(&paths).nest_service("/dav", any("")).route("/mixed", get(""));
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
    let router = router_with(&[("/events/{id}", "GET")]).route("/ws", any(""));
    let exempt = |policy: Policy, pattern| policy.exempt(pattern).unwrap();
    let policy = ["/ws", "/events/{id}"].into_iter().fold(Policy::new(), exempt);
    assert!(agree(&router, &policy, &[]).await.is_empty());
    let expected = ["exempt /wss: the router has no route for it", "/ws: no rule applies"];
    let policy = exempt(policy, "/wss");
    assert_eq!(differences(&router, &policy, &["/ws"]).await, expected);
}
