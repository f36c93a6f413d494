//! The policy in the stacks that it is made for: axum's routers, bare services, and
//! tower-http's layers around it. No sockets: every service is called directly.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::header::ALLOW;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Empty, Full};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::classify::{
    ClassifiedResponse, ClassifyResponse, NeverClassifyEos, ServerErrorsAsFailures,
    ServerErrorsFailureClass, SharedClassifier,
};
use tower_http::trace::TraceLayer;
use tower_method_policy::{
    Allow, Cacheable, Decision, EmptyBody, GrpcStatus, MethodPolicy, MethodPolicyLayer, MethodSet,
    ParseMethodSetError, PlainText, Policy, PolicyError, ProblemDetails, Reason, RegisteredMethod,
    Rejection, Respond, ResponseFuture, RetryAfter,
};
use tracing::Span;

/// What a service answered: status, `Allow` and content.
#[derive(Debug, PartialEq)]
struct Answer(u16, Option<String>, String);

fn forwarded(content: &str) -> Answer {
    Answer(200, None, content.to_owned())
}

fn not_allowed(allow: &str) -> Answer {
    Answer(405, Some(allow.to_owned()), String::new())
}

fn not_implemented() -> Answer {
    Answer(501, None, String::new())
}

fn not_found() -> Answer {
    Answer(404, None, String::new())
}

/// Sends a request without content.
async fn ask<S, B>(service: &S, method: &str, target: &str) -> Answer
where
    S: Service<Request<Body>, Response = Response<B>, Error: Debug> + Clone,
    B: http_body::Body<Error: Debug>,
{
    let request = Request::builder().method(method).uri(target);
    let request = request.body(Body::empty()).unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let allow = head.headers.get(ALLOW);
    let allow = allow.map(|allow| allow.to_str().unwrap().to_owned());
    let content = body.collect().await.unwrap().to_bytes();
    let content = String::from_utf8(content.to_vec()).unwrap();
    Answer(head.status.as_u16(), allow, content)
}

/// Allows `POST` beside `GET` and `HEAD`.
fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().allow([Method::POST]))
}

fn router() -> Router {
    Router::new()
        .route("/", get(async || "got").post(async || "posted"))
        .route("/read-only", get(async || "got"))
}

