//! Counts the allocations of the layer: none for a forwarded request, except in some path look-ups, and few for a
//! rejected request.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "support/allocations.rs"]
mod allocations;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{Empty, Full};
use tower::{Layer, Service, service_fn};
use tower_method_policy::{
    EmptyBody, MethodPolicy, MethodPolicyLayer, MethodSet, Policy, ProblemDetails, Respond,
    RetryAfter,
};

use crate::allocations::allocations;

/// Returns the result of `work` and the number of its allocations.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = allocations();
    let result = work();
    (result, allocations() - before)
}

/// The inner service. It allocates once for each request.
async fn hello(_: Request<Empty<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello".to_owned())))
}

/// Returns a request with a header field, because real requests have header fields.
fn request<B: Default>(method: &Method, path: &str) -> Request<B> {
    let request = Request::builder().method(method).uri(path);
    request.header("host", "a").body(B::default()).unwrap()
}

/// Sends `request`, whose answer must be ready at once. Returns the status and the number of allocations.
fn answer<S, ReqBody, ResBody>(service: &mut S, request: Request<ReqBody>) -> (u16, usize)
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error = Infallible>,
{
    let (answer, allocations) = counted(|| service.call(request).now_or_never());
    let Ok(response) = answer.unwrap();
    (response.status().as_u16(), allocations)
}

/// Asserts that the layer forwards `method` at each path and does not allocate. The inner service allocates once.
fn assert_allocates_nothing<R>(layer: &MethodPolicyLayer<R>, method: &Method, paths: &str)
where
    R: Respond<Full<Bytes>>,
{
    for path in paths.split(' ') {
        let mut service = layer.layer(service_fn(hello));
        let answer = answer(&mut service, request(method, path));
        assert_eq!(answer, (200, 1), "{method} {path}");
    }
}

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap()
}

/// The sets contain registered methods, other methods, and more methods than `src/forwarded.rs` stores.
#[test]
fn forwarding_does_not_allocate_for_any_number_of_methods() {
    let registered = "GET HEAD POST OPTIONS PROPFIND VERSION-CONTROL".split(' ');
    let mut sets = vec![(MethodSet::REGISTERED, registered.map(method).collect())];
    for count in [10, 40, 100_000] {
        let short = |n: usize| method(&format!("OWN-{n}"));
        // `http` allocates for a name of this length.
        let long = |n: usize| method(&format!("A-METHOD-OF-THIS-SERVER-ALONE-{n}"));
        let methods: MethodSet = (0..count / 2).flat_map(|n| [short(n), long(n)]).collect();
        assert_eq!(methods.len(), count);
        let samples = vec![short(0), long(0), short(4), long(4), short(count / 2 - 1)];
        sets.push((methods, samples));
    }
    for (methods, samples) in sets {
        let policy = Policy::new().recognize(&methods);
        for policy in [policy.clone(), policy.fallback(&methods)] {
            for method in &samples {
                assert_allocates_nothing(
                    &MethodPolicyLayer::new(policy.clone()),
                    method,
                    "/ /a//b *",
                );
            }
        }
    }
}

#[test]
fn forwarding_by_a_pattern_with_up_to_three_parameters_does_not_allocate() {
    let own = method("OWN");
    let methods = [Method::GET, Method::PUT, own.clone()];
    let mut policy = Policy::new().fallback([Method::GET, Method::POST]);
    for n in 0..200 {
        for end in ",/{a},/{a}/{b},/{a}/{b}/{c},-files/{a}/{b}/{*c}".split(',') {
            policy = policy.route(&format!("/{n}{end}"), &methods).unwrap();
        }
        let prefix = format!("/dav-{n}/{{a}}");
        policy = policy.subtree(&prefix, &methods).unwrap();
        policy = policy.exempt(&format!("/ws-{n}/{{a}}")).unwrap();
    }
    let layer = MethodPolicyLayer::new(policy);
    assert_allocates_nothing(&layer, &Method::GET, "/7/1/2/3 /7//2/3");
    assert_allocates_nothing(&layer, &Method::PUT, "/7 /7/1 /7/1/2 /7/1/2/3");
    assert_allocates_nothing(&layer, &own, "/7/1/2/3 /199-files/1/2/3/4/5 /dav-199/1/2/3/4/5");
    assert_allocates_nothing(&layer, &Method::PATCH, "/ws-199/1");
    assert_allocates_nothing(&layer, &Method::POST, "/none/1/2/3 /7/1/2/3/4");
}

