//! Tests of `support/agreement.rs`, the helper that compares a policy's rules with an axum router.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "support/agreement.rs"]
mod agreement;

use std::panic::AssertUnwindSafe;

use agreement::agree;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::routing::{any, get, head, post, put};
use futures_util::FutureExt;
use tower::{Layer, ServiceExt};
use tower_method_policy::{MethodPolicyLayer, MethodSet, Policy};

fn methods(list: &str) -> MethodSet {
    list.parse().unwrap()
}

/// A policy with these routes.
fn routes<const N: usize>(routes: [(&str, &str); N]) -> Policy {
    routes
        .iter()
        .try_fold(Policy::new(), |policy, (pattern, list)| {
            policy.route(pattern, methods(list))
        })
        .unwrap()
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

#[tokio::test]
async fn a_difference_names_the_rule_and_the_methods_of_both() {
    let router = Router::new()
        .route("/", get("").post(""))
        .route("/users/{id}", get("").delete(""))
        .route("/login", post(""));
    let policy = routes([
        ("/", "GET, POST"),
        ("/users/{id}", "GET, PUT"),
        ("/login", "GET, POST"),
        ("/logout", "POST"),
    ]);
    assert_eq!(
        differences(&router, &policy, &["/elsewhere"]).await,
        [
            "route /users/{id}: the router handles [GET, HEAD, DELETE], the rule lists [GET, HEAD, PUT]",
            "route /login: the router handles [POST], the rule lists [GET, HEAD, POST]",
            "route /logout: the router has no route for it",
            "/elsewhere: no rule applies",
        ]
    );
}

#[tokio::test]
async fn a_rule_written_as_the_route_agrees() {
    let router = Router::new()
        .route("/", get("").post(""))
        .route("/login", post(""))
        .route("/ping", head(""))
        .route("/own", get("").options(""))
        .route("/none", put("").patch("").delete("").trace("").connect(""));
    let policy = routes([
        ("/", "GET, POST"),
        ("/login", "POST"),
        ("/ping", "HEAD"),
        ("/own", "GET, OPTIONS"),
        ("/none", "PUT, PATCH, DELETE, TRACE, CONNECT"),
    ]);
    assert!(agree(&router, &policy, &[]).await.is_empty());
}

/// `GET` is forwarded anyway, so nobody would notice until a client reads `Allow`.
#[tokio::test]
async fn a_rule_without_get_for_a_route_with_a_get_handler_is_a_difference() {
    let router = Router::new()
        .route("/", get("").post(""))
        .route("/users/{id}", get(""))
        .route("/files/{*path}", get("").put("").delete(""))
        .route("/head", head("").get(""));
    let policy = routes([
        ("/", "POST"),
        ("/users/{id}", ""),
        ("/files/{*path}", "PUT, DELETE"),
        ("/head", "HEAD"),
    ]);
    assert_eq!(
        differences(&router, &policy, &[]).await,
        [
            "route /: the router handles [GET, HEAD, POST], the rule lists [POST] (the rule needs GET)",
            "route /users/{id}: the router handles [GET, HEAD], the rule lists [] (the rule needs GET)",
            "route /files/{*path}: the router handles [GET, HEAD, PUT, DELETE], the rule lists \
             [PUT, DELETE] (the rule needs GET)",
            "route /head: the router handles [GET, HEAD], the rule lists [HEAD] (the rule needs GET)",
        ]
    );
}

/// The same rules are right whether the layer answers `OPTIONS` or not.
#[tokio::test]
async fn rules_that_agree_give_the_router_s_allow_also_if_the_layer_answers_options() {
    let router = Router::new()
        .route("/", get("").post(""))
        .route("/login", post(""))
        .route("/own", get("").options("the handler"));
    let policy = routes([
        ("/", "GET, POST"),
        ("/login", "POST"),
        ("/own", "GET, OPTIONS"),
    ]);
    assert!(agree(&router, &policy, &[]).await.is_empty());

    let app = MethodPolicyLayer::new(policy)
        .answer_options(true)
        .layer(router.clone());
    for (path, allow) in [
        ("/", Some("GET, HEAD, POST, OPTIONS")),
        ("/login", Some("POST, OPTIONS")),
        // The handler sends none.
        ("/own", None),
    ] {
        let request = Request::options(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let sent = response
            .headers()
            .get("allow")
            .map(|allow| allow.to_str().unwrap());
        assert_eq!(sent, allow, "{path}");

        let allow_of = async |app: Router| {
            let request = Request::delete(path).body(Body::empty()).unwrap();
            let response = app.oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
            methods(response.headers()["allow"].to_str().unwrap())
        };
        let by_layer = allow_of(Router::new().fallback_service(app.clone())).await;
        assert_eq!(
            by_layer,
            allow_of(router.clone()).await | Method::OPTIONS,
            "{path}"
        );
    }
}

#[tokio::test]
async fn options_in_a_rule_without_a_handler_is_a_difference() {
    let router = Router::new()
        .route("/", get("").post(""))
        .route("/login", post(""))
        .route("/own", get("").options(""));
    let policy = routes([
        ("/", "GET, POST, OPTIONS"),
        ("/login", "OPTIONS, POST"),
        ("/own", "GET"),
    ]);
    assert_eq!(
        differences(&router, &policy, &[]).await,
        [
            "route /: the router handles [GET, HEAD, POST], the rule lists [GET, HEAD, POST, OPTIONS] \
             (the layer adds OPTIONS, the rule need not)",
            "route /login: the router handles [POST], the rule lists [POST, OPTIONS] \
             (the layer adds OPTIONS, the rule need not)",
            "route /own: the router handles [GET, HEAD, OPTIONS], the rule lists [GET, HEAD]",
        ]
    );
}

#[tokio::test]
async fn the_fallback_is_compared_at_the_given_paths() {
    let router = Router::new()
        .route("/a", post(""))
        .route("/b", get(""))
        .route("/c", any(""));
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

#[tokio::test]
async fn parameters_are_filled_in() {
    let patterns = ["/a/{id}", "/a/{id}/b/{name}", "/rest/{*path}", "/{{c}}/{d}"];
    let router = patterns.iter().fold(Router::new(), |router, pattern| {
        router.route(pattern, get("").put(""))
    });
    let policy = routes(patterns.map(|pattern| (pattern, "GET, PUT")));
    assert!(agree(&router, &policy, &[]).await.is_empty());
}

/// axum sends `Allow` also if the fallback of a route answers.
#[tokio::test]
async fn a_fallback_of_its_own_hides_no_route() {
    let router = Router::new()
        .route("/a", get("").fallback(StatusCode::NOT_FOUND))
        .route("/b", get(""))
        .method_not_allowed_fallback(async || StatusCode::IM_A_TEAPOT);
    let policy = routes([("/a", "GET, PUT"), ("/b", "GET, PUT")]);
    assert_eq!(
        differences(&router, &policy, &[]).await,
        [
            "route /a: the router handles [GET, HEAD], the rule lists [GET, HEAD, PUT]",
            "route /b: the router handles [GET, HEAD], the rule lists [GET, HEAD, PUT]",
        ]
    );
}

#[tokio::test]
async fn handlers_of_all_methods_are_returned_and_not_compared() {
    let router = Router::new()
        .route("/any", any(""))
        .route("/both", any("").post(""))
        .route_service("/service", get("").put(""))
        .nest_service("/nested", any(""))
        .route("/none", any(StatusCode::NOT_FOUND));
    let policy = routes([
        ("/any", "PUT"),
        ("/both", "PUT"),
        // A service that sends `Allow` is compared.
        ("/service", "GET, PUT"),
        ("/nested", "PUT"),
    ]);
    assert_eq!(
        agree(&router, &policy, &[]).await,
        ["/any", "/both", "/nested"]
    );
    let policy = policy.route("/none", [Method::PUT]).unwrap();
    assert_eq!(
        differences(&router, &policy, &[]).await,
        ["route /none: the router has no route for it"]
    );
}

#[tokio::test]
async fn a_subtree_is_compared_at_its_prefix_and_below() {
    let files = || get("").put("");
    let router = Router::new()
        .route("/files", files())
        .route("/files/", files())
        .route("/files/{*path}", files())
        .route("/below/{*path}", files())
        .nest_service("/dav", any(""))
        .route("/mixed", get(""))
        .route("/mixed/{*path}", files());
    let policy = ["/files", "/below", "/dav"]
        .iter()
        .try_fold(Policy::new(), |policy, prefix| {
            policy.subtree(prefix, [Method::GET, Method::PUT])
        });
    let policy = policy.unwrap();
    assert_eq!(agree(&router, &policy, &[]).await, ["/dav"]);

    let policy = policy
        .subtree("/mixed", [Method::GET, Method::PUT])
        .unwrap();
    let policy = policy.subtree("/none", [Method::GET]).unwrap();
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
    let router = Router::new()
        .route("/ws", any(""))
        .route("/events/{id}", get(""));
    let policy = Policy::new()
        .exempt("/ws")
        .unwrap()
        .exempt("/events/{id}")
        .unwrap();
    assert!(agree(&router, &policy, &[]).await.is_empty());
    let policy = policy.exempt("/wss").unwrap();
    assert_eq!(
        differences(&router, &policy, &["/ws"]).await,
        [
            "exempt /wss: the router has no route for it",
            "/ws: no rule applies"
        ]
    );
}
