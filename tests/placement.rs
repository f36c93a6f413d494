//! The rows of the table in `docs/placement.md`, each in front of a real axum router.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{any, delete, get, post};
use http::header::{ACCEPT_ENCODING, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, ORIGIN};
use http::{Method, StatusCode};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::normalize_path::NormalizePathLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::validate_request::ValidateRequestHeaderLayer;
use tower_method_policy::{MethodPolicyLayer, PlainText, Policy, Rejection};

fn router() -> Router {
    Router::new()
        .route("/users", get("users").post("created"))
        .route("/admin", delete("deleted"))
}

/// No `DELETE /admin`.
fn guarded() -> MethodPolicyLayer {
    let policy = Policy::new().route("/admin", [Method::GET]);
    MethodPolicyLayer::new(policy.expect("a valid pattern"))
}

async fn ask<S, B>(app: S, request: http::request::Builder) -> http::Response<B>
where
    S: Service<Request, Response = http::Response<B>, Error = Infallible>,
{
    let request = request.body(Body::empty()).expect("a valid request");
    match app.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn preflight(path: &str) -> http::request::Builder {
    Request::options(path)
        .header(ORIGIN, "https://example.com")
        .header(ACCESS_CONTROL_REQUEST_METHOD, "POST")
}

#[tokio::test]
async fn a_layer_outside_sees_a_rejection_and_its_mark() {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = seen.clone();
    let app = ServiceBuilder::new()
        .map_response(move |response: Response| {
            if response.extensions().get::<Rejection>().is_some() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            response
        })
        .layer(MethodPolicyLayer::default())
        .service(router());
    assert_eq!(
        ask(app, Request::builder().method("FOO")).await.status(),
        501
    );
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn metrics_by_route_belong_inside_where_the_route_is_known() {
    async fn count(request: Request, next: Next) -> Response {
        let route = request.extensions().get::<MatchedPath>();
        let route = route.map(|path| path.as_str().to_owned());
        let mut response = next.run(request).await;
        if let Some(route) = route {
            response
                .headers_mut()
                .insert("x-route", route.parse().expect("a path"));
        }
        response
    }
    let rejections = Arc::new(AtomicUsize::new(0));
    let counter = rejections.clone();
    let policy = MethodPolicyLayer::default().on_rejection(move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
    });

    let inside = policy.layer(router().route_layer(from_fn(count)));
    let response = ask(inside.clone(), Request::get("/users")).await;
    assert_eq!(response.headers()["x-route"], "/users");
    let response = ask(inside, Request::builder().method("FOO").uri("/users")).await;
    assert!(!response.headers().contains_key("x-route"));
    assert_eq!(rejections.load(Ordering::Relaxed), 1);

    let outside = ServiceBuilder::new()
        .layer(from_fn(count))
        .service(policy.layer(router()));
    let response = ask(outside, Request::get("/users")).await;
    assert!(!response.headers().contains_key("x-route"));
}

#[tokio::test]
async fn cors_inside_answers_preflights_whatever_the_rules_list() {
    let cors = CorsLayer::permissive();
    for rule in [vec![], vec![Method::GET], vec![Method::OPTIONS]] {
        for answers in [false, true] {
            let policy = Policy::new().fallback(rule.clone());
            let app = MethodPolicyLayer::new(policy)
                .answer_options(answers)
                .layer(router().layer(cors.clone()));
            let response = ask(app.clone(), preflight("/users")).await;
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["access-control-allow-origin"], "*");
            assert!(!response.headers()["access-control-allow-methods"].is_empty());

            let rejected = Request::builder().method("FOO").uri("/users");
            let response = ask(app, rejected.header(ORIGIN, "https://example.com")).await;
            assert_eq!(response.status(), 501);
            assert!(
                !response
                    .headers()
                    .contains_key("access-control-allow-origin")
            );
        }
    }
}

#[tokio::test]
async fn cors_inside_answers_a_plain_options_request_and_axum_adds_allow() {
    let policy = MethodPolicyLayer::default().answer_options(true);
    let app = policy.layer(router().layer(CorsLayer::permissive()));
    let response = ask(app, Request::options("/users")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["allow"], "GET,HEAD,POST");
}

#[tokio::test]
async fn cors_outside_lets_scripts_read_rejections_and_answers_every_options_request() {
    let app = ServiceBuilder::new()
        .layer(CorsLayer::permissive())
        .layer(MethodPolicyLayer::default().answer_options(true))
        .service(router());
    let rejected = Request::builder().method("FOO").uri("/users");
    let response = ask(app.clone(), rejected.header(ORIGIN, "https://example.com")).await;
    assert_eq!(response.status(), 501);
    assert_eq!(response.headers()["access-control-allow-origin"], "*");

    let response = ask(app, Request::options("/users")).await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("allow"));
}

#[tokio::test]
async fn a_layer_that_normalizes_paths_belongs_outside() {
    let normalize = NormalizePathLayer::trim_trailing_slash();
    for path in ["/admin/", "/admin//"] {
        let outside = normalize.layer(guarded().layer(router()));
        assert_eq!(ask(outside, Request::delete(path)).await.status(), 405);
        let inside = guarded().layer(normalize.layer(router()));
        assert_eq!(ask(inside, Request::delete(path)).await.status(), 200);
    }
}

