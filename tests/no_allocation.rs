//! Allocations: none for a forwarded request, except in a path look-up, and few for a rejected one.

#![expect(unsafe_code, reason = "a global allocator is unsafe to implement")]
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
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Empty, Full};
use tower::{Layer, Service, service_fn};
use tower_method_policy::{
    MethodPolicy, MethodPolicyLayer, MethodSet, Policy, ProblemDetails, Respond, RetryAfter,
};

/// The system's allocator. It counts the allocations of each thread.
struct Counting;

thread_local! {
    /// A type without a destructor can be used while a thread ends.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: the system's allocator does all the work. Counting neither allocates nor panics.
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

/// Returns the result of `work` and the number of its allocations.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATIONS.get();
    let result = work();
    (result, ALLOCATIONS.get() - before)
}

/// The inner service. It allocates once for each request.
async fn hello(_: Request<Empty<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello".to_owned())))
}

/// A request with a header field, as servers make them.
fn request<B: Default>(method: &Method, path: &str) -> Request<B> {
    let request = Request::builder().method(method).uri(path);
    request.header("host", "a").body(B::default()).unwrap()
}

/// Returns the status of an answer that is ready at once, and the number of allocations.
fn answer<S, ReqBody: Default, ResBody>(
    service: &mut S,
    method: &Method,
    path: &str,
) -> (StatusCode, usize)
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error = Infallible>,
{
    answer_to(service, request(method, path))
}

fn answer_to<S, ReqBody, ResBody>(service: &mut S, request: Request<ReqBody>) -> (StatusCode, usize)
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error = Infallible>,
{
    let (answer, allocations) = counted(|| service.call(request).now_or_never());
    (answer.unwrap().unwrap().status(), allocations)
}

/// Asserts that the layer forwards each request and allocates nothing itself.
fn assert_forwards_for_free<R>(layer: MethodPolicyLayer<R>, requests: &[(&Method, &str)])
where
    R: Respond<Full<Bytes>> + Clone,
{
    let mut bare = service_fn(hello);
    let mut service = layer.layer(bare);
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
    let requests = [
        (&Method::GET, "/"),
        (&Method::HEAD, "/"),
        (&Method::POST, "/"),
        (&Method::POST, "/a//b"),
        (&Method::OPTIONS, "*"),
        (&propfind, "/"),
        (&version_control, "/"),
    ];
    for policy in [
        Policy::new().fallback(MethodSet::REGISTERED),
        Policy::new().recognize(MethodSet::REGISTERED),
    ] {
        assert_forwards_for_free(MethodPolicyLayer::new(policy), &requests);
    }
}

/// Also those that the shortcut does not know.
#[test]
fn forwarding_own_methods_does_not_allocate_however_many_there_are() {
    for count in [10, 40, 100_000] {
        let short = |n: usize| method(&format!("OWN-{n}"));
        // `http` allocates for a name of this length.
        let long = |n: usize| method(&format!("A-METHOD-OF-THIS-SERVER-ALONE-{n}"));
        let methods: MethodSet = (0..count / 2).flat_map(|n| [short(n), long(n)]).collect();
        assert_eq!(methods.len(), count);

        let some = [short(0), long(0), short(4), long(4), short(count / 2 - 1)];
        let requests: Vec<_> = some.iter().map(|method| (method, "/")).collect();
        for policy in [
            Policy::new().fallback(methods.clone()),
            Policy::new().recognize(methods),
        ] {
            assert_forwards_for_free(MethodPolicyLayer::new(policy), &requests);
        }
    }
}