// axum adds the `Allow` of a route to what is answered, in that route, to a method that it has no
// handler for, unless there is one: a layer within the router cannot prevent it.
#[tokio::test]
async fn under_router_layer_axum_adds_an_allow_to_a_501() {
    let app = router().layer(layer());
    for (method, path, expected) in [
        ("GET", "/", forwarded("got")),
        ("DELETE", "/", not_allowed("GET, HEAD, POST")),
        (
            "FOO",
            "/",
            Answer(501, Some("GET,HEAD,POST".to_owned()), String::new()),
        ),
        (
            "FOO",
            "/read-only",
            Answer(501, Some("GET,HEAD".to_owned()), String::new()),
        ),
        ("DELETE", "/nowhere", not_allowed("GET, HEAD, POST")),
        ("FOO", "/nowhere", not_implemented()),
    ] {
        assert_eq!(ask(&app, method, path).await, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn under_route_layer_the_policy_does_not_see_unmatched_paths() {
    let app = router().route_layer(layer());
    for (method, path, expected) in [
        ("GET", "/", forwarded("got")),
        ("DELETE", "/", not_allowed("GET, HEAD, POST")),
        (
            "FOO",
            "/",
            Answer(501, Some("GET,HEAD,POST".to_owned()), String::new()),
        ),
        ("DELETE", "/nowhere", not_found()),
        ("FOO", "/nowhere", not_found()),
    ] {
        assert_eq!(ask(&app, method, path).await, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn on_a_method_router_the_policy_covers_its_routes_alone() {
    let covered = get(async || "got").layer(layer());
    let app = Router::new()
        .route("/covered", covered)
        .route("/other", get(async || "got"));
    for (method, path, expected) in [
        ("GET", "/covered", forwarded("got")),
        ("DELETE", "/covered", not_allowed("GET, HEAD, POST")),
        (
            "FOO",
            "/covered",
            Answer(501, Some("GET,HEAD".to_owned()), String::new()),
        ),
        ("FOO", "/other", not_allowed("GET,HEAD")),
    ] {
        assert_eq!(ask(&app, method, path).await, expected, "{method} {path}");
    }
}

/// Allows nothing beside `GET` and `HEAD`, except `POST` at `path`.
fn posting_only_at(path: &str) -> MethodPolicyLayer {
    let policy = Policy::new().allow([]).route(path, [Method::POST]);
    MethodPolicyLayer::new(policy.unwrap())
}

#[tokio::test]
async fn path_rules_inside_a_nested_router_are_matched_against_the_stripped_path() {
    let items = || Router::new().route("/items", get(async || "got").post(async || "posted"));
    let nest = |inner: Router| Router::new().nest("/api", inner);

    let stripped = nest(items().layer(posting_only_at("/items")));
    assert_eq!(
        ask(&stripped, "POST", "/api/items").await,
        forwarded("posted")
    );
    let full = nest(items().layer(posting_only_at("/api/items")));
    assert_eq!(
        ask(&full, "POST", "/api/items").await,
        not_allowed("GET, HEAD")
    );

    let service = posting_only_at("/items").layer(items());
    let service = Router::new().nest_service("/api", service);
    assert_eq!(
        ask(&service, "POST", "/api/items").await,
        forwarded("posted")
    );
    assert_eq!(ask(&service, "FOO", "/api/items").await, not_implemented());
}

#[tokio::test]
async fn path_rules_around_a_router_are_matched_against_the_full_path() {
    let items = Router::new().route("/items", get(async || "got").post(async || "posted"));
    let nested = Router::new().nest("/api", items);

    let full = posting_only_at("/api/items").layer(nested.clone());
    assert_eq!(ask(&full, "POST", "/api/items").await, forwarded("posted"));
    let stripped = posting_only_at("/items").layer(nested);
    assert_eq!(
        ask(&stripped, "POST", "/api/items").await,
        not_allowed("GET, HEAD")
    );
}

#[tokio::test]
async fn the_body_type_of_the_inner_service_is_kept() {
    async fn check<B: http_body::Body<Error: Debug> + Default>() {
        let inner =
            service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(B::default())));
        let request = Request::delete("/").body(Body::empty()).unwrap();
        let response: Response<B> = layer().layer(inner).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        let content = response.into_body().collect().await.unwrap().to_bytes();
        assert!(content.is_empty());
    }

    check::<Empty<Bytes>>().await;
    check::<Full<Bytes>>().await;
    check::<String>().await;
    check::<Body>().await;
}

#[tokio::test]
async fn a_closure_responds_with_a_body_that_has_no_default() {
    type NoDefault = Either<Full<Bytes>, Empty<Bytes>>;
    let inner = service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(NoDefault::Right(Empty::new())))
    });
    let service = layer()
        .respond_with(|_: &_, _: &_| Response::new(NoDefault::Left("no".into())))
        .layer(inner);
    let expected = Answer(405, Some("GET, HEAD, POST".to_owned()), "no".to_owned());
    assert_eq!(ask(&service, "DELETE", "/").await, expected);
}

#[tokio::test]
async fn the_error_of_the_inner_service_is_kept() {
    let inner =
        service_fn(async |_: Request<Body>| Err::<Response<String>, BoxError>("down".into()));
    let service = layer().layer(inner);
    let request = Request::get("/").body(Body::empty()).unwrap();
    let error: BoxError = service.clone().oneshot(request).await.unwrap_err();
    assert_eq!(error.to_string(), "down");
    assert_eq!(ask(&service, "FOO", "/").await, not_implemented());
}

/// A classifier for [`TraceLayer`]: server errors are failures, rejections are not.
#[derive(Clone)]
struct RejectionsAreNoFailures;

impl ClassifyResponse for RejectionsAreNoFailures {
    type FailureClass = ServerErrorsFailureClass;
    type ClassifyEos = NeverClassifyEos<ServerErrorsFailureClass>;

    fn classify_response<B>(
        self,
        response: &Response<B>,
    ) -> ClassifiedResponse<Self::FailureClass, Self::ClassifyEos> {
        match response.extensions().get::<Rejection>() {
            Some(_) => ClassifiedResponse::Ready(Ok(())),
            None => ServerErrorsAsFailures::new().classify_response(response),
        }
    }

    fn classify_error<E: std::fmt::Display + 'static>(self, error: &E) -> Self::FailureClass {
        ServerErrorsAsFailures::new().classify_error(error)
    }
}

