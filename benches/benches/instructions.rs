//! Instructions per request, counted by callgrind. `gate.py` compares them with the limits.

use std::fmt::Debug;
use std::hint::black_box;

use axum::body::Body as AxumBody;
use gungraun::{library_benchmark, library_benchmark_group, main};
use http::Request;
use http_body::Body;
use matchit::Router;
use method_policy_benches::peers::{HandWritten, router, validate};
use method_policy_benches::{
    Buffer, Inner, PATH, exchange, layer, layered, method, patterns, request, with_own_methods,
    with_routes,
};
use tower::{Layer, Service};

/// How many requests one count covers. `gate.py` divides by it.
const TIMES: usize = 100;

/// The counted work. It is returned, so its drop is not counted.
type Work = Box<dyn FnMut()>;

/// A request: method, path, number of header fields.
type Asked = (&'static str, &'static str, usize);

const GET: Asked = ("GET", "/", 0);
const HEAD: Asked = ("HEAD", "/", 0);
const POST: Asked = ("POST", "/", 0);
const PROPFIND: Asked = ("PROPFIND", "/", 0);
const OWN: Asked = ("OWN-00003", "/", 0);
const GET_ROUTED: Asked = ("GET", PATH, 0);
const HEAD_ROUTED: Asked = ("HEAD", PATH, 0);
const PUT_ROUTED: Asked = ("PUT", PATH, 0);
/// Rejected with 405.
const DELETE: Asked = ("DELETE", "/", 5);
/// Rejected with 501.
const FOO: Asked = ("FOO", "/", 5);

const BARE: Inner = Inner::NEW;
const FIXED: HandWritten = HandWritten(Inner::NEW);

/// Sends a few requests to `service` to fill the allocator's caches, and prepares the counted requests.
fn ask<S, ReqBody, ResBody>(mut service: S, (name, path, headers): Asked) -> Work
where
    S: Service<Request<ReqBody>, Response = http::Response<ResBody>, Error: Debug> + 'static,
    ReqBody: Default + 'static,
    ResBody: Body,
{
    let method = method(name);
    let request = move || request(&method, path, headers);
    for _ in 0..10 {
        exchange(&mut service, request());
    }
    let requests: Vec<_> = (0..TIMES).map(|_| request()).collect();
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
#[bench::get_bare(ask::<_, Buffer, Buffer>(BARE, GET))]
#[bench::get_hand_written(ask::<_, Buffer, Buffer>(FIXED, GET))]
#[bench::get_policy(ask::<_, Buffer, Buffer>(layered(), GET))]
#[bench::get_validate(ask::<_, Buffer, Buffer>(validate(), GET))]
#[bench::head_bare(ask::<_, Buffer, Buffer>(BARE, HEAD))]
#[bench::head_hand_written(ask::<_, Buffer, Buffer>(FIXED, HEAD))]
#[bench::head_policy(ask::<_, Buffer, Buffer>(layered(), HEAD))]
#[bench::post_bare(ask::<_, Buffer, Buffer>(BARE, POST))]
#[bench::post_hand_written(ask::<_, Buffer, Buffer>(FIXED, POST))]
#[bench::post_policy(ask::<_, Buffer, Buffer>(layered(), POST))]
#[bench::propfind_bare(ask::<_, Buffer, Buffer>(BARE, PROPFIND))]
#[bench::propfind_hand_written(ask::<_, Buffer, Buffer>(FIXED, PROPFIND))]
#[bench::propfind_policy(ask::<_, Buffer, Buffer>(layered(), PROPFIND))]
#[bench::propfind_validate(ask::<_, Buffer, Buffer>(validate(), PROPFIND))]
#[bench::own_bare(ask::<_, Buffer, Buffer>(BARE, OWN))]
#[bench::own_policy_10(ask::<_, Buffer, Buffer>(with_own_methods(10), OWN))]
#[bench::own_policy_1000(ask::<_, Buffer, Buffer>(with_own_methods(1000), OWN))]
#[bench::own_policy_100000(ask::<_, Buffer, Buffer>(with_own_methods(100_000), OWN))]
fn forwarded(mut work: Work) -> Work {
    work();
    work
}

#[library_benchmark]
#[bench::not_allowed_bare(ask::<_, Buffer, Buffer>(BARE, DELETE))]
#[bench::not_allowed_hand_written(ask::<_, Buffer, Buffer>(FIXED, DELETE))]
#[bench::not_allowed_policy(ask::<_, Buffer, Buffer>(layered(), DELETE))]
#[bench::not_allowed_validate(ask::<_, Buffer, Buffer>(validate(), DELETE))]
#[bench::not_implemented_bare(ask::<_, Buffer, Buffer>(BARE, FOO))]
#[bench::not_implemented_hand_written(ask::<_, Buffer, Buffer>(FIXED, FOO))]
#[bench::not_implemented_policy(ask::<_, Buffer, Buffer>(layered(), FOO))]
#[bench::not_implemented_validate(ask::<_, Buffer, Buffer>(validate(), FOO))]
fn rejected(mut work: Work) -> Work {
    work();
    work
}

#[library_benchmark]
#[bench::get_routed_bare(ask::<_, Buffer, Buffer>(BARE, GET_ROUTED))]
#[bench::get_routed_policy_1000(ask::<_, Buffer, Buffer>(with_routes(1000), GET_ROUTED))]
#[bench::head_routed_bare(ask::<_, Buffer, Buffer>(BARE, HEAD_ROUTED))]
#[bench::head_routed_policy_1000(ask::<_, Buffer, Buffer>(with_routes(1000), HEAD_ROUTED))]
#[bench::routed_bare(ask::<_, Buffer, Buffer>(BARE, PUT_ROUTED))]
#[bench::routed_matchit_10(look_up(10))]
#[bench::routed_policy_10(ask::<_, Buffer, Buffer>(with_routes(10), PUT_ROUTED))]
#[bench::routed_matchit_1000(look_up(1000))]
#[bench::routed_policy_1000(ask::<_, Buffer, Buffer>(with_routes(1000), PUT_ROUTED))]
#[bench::routed_matchit_100000(look_up(100_000))]
#[bench::routed_policy_100000(ask::<_, Buffer, Buffer>(with_routes(100_000), PUT_ROUTED))]
fn by_path(mut work: Work) -> Work {
    work();
    work
}

#[library_benchmark]
#[bench::router_bare(ask::<_, AxumBody, _>(router(), GET))]
#[bench::router_policy_around(ask::<_, AxumBody, _>(layer().layer(router()), GET))]
fn with_axum(mut work: Work) -> Work {
    work();
    work
}

library_benchmark_group!(name = forwarding; benchmarks = forwarded);
library_benchmark_group!(name = rejecting; benchmarks = rejected);
library_benchmark_group!(name = routing; benchmarks = by_path);
library_benchmark_group!(name = axum_router; benchmarks = with_axum);
main!(
    library_benchmark_groups = forwarding,
    rejecting,
    routing,
    axum_router
);