#[test]
fn forwarding_by_path_rules_of_up_to_three_parameters_does_not_allocate() {
    let own = method("OWN");
    let methods = [Method::GET, Method::PUT, own.clone()];
    let mut policy = Policy::new().fallback([Method::GET, Method::POST]);
    for n in 0..200 {
        for pattern in [
            format!("/{n}"),
            format!("/{n}/{{a}}"),
            format!("/{n}/{{a}}/{{b}}"),
            format!("/{n}/{{a}}/{{b}}/{{c}}"),
            format!("/files-{n}/{{a}}/{{b}}/{{*c}}"),
        ] {
            policy = policy.route(&pattern, &methods).unwrap();
        }
        policy = policy
            .subtree(&format!("/dav-{n}/{{a}}"), &methods)
            .unwrap();
        policy = policy.exempt(&format!("/ws-{n}/{{a}}")).unwrap();
    }
    assert_forwards_for_free(
        MethodPolicyLayer::new(policy),
        &[
            (&Method::GET, "/7/1/2/3"),
            (&Method::GET, "/7//2/3"),
            (&Method::PUT, "/7"),
            (&Method::PUT, "/7/1"),
            (&Method::PUT, "/7/1/2"),
            (&Method::PUT, "/7/1/2/3"),
            (&own, "/7/1/2/3"),
            (&own, "/files-199/1/2/3/4/5"),
            (&own, "/dav-199/1/2/3/4/5"),
            (&Method::PATCH, "/ws-199/1"),
            (&Method::POST, "/none/1/2/3"),
            (&Method::POST, "/7/1/2/3/4"),
        ],
    );
}

/// The allocations of a request beyond those of the inner service, which is asked.
fn allocations(policy: Policy, method: &Method, path: &str) -> usize {
    // Without a fallback, the methods would be forwarded at every path, without a look-up.
    let mut service = MethodPolicy::new(service_fn(hello), policy.fallback([Method::POST]));
    let (status, allocations) = answer(&mut service, method, path);
    assert_eq!(status, StatusCode::OK, "{method} {path}");
    allocations - 1
}

// The documentation of `Policy::route` names these cases and no others.
#[test]
fn a_look_up_allocates_once_for_more_than_three_parameters() {
    let policy = Policy::new()
        .route("/{a}/{b}/{c}/{d}", [Method::PUT])
        .unwrap();
    assert_eq!(allocations(policy.clone(), &Method::GET, "/1/2/3/4"), 0);
    assert_eq!(allocations(policy, &Method::PUT, "/1/2/3/4"), 1);
}

#[test]
fn a_look_up_allocates_once_if_a_literal_and_a_parameter_compete() {
    let policy = Policy::new()
        .route("/users/{id}", [Method::PUT])
        .unwrap()
        .route("/users/new", [Method::PUT])
        .unwrap();
    assert_eq!(allocations(policy.clone(), &Method::PUT, "/users/nancy"), 1);
    assert_eq!(allocations(policy, &Method::PUT, "/users/bob"), 0);
}

#[test]
fn a_look_up_allocates_once_for_a_path_with_empty_segments() {
    let policy = Policy::new()
        .route("/a/{b}/c", [Method::PUT])
        .unwrap()
        .subtree("/dav", [Method::PUT])
        .unwrap();
    for path in ["/a//c", "/dav//", "/dav///a//b", "/dav/a//"] {
        assert_eq!(allocations(policy.clone(), &Method::PUT, path), 1, "{path}");
    }
    for path in ["/a/b/c", "/dav/", "/dav/a/b"] {
        assert_eq!(allocations(policy.clone(), &Method::PUT, path), 0, "{path}");
    }
}

