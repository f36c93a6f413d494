//! Allocations and bytes: for each request, for each connection, and for what is configured.
//!
//! Prints tables as benches/README.md shows them; fails when a goal is not met.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Body as AxumBody;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use method_policy_benches::peers::{HandWritten, router, validate};
use method_policy_benches::{
    Buffer, Inner, InnerFuture, exchange, layer, layered, method, request, with_own_methods,
    with_routes,
};
use tower::{Layer, Service};
use tower_method_policy::{MethodPolicy, MethodPolicyLayer, MethodSet, ResponseFuture, RetryAfter};

/// The system's allocator, which counts.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + usize::from(bytes > 0));
    BYTES.set(BYTES.get() + bytes);
}

// SAFETY: everything is left to the system's allocator; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many allocations `service` takes for a request, when it has been asked before.
fn allocations<S, ReqBody, ResBody>(mut service: S, name: &str, headers: usize) -> usize
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: std::fmt::Debug>,
    ReqBody: Default,
    ResBody: Body,
{
    let method = method(name);
    exchange(&mut service, request(&method, "/", headers));
    let request = request(&method, "/", headers);
    let before = ALLOCATIONS.get();
    exchange(&mut service, request);
    ALLOCATIONS.get() - before
}

/// The heap memory that what `make` makes holds, in bytes.
fn heap<T>(make: impl FnOnce() -> T) -> isize {
    let before = BYTES.get();
    let made = black_box(make());
    let bytes = BYTES.get() - before;
    drop(made);
    bytes
}

/// Goals that are not met.
#[derive(Default)]
struct Missed(Vec<String>);

impl Missed {
    fn hold(&mut self, what: &str, value: usize, goal: usize) {
        if value > goal {
            self.0.push(format!("{what}: {value}, the goal is {goal}"));
        }
    }
}

fn requests(missed: &mut Missed) {
    println!("Allocations for each request.\n");
    println!(
        "| request | bare | hand-written | policy | goal | tower-http `ValidateRequestHeaderLayer` |"
    );
    println!("|---|---|---|---|---|---|");
    let bare: Inner = Inner::NEW;
    for (name, headers, goal) in [
        ("GET", 0, 0),
        ("HEAD", 0, 0),
        ("POST", 0, 0),
        ("PROPFIND", 0, 0),
        // A value in the extensions of the response takes three.
        ("DELETE", 5, 5),
        ("FOO", 5, 3),
    ] {
        let of_bare = allocations::<_, Buffer, _>(bare.clone(), name, headers);
        let hand_written = HandWritten(Inner::NEW);
        let hand_written = allocations::<_, Buffer, _>(hand_written, name, headers);
        let policy = allocations::<_, Buffer, _>(layered(), name, headers);
        missed.hold(&format!("allocations for {name}"), policy, of_bare + goal);
        println!(
            "| `{name}` | {of_bare} | {hand_written} | **{policy}** | ≤ {goal} | {} |",
            allocations(validate(), name, headers),
        );
    }
}

/// `Cache-Control` and `Retry-After` take at most two more.
fn configured_fields(missed: &mut Missed) {
    println!("\nAllocations for a rejection with configured fields.\n");
    println!("| request | policy | goal |");
    println!("|---|---|---|");
    for (name, goal) in [("DELETE", 5 + 2), ("FOO", 3 + 2)] {
        let layer = layer()
            .cache_control(HeaderValue::from_static("no-store"))
            .retry_after(RetryAfter::after(Duration::from_secs(60)));
        let policy = allocations::<_, Buffer, _>(layer.layer(Inner::<Buffer>::NEW), name, 5);
        missed.hold(&format!("allocations for {name}, fields"), policy, goal);
        println!("| `{name}` | **{policy}** | ≤ {goal} |");
    }
}

fn routers(missed: &mut Missed) {
    let bare = allocations::<_, AxumBody, _>(router(), "GET", 0);
    let around = allocations::<_, AxumBody, _>(layer().layer(router()), "GET", 0);
    missed.hold("allocations around an axum `Router`", around, bare);
    println!("\nAllocations for a `GET` to an axum `Router` with one route.\n");
    println!("| bare router | policy around it |");
    println!("|---|---|");
    println!("| {bare} | **{around}** |");
}

fn sizes(missed: &mut Missed) {
    type Small = std::future::Ready<Result<Response<()>, Infallible>>;
    type Future<F> = ResponseFuture<F, Buffer, Buffer>;
    // A rejection: the response, and the body with how much of it is read and how it is waited for.
    let rejection =
        size_of::<Option<Response<Buffer>>>() + size_of::<Buffer>() + 3 * size_of::<u64>();
    let growth = size_of::<MethodPolicy<Inner>>() - size_of::<Inner>();
    println!("\nSizes in bytes.\n");
    println!("| | | goal |");
    println!("|---|---|---|");
    println!("| service, over the inner one | **{growth}** | ≤ 8 |");
    missed.hold("size of the service", growth, 8);
    for (name, inner, size) in [
        ("small", size_of::<Small>(), size_of::<Future<Small>>()),
        (
            "of the inner service",
            size_of::<InnerFuture<Buffer>>(),
            size_of::<Future<InnerFuture<Buffer>>>(),
        ),
        ("large", 4096, size_of::<Future<[u8; 4096]>>()),
    ] {
        // A forwarded response may get a mark of three words. A response of the layer has a body to wait for.
        let word = size_of::<usize>();
        let goal = (inner + 3 * word).max(rejection + 2 * word);
        println!("| future, around one of {inner} ({name}) | **{size}** | ≤ {goal} |");
        missed.hold("size of the future", size, goal);
    }
}

fn configuration() {
    let base = heap(layered);
    println!("\nHeap memory of a configuration, in bytes.\n");
    println!("| | |");
    println!("|---|---|");
    println!("| a layer for one rule | {base} |");
    println!(
        "| each clone of the layer, each service | {} |",
        heap(|| {
            let layer = MethodPolicyLayer::default();
            let before = BYTES.get();
            let clone = layer.clone();
            assert_eq!(BYTES.get(), before, "a clone shares everything");
            drop((layer, clone));
        })
    );
    println!(
        "| each registered method | {} |",
        heap(|| MethodSet::REGISTERED)
    );
    for count in [10, 1_000, 100_000] {
        let methods = (heap(|| with_own_methods(count)) - base) / count as isize;
        println!("| each method of one's own, {count} of them | {methods} |");
    }
    for count in [10, 1_000, 100_000] {
        let routes = (heap(|| with_routes(count)) - base) / count as isize;
        println!("| each path rule, {count} of them | {routes} |");
    }
}

fn main() -> ExitCode {
    let mut missed = Missed::default();
    requests(&mut missed);
    configured_fields(&mut missed);
    routers(&mut missed);
    sizes(&mut missed);
    configuration();
    for goal in &missed.0 {
        eprintln!("memory: {goal}");
    }
    if missed.0.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
