//! Tests the documented setup with axum: the policy wraps the finished application, and axum's `ServiceExt`
//! turns it into a service that axum can serve.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{get, post, put};
use http::header::ALLOW;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tower::make::Shared;
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _};
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use tower_method_policy::{MethodPolicyLayer, MethodSet, ProblemDetails};

/// Returns a layer without rules. It decides before the router.
fn layer() -> MethodPolicyLayer<ProblemDetails> {
    MethodPolicyLayer::default().answer_options(true).respond_with(ProblemDetails)
}

/// Status, `Allow`, and content.
type Answer = (u16, Option<String>, String);

fn answer(status: u16, allow: Option<&str>, content: &str) -> Answer {
    (status, allow.map(str::to_owned), content.to_owned())
}

/// Sends a request without content and returns the answer.
async fn ask<S>(app: &S, method: &str, target: &str) -> Answer
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone,
{
    let request = Request::builder().method(method).uri(target);
    let Ok(response) = app.clone().oneshot(request.body(Body::empty()).unwrap()).await;
    let (head, body) = response.into_parts();
    let allow = head.headers.get(ALLOW);
    let allow = allow.map(|allow| allow.to_str().unwrap().to_owned());
    let content = body.collect().await.unwrap().to_bytes();
    let content = String::from_utf8(content.to_vec()).unwrap();
    (head.status.as_u16(), allow, content)
}

/// Returns an application with many kinds of routes.
fn router() -> Router {
    let item = async |Path(name): Path<String>, State(state): State<u8>| format!("{name} {state}");
    Router::new()
        .route("/", get("got").post("posted"))
        .route("/read-only", get("got"))
        .route("/login", post("posted"))
        .route("/{name}/item", get(item).delete("deleted"))
        .route("/files/{*path}", put("put").merge(get("got")).patch("patched"))
        .nest("/nested", Router::new().route("/", post("posted")))
        .with_state(7)
}

/// A path of each route in `router`, and the methods that the route handles.
const ROUTES: &[(&str, &str)] = &[
    ("/", "GET, HEAD, POST"),
    ("/read-only", "GET, HEAD"),
    ("/login", "POST"),
    ("/a%20b/item", "GET, HEAD, DELETE"),
    ("/files/a/b", "GET, HEAD, PUT, PATCH"),
    ("/nested", "POST"),
];

#[tokio::test]
async fn without_rules_the_layer_adds_options_to_allow_and_answers_options_and_unrecognized_methods()
 {
    let (app, alone) = (layer().layer(router()), router());
    let paths = ROUTES.iter().map(|(path, _)| *path);
    for path in paths.chain(["/nowhere", "*"]) {
        for method in MethodSet::STANDARD - Method::OPTIONS {
            let method = method.as_str();
            let mut expected = ask(&alone, method, path).await;
            if let (405, Some(allow), _) = &mut expected {
                *allow = (allow.parse::<MethodSet>().unwrap() | Method::OPTIONS).to_string();
            }
            assert_eq!(ask(&app, method, path).await, expected, "{method} {path}");
        }
        for method in ["FOO", "get", "Post", "PROPFIND", "QUERYX"] {
            let (status, allow, content) = ask(&app, method, path).await;
            assert_eq!((status, allow), (501, None), "{method} {path}");
            assert!(content.starts_with("{\"type\":"), "{content}");
        }
    }
    for (path, handled) in ROUTES {
        let allow = (handled.parse::<MethodSet>().unwrap() | Method::OPTIONS).to_string();
        let expected = answer(200, Some(&allow), "");
        assert_eq!(ask(&app, "OPTIONS", path).await, expected, "{path}");
    }
    let item = ask(&app, "GET", "/a%20b/item").await;
    assert_eq!(item, answer(200, None, "a b 7"));
    assert_eq!(ask(&app, "DELETE", "/nowhere").await, answer(404, None, ""));
}

/// This test passes if the documented ways to serve compile.
#[tokio::test]
async fn axum_serves_the_wrapped_application() {
    use axum::ServiceExt;

    let listener = async || tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = || layer().layer(router());
    let service = ServiceExt::<Request>::into_make_service(app());
    drop(axum::serve(listener().await, service));
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app());
    drop(axum::serve(listener().await, service));
    drop(axum::serve(listener().await, Shared::new(app())));

    let app = ServiceBuilder::new()
        .layer(MapResponseBodyLayer::new(Body::new))
        .layer(TraceLayer::new_for_http())
        .layer(CorsLayer::permissive())
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, Duration::MAX))
        .layer(CompressionLayer::new())
        .layer(layer())
        .service(router());
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    drop(axum::serve(listener().await, service));

    let observed = || layer().on_rejection(|_, _| {});
    let route = get("got").layer(observed()).route_layer(observed());
    let router = Router::new().route("/", route).route_layer(observed());
    let _: Router = router.layer(observed()).layer(ServiceBuilder::new().layer(observed()));
}
