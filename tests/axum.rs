//! axum, as people serve it: the policy around a router, that router as the fallback of an empty one,
//! and the usual layers around all of it.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{ConnectInfo, MatchedPath, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tower_method_policy::{MethodPolicyLayer, Policy};

/// Allows `POST` beside `GET` and `HEAD`.
fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().allow([Method::POST]))
}

fn recipe(router: Router) -> Router {
    Router::new().fallback_service(layer().layer(router))
}

/// Status, `Allow` and content of the answer to a request without content.
async fn ask<S>(app: &S, method: &str, target: &str) -> (u16, Option<String>, String)
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone,
{
    let request = Request::builder().method(method).uri(target);
    let request = request.body(Body::empty()).unwrap();
    let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let allow = head.headers.get(ALLOW);
    let allow = allow.map(|allow| allow.to_str().unwrap().to_owned());
    let content = body.collect().await.unwrap().to_bytes();
    let content = String::from_utf8(content.to_vec()).unwrap();
    (head.status.as_u16(), allow, content)
}

fn answer(status: u16, allow: Option<&str>, content: &str) -> (u16, Option<String>, String) {
    (status, allow.map(str::to_owned), content.to_owned())
}

#[tokio::test]
async fn the_recipe_answers_as_the_wrapped_router_does() {
    let router = || {
        Router::new()
            .route("/", get("got").post("posted"))
            .route("/read-only", get("got"))
            .route(
                "/{name}/item",
                get(async |Path(name): Path<String>, State(state): State<u8>| {
                    format!("{name} {state}")
                }),
            )
            .nest("/nested", Router::new().route("/", post("posted")))
            .with_state(7)
    };
    let wrapped = layer().layer(router());
    let recipe = recipe(router());
    for (method, path, expected) in [
        ("GET", "/", answer(200, None, "got")),
        ("HEAD", "/", answer(200, None, "")),
        ("POST", "/", answer(200, None, "posted")),
        ("GET", "/a%20b/item", answer(200, None, "a b 7")),
        ("POST", "/nested", answer(200, None, "posted")),
        ("DELETE", "/", answer(405, Some("GET, HEAD, POST"), "")),
        ("FOO", "/", answer(501, None, "")),
        ("get", "/a/item", answer(501, None, "")),
        // The router's own.
        ("POST", "/read-only", answer(405, Some("GET,HEAD"), "")),
        ("GET", "/nested", answer(405, Some("POST"), "")),
        ("GET", "/nowhere", answer(404, None, "")),
        ("POST", "/nowhere", answer(404, None, "")),
        // By itself the router answers 404 to these two.
        (
            "DELETE",
            "/nowhere",
            answer(405, Some("GET, HEAD, POST"), ""),
        ),
        ("FOO", "/nowhere", answer(501, None, "")),
        ("OPTIONS", "*", answer(405, Some("GET, HEAD, POST"), "")),
    ] {
        assert_eq!(
            ask(&recipe, method, path).await,
            expected,
            "{method} {path}"
        );
        assert_eq!(
            ask(&wrapped, method, path).await,
            expected,
            "{method} {path}"
        );
    }
    for method in ["DELETE", "FOO"] {
        assert_eq!(ask(&router(), method, "/nowhere").await.0, 404);
    }
}

// `MethodPolicyLayer::default` has no rule, so that what it recognises is the router's to answer.
#[tokio::test]
async fn without_rules_a_404_stays_a_404_and_each_405_is_the_routers() {
    let router = Router::new().route("/", get("got"));
    let app = Router::new().fallback_service(MethodPolicyLayer::default().layer(router));
    for (method, path, expected) in [
        ("DELETE", "/", answer(405, Some("GET,HEAD"), "")),
        ("DELETE", "/nowhere", answer(404, None, "")),
        ("FOO", "/", answer(501, None, "")),
        ("FOO", "/nowhere", answer(501, None, "")),
    ] {
        assert_eq!(ask(&app, method, path).await, expected, "{method} {path}");
    }
}

// What this says holds if it compiles.
#[tokio::test]
async fn the_recipe_takes_every_layer_and_axum_serves_it_as_it_is() {
    let app = recipe(Router::new().route("/", get("got")))
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_secs(10),
        ))
        .layer(CorsLayer::permissive())
        .layer(TraceLayer::new_for_http());
    let listener = async || tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    drop(axum::serve(listener().await, app.clone()));
    let with_connect_info = app.into_make_service_with_connect_info::<SocketAddr>();
    drop(axum::serve(listener().await, with_connect_info));
}