#[tokio::test]
async fn a_trace_layer_can_tell_rejections_from_failures() {
    /// How many of some answers count as failures.
    async fn failures<C>(classifier: C, requests: [(&str, &str, u16); 4]) -> usize
    where
        C: ClassifyResponse<FailureClass = ServerErrorsFailureClass> + Clone,
    {
        let failures = Arc::new(AtomicUsize::new(0));
        let counter = failures.clone();
        let trace = TraceLayer::new(SharedClassifier::new(classifier)).on_failure(
            move |_: ServerErrorsFailureClass, _: Duration, _: &Span| {
                counter.fetch_add(1, Ordering::Relaxed);
            },
        );
        let router = Router::new()
            .route("/", get(async || "got"))
            .route("/broken", get(async || StatusCode::INTERNAL_SERVER_ERROR))
            .route("/missing", get(async || StatusCode::NOT_IMPLEMENTED));
        let app = ServiceBuilder::new()
            .layer(trace)
            .layer(layer())
            .service(router);
        for (method, path, status) in requests {
            assert_eq!(ask(&app, method, path).await.0, status);
        }
        failures.load(Ordering::Relaxed)
    }

    let rejections = [
        ("FOO", "/", 501),
        ("DELETE", "/", 405),
        ("FOO", "/broken", 501),
        ("GET", "/", 200),
    ];
    assert_eq!(failures(RejectionsAreNoFailures, rejections).await, 0);
    assert_eq!(failures(ServerErrorsAsFailures::new(), rejections).await, 2);

    // Also a 501 is a failure if it is the inner service's.
    let broken = [
        ("GET", "/broken", 500),
        ("GET", "/missing", 501),
        ("FOO", "/", 501),
        ("GET", "/", 200),
    ];
    assert_eq!(failures(RejectionsAreNoFailures, broken).await, 2);
}

// What this and the next test say holds if they compile.
#[test]
fn layers_are_accepted_wherever_layers_are() {
    fn respond(_: &Rejection, _: &Parts) -> Response<Body> {
        Response::new(Body::from("rejected"))
    }
    let observed = layer().on_rejection(|_, _| {});
    let _: Router = router()
        .layer(layer())
        .layer(observed.clone())
        .layer(layer().respond_with(PlainText))
        .layer(layer().respond_with(ProblemDetails))
        .layer(layer().respond_with(GrpcStatus))
        .layer(layer().respond_with(respond))
        .layer(layer().respond_with(|_: &_, _: &_| Response::new(Body::from("rejected"))))
        .route_layer(layer())
        .route(
            "/get",
            get(async || "got").layer(layer()).route_layer(layer()),
        )
        .layer(ServiceBuilder::new().layer(layer()).layer(observed.clone()));
}

#[test]
fn types_are_clone_debug_send_and_sync() {
    fn shared<T: Clone + Debug + Send + Sync + 'static>() {}
    fn error<T: std::error::Error + Clone + PartialEq + Send + Sync + 'static>() {}
    fn future<T: Future<Output = Result<Response<Body>, Infallible>> + Debug + Send>() {}
    fn responder<T: Respond<Body> + Copy + Default>() {}

    shared::<MethodSet>();
    shared::<Policy>();
    shared::<Allow>();
    shared::<Decision<'static>>();
    shared::<MethodPolicyLayer>();
    shared::<MethodPolicyLayer<ProblemDetails>>();
    shared::<MethodPolicyLayer<fn(&Rejection, &Parts) -> Response<Body>>>();
    shared::<MethodPolicy<Router>>();
    shared::<MethodPolicy<Router, ProblemDetails>>();
    shared::<Rejection>();
    shared::<Reason>();
    shared::<RetryAfter>();
    shared::<RegisteredMethod>();
    shared::<Cacheable>();
    shared::<EmptyBody>();
    shared::<PlainText>();
    shared::<ProblemDetails>();
    shared::<GrpcStatus>();
    responder::<EmptyBody>();
    responder::<PlainText>();
    responder::<ProblemDetails>();
    responder::<GrpcStatus>();
    error::<PolicyError>();
    error::<ParseMethodSetError>();
    future::<ResponseFuture<std::future::Ready<Result<Response<Body>, Infallible>>, Body, Body>>();
    future::<<MethodPolicy<Router> as Service<Request<Body>>>::Future>();
}
