//! The rows of the table in `docs/placement.md`, tested with a real axum router. `cors.rs` tests the rows about CORS, and
//! `tests/integration` that of `GrpcWebLayer`.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{delete, get};
use futures_util::FutureExt;
use http::{Method, StatusCode};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::normalize_path::NormalizePathLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::validate_request::ValidateRequestHeaderLayer;
use tower_method_policy::{MethodPolicyLayer, Policy, ProblemDetails, Rejection};

fn router() -> Router {
    Router::new()
        .route("/users", get("users").post("created"))
        .route("/admin", delete("deleted"))
        .route("/missing", get(StatusCode::NOT_IMPLEMENTED))
}

/// A layer whose only rule lists `GET`.
fn only_get(pattern: &str) -> MethodPolicyLayer {
    let policy = Policy::new().route(pattern, [Method::GET]);
    MethodPolicyLayer::new(policy.unwrap())
}

/// Returns the response to a request such as `GET /users`, with these fields.
async fn ask<S, B>(app: &S, line: &str, fields: &[(&str, &str)]) -> http::Response<B>
where
    S: Service<Request, Response = http::Response<B>, Error: Debug> + Clone,
{
    let (method, path) = line.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(path);
    let request =
        fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let request = request.body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

/// Checks the status and the `Allow` of the response to each request.
async fn check<S, B>(app: &S, expected: &[(&str, u16, Option<&str>)])
where
    S: Service<Request, Response = http::Response<B>, Error: Debug> + Clone,
{
    for (line, status, allow) in expected {
        let response = ask(app, line, &[]).await;
        assert_eq!(response.status(), *status, "{line}");
        let found = response.headers().get("allow");
        assert_eq!(found.map(|found| found.to_str().unwrap()), *allow, "{line}");
    }
}

#[tokio::test]
async fn a_layer_outside_distinguishes_a_rejection_from_a_failure_by_its_mark() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    let app = ServiceBuilder::new()
        .map_response(move |response: Response| {
            let is_rejection = response.extensions().get::<Rejection>().is_some();
            counter.fetch_add(usize::from(is_rejection), Ordering::Relaxed);
            response
        })
        .layer(MethodPolicyLayer::default())
        .service(router());
    for (line, rejections) in [("FOO /users", 1), ("GET /missing", 1), ("FOO /missing", 2)] {
        assert_eq!(ask(&app, line, &[]).await.status(), 501);
        assert_eq!(seen.load(Ordering::Relaxed), rejections, "{line}");
    }
}

/// Adds the route to the response, if the request has one.
async fn show_route(route: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(route) = route {
        let route = route.as_str().parse().unwrap();
        response.headers_mut().insert("x-route", route);
    }
    response
}

#[tokio::test]
async fn metrics_by_route_belong_inside_because_only_the_router_knows_the_route() {
    let rejections = Arc::new(AtomicUsize::new(0));
    let counter = rejections.clone();
    let policy = MethodPolicyLayer::default().on_rejection(move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
    });

    let inside = policy.layer(router().route_layer(from_fn(show_route)));
    let response = ask(&inside, "GET /users", &[]).await;
    assert_eq!(response.headers()["x-route"], "/users");
    let response = ask(&inside, "FOO /users", &[]).await;
    assert!(!response.headers().contains_key("x-route"));
    assert_eq!(rejections.load(Ordering::Relaxed), 1);

    let deciding = policy.clone().inner_decides(true);
    let deciding = deciding.layer(router().route_layer(from_fn(show_route)));
    let response = ask(&deciding, "FOO /users", &[]).await;
    assert_eq!(response.status(), 501);
    assert_eq!(response.headers()["x-route"], "/users");

    let outside = ServiceBuilder::new().layer(from_fn(show_route)).service(policy.layer(router()));
    let response = ask(&outside, "GET /users", &[]).await;
    assert!(!response.headers().contains_key("x-route"));
}

#[tokio::test]
async fn a_layer_that_normalizes_paths_belongs_outside() {
    let normalize = NormalizePathLayer::trim_trailing_slash();
    let outside = normalize.layer(only_get("/admin").layer(router()));
    let inside = only_get("/admin").layer(normalize.layer(router()));
    for line in ["DELETE /admin/", "DELETE /admin//"] {
        check(&outside, &[(line, 405, Some("GET, HEAD"))]).await;
        check(&inside, &[(line, 200, None)]).await;
    }
}