#[tokio::test]
async fn routes_of_the_outer_router_are_not_covered() {
    let app = recipe(Router::new()).route("/health", delete("deleted"));
    assert_eq!(
        ask(&app, "DELETE", "/health").await,
        answer(200, None, "deleted")
    );
    assert_eq!(
        ask(&app, "FOO", "/health").await,
        answer(405, Some("DELETE"), "")
    );
    assert_eq!(ask(&app, "FOO", "/nowhere").await, answer(501, None, ""));
}

// Two routers that have a fallback each cannot be merged; others can be.
#[tokio::test]
#[should_panic(expected = "Cannot merge two `Router`s that both have a fallback")]
async fn the_recipe_is_not_merged_with_a_router_that_has_a_fallback() {
    let _ = recipe(Router::new()).merge(Router::new().fallback("nothing"));
}

#[tokio::test]
async fn the_matched_path_is_known_inside_of_the_inner_router_only() {
    const SEEN: &str = "seen";

    /// Adds what it sees of the path, from where it is.
    async fn see(request: Request, next: Next) -> Response {
        let seen = match request.extensions().get::<MatchedPath>() {
            Some(path) => path.as_str().to_owned(),
            None => "nothing".to_owned(),
        };
        let mut response = next.run(request).await;
        let seen = HeaderValue::from_str(&seen).unwrap();
        response.headers_mut().append(SEEN, seen);
        response
    }
    /// What can be done about it: an inner layer hands the path to the outer ones.
    async fn hand_on(path: Option<MatchedPath>, request: Request, next: Next) -> Response {
        let mut response = next.run(request).await;
        if let Some(path) = path {
            response.extensions_mut().insert(path);
        }
        response
    }

    let router = || Router::new().route("/{id}", get("got"));
    let seen = async |app: Router, method: Method| -> Vec<String> {
        let request = Request::builder().method(method).uri("/7");
        let request = request.body(Body::empty()).unwrap();
        let response = app.oneshot(request).await.unwrap();
        let seen = response.headers().get_all(SEEN).iter();
        seen.map(|seen| seen.to_str().unwrap().to_owned()).collect()
    };
    // The inner one appends first.
    let app = recipe(router().layer(middleware::from_fn(see))).layer(middleware::from_fn(see));
    assert_eq!(seen(app.clone(), Method::GET).await, ["/{id}", "nothing"]);
    assert_eq!(seen(app, Method::DELETE).await, ["nothing"]);
    // Beside the layer in the router, which axum passes matched requests only.
    let within = router().layer(layer()).layer(middleware::from_fn(see));
    assert_eq!(seen(within.clone(), Method::GET).await, ["/{id}"]);
    assert_eq!(seen(within, Method::DELETE).await, ["/{id}"]);

    let app = recipe(router().layer(middleware::from_fn(hand_on)));
    let handed_on = async |method: Method| {
        let request = Request::builder().method(method).uri("/7");
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let path = response.extensions().get::<MatchedPath>();
        path.map(|path| path.as_str().to_owned())
    };
    assert_eq!(handed_on(Method::GET).await.as_deref(), Some("/{id}"));
    assert_eq!(handed_on(Method::DELETE).await, None);
}

#[tokio::test]
async fn the_fallback_for_methods_is_asked_only_of_what_the_policy_forwards() {
    let router = Router::new()
        .route("/read-only", get("got"))
        .route("/calls", post("posted"))
        .method_not_allowed_fallback(async || (StatusCode::METHOD_NOT_ALLOWED, "the router's"));
    let app = recipe(router).method_not_allowed_fallback(async || "the outer router's");
    for (method, path, expected) in [
        // Allowed by the policy, but the route has no handler for it.
        (
            "POST",
            "/read-only",
            answer(405, Some("GET,HEAD"), "the router's"),
        ),
        ("GET", "/calls", answer(405, Some("POST"), "the router's")),
        // Rejected by the policy.
        (
            "DELETE",
            "/read-only",
            answer(405, Some("GET, HEAD, POST"), ""),
        ),
        ("FOO", "/read-only", answer(501, None, "")),
    ] {
        assert_eq!(ask(&app, method, path).await, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn connect_info_reaches_the_handler_through_the_recipe() {
    let peer = get(async |ConnectInfo(address): ConnectInfo<SocketAddr>| address.to_string());
    let app = recipe(Router::new().route("/", peer))
        .layer(MockConnectInfo(SocketAddr::from(([192, 0, 2, 1], 7))));
    assert_eq!(
        ask(&app, "GET", "/").await,
        answer(200, None, "192.0.2.1:7")
    );
}
