//! The places of the layer: around and inside axum's routers, around bare services, and inside and
//! outside tower-http's layers. Every service is called directly, without sockets.

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
use http::header::{ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use tower::util::MapRequestLayer;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::classify::{
    ClassifiedResponse, ClassifyResponse, NeverClassifyEos, ServerErrorsAsFailures,
    ServerErrorsFailureClass, SharedClassifier,
};
use tower_http::cors::{Any, CorsLayer};
use tower_http::normalize_path::NormalizePathLayer;
use tower_http::trace::TraceLayer;
use tower_method_policy::{
    BodyDrain, Decision, EmptyBody, MethodPolicy, MethodPolicyLayer, MethodSet,
    ParseMethodSetError, PlainText, Policy, PolicyError, ProblemDetails, Reason, Rejection,
    Respond, ResponseFuture, RetryAfter, Rule, RuleKind, WouldReject, method_set,
};
use tracing::Span;

/// The answer of a service: status, `Allow`, and content.
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
    answer(service, request.body(Body::empty()).unwrap()).await
}

async fn answer<S, B>(service: &S, request: Request<Body>) -> Answer
where
    S: Service<Request<Body>, Response = Response<B>, Error: Debug> + Clone,
    B: http_body::Body<Error: Debug>,
{
    let response = service.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let allow = head.headers.get(ALLOW);
    let allow = allow.map(|allow| allow.to_str().unwrap().to_owned());
    let content = body.collect().await.unwrap().to_bytes();
    let content = String::from_utf8(content.to_vec()).unwrap();
    Answer(head.status.as_u16(), allow, content)
}

/// Allows `GET`, `HEAD`, and `POST` at every path.
fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]))
}

fn router() -> Router {
    Router::new()
        .route("/", get(async || "got").post(async || "posted"))
        .route("/read-only", get(async || "got"))
}

#[tokio::test]
async fn around_a_router_the_policy_covers_every_path() {
    let app = layer().layer(router());
    for (method, path, expected) in [
        ("GET", "/", forwarded("got")),
        ("HEAD", "/", forwarded("")),
        ("POST", "/", forwarded("posted")),
        ("DELETE", "/", not_allowed("GET, HEAD, POST")),
        ("FOO", "/", not_implemented()),
        ("get", "/", not_implemented()),
        // The policy forwards these, and the router answers them. axum writes `Allow` without spaces.
        ("POST", "/read-only", not_allowed("GET,HEAD")),
        ("GET", "/nowhere", not_found()),
        ("POST", "/nowhere", not_found()),
        ("DELETE", "/nowhere", not_allowed("GET, HEAD, POST")),
        ("FOO", "/nowhere", not_implemented()),
    ] {
        assert_eq!(ask(&app, method, path).await, expected, "{method} {path}");
    }
}

// axum adds the `Allow` of a route to every answer to a method without a handler. A layer inside the
// router cannot prevent it.
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
async fn on_a_method_router_the_policy_covers_only_its_route() {
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

/// Allows `POST` only at `path`.
fn posting_only_at(path: &str) -> MethodPolicyLayer {
    let policy = Policy::new().fallback([Method::GET]);
    let policy = policy.route(path, [Method::GET, Method::POST]);
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

/// `BoxBody` is not `From<Bytes>`. A ready responder builds another body, which is boxed.
#[tokio::test]
async fn a_ready_responder_answers_with_a_boxed_body() {
    type Boxed = BoxBody<Bytes, Infallible>;
    let inner =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Boxed::default())));
    let service = layer()
        .respond_with_fn(|rejection, request| {
            let response: Response<Full<Bytes>> = PlainText.respond(rejection, request);
            response.map(|body| -> Boxed { body.boxed() })
        })
        .layer(inner);
    let Answer(status, allow, content) = ask(&service, "DELETE", "/").await;
    assert_eq!((status, allow.as_deref()), (405, Some("GET, HEAD, POST")));
    assert_eq!(
        content,
        "The method DELETE is not allowed here. Allowed: GET, HEAD, POST.\n"
    );
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