#[tokio::test]
async fn a_layer_that_strips_a_prefix_belongs_outside() {
    fn strip(mut request: Request) -> Request {
        if let Some(path) = request.uri().path().strip_prefix("/v1") {
            *request.uri_mut() = path.parse().expect("a path");
        }
        request
    }
    let outside = ServiceBuilder::new()
        .map_request(strip)
        .service(guarded().layer(router()));
    let inside = guarded().layer(ServiceBuilder::new().map_request(strip).service(router()));
    assert_eq!(
        ask(outside, Request::delete("/v1/admin")).await.status(),
        405
    );
    assert_eq!(
        ask(inside, Request::delete("/v1/admin")).await.status(),
        200
    );
}

#[tokio::test]
async fn a_method_override_belongs_outside() {
    fn overridden(mut request: Request) -> Request {
        if let Some(method) = request.headers().get("x-http-method-override") {
            *request.method_mut() = Method::from_bytes(method.as_bytes()).expect("a token");
        }
        request
    }
    let outside = ServiceBuilder::new()
        .map_request(overridden)
        .service(guarded().layer(router()));
    let inside = guarded().layer(
        ServiceBuilder::new()
            .map_request(overridden)
            .service(router()),
    );
    let request = |path| Request::get(path).header("x-http-method-override", "DELETE");
    assert_eq!(ask(outside, request("/admin")).await.status(), 405);
    // The policy forwards a GET, and the handler sees a DELETE.
    assert_eq!(ask(inside, request("/admin")).await.status(), 200);
}

#[tokio::test]
async fn compression_outside_compresses_the_bodies_of_rejections() {
    let policy = MethodPolicyLayer::default().respond_with_fn(|_, _| {
        let mut response = Response::new(Body::from("no such method ".repeat(100)));
        response
            .headers_mut()
            .insert("content-type", "text/plain".parse().expect("a value"));
        response
    });
    let app = ServiceBuilder::new()
        .layer(MapResponseBodyLayer::new(Body::new))
        .layer(CompressionLayer::new())
        .layer(policy)
        .service(router());
    let rejected = Request::builder()
        .method("FOO")
        .header(ACCEPT_ENCODING, "gzip");
    let response = ask(app, rejected).await;
    assert_eq!(response.status(), 501);
    assert_eq!(response.headers()["content-encoding"], "gzip");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_outside_bounds_the_wait_for_a_rejected_upload() {
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::from_millis(100));
    let app = timeout.layer(MethodPolicyLayer::default().layer(router()));
    let stalled = Body::from_stream(futures_util::stream::pending::<Result<&str, Infallible>>());
    let request = Request::builder().method("FOO").body(stalled);
    let response = app.oneshot(request.expect("a valid request")).await;
    assert_eq!(response.expect("a response").status(), 503);
}

#[tokio::test]
async fn authentication_outside_hides_what_is_allowed_and_inside_is_not_asked() {
    let authenticate = ValidateRequestHeaderLayer::has_header_value("authorization", "Bearer 1")
        .expect("a field name");
    let outside = authenticate.layer(guarded().layer(router()));
    let response = ask(outside.clone(), Request::delete("/admin")).await;
    assert_eq!(response.status(), 403);
    assert!(!response.headers().contains_key("allow"));
    let authenticated = Request::delete("/admin").header(AUTHORIZATION, "Bearer 1");
    assert_eq!(ask(outside, authenticated).await.status(), 405);

    let inside = guarded().layer(authenticate.layer(router()));
    assert_eq!(ask(inside, Request::delete("/admin")).await.status(), 405);
}

#[tokio::test]
async fn in_router_layer_axum_adds_allow_to_a_501() {
    let app = router().layer(MethodPolicyLayer::default());
    let foo = |path| Request::builder().method("FOO").uri(path);
    let response = ask(app.clone(), foo("/users")).await;
    assert_eq!(response.status(), 501);
    assert_eq!(response.headers()["allow"], "GET,HEAD,POST");
    assert_eq!(ask(app, foo("/nowhere")).await.status(), 501);

    let app = router().route_layer(MethodPolicyLayer::default());
    assert_eq!(ask(app, foo("/nowhere")).await.status(), 404);

    let app = MethodPolicyLayer::default().layer(router());
    let response = ask(app, foo("/users")).await;
    assert_eq!(response.status(), 501);
    assert!(!response.headers().contains_key("allow"));
}

#[tokio::test]
async fn inside_nest_rules_see_the_path_without_the_prefix() {
    let nested = || {
        Router::new()
            .route("/", any("any"))
            .route("/users", post("created"))
    };
    let policy = |pattern| {
        let policy = Policy::new().route(pattern, [Method::GET]);
        MethodPolicyLayer::new(policy.expect("a valid pattern"))
    };
    for (pattern, status) in [("/users", 405), ("/api/users", 200)] {
        let app = Router::new().nest_service("/api", policy(pattern).layer(nested()));
        assert_eq!(ask(app, Request::post("/api/users")).await.status(), status);
    }
    let around = policy("/api/users").layer(Router::new().nest("/api", nested()));
    assert_eq!(ask(around, Request::post("/api/users")).await.status(), 405);
}

#[tokio::test]
async fn paths_without_a_route_get_501_or_the_routers_404() {
    let app = MethodPolicyLayer::default()
        .respond_with(PlainText)
        .layer(router());
    assert_eq!(
        ask(app.clone(), Request::delete("/nowhere")).await.status(),
        404
    );
    let foo = Request::builder().method("FOO").uri("/nowhere");
    assert_eq!(ask(app, foo).await.status(), 501);
}
