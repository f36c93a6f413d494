//! Instructions for a request to the service of `examples/operations`, whose policy can be replaced
//! while it serves, and to others that can be replaced by other means, counted by callgrind.
//!
//! A binary of its own, as `fallback.rs` is. All have been replaced once: a `Cache` that is never
//! asked itself but only cloned, as axum clones what it serves for each request, stays behind.

#[path = "../../examples/operations/src/reloading.rs"]
mod reloading;

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::{ArcSwap, Cache};
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use gungraun::{library_benchmark, library_benchmark_group, main};
use http::{Method, Request};
use method_policy_benches::peers::router;
use method_policy_benches::{exchange, layer, request};
use reloading::Reloading;
use tokio::sync::watch;
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt};
use tower_method_policy::MethodPolicy;

/// How often each is done while it is counted.
const TIMES: usize = 100;

type Covered = MethodPolicy<Router>;

fn covered() -> Covered {
    layer().layer(router())
}

/// Asks `service` as the fallback of an empty router a few times, so that the allocator's caches are
/// filled, and prepares the rest.
fn ask<S>(service: S) -> Box<dyn FnMut()>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
{
    let mut service = Router::new().fallback_service(service);
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

/// Asks what a closure gives for each request.
#[derive(Clone)]
struct Current<F>(F);

impl<F> Service<Request<Body>> for Current<F>
where
    F: FnMut() -> Covered,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Oneshot<Covered, Request<Body>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        (self.0)().oneshot(request)
    }
}

fn example() -> Reloading<Covered> {
    let service = Reloading::new(covered());
    service.replace(covered());
    service
}

/// What it takes to clone a service and to ask the clone, as all of the following do.
fn oneshot() -> Current<impl FnMut() -> Covered + Clone + Send + Sync> {
    let service = covered();
    Current(move || service.clone())
}

fn arc_swap() -> Current<impl FnMut() -> Covered + Clone + Send + Sync> {
    let current = Arc::new(ArcSwap::from_pointee(covered()));
    current.store(Arc::new(covered()));
    Current(move || Covered::clone(&current.load()))
}

fn watched() -> Current<impl FnMut() -> Covered + Clone + Send + Sync> {
    let (sender, receiver) = watch::channel(covered());
    sender.send_replace(covered());
    Current(move || receiver.borrow().clone())
}

/// What is served is a clone of this cache, and each request clones it again.
fn cache() -> Current<impl FnMut() -> Covered + Clone + Send + Sync> {
    let current = Arc::new(ArcSwap::from_pointee(covered()));
    let mut cache = Cache::new(current.clone());
    current.store(Arc::new(covered()));
    Current(move || Covered::clone(cache.load()))
}

#[library_benchmark]
#[bench::reloading_fixed(ask(covered()))]
#[bench::reloading_oneshot(ask(oneshot()))]
#[bench::reloading_example(ask(example()))]
#[bench::reloading_arc_swap(ask(arc_swap()))]
#[bench::reloading_watch(ask(watched()))]
#[bench::reloading_cache(ask(cache()))]
fn reloading_by(mut work: Box<dyn FnMut()>) -> Box<dyn FnMut()> {
    work();
    work
}

library_benchmark_group!(name = replaced; benchmarks = reloading_by);
main!(library_benchmark_groups = replaced);
