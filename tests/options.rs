//! The layer's own answer to `OPTIONS` (RFC 9110 §9.3.7). `decision_table.rs` tests which requests get it, and
//! `inner_405.rs` tests the inner service's `405` that becomes `200`.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

mod support;

use std::convert::Infallible;

use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, service_fn};
use tower_method_policy::{MethodPolicyLayer, PlainText, ProblemDetails, Respond};

use crate::support::answer::{fields, send};
use crate::support::strategies::policy;

type Body = Full<bytes::Bytes>;

/// Asserts that `layer` answers `request` with a `200` that has `allow`, `Content-Length: 0`, and nothing else.
async fn check<R: Respond<Body>>(
    layer: MethodPolicyLayer<R>,
    request: http::request::Builder,
    allow: &str,
) {
    let inner = service_fn(async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
        panic!("the inner service is asked")
    });
    let layer = layer.answer_options(true);
    let response = send(layer.layer(inner), request.body(Body::default()).unwrap()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(fields(response.headers()), format!("{allow}content-length: 0"));
    assert!(response.extensions().is_empty());
    assert_eq!(response.body(), "");
}

/// Only an intermediary handles `Max-Forwards` (RFC 9110 §7.6.2).
#[tokio::test]
async fn the_layer_s_200_has_only_allow_and_content_length_whatever_the_request_has() {
    for (target, allow) in [
        ("/", "allow: GET, HEAD, POST, OPTIONS & "),
        ("http://example.com/closed?query", "allow: OPTIONS & "),
        ("*", ""),
    ] {
        for (name, value) in [
            ("max-forwards", "0"),
            ("access-control-request-headers", "x-a"),
            ("content-type", "application/grpc"),
            ("allow", "PUT"),
        ] {
            let layer = MethodPolicyLayer::new(policy("fallback GET POST; route /closed"));
            let request = Request::options(target).header(name, value).extension("peer");
            check(layer, request, allow).await;
        }
    }
}

/// An answer to `OPTIONS` is not a rejection.
#[tokio::test]
async fn observers_responders_and_rejection_fields_do_not_affect_the_layer_s_200() {
    let layer = MethodPolicyLayer::new(policy("fallback GET"))
        .on_rejection(|rejection, _| panic!("observed {rejection}"))
        .cache_control(HeaderValue::from_static("no-store"));
    for (target, allow) in [("/", "allow: GET, HEAD, OPTIONS & "), ("*", "")] {
        let request = || Request::options(target);
        check(layer.clone(), request(), allow).await;
        check(layer.clone().respond_with(PlainText), request(), allow).await;
        check(layer.clone().respond_with(ProblemDetails), request(), allow).await;
        let closure = layer.clone().respond_with_fn(|_, _| -> Response<Body> { panic!("asked") });
        check(closure, request(), allow).await;
    }
}