/// Otherwise the policy forwards a request that the handler receives as `DELETE /admin`.
#[tokio::test]
async fn a_layer_that_strips_a_prefix_or_overrides_the_method_belongs_outside() {
    fn strip(mut request: Request) -> Request {
        if let Some(path) = request.uri().path().strip_prefix("/v1") {
            *request.uri_mut() = path.parse().unwrap();
        }
        request
    }
    fn override_method(mut request: Request) -> Request {
        if let Some(method) = request.headers().get("x-http-method-override") {
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        }
        request
    }
    let field = [("x-http-method-override", "DELETE")];
    for (change, line, fields) in [
        (strip as fn(Request) -> Request, "DELETE /v1/admin", &[][..]),
        (override_method, "GET /admin", &field),
    ] {
        let change = || ServiceBuilder::new().map_request(change);
        let outside = change().service(only_get("/admin").layer(router()));
        let inside = only_get("/admin").layer(change().service(router()));
        assert_eq!(ask(&outside, line, fields).await.status(), 405);
        assert_eq!(ask(&inside, line, fields).await.status(), 200);
    }
}

#[tokio::test]
async fn compression_outside_compresses_the_bodies_of_rejections() {
    let policy = MethodPolicyLayer::default().respond_with_fn(|_, _| {
        let mut response = Response::new(Body::from("no such method ".repeat(100)));
        let text = "text/plain".parse().unwrap();
        response.headers_mut().insert("content-type", text);
        response
    });
    let app = ServiceBuilder::new()
        .layer(MapResponseBodyLayer::new(Body::new))
        .layer(CompressionLayer::new())
        .layer(policy)
        .service(router());
    let response = ask(&app, "FOO /", &[("accept-encoding", "gzip")]).await;
    assert_eq!(response.status(), 501);
    assert_eq!(response.headers()["content-encoding"], "gzip");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_limits_the_wait_for_a_rejected_upload() {
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::from_millis(100));
    let app = timeout.layer(MethodPolicyLayer::default().layer(router()));
    let stalled = Body::from_stream(futures_util::stream::pending::<Result<&str, Infallible>>());
    let request = Request::builder().method("FOO").body(stalled);
    let response = app.oneshot(request.unwrap()).await;
    assert_eq!(response.unwrap().status(), 503);
}

#[tokio::test]
async fn a_concurrency_limit_belongs_outside_because_a_rejection_then_releases_its_permit() {
    /// Rejects a request. Returns whether a clone is ready before and after the service is dropped.
    async fn ready_after_a_rejection<S>(mut service: S) -> [bool; 2]
    where
        S: Service<Request, Response = Response, Error = Infallible> + Clone,
    {
        let mut waiting = service.clone();
        let foo = Request::builder().method("FOO").body(Body::empty()).unwrap();
        let rejected = service.ready().await.unwrap().call(foo).await.unwrap();
        assert_eq!(rejected.status(), 501);
        let before = waiting.ready().now_or_never().is_some();
        drop(service);
        [before, waiting.ready().now_or_never().is_some()]
    }
    let policy = MethodPolicyLayer::default();
    let inside = policy.layer(ConcurrencyLimit::new(router(), 1));
    assert_eq!(ready_after_a_rejection(inside).await, [false, true]);
    let outside = ConcurrencyLimit::new(policy.layer(router()), 1);
    assert_eq!(ready_after_a_rejection(outside).await, [true, true]);
}

#[tokio::test]
async fn authentication_outside_hides_allow_and_inside_does_not_run_for_rejections() {
    let authenticate =
        ValidateRequestHeaderLayer::has_header_value("authorization", "Bearer 1").unwrap();
    let outside = authenticate.layer(only_get("/admin").layer(router()));
    check(&outside, &[("DELETE /admin", 403, None)]).await;
    let authenticated = [("authorization", "Bearer 1")];
    let response = ask(&outside, "DELETE /admin", &authenticated).await;
    assert_eq!(response.status(), 405);

    let inside = only_get("/admin").layer(authenticate.layer(router()));
    check(&inside, &[("DELETE /admin", 405, Some("GET, HEAD"))]).await;
}

/// axum adds `Allow` outside of the policy.
#[tokio::test]
async fn inside_a_router_a_policy_that_lets_it_decide_changes_no_405_of_a_route() {
    let policy = MethodPolicyLayer::default().inner_decides(true).answer_options(true);
    let alone = ["FOO", "DELETE", "OPTIONS"];
    let alone = alone.map(|method| (format!("{method} /users"), 405, Some("GET,HEAD,POST")));
    for (request, status, allow) in &alone {
        check(&router().layer(policy.clone()), &[(request, *status, *allow)]).await;
        check(&router().route_layer(policy.clone()), &[(request, *status, *allow)]).await;
    }
}

