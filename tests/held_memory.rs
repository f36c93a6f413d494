//! Tests how much memory a rejected request holds while the layer waits for its body. Clients choose the size of
//! a request, so the memory must not grow with the request.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "support/allocations.rs"]
mod allocations;

use std::pin::pin;
use std::task::{Context, Waker};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, Version};
use http_body_util::StreamBody;
use tower::{Layer, Service, service_fn};
use tower_method_policy::{MethodPolicyLayer, Policy, ProblemDetails, Respond};

use crate::allocations::held_bytes;

/// Returns the bytes that a request itself needs, and those that it holds while the layer waits for its body or while
/// the inner service, which has dropped the request, works.
///
/// As in hyper, all values are parts of one buffer. One value keeps the whole buffer in memory.
fn request_and_held_bytes<R>(
    layer: &MethodPolicyLayer<R>,
    method: &str,
    fields: &[(&str, &str)],
) -> (isize, isize)
where
    R: Respond<Body>,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().unwrap();
    let _context = runtime.enter();
    let silent = || Body::new(StreamBody::new(futures_util::stream::pending::<Frame>()));
    let mut service = layer.layer(service_fn(|request: Request<Body>| {
        drop(request);
        std::future::pending::<Result<Response<Body>, std::convert::Infallible>>()
    }));
    let mut send = |method: &str, fields: &[(&str, &str)]| {
        let before = held_bytes();
        // A gRPC call of unknown length is waited for only over HTTP/1.1.
        let version = if method == "POST" { Version::HTTP_11 } else { Version::HTTP_2 };
        let request = Request::builder().method(method).version(version);
        let mut request = request.body(silent()).unwrap();
        let mut buffer = vec![b' '; 100_000];
        buffer.extend(fields.iter().flat_map(|(_, value)| value.bytes()));
        let mut rest = Bytes::from(buffer).split_off(100_000);
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            let value = HeaderValue::from_maybe_shared(rest.split_to(value.len())).unwrap();
            request.headers_mut().append(name, value);
        }
        drop(rest);
        let request_bytes = held_bytes() - before;
        let mut future = pin!(service.call(request));
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        (request_bytes, held_bytes() - before)
    };
    // The first request also allocates memory that all requests share.
    send("DELETE", &[]);
    send(method, fields)
}

fn bytes_held_by<R>(layer: &MethodPolicyLayer<R>, method: &str, fields: &[(&str, &str)]) -> isize
where
    R: Respond<Body>,
{
    request_and_held_bytes(layer, method, fields).1
}

type Frame = Result<http_body::Frame<Bytes>, std::convert::Infallible>;

/// An ordinary rejection needs less for its response and its timer.
const MAX_HELD_BYTES: isize = 4 * 1024;

#[track_caller]
fn check(method: &str, fields: &[(&str, &str)]) {
    let layer = MethodPolicyLayer::new(Policy::new().fallback([Method::PUT]));
    #[cfg(feature = "rfc2774")]
    let layer = {
        let extensions = tower_method_policy::rfc2774::MandatoryExtensions::at_origin();
        layer.mandatory_extensions(extensions.support("urn:x:known").unwrap())
    };
    let empty_body = bytes_held_by(&layer, method, fields);
    let problem_details = bytes_held_by(&layer.respond_with(ProblemDetails), method, fields);
    assert!(
        empty_body.max(problem_details) < MAX_HELD_BYTES,
        "{method:.10}: {empty_body} {problem_details}"
    );
}

#[test]
fn the_memory_of_a_rejected_request_is_bounded() {
    let long = "A".repeat(70_000);
    let names: Vec<_> = (0..5_000).map(|n| format!("x-{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    for method in ["DELETE", "FOO", &long] {
        for fields in
            [&[][..], &[("cookie", long.as_str())], &many[..90], &many, &[("x", ""); 20_000]]
        {
            check(method, fields);
        }
    }
    // The response repeats the content type of a gRPC call.
    for content_type in ["application/grpc+proto", &format!("application/grpc;{long}")] {
        check("POST", &[("content-type", content_type)]);
    }
}

/// If an observer or a responder needs the head, the layer copies it until the inner service answers. The copy is not
/// larger than the request.
#[test]
fn the_memory_of_a_forwarded_request_is_bounded_by_the_request() {
    let layer = MethodPolicyLayer::default().inner_decides(true).answer_options(true);
    let long = "A".repeat(70_000);
    let names: Vec<_> = (0..5_000).map(|n| format!("x-{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    for method in ["GET", "DELETE", "FOO"] {
        for fields in [&[][..], &[("cookie", &*long)], &many, &[("x", ""); 20_000]] {
            for held in [
                bytes_held_by(&layer, method, fields),
                bytes_held_by(&layer.clone().respond_with(ProblemDetails), method, fields),
            ] {
                assert!(held < MAX_HELD_BYTES, "{method}: {held}");
            }
            let observed = layer.clone().on_rejection(|_, _| {});
            let (request, held) = request_and_held_bytes(&observed, method, fields);
            assert!(held < request + MAX_HELD_BYTES, "{method}: {held} of {request}");
        }
    }
}

/// A client may declare as many extensions as fit into its header section.
#[cfg(feature = "rfc2774")]
#[test]
fn the_memory_of_a_request_with_many_extensions_is_bounded() {
    let repeated = |declaration: &str| vec![declaration; 60_000].join(",");
    let unsupported = repeated("\"a:b\"");
    let prefixes = repeated("\"urn:x:known\";ns=16");
    let parameters = format!("\"a:b\"{}", "; x=y".repeat(60_000));
    let identifier = format!("\"a:{}\"", "b".repeat(360_000));
    let malformed = format!("{unsupported},\"");
    let known = ("man", "\"urn:x:known\"");
    for long in [&*unsupported, &prefixes, &parameters, &identifier, &malformed] {
        check("M-PUT", &[("man", long)]);
        check("PUT", &[("man", long)]);
        check("M-PUT", &[("opt", long)]);
        check("M-DELETE", &[known, ("opt", long)]);
        check("M-FOO", &[known, ("opt", long)]);
    }
}