fn cors() -> CorsLayer {
    let layer = CorsLayer::new().allow_origin(Any);
    layer.allow_methods([Method::POST]).expose_headers([ALLOW])
}

fn preflight() -> Request<Body> {
    let preflight = Request::options("/")
        .header("origin", "https://a")
        .header("access-control-request-method", "POST");
    preflight.body(Body::empty()).unwrap()
}

/// Whatever the rules list, and whether the layer answers `OPTIONS` or not.
#[tokio::test]
async fn a_preflight_reaches_a_cors_layer_inside_the_policy() {
    let listing = |methods: &[Method]| Policy::new().fallback(methods);
    for policy in [
        Policy::new(),
        listing(&[]),
        listing(&[Method::POST]),
        listing(&[Method::GET, Method::OPTIONS]),
    ] {
        for answer_options in [false, true] {
            let app = MethodPolicyLayer::new(policy.clone())
                .answer_options(answer_options)
                .layer(router().layer(cors()));
            let response = app.oneshot(preflight()).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "POST");
        }
    }
}

/// The CORS layer answers `OPTIONS`, and axum adds its own `Allow`.
#[tokio::test]
async fn with_a_cors_layer_inside_the_router_a_plain_options_has_the_router_s_allow() {
    let layer = MethodPolicyLayer::default().answer_options(true);
    let app = layer.layer(router().layer(cors()));
    for (path, allow) in [("/", "GET,HEAD,POST"), ("/read-only", "GET,HEAD")] {
        let expected = Answer(200, Some(allow.to_owned()), String::new());
        assert_eq!(ask(&app, "OPTIONS", path).await, expected);
    }
}

#[tokio::test]
async fn a_cors_layer_outside_the_policy_answers_every_options_and_marks_rejections() {
    let app = ServiceBuilder::new()
        .layer(cors())
        .layer(layer().answer_options(true))
        .service(router());
    for request in [
        preflight(),
        Request::options("/").body(Body::empty()).unwrap(),
    ] {
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_METHODS], "POST");
        // The policy is not asked.
        assert_eq!(response.headers().get(ALLOW), None);
    }

    let rejected = Request::delete("/").header("origin", "https://a");
    let response = app
        .oneshot(rejected.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[ALLOW], "GET, HEAD, POST, OPTIONS");
    assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
}

/// Rules match the path that the layer sees.
#[tokio::test]
async fn a_layer_that_rewrites_the_path_has_to_be_outside_the_policy() {
    let layer = || MethodPolicyLayer::new(Policy::new().route("/admin", [Method::GET]).unwrap());
    let inner = service_fn(async |request: Request<Body>| {
        Ok::<_, Infallible>(Response::new(request.uri().path().to_owned()))
    });
    let outside = ServiceBuilder::new()
        .layer(NormalizePathLayer::trim_trailing_slash())
        .layer(layer())
        .service(inner);
    let inside = ServiceBuilder::new()
        .layer(layer())
        .layer(NormalizePathLayer::trim_trailing_slash())
        .service(inner);
    for path in ["/admin/", "/admin//", "/admin///"] {
        assert_eq!(
            ask(&outside, "DELETE", path).await,
            not_allowed("GET, HEAD")
        );
        // The wrong order: the rule does not match.
        assert_eq!(ask(&inside, "DELETE", path).await, forwarded("/admin"));
    }
}