/// In addition, `route_layer` and a layer on one route do not cover every path.
#[tokio::test]
async fn inside_a_router_axum_adds_allow_to_a_501() {
    let policy = MethodPolicyLayer::default;
    let around = policy().layer(router());
    let plain = ("FOO /users", 501, None);
    let nowhere = ("FOO /nowhere", 501, None);
    check(&around, &[plain, nowhere, ("DELETE /nowhere", 404, None)]).await;
    let with_allow = ("FOO /users", 501, Some("GET,HEAD,POST"));
    check(&router().layer(policy()), &[with_allow, nowhere]).await;
    let nowhere = ("FOO /nowhere", 404, None);
    check(&router().route_layer(policy()), &[with_allow, nowhere]).await;
    let on_a_route = router().route("/covered", get("covered").layer(policy()));
    let covered = ("FOO /covered", 501, Some("GET,HEAD"));
    let other = ("FOO /users", 405, Some("GET,HEAD,POST"));
    check(&on_a_route, &[covered, other]).await;
}

#[tokio::test]
async fn inside_nest_rules_see_the_path_without_the_prefix() {
    let allowed = Some("GET, HEAD");
    for (pattern, status, allow) in [("/users", 405, allowed), ("/api/users", 200, None)] {
        let nested = Router::new().nest("/api", router().layer(only_get(pattern)));
        check(&nested, &[("POST /api/users", status, allow)]).await;
        let nested = Router::new().nest_service("/api", only_get(pattern).layer(router()));
        check(&nested, &[("POST /api/users", status, allow)]).await;
    }
    let around = only_get("/api/users").layer(Router::new().nest("/api", router()));
    check(&around, &[("POST /api/users", 405, allowed)]).await;
}

/// A request to `FOO /users` whose body has no declared length.
fn upload() -> Request {
    let chunks = vec![Ok::<_, Infallible>(vec![0; 65_536]); 16];
    let request = Request::builder().method("FOO").uri("/users").header("content-encoding", "gzip");
    request.body(Body::from_stream(futures_util::stream::iter(chunks))).unwrap()
}

/// `Connection: close` shows that the policy could not read the body to its end. A client that is still sending may
/// lose this answer.
#[tokio::test]
async fn layers_that_wrap_the_request_body_belong_inside() {
    async fn closes<S, B>(app: S) -> bool
    where
        S: Service<Request, Response = http::Response<B>, Error: Debug>,
    {
        let response = app.oneshot(upload()).await.unwrap();
        assert_eq!(response.status(), 501);
        response.headers().get("connection").is_some_and(|value| value == "close")
    }
    let policy = MethodPolicyLayer::default;
    let limit = RequestBodyLimitLayer::new(100_000);
    assert!(closes(limit.layer(policy().layer(router()))).await);
    assert!(!closes(policy().layer(router().layer(limit))).await);
    // The body is not in the format that the request declares.
    let decompression = RequestDecompressionLayer::new();
    assert!(closes(decompression.layer(policy().layer(router()))).await);
    assert!(!closes(policy().layer(router().layer(decompression))).await);
}

#[tokio::test]
async fn a_layer_inside_that_changes_the_body_type_needs_a_conversion() {
    let app = ServiceBuilder::new()
        .layer(MethodPolicyLayer::default().respond_with(ProblemDetails))
        .layer(MapResponseBodyLayer::new(Body::new))
        .layer(CompressionLayer::new())
        .service(Router::new().route("/", get("text ".repeat(100))));
    let gzip = [("accept-encoding", "gzip")];
    let response = ask(&app, "GET /", &gzip).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let response = ask(&app, "FOO /", &gzip).await;
    assert_eq!(response.status(), 501);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(!response.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn a_router_with_the_policy_as_fallback_answers_like_the_policy() {
    let policy = MethodPolicyLayer::default().inner_decides(true).answer_options(true);
    let app: Router = Router::new()
        .fallback_service(policy.layer(router().route_layer(from_fn(show_route))))
        .route("/outside", get("outside"));
    let allow = Some("GET, HEAD, POST, OPTIONS");
    check(
        &app,
        &[
            ("GET /users", 200, None),
            ("FOO /users", 501, None),
            ("DELETE /users", 405, allow),
            ("OPTIONS /users", 200, allow),
            ("FOO /nowhere", 404, None),
            // The policy does not cover this route.
            ("FOO /outside", 405, Some("GET,HEAD")),
        ],
    )
    .await;
    let response = ask(&app, "GET /users", &[]).await;
    assert_eq!(response.headers()["x-route"], "/users");

    // Layers on the outer router do not see the route.
    let app = Router::new().fallback_service(policy.layer(router())).layer(from_fn(show_route));
    let response = ask(&app, "GET /users", &[]).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("x-route"));
}
