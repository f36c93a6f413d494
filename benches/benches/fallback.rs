//! Instructions for a request to a covered axum `Router` that is the fallback of an empty one,
//! counted by callgrind.
//!
//! A binary of its own: one more service over axum's in `instructions.rs` would change what the
//! compiler inlines there, and with it what the others count.

use std::convert::Infallible;
use std::hint::black_box;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use gungraun::{library_benchmark, library_benchmark_group, main};
use http::{Method, Request};
use method_policy_benches::peers::router;
use method_policy_benches::{exchange, layer, request};
use tower::{Layer, Service};

/// How often each is done while it is counted; `gate.py` divides by it.
const TIMES: usize = 100;

/// Asks `service` a few times, so that the allocator's caches are filled, and prepares the rest.
fn ask<S>(mut service: S) -> Box<dyn FnMut()>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + 'static,
{
    for _ in 0..10 {
        exchange(&mut service, request::<Body>(&Method::GET, "/", 0));
    }
    let requests: Vec<_> = (0..TIMES)
        .map(|_| request::<Body>(&Method::GET, "/", 0))
        .collect();
    let mut requests = requests.into_iter();
    Box::new(move || {
        for request in requests.by_ref() {
            black_box(exchange(&mut service, request));
        }
    })
}

#[library_benchmark]
#[bench::fallback_bare(ask(router()))]
#[bench::fallback_policy_around(ask(layer().layer(router())))]
#[bench::fallback_policy(ask(Router::new().fallback_service(layer().layer(router()))))]
#[bench::fallback_router(ask(Router::new().fallback_service(router())))]
fn as_fallback(mut work: Box<dyn FnMut()>) -> Box<dyn FnMut()> {
    work();
    work
}

library_benchmark_group!(name = fallback; benchmarks = as_fallback);
main!(library_benchmark_groups = fallback);