/// Rules list the methods that the layer sees.
#[tokio::test]
async fn a_layer_that_rewrites_the_method_has_to_be_outside_the_policy() {
    const OVERRIDE: &str = "x-http-method-override";

    fn rewrite<B>(mut request: Request<B>) -> Request<B> {
        if let Some(method) = request.headers_mut().remove(OVERRIDE) {
            *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        }
        request
    }
    let inner = service_fn(async |request: Request<Body>| {
        Ok::<_, Infallible>(Response::new(request.method().to_string()))
    });
    let outside = ServiceBuilder::new()
        .layer(MapRequestLayer::new(rewrite::<Body>))
        .layer(layer())
        .service(inner);
    let inside = ServiceBuilder::new()
        .layer(layer())
        .layer(MapRequestLayer::new(rewrite::<Body>))
        .service(inner);
    for (method, expected) in [
        ("DELETE", not_allowed("GET, HEAD, POST")),
        ("PROPFIND", not_implemented()),
        ("delete", not_implemented()),
    ] {
        let request = || {
            let request = Request::post("/").header(OVERRIDE, method);
            request.body(Body::empty()).unwrap()
        };
        assert_eq!(answer(&outside, request()).await, expected);
        // The wrong order: the policy allows `POST`.
        assert_eq!(answer(&inside, request()).await, forwarded(method));
    }
}

/// A classifier for [`TraceLayer`]: server errors are failures, and rejections are not.
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
    /// How many of the answers count as failures.
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

    // A 501 of the inner service is a failure.
    let broken = [
        ("GET", "/broken", 500),
        ("GET", "/missing", 501),
        ("FOO", "/", 501),
        ("GET", "/", 200),
    ];
    assert_eq!(failures(RejectionsAreNoFailures, broken).await, 2);
}

/// An application can name every type of its stack.
#[derive(Clone, Debug)]
struct App {
    layer: MethodPolicyLayer<ProblemDetails>,
    service: MethodPolicy<Router, ProblemDetails>,
}

impl App {
    fn new() -> Self {
        let layer = Self::layer();
        let service = layer.layer(router());
        Self { layer, service }
    }

    fn layer() -> MethodPolicyLayer<ProblemDetails> {
        layer().respond_with(ProblemDetails)
    }
}

// A unit test of a stack: one request, without a server or a socket.
#[tokio::test]
async fn a_stack_is_tested_with_oneshot() {
    let app = App::new();
    let request = Request::delete("/").body(Body::empty()).unwrap();
    let response = app.service.oneshot(request).await.unwrap();

    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET, HEAD, POST");
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    let rejected = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejected.reason(), Reason::NotAllowed);
    assert_eq!(rejected.rule(), app.layer.policy().rule_at("/"));
}

// A unit test of a policy needs no request.
#[test]
fn a_policy_is_tested_with_decide() {
    let app = App::new();
    let policy = app.layer.policy();
    assert_eq!(policy.decide(&Method::POST, "/"), Decision::Forward);
    let allow = policy.rule_at("/").unwrap().methods();
    assert_eq!(
        policy.decide(&Method::PUT, "/"),
        Decision::NotAllowed { allow }
    );
}

// This test and the next one pass if they compile.
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
        .layer(layer().respond_with(respond))
        .layer(layer().respond_with_fn(|_, _| Response::new(Body::from("rejected"))))
        .layer(layer().answer_options(true).report_only(true))
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
    shared::<Rule<'static>>();
    shared::<RuleKind>();
    shared::<method_set::Iter<'static>>();
    shared::<method_set::IntoIter>();
    shared::<Decision<'static>>();
    shared::<MethodPolicyLayer>();
    shared::<MethodPolicyLayer<ProblemDetails>>();
    shared::<MethodPolicyLayer<fn(&Rejection, &Parts) -> Response<Body>>>();
    shared::<MethodPolicy<Router>>();
    shared::<MethodPolicy<Router, ProblemDetails>>();
    shared::<Rejection>();
    shared::<Reason>();
    shared::<RetryAfter>();
    shared::<BodyDrain>();
    shared::<WouldReject>();
    shared::<EmptyBody>();
    shared::<PlainText>();
    shared::<ProblemDetails>();
    responder::<EmptyBody>();
    responder::<PlainText>();
    responder::<ProblemDetails>();
    error::<PolicyError>();
    error::<ParseMethodSetError>();
    future::<ResponseFuture<std::future::Ready<Result<Response<Body>, Infallible>>, Body, Body>>();
    future::<<MethodPolicy<Router> as Service<Request<Body>>>::Future>();
}
