//! Instructions per request, counted by callgrind. `gate.py` holds them against the goals.

use std::fmt::Debug;
use std::hint::black_box;

use axum::body::Body as AxumBody;
use gungraun::{library_benchmark, library_benchmark_group, main};
use http::{Extensions, Request};
use http_body::Body;
use matchit::Router;
use method_policy_benches::hyper::{Connection, serve};
use method_policy_benches::peers::{HandWritten, filter, from_fn, method_router, router, validate};
use method_policy_benches::{
    Buffer, Inner, PATH, exchange, layer, layered, method, patterns, request, with_own_methods,
    with_routes,
};
use tower::{Layer, Service};

/// How often each is done while it is counted; `gate.py` divides by it.
const TIMES: usize = 100;

/// What is counted. It is returned so that its drop is not.
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
const FIXED: HandWritten<false> = HandWritten(Inner::NEW);
const FIXED_MARKED: HandWritten<true> = HandWritten(Inner::NEW);

fn ask<S, ResBody>(service: S, asked: Asked) -> Work
where
    S: Service<Request<Buffer>, Response = http::Response<ResBody>, Error: Debug> + 'static,
    ResBody: Body,
{
    ask_with(service, asked, |_| {})
}

/// The same for services that take axum's body.
fn ask_axum<S, ResBody>(service: S, asked: Asked) -> Work
where
    S: Service<Request<AxumBody>, Response = http::Response<ResBody>, Error: Debug> + 'static,
    ResBody: Body,
{
    ask_with(service, asked, |_| {})
}