/// The documentation of `Policy::route` names these cases and no others.
#[test]
fn a_look_up_allocates_only_in_the_documented_cases() {
    const EMPTY: &str = "/a/{b}/c /dav /dav/ /dav/{*rest}";
    // A literal competes with each of 25 parameters.
    let parameters = "{a} {b} {c} {d} {e} {f} {g} {h} {i} {j} {k} {l} {m} {n} {o} {p} {q} {r} {s} {t} {u} {v} {w} {x} {y}";
    let names: Vec<_> = parameters.split(' ').collect();
    let mut most = format!("/{}", names.join("/"));
    for at in 0..names.len() {
        let mut names = names.clone();
        names[at] = "x";
        most += &format!(" /{}/end", names.join("/"));
    }
    for (patterns, paths, expected) in [
        // More than three parameters.
        ("/{a}/{b}/{c}/{d}", "/1/2/3/4", 1),
        ("/{a}/{b}/{c}/{d}/{e}", "/1/2/3/4/5", 2),
        // A literal and a parameter compete.
        ("/users/{id} /users/new", "/users/nancy", 1),
        ("/users/{id} /users/new", "/users/bob", 0),
        // Empty segments.
        (EMPTY, "/a//c /dav// /dav///a//b /dav/a//", 1),
        (EMPTY, "/a/b/c /dav/ /dav/a/b", 0),
        // Both.
        ("/{a}/{b}/{c}/{d}", "/1//3/4", 2),
        (&most, &format!("{}//x", "/x".repeat(23)), 11),
    ] {
        // Without a fallback, the layer would forward `PUT` everywhere without a look-up.
        let mut policy = Policy::new().fallback([Method::POST]);
        for pattern in patterns.split(' ') {
            policy = policy.route(pattern, [Method::PUT]).unwrap();
        }
        let mut service = MethodPolicy::new(service_fn(hello), policy);
        for path in paths.split(' ') {
            for (method, expected) in [(Method::PUT, expected), (Method::GET, 0)] {
                let answer = answer(&mut service, request(&method, path));
                assert_eq!(answer, (200, 1 + expected), "{method} {path}");
            }
        }
    }
}

#[test]
fn a_layer_with_all_settings_forwards_without_allocating() {
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
    for method in &methods {
        assert_allocates_nothing(&layer, method, "/");
        assert_allocates_nothing(&layer.clone().report_only(true), method, "/");
    }

    let mut preflight = request(&Method::OPTIONS, "/");
    for name in ["origin", "access-control-request-method"] {
        preflight.headers_mut().insert(name, HeaderValue::from_static("PUT"));
    }
    let mut service = layer.layer(service_fn(hello));
    assert_eq!(answer(&mut service, preflight), (200, 1));

    let mut router = Router::new().route("/", get(async || "hello").post(async || "hello"));
    let mut service = layer.layer(router.clone());
    for method in &methods[..3] {
        let alone = answer(&mut router, request::<Body>(method, "/"));
        assert_eq!(alone.0, 200);
        let behind = answer(&mut service, request::<Body>(method, "/"));
        assert_eq!(behind, alone, "{method}");
    }
}

/// The allocations for the first value in `http::Extensions`: the box of the map, the memory of the map, and the box
/// of the value.
const MARK: usize = 3;

/// The allocations for the first field in an `http::HeaderMap`: the index and the entries.
const FIELDS: usize = 2;

#[test]
fn a_rejection_allocates_only_for_its_mark_and_its_fields() {
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::GET, Method::POST]));
    let configured = layer
        .clone()
        .retry_after(RetryAfter::after(Duration::from_secs(60)))
        .cache_control(HeaderValue::from_static("max-age=10"));
    let long_name = "M".repeat(70_000);
    for (layer, fields_of_501) in [(layer, 0), (configured, FIELDS)] {
        let mut service = layer.layer(service_fn(hello));
        for (name, status, fields) in [
            ("DELETE", 405, FIELDS),
            ("FOO", 501, fields_of_501),
            ("SEARCH", 501, fields_of_501),
            (&long_name, 501, fields_of_501),
        ] {
            let answer = answer(&mut service, request(&method(name), "/"));
            assert_eq!(answer, (status, MARK + fields), "{name:.80}");
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
fn a_service_is_at_most_one_pointer_larger_than_the_inner_service() {
    fn growth<S, R>() -> usize {
        size_of::<MethodPolicy<S, R>>() - size_of::<S>()
    }
    assert!(growth::<[usize; 3], EmptyBody>() <= 8);
    assert!(growth::<Router, ProblemDetails>() <= 8);
    assert!(size_of::<MethodPolicyLayer>() <= 8);
}
