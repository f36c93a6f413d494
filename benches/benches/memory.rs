//! Prints the allocations for each request, and sizes in bytes. `gate.py` compares them with their limits.

#[path = "../../tests/support/allocations.rs"]
mod allocations;

use std::time::Duration;

use axum::body::Body as AxumBody;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use method_policy_benches::{
    Buffer, Inner, InnerFuture, PATH, answering, deciding, exchange, layer, layered, method,
    observed, request, router, with_own_methods, with_routes,
};
use tower::{Layer, Service};
use tower_method_policy::{EmptyBody, MethodPolicy, ResponseFuture, RetryAfter};

use crate::allocations::allocations;

/// Returns the number of allocations for the second request to `service`.
fn count<S, ReqBody, ResBody>(mut service: S, name: &str, path: &'static str) -> usize
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: std::fmt::Debug>,
    ReqBody: Default,
    ResBody: Body,
{
    let method = method(name);
    exchange(&mut service, request(&method, path, 5));
    let request = request(&method, path, 5);
    let before = allocations();
    exchange(&mut service, request);
    allocations() - before
}

fn main() {
    let print = |what: &str, value: usize| println!("{what} {value}");
    assert_eq!(count::<_, Buffer, Buffer>(Inner::NEW, "GET", "/"), 0);
    for (what, name) in [
        ("get", "GET"),
        ("head", "HEAD"),
        ("post", "POST"),
        ("propfind", "PROPFIND"),
        ("not_allowed", "DELETE"),
        ("not_implemented", "FOO"),
    ] {
        print(what, count::<_, Buffer, _>(layered(), name, "/"));
    }
    for number in [10, 100_000] {
        let own = count::<_, Buffer, _>(with_own_methods(number), "OWN-00003", "/");
        print(&format!("own_{number}"), own);
        let routed = count::<_, Buffer, _>(with_routes(number), "PUT", PATH);
        print(&format!("routed_{number}"), routed);
    }
    print("get_routed", count::<_, Buffer, _>(with_routes(1000), "GET", PATH));
    for (what, name) in [("not_allowed_fields", "DELETE"), ("not_implemented_fields", "FOO")] {
        let layer = layer()
            .cache_control(HeaderValue::from_static("no-store"))
            .retry_after(RetryAfter::after(Duration::from_secs(60)));
        let service = layer.layer(Inner::<Buffer>::NEW);
        print(what, count::<_, Buffer, _>(service, name, "/"));
    }
    print("get_answering", count::<_, Buffer, _>(answering(), "GET", "/"));
    let get = count::<_, AxumBody, _>(router(), "GET", "/");
    let delete = count::<_, AxumBody, _>(router(), "DELETE", "/");
    print("router", count::<_, AxumBody, _>(layer().layer(router()), "GET", "/") - get);
    for (what, layer) in [("router_deciding", deciding()), ("router_observed", observed())] {
        print(what, count::<_, AxumBody, _>(layer.layer(router()), "GET", "/") - get);
    }
    let adopted = count::<_, AxumBody, _>(deciding().layer(router()), "DELETE", "/");
    print("router_405", adopted - delete);

    type Future<F> = ResponseFuture<F, EmptyBody, Buffer, Buffer>;
    let service = size_of::<MethodPolicy<Inner>>() - size_of::<Inner>();
    println!("size_of_service {service}");
    println!("size_of_future {}", size_of::<Future<InnerFuture<Buffer>>>());
    println!("size_of_large_future {}", size_of::<Future<[u8; 4096]>>());
}
