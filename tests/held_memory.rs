//! The memory that a rejected request holds while the layer waits for its body. Clients choose how much
//! they send, so the memory must not grow with the request.

#![expect(
    unsafe_code,
    reason = "a global allocator, here one that counts, is unsafe to implement"
)]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body::{Body, Frame};
use tower::{Layer, Service, service_fn};
use tower_method_policy::{MethodPolicyLayer, Policy, ProblemDetails, Respond};

/// The system's allocator, which counts the bytes that each thread holds.
struct Counting;

thread_local! {
    /// A type without a destructor, so that a thread that ends can still count.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn count(old: usize, new: usize) {
    HELD.set(HELD.get() + new as isize - old as isize);
}

// SAFETY: the system's allocator does everything; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), size);
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A body of which nothing ever arrives.
struct Silent;

impl Body for Silent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

fn layer() -> MethodPolicyLayer {
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::PUT]));
    #[cfg(feature = "rfc2774")]
    {
        let extensions = tower_method_policy::rfc2774::MandatoryExtensions::at_origin();
        layer.mandatory_extensions(extensions.support("urn:x:known").unwrap())
    }
    #[cfg(not(feature = "rfc2774"))]
    layer
}

/// The most bytes that a request holds after a layer rejected it, while its body is waited for.
fn held(method: &str, fields: &[(&str, &str)]) -> isize {
    // A response without fields gets the map of the request's fields.
    let empty = held_with(&layer(), method, fields);
    let details = held_with(&layer().respond_with(ProblemDetails), method, fields);
    empty.max(details)
}

fn held_with<R>(layer: &MethodPolicyLayer<R>, method: &str, fields: &[(&str, &str)]) -> isize
where
    R: Respond<axum::body::Body> + Clone,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    let _context = runtime.enter();
    let mut service = layer.layer(service_fn(async |_: Request<Silent>| {
        Ok::<_, Infallible>(Response::new(axum::body::Body::empty()))
    }));
    let mut held = |method, fields| {
        let before = HELD.get();
        let mut future = pin!(service.call(request(method, fields)));
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        HELD.get() - before
    };
    // The first request also allocates what all requests share.
    held("DELETE", &[]);
    held(method, fields)
}

/// More than any ordinary rejection holds: the response, the timer, and the map of up to 96 header fields.
const BOUND: isize = 16 * 1024;

/// As in hyper, all values are parts of one buffer. A value that is held holds the whole buffer.
fn request(method: &str, fields: &[(&str, &str)]) -> Request<Silent> {
    let mut buffer = vec![b' '; 100_000];
    let mut places = Vec::new();
    for (_, value) in fields {
        places.push(buffer.len()..buffer.len() + value.len());
        buffer.extend(value.bytes());
    }
    let buffer = Bytes::from(buffer);
    let mut request = Request::new(Silent);
    *request.method_mut() = method.parse().unwrap();
    for ((name, _), place) in fields.iter().zip(places) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        let value = HeaderValue::from_maybe_shared(buffer.slice(place)).unwrap();
        request.headers_mut().append(name, value);
    }
    request
}

#[test]
fn a_rejected_request_holds_no_more_than_a_bound() {
    let long = "A".repeat(70_000);
    let names: Vec<_> = (0..5_000).map(|n| format!("x-{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    let few: Vec<_> = many[..90].to_vec();
    for method in ["DELETE", "FOO", &long] {
        for fields in [&[][..], &[("cookie", long.as_str())], &few, &many] {
            let held = held(method, fields);
            assert!(held < BOUND, "{method:.10} {}: {held}", fields.len());
        }
    }
}

/// The response repeats the content type of a gRPC call.
#[test]
fn a_grpc_call_holds_no_more_than_a_bound() {
    let long = format!("application/grpc;{}", "a".repeat(100_000));
    for content_type in ["application/grpc", "application/grpc-web+proto", &long] {
        let held = held("POST", &[("content-type", content_type)]);
        assert!(held < BOUND, "{content_type:.30}: {held}");
    }
}

/// A client may declare as many extensions as fit into its header section.
#[cfg(feature = "rfc2774")]
#[test]
fn a_request_with_many_extensions_holds_no_more_than_a_bound() {
    let repeated = |declaration: &str| vec![declaration; 60_000].join(",");
    let unsupported = repeated("\"a:b\"");
    let prefixes = repeated("\"urn:x:known\";ns=16");
    let parameters = format!("\"a:b\"{}", "; x=y".repeat(60_000));
    let identifier = format!("\"a:{}\"", "b".repeat(360_000));
    let malformed = format!("{unsupported},\"");
    for man in [unsupported, prefixes, parameters, identifier, malformed] {
        for (method, fields) in [
            ("M-PUT", vec![("man", &*man)]),
            ("PUT", vec![("man", &*man)]),
            ("M-PUT", vec![("opt", &*man)]),
            ("M-DELETE", vec![("man", "\"urn:x:known\""), ("opt", &*man)]),
            ("M-FOO", vec![("man", "\"urn:x:known\""), ("opt", &*man)]),
        ] {
            let held = held(method, &fields);
            assert!(held < BOUND, "{method} {man:.30}: {held}");
        }
    }
}
