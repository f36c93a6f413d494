//! Forwarding a request does not allocate.

#![expect(
    unsafe_code,
    reason = "a global allocator, here one that counts, is unsafe to implement"
)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Empty;
use tower::{Layer, Service, service_fn};
use tower_method_policy::{
    MethodPolicy, MethodPolicyLayer, MethodSet, Policy, ProblemDetails, RetryAfter,
};

/// The system's allocator, which counts how often each thread asks it for memory.
struct Counting;

thread_local! {
    /// Of a type without a destructor, so that it can be counted in a thread that ends.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: everything is left to the system's allocator; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The result of `work`, and how many allocations it took.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATIONS.get();
    let result = work();
    (result, ALLOCATIONS.get() - before)
}

/// The inner service: it allocates once for each request.
async fn hello(_: Request<Empty<Bytes>>) -> Result<Response<String>, Infallible> {
    Ok(Response::new("hello".to_owned()))
}

/// A request as a server makes it: with a header field.
fn request<B: Default>(method: &Method, path: &str) -> Request<B> {
    let request = Request::builder().method(method).uri(path);
    request.header("host", "a").body(B::default()).unwrap()
}

/// What `service`, which has to be done at once, answers, and how many allocations that took.
fn answer<S, ReqBody: Default, ResBody>(
    service: &mut S,
    method: &Method,
    path: &str,
) -> (StatusCode, usize)
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error = Infallible>,
{
    let request = request(method, path);
    let (answer, allocations) = counted(|| service.call(request).now_or_never());
    (answer.unwrap().unwrap().status(), allocations)
}

/// Asserts that the layer of `policy` forwards each request, and that this takes no more memory
/// than to ask the inner service itself.
fn assert_forwards_for_free(policy: Policy, requests: &[(&Method, &str)]) {
    let mut bare = service_fn(hello);
    let mut service = MethodPolicy::new(bare, policy);
    for (method, path) in requests {
        assert_eq!(answer(&mut bare, method, path), (StatusCode::OK, 1));
        assert_eq!(
            answer(&mut service, method, path),
            (StatusCode::OK, 1),
            "{method} {path}"
        );
    }
}

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap()
}

#[test]
fn forwarding_the_methods_of_the_registry_does_not_allocate() {
    let [propfind, version_control] = ["PROPFIND", "VERSION-CONTROL"].map(method);
    assert_forwards_for_free(
        Policy::new().allow(MethodSet::REGISTERED),
        &[
            (&Method::GET, "/"),
            (&Method::HEAD, "/"),
            (&Method::POST, "/"),
            (&Method::OPTIONS, "*"),
            (&propfind, "/"),
            (&version_control, "/"),
        ],
    );
}

#[test]
fn forwarding_own_methods_does_not_allocate_however_many_there_are() {
    for count in [10, 100_000] {
        let short = (0..count / 2).map(|n| method(&format!("OWN-{n}")));
        // Too long to be stored without an allocation of its own.
        let long = (0..count / 2).map(|n| method(&format!("A-METHOD-OF-THIS-SERVER-ALONE-{n}")));
        let methods: MethodSet = short.chain(long).collect();
        assert_eq!(methods.len(), count);

        let [short, long] = ["OWN-3", "A-METHOD-OF-THIS-SERVER-ALONE-3"].map(method);
        assert_forwards_for_free(
            Policy::new().allow(methods),
            &[(&Method::GET, "/"), (&short, "/"), (&long, "/")],
        );
    }
}

#[test]
fn forwarding_by_path_rules_of_up_to_three_parameters_does_not_allocate() {
    let own = method("OWN");
    let mut policy = Policy::new().allow([Method::POST]);
    for n in 0..200 {
        for pattern in [
            format!("/{n}"),
            format!("/{n}/{{a}}"),
            format!("/{n}/{{a}}/{{b}}"),
            format!("/{n}/{{a}}/{{b}}/{{c}}"),
            format!("/files-{n}/{{a}}/{{b}}/{{*c}}"),
        ] {
            policy = policy.route(&pattern, [Method::PUT, own.clone()]).unwrap();
        }
    }
    assert_forwards_for_free(
        policy,
        &[
            (&Method::GET, "/7/1/2/3"),
            (&Method::PUT, "/7"),
            (&Method::PUT, "/7/1"),
            (&Method::PUT, "/7/1/2"),
            (&Method::PUT, "/7/1/2/3"),
            (&own, "/7/1/2/3"),
            (&own, "/files-199/1/2/3/4/5"),
            (&Method::POST, "/none/1/2/3"),
            (&Method::POST, "/7/1/2/3/4"),
        ],
    );
}

// `Policy::route` says so.
#[test]
fn a_path_rule_of_four_parameters_allocates_once() {
    let policy = Policy::new()
        .allow([])
        .route("/{a}/{b}/{c}/{d}", [Method::PUT])
        .unwrap();
    let mut service = MethodPolicy::new(service_fn(hello), policy);
    let get = answer(&mut service, &Method::GET, "/1/2/3/4");
    let put = answer(&mut service, &Method::PUT, "/1/2/3/4");
    assert_eq!((get, put), ((StatusCode::OK, 1), (StatusCode::OK, 2)));
}

// `Policy::route` says so, too.
#[test]
fn a_path_that_begins_as_a_literal_beside_a_parameter_allocates_once() {
    let policy = Policy::new().allow([]);
    let policy = policy.route("/users/{id}", [Method::PUT]).unwrap();
    let policy = policy.route("/users/new", [Method::PUT]).unwrap();
    let mut service = MethodPolicy::new(service_fn(hello), policy);
    for (path, allocations) in [("/users/nancy", 2), ("/users/bob", 1)] {
        let answer = answer(&mut service, &Method::PUT, path);
        assert_eq!(answer, (StatusCode::OK, allocations), "{path}");
    }
}

#[test]
fn a_layer_with_everything_configured_forwards_without_allocating() {
    let layer = MethodPolicyLayer::new(Policy::new().allow([Method::POST]))
        .retry_after(RetryAfter::after(Duration::from_secs(60)))
        .cache_control(HeaderValue::from_static("max-age=10"))
        .respond_with(ProblemDetails)
        .on_rejection(|_, request| assert_eq!(request.method, Method::DELETE));
    let router = Router::new().route("/", get(async || "hello").post(async || "hello"));
    let mut bare = router.clone();
    let mut service = layer.layer(router);
    for method in [Method::GET, Method::HEAD, Method::POST] {
        let bare = answer::<_, Body, _>(&mut bare, &method, "/");
        assert_eq!(bare.0, StatusCode::OK);
        assert_eq!(
            answer::<_, Body, _>(&mut service, &method, "/"),
            bare,
            "{method}"
        );
    }
}

#[test]
fn wrapping_and_cloning_a_service_does_not_allocate() {
    let layer = MethodPolicyLayer::new(Policy::new().allow(MethodSet::WEBDAV));
    let (service, wrapping) = counted(|| layer.layer(service_fn(hello)));
    let (_clones, cloning) = counted(|| (layer.clone(), service.clone()));
    assert_eq!((wrapping, cloning), (0, 0));
}
