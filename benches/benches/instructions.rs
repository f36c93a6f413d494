//! Instructions per request, counted by callgrind. `gate.py` compares them with the limits.

use std::fmt::Debug;
use std::hint::black_box;

use axum::body::Body as AxumBody;
use gungraun::{library_benchmark, library_benchmark_group, main};
use http::Request;
use http_body::Body;
use matchit::Router;
use method_policy_benches::{
    Buffer, Inner, PATH, answering, deciding, exchange, layer, layered, method, observed, patterns,
    request, router, with_own_methods, with_routes,
};
use tower::{Layer, Service};

/// How many requests one count covers. `gate.py` divides by it.
const TIMES: usize = 100;

/// The counted work. It is returned, so its drop is not counted.
type Work = Box<dyn FnMut()>;

const BARE: Inner = Inner::NEW;

/// Sends a few requests to `service` to fill the allocator's caches, and prepares the counted requests.
fn ask<S, ReqBody, ResBody>(mut service: S, name: &str, path: &'static str, headers: usize) -> Work
where
    S: Service<Request<ReqBody>, Response = http::Response<ResBody>, Error: Debug> + 'static,
    ReqBody: Default + 'static,
    ResBody: Body,
{
    let method = method(name);
    for _ in 0..10 {
        exchange(&mut service, request(&method, path, headers));
    }
    let requests: Vec<_> = (0..TIMES).map(|_| request(&method, path, headers)).collect();
    let mut requests = requests.into_iter();
    Box::new(move || {
        for request in requests.by_ref() {
            black_box(exchange(&mut service, request));
        }
    })
}

/// A look-up in matchit without the policy.
fn look_up(count: usize) -> Work {
    let mut router = Router::new();
    for pattern in patterns(count) {
        router.insert(pattern, ()).expect("no conflict");
    }
    Box::new(move || {
        for _ in 0..TIMES {
            black_box(router.at(black_box(PATH)).is_ok());
        }
    })
}

#[library_benchmark]
#[bench::bare(ask::<_, Buffer, Buffer>(BARE, "GET", "/", 0))]
#[bench::get(ask::<_, Buffer, Buffer>(layered(), "GET", "/", 0))]
#[bench::head(ask::<_, Buffer, Buffer>(layered(), "HEAD", "/", 0))]
#[bench::post(ask::<_, Buffer, Buffer>(layered(), "POST", "/", 0))]
#[bench::propfind_bare(ask::<_, Buffer, Buffer>(BARE, "PROPFIND", "/", 0))]
#[bench::propfind(ask::<_, Buffer, Buffer>(layered(), "PROPFIND", "/", 0))]
#[bench::own_bare(ask::<_, Buffer, Buffer>(BARE, "OWN-00003", "/", 0))]
#[bench::own_10(ask::<_, Buffer, Buffer>(with_own_methods(10), "OWN-00003", "/", 0))]
#[bench::own_100000(ask::<_, Buffer, Buffer>(with_own_methods(100_000), "OWN-00003", "/", 0))]
#[bench::rejected_bare(ask::<_, Buffer, Buffer>(BARE, "DELETE", "/", 5))]
#[bench::not_allowed(ask::<_, Buffer, Buffer>(layered(), "DELETE", "/", 5))]
#[bench::unknown_bare(ask::<_, Buffer, Buffer>(BARE, "FOO", "/", 5))]
#[bench::not_implemented(ask::<_, Buffer, Buffer>(layered(), "FOO", "/", 5))]
#[bench::get_routed(ask::<_, Buffer, Buffer>(with_routes(1000), "GET", PATH, 0))]
#[bench::routed_bare(ask::<_, Buffer, Buffer>(BARE, "PUT", PATH, 0))]
#[bench::matchit_10(look_up(10))]
#[bench::routed_10(ask::<_, Buffer, Buffer>(with_routes(10), "PUT", PATH, 0))]
#[bench::matchit_100000(look_up(100_000))]
#[bench::routed_100000(ask::<_, Buffer, Buffer>(with_routes(100_000), "PUT", PATH, 0))]
#[bench::router_bare(ask::<_, AxumBody, _>(router(), "GET", "/", 0))]
#[bench::router(ask::<_, AxumBody, _>(layer().layer(router()), "GET", "/", 0))]
#[bench::get_answering(ask::<_, Buffer, Buffer>(answering(), "GET", "/", 0))]
#[bench::router_deciding(ask::<_, AxumBody, _>(deciding().layer(router()), "GET", "/", 0))]
#[bench::router_fields_bare(ask::<_, AxumBody, _>(router(), "GET", "/", 5))]
#[bench::router_observed(ask::<_, AxumBody, _>(observed().layer(router()), "GET", "/", 5))]
#[bench::router_405_bare(ask::<_, AxumBody, _>(router(), "DELETE", "/", 5))]
#[bench::router_405(ask::<_, AxumBody, _>(deciding().layer(router()), "DELETE", "/", 5))]
fn count(mut work: Work) -> Work {
    work();
    work
}

library_benchmark_group!(name = requests; benchmarks = count);
main!(library_benchmark_groups = requests);