#[test]
fn a_layer_with_everything_configured_forwards_without_allocating() {
    let policy = Policy::new().fallback([Method::GET, Method::POST, Method::OPTIONS]);
    let layer = MethodPolicyLayer::new(policy)
        .answer_options(true)
        .retry_after(RetryAfter::after(Duration::from_secs(60)))
        .cache_control(HeaderValue::from_static("max-age=10"))
        .respond_with(ProblemDetails)
        .on_rejection(|_, request| assert_eq!(request.method, Method::DELETE));
    #[cfg(feature = "rfc2774")]
    let layer = {
        let extensions = tower_method_policy::rfc2774::MandatoryExtensions::at_origin();
        layer.mandatory_extensions(extensions.support("http://example.com/").unwrap())
    };
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS];
    let requests = methods.each_ref().map(|method| (method, "/"));
    assert_forwards_for_free(layer.clone(), &requests);
    assert_forwards_for_free(layer.clone().report_only(true), &requests);

    // A preflight.
    let mut service = layer.clone().layer(service_fn(hello));
    let mut preflight = request::<Empty<Bytes>>(&Method::OPTIONS, "/");
    for (name, value) in [
        ("origin", "http://a"),
        ("access-control-request-method", "PUT"),
    ] {
        let value = HeaderValue::from_static(value);
        preflight.headers_mut().insert(name, value);
    }
    assert_eq!(answer_to(&mut service, preflight), (StatusCode::OK, 1));

    let router = Router::new().route("/", get(async || "hello").post(async || "hello"));
    let mut bare = router.clone();
    let mut service = layer.layer(router);
    for method in [Method::GET, Method::HEAD, Method::POST] {
        let bare = answer::<_, Body, _>(&mut bare, &method, "/");
        assert_eq!(bare.0, StatusCode::OK);
        let answer = answer::<_, Body, _>(&mut service, &method, "/");
        assert_eq!(answer, bare, "{method}");
    }
}

/// An `http::Extensions` with one value: the box of its map, the memory of the map, and the box of the
/// value.
const MARK: usize = 3;

/// The memory of an `http::HeaderMap`: its index and its entries.
const FIELDS: usize = 2;

#[test]
fn a_rejection_allocates_for_its_mark_and_its_fields() {
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]));
    let configured = layer
        .clone()
        .retry_after(RetryAfter::after(Duration::from_secs(60)))
        .cache_control(HeaderValue::from_static("max-age=10"));
    let over_long = "M".repeat(70_000);
    for (layer, fields_of_501) in [(layer, 0), (configured, FIELDS)] {
        let mut service = layer.layer(service_fn(hello));
        for (name, status, fields) in [
            ("DELETE", StatusCode::METHOD_NOT_ALLOWED, FIELDS),
            ("FOO", StatusCode::NOT_IMPLEMENTED, fields_of_501),
            ("SEARCH", StatusCode::NOT_IMPLEMENTED, fields_of_501),
            (&over_long, StatusCode::NOT_IMPLEMENTED, fields_of_501),
        ] {
            let name = method(name);
            // The header map of the request is used again.
            let with_fields = answer(&mut service, &name, "/");
            assert_eq!(with_fields, (status, MARK), "{name:.80}");

            let mut without_fields = request::<Empty<Bytes>>(&name, "/");
            *without_fields.headers_mut() = HeaderMap::new();
            let without_fields = answer_to(&mut service, without_fields);
            assert_eq!(without_fields, (status, MARK + fields), "{name:.80}");
        }
    }
}

#[test]
fn wrapping_and_cloning_a_service_does_not_allocate() {
    let layer = MethodPolicyLayer::new(Policy::new().fallback(MethodSet::WEBDAV));
    let (service, wrapping) = counted(|| layer.layer(service_fn(hello)));
    let (_clones, cloning) = counted(|| (layer.clone(), service.clone()));
    assert_eq!((wrapping, cloning), (0, 0));
}

#[test]
fn a_service_is_one_pointer_larger_than_the_inner_service() {
    fn growth<S>() -> usize {
        size_of::<MethodPolicy<S>>() - size_of::<S>()
    }
    assert!(growth::<()>() <= 8);
    assert!(growth::<[usize; 3]>() <= 8);
    assert!(growth::<Router>() <= 8);
    assert!(size_of::<MethodPolicyLayer>() <= 8);
    assert_eq!(
        size_of::<MethodPolicy<Router, ProblemDetails>>(),
        size_of::<MethodPolicy<Router>>()
    );
}