/// Asks `service` a few times, so that the allocator's caches are filled, and prepares the rest.
fn ask_with<S, ReqBody, ResBody>(
    mut service: S,
    (name, path, headers): Asked,
    change: fn(&mut Request<ReqBody>),
) -> Work
where
    S: Service<Request<ReqBody>, Response = http::Response<ResBody>, Error: Debug> + 'static,
    ReqBody: Default + 'static,
    ResBody: Body,
{
    let method = method(name);
    let request = move || {
        let mut request = request(&method, path, headers);
        change(&mut request);
        request
    };
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

/// As a server does that tells who the peer is.
fn with_extension(request: &mut Request<Buffer>) {
    request
        .extensions_mut()
        .insert(std::net::Ipv4Addr::LOCALHOST);
}

fn serve_http1<S>(service: S, method: &'static str) -> Work
where
    S: Service<
            Request<hyper::body::Incoming>,
            Response = http::Response<Buffer>,
            Error = std::convert::Infallible,
        > + Clone
        + 'static,
{
    serve(service.clone(), Connection::new(method, 10));
    Box::new(move || serve(service.clone(), Connection::new(method, TIMES)))
}

/// Marks empty extensions, and drops them.
fn mark(mark: impl Fn(&mut Extensions) + 'static) -> Work {
    Box::new(move || {
        for _ in 0..TIMES {
            let mut extensions = Extensions::new();
            mark(black_box(&mut extensions));
            black_box(&extensions);
        }
    })
}

/// The same by a clone of extensions that are marked already.
fn clone_marked(mark: impl Fn(&mut Extensions)) -> Work {
    let mut marked = Extensions::new();
    mark(&mut marked);
    self::mark(move |extensions| extensions.clone_from(&marked))
}

fn insert_data(extensions: &mut Extensions) {
    extensions.insert([0_usize; 2]);
}

fn insert_nothing(extensions: &mut Extensions) {
    extensions.insert(());
}

/// matchit's own look-up.
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
#[bench::get_bare(ask(BARE, GET))]
#[bench::get_hand_written(ask(FIXED, GET))]
#[bench::get_policy(ask(layered(), GET))]
#[bench::get_filter(ask(filter(), GET))]
#[bench::get_validate(ask(validate(), GET))]
#[bench::get_bare_axum(ask_axum(Inner::<AxumBody>::NEW, GET))]
#[bench::get_from_fn(ask_axum(from_fn(), GET))]
#[bench::head_bare(ask(BARE, HEAD))]
#[bench::head_hand_written(ask(FIXED, HEAD))]
#[bench::head_policy(ask(layered(), HEAD))]
#[bench::post_bare(ask(BARE, POST))]
#[bench::post_hand_written(ask(FIXED, POST))]
#[bench::post_policy(ask(layered(), POST))]
#[bench::propfind_bare(ask(BARE, PROPFIND))]
#[bench::propfind_hand_written(ask(FIXED, PROPFIND))]
#[bench::propfind_policy(ask(layered(), PROPFIND))]
#[bench::propfind_filter(ask(filter(), PROPFIND))]
#[bench::propfind_validate(ask(validate(), PROPFIND))]
#[bench::propfind_bare_axum(ask_axum(Inner::<AxumBody>::NEW, PROPFIND))]
#[bench::propfind_from_fn(ask_axum(from_fn(), PROPFIND))]
#[bench::own_bare(ask(BARE, OWN))]
#[bench::own_policy_10(ask(with_own_methods(10), OWN))]
#[bench::own_policy_1000(ask(with_own_methods(1000), OWN))]
#[bench::own_policy_100000(ask(with_own_methods(100_000), OWN))]
fn forwarded(mut work: Work) -> Work {
    work();
    work
}

#[library_benchmark]
#[bench::not_allowed_bare(ask(BARE, DELETE))]
#[bench::not_allowed_hand_written(ask(FIXED, DELETE))]
#[bench::not_allowed_hand_written_marked(ask(FIXED_MARKED, DELETE))]
#[bench::not_allowed_policy(ask(layered(), DELETE))]
#[bench::not_allowed_bare_extended(ask_with(BARE, DELETE, with_extension))]
#[bench::not_allowed_policy_extended(ask_with(layered(), DELETE, with_extension))]
#[bench::not_allowed_filter(ask(filter(), DELETE))]
#[bench::not_allowed_validate(ask(validate(), DELETE))]
#[bench::not_allowed_bare_axum(ask_axum(Inner::<AxumBody>::NEW, DELETE))]
#[bench::not_allowed_from_fn(ask_axum(from_fn(), DELETE))]
#[bench::not_allowed_method_router(ask_axum(method_router(), DELETE))]
#[bench::not_implemented_bare(ask(BARE, FOO))]
#[bench::not_implemented_hand_written(ask(FIXED, FOO))]
#[bench::not_implemented_hand_written_marked(ask(FIXED_MARKED, FOO))]
#[bench::not_implemented_policy(ask(layered(), FOO))]
#[bench::not_implemented_bare_extended(ask_with(BARE, FOO, with_extension))]
#[bench::not_implemented_policy_extended(ask_with(layered(), FOO, with_extension))]
#[bench::not_implemented_filter(ask(filter(), FOO))]
#[bench::not_implemented_validate(ask(validate(), FOO))]
#[bench::not_implemented_bare_axum(ask_axum(Inner::<AxumBody>::NEW, FOO))]
#[bench::not_implemented_from_fn(ask_axum(from_fn(), FOO))]
fn rejected(mut work: Work) -> Work {
    work();
    work
}

#[library_benchmark]
#[bench::mark_none(mark(|_| {}))]
#[bench::mark_data(mark(insert_data))]
#[bench::mark_data_cloned(clone_marked(insert_data))]
#[bench::mark_nothing(mark(insert_nothing))]
#[bench::mark_nothing_cloned(clone_marked(insert_nothing))]
fn marked(mut work: Work) -> Work {
    work();
    work
}

#[library_benchmark]
#[bench::get_routed_bare(ask(BARE, GET_ROUTED))]
#[bench::get_routed_policy_1000(ask(with_routes(1000), GET_ROUTED))]
#[bench::head_routed_bare(ask(BARE, HEAD_ROUTED))]
#[bench::head_routed_policy_1000(ask(with_routes(1000), HEAD_ROUTED))]
#[bench::routed_bare(ask(BARE, PUT_ROUTED))]
#[bench::routed_matchit_10(look_up(10))]
#[bench::routed_policy_10(ask(with_routes(10), PUT_ROUTED))]
#[bench::routed_matchit_1000(look_up(1000))]
#[bench::routed_policy_1000(ask(with_routes(1000), PUT_ROUTED))]
#[bench::routed_matchit_100000(look_up(100_000))]
#[bench::routed_policy_100000(ask(with_routes(100_000), PUT_ROUTED))]
fn by_path(mut work: Work) -> Work {
    work();
    work
}

#[library_benchmark]
#[bench::router_bare(ask_axum(router(), GET))]
#[bench::router_policy_around(ask_axum(layer().layer(router()), GET))]
#[bench::router_policy_within(ask_axum(router().layer(layer()), GET))]
fn with_axum(mut work: Work) -> Work {
    work();
    work
}

#[library_benchmark]
#[bench::http1_get_bare(serve_http1(BARE, "GET"))]
#[bench::http1_get_hand_written(serve_http1(FIXED, "GET"))]
#[bench::http1_get_policy(serve_http1(layered(), "GET"))]
#[bench::http1_not_allowed_bare(serve_http1(BARE, "DELETE"))]
#[bench::http1_not_allowed_hand_written(serve_http1(FIXED, "DELETE"))]
#[bench::http1_not_allowed_hand_written_marked(serve_http1(FIXED_MARKED, "DELETE"))]
#[bench::http1_not_allowed_policy(serve_http1(layered(), "DELETE"))]
#[bench::http1_not_implemented_bare(serve_http1(BARE, "FOO"))]
#[bench::http1_not_implemented_hand_written(serve_http1(FIXED, "FOO"))]
#[bench::http1_not_implemented_hand_written_marked(serve_http1(FIXED_MARKED, "FOO"))]
#[bench::http1_not_implemented_policy(serve_http1(layered(), "FOO"))]
fn through_hyper(mut work: Work) -> Work {
    work();
    work
}

library_benchmark_group!(name = forwarding; benchmarks = forwarded);
library_benchmark_group!(name = rejecting; benchmarks = rejected);
library_benchmark_group!(name = marking; benchmarks = marked);
library_benchmark_group!(name = routing; benchmarks = by_path);
library_benchmark_group!(name = axum_router; benchmarks = with_axum);
library_benchmark_group!(name = hyper_http1; benchmarks = through_hyper);
main!(
    library_benchmark_groups = forwarding,
    rejecting,
    marking,
    routing,
    axum_router,
    hyper_http1
);
