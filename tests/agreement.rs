//! Router and policy agree on what each path allows: a test for applications, shown on the examples.
//! What it does is in `support/agreement.rs`, to be copied.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]
#![allow(clippy::duplicate_mod, reason = "all examples have the same `common`")]

#[path = "support/agreement.rs"]
mod agreement;

#[path = "../examples/axum.rs"]
#[allow(dead_code, reason = "only its router and its policy are of interest")]
mod board;
#[path = "../examples/cors.rs"]
#[allow(dead_code, reason = "only its router and its policy are of interest")]
mod cors;
#[path = "../examples/axum_stack.rs"]
#[allow(dead_code, reason = "only its router and its policy are of interest")]
mod stack;

use std::panic::AssertUnwindSafe;

use agreement::agree;
use axum::Router;
use axum::http::{Method, StatusCode};
use axum::routing::{any, get, post};
use futures_util::FutureExt;
use tower_method_policy::{Allow, Policy};

#[tokio::test]
async fn the_examples_agree() {
    for (name, router, policy, more_paths) in [
        (
            "axum",
            board::router(),
            board::policy().unwrap(),
            &["/{id}"][..],
        ),
        (
            "axum_stack",
            stack::router(),
            stack::policy().unwrap(),
            &["/peer", "/poem", "/slow"],
        ),
        ("cors", cors::router(), cors::policy(), &["/"]),
    ] {
        let not_compared = agree(&router, &policy, more_paths).await;
        assert!(not_compared.is_empty(), "{name}: {not_compared:?}");
    }
}

/// What `agree` says when it fails.
async fn disagreement(router: &Router, policy: &Policy, more_paths: &[&str]) -> String {
    let agreed = AssertUnwindSafe(agree(router, policy, more_paths));
    let panic = agreed.catch_unwind().await.unwrap_err();
    *panic.downcast::<String>().unwrap()
}

#[tokio::test]
async fn a_disagreement_names_the_path_and_the_methods_of_both() {
    let router = Router::new()
        .route("/", get("").post(""))
        .route("/users/{id}", get("").delete(""))
        .route("/login", post(""));
    let policy = Policy::new()
        .route("/", [Method::POST])
        .and_then(|policy| policy.route("/users/{id}", [Method::PUT]))
        .and_then(|policy| policy.route("/login", [Method::POST]))
        .and_then(|policy| policy.route("/logout", Allow::exactly([Method::POST])))
        .unwrap();
    assert_eq!(
        disagreement(&router, &policy, &["/elsewhere"]).await,
        "router and policy disagree:\n\
         /users/{id}: the router has [GET, HEAD, DELETE], the policy [GET, HEAD, PUT]\n\
         /login: the router has [POST], the policy [GET, HEAD, POST]\n\
         /logout: the router has no route for /logout\n\
         /elsewhere: the policy has no rule for it"
    );
}

#[tokio::test]
async fn a_default_rule_is_held_against_the_paths_that_are_given() {
    let router = Router::new().route("/a", post("")).route("/b", get(""));
    let policy = Policy::new().allow([Method::POST]);
    assert!(agree(&router, &policy, &[]).await.is_empty());
    assert_eq!(
        disagreement(&router, &policy, &["/a", "/b"]).await,
        "router and policy disagree:\n\
         /a: the router has [POST], the policy [GET, HEAD, POST]\n\
         /b: the router has [GET, HEAD], the policy [GET, HEAD, POST]"
    );
}

#[tokio::test]
async fn parameters_are_filled_in() {
    let patterns = [
        "/a/{id}",
        "/a/{id}/b/{name}",
        "/user-{name}",
        "/rest/{*path}",
        "/{{c}}/{d}",
    ];
    let router = patterns.iter().fold(Router::new(), |router, pattern| {
        router.route(pattern, get("").put(""))
    });
    let policy = patterns.iter().try_fold(Policy::new(), |policy, pattern| {
        policy.route(pattern, [Method::PUT])
    });
    assert!(agree(&router, &policy.unwrap(), &[]).await.is_empty());
}

/// axum has an `Allow` for whatever the fallback of a route answers.
#[tokio::test]
async fn a_fallback_of_its_own_hides_no_route() {
    let router = Router::new()
        .route("/a", get("").fallback(StatusCode::NOT_FOUND))
        .route("/b", get(""))
        .method_not_allowed_fallback(StatusCode::IM_A_TEAPOT);
    let rule = || Allow::new([Method::PUT]);
    let policy = Policy::new().route("/a", rule()).unwrap();
    let policy = policy.route("/b", rule()).unwrap();
    assert_eq!(
        disagreement(&router, &policy, &[]).await,
        "router and policy disagree:\n\
         /a: the router has [GET, HEAD], the policy [GET, HEAD, PUT]\n\
         /b: the router has [GET, HEAD], the policy [GET, HEAD, PUT]"
    );
}

#[tokio::test]
async fn handlers_of_all_methods_are_reported_and_not_compared() {
    let router = Router::new()
        .route("/any", any(""))
        .route("/both", any("").post(""))
        .route_service("/service", get("").put(""))
        .nest_service("/nested", any(""))
        .route("/none", any(StatusCode::NOT_FOUND));
    let rules = ["/any", "/both", "/service", "/nested"];
    let policy = rules.iter().try_fold(Policy::new(), |policy, pattern| {
        policy.route(pattern, [Method::PUT])
    });
    let policy = policy.unwrap();
    // A service that says `Allow` itself is compared.
    assert_eq!(
        agree(&router, &policy, &[]).await,
        ["/any", "/both", "/nested"]
    );
    let policy = policy.route("/none", [Method::PUT]).unwrap();
    assert_eq!(
        disagreement(&router, &policy, &[]).await,
        "router and policy disagree:\n/none: the router has no route for /none"
    );
}
