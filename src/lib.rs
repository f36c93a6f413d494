//! Tower middleware that answers request *methods* correctly.
//!
//! [`MethodPolicyLayer`] stands in front of a whole server, checks each request's method against a
//! [`Policy`], and forwards the request or answers it:
//!
//! | the method is | answer | source |
//! |---|---|---|
//! | allowed at the target | the inner service's, untouched | |
//! | recognised by the server, not allowed at the target | `405` and a true `Allow` | RFC 9110 §15.5.6 |
//! | not recognised: no resource of the server implements it | `501` | RFC 9110 §15.6.2 |
//!
//! `GET` and `HEAD` are allowed everywhere, whatever is configured (RFC 9110 §9.1).
//!
//! # Why a layer
//!
//! Only what stands in front of every resource can say `501` truthfully: a router knows one
//! resource at a time, so routers answer `405` to `FOO`, `get` and `PROPFIND` alike, often without
//! an `Allow`, and clients, caches and crawlers are told that the server implements what it does
//! not.
//!
//! # Example
//!
//! ```
//! use bytes::Bytes;
//! use http::{Method, Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_method_policy::{MethodPolicyLayer, Policy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // GET, HEAD and POST are allowed; the other standard methods get 405; all others get 501.
//! let layer = MethodPolicyLayer::new(Policy::new().allow([Method::POST]));
//! let service = layer.layer(service_fn(async |_: Request<Full<Bytes>>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from("hello")))
//! }));
//! let ask = async |method: &'static str| {
//!     let request = Request::builder().method(method).body(Full::default()).unwrap();
//!     service.clone().oneshot(request).await.unwrap()
//! };
//!
//! assert_eq!(ask("GET").await.status(), StatusCode::OK);
//! assert_eq!(ask("POST").await.status(), StatusCode::OK);
//!
//! let refused = ask("DELETE").await;
//! assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED);
//! assert_eq!(refused.headers()["allow"], "GET, HEAD, POST");
//!
//! let refused = ask("PROPFIND").await;
//! assert_eq!(refused.status(), StatusCode::NOT_IMPLEMENTED);
//! assert!(!refused.headers().contains_key("allow"));
//! # Ok(())
//! # }
//! ```
//!
//! # Decision table
//!
//! The first row that matches wins.
//!
//! | # | condition | answer | required on it | source |
//! |---|---|---|---|---|
//! | 1 | the method is exactly `GET` or `HEAD` | forward | | RFC 9110 §9.1 |
//! | 2 | `OPTIONS`, [answering](MethodPolicyLayer::answer_options) enabled, not a CORS preflight, and a rule allows it at the target (or target `*`, and there is any rule) | `200`, `Content-Length: 0` | `Allow` (for `*`: all that rules allow anywhere) | RFC 9110 §9.3.7, §10.2.1 |
//! | 3 | allowed at the target by a rule, or recognised where no rule speaks | forward | | |
//! | 4 | recognised | `405` | `Allow` | RFC 9110 §15.5.6 |
//! | 5 | anything else: `FOO`, `get`, `Get`, `M-GET`, `TRACK`, over-long | `501` | | RFC 9110 §15.6.2, RFC 9112 §3 |
//!
//! - Methods are case-sensitive and never normalised; `X-HTTP-Method-Override` is never read.
//! - What is recognised is up to the server, not to IANA: by default it is [`MethodSet::STANDARD`],
//!   and a server without a handler for `PROPFIND` answers `501` to it although it is registered.
//! - `Allow` lists `GET` and `HEAD`, every name once, in one order, whichever method was refused.
//! - What the inner service answers is passed on unchanged: status, header fields (its `Allow`
//!   least of all), body, trailers and errors.
//!
//! With [mandatory extensions](extension) (RFC 2774, off by default) switched on, their rules come
//! between rows 1 and 2 for methods that begin with `M-`.
//!
//! # What a refusal carries
//!
//! | | `405` | `501` |
//! |---|---|---|
//! | `Allow` | always | never: it speaks of a resource, `501` of the server |
//! | `Retry-After` | | if [configured](MethodPolicyLayer::retry_after) |
//! | `Cache-Control` | if [configured](MethodPolicyLayer::cache_control) | likewise |
//! | `Connection: close` | HTTP/1.x, where the request's body [is not read](Drain) | likewise |
//! | body | the [responder's](Respond), by default empty | likewise |
//! | extensions | [`Rejected`] | likewise |
//!
//! # Where to put it
//!
//! Outside of everything that depends on the method, and inside of what shall see refusals, too:
//!
//! - **Around a router, not in it.** In axum wrap the whole `Router` (`layer.layer(router)`, served
//!   with `axum::ServiceExt::into_make_service`). `Router::layer` applies it to each route: then
//!   axum adds its own per-route `Allow` to a `501`, for it adds one to any response of a
//!   `MethodRouter` without one, and every request pays for axum's type erasure: 4 allocations and
//!   about 1,450 instructions, where the layer around the router takes none and about 15.
//!   `Router::route_layer` leaves unmatched paths uncovered, so that the router's fallback answers
//!   `404` to `FOO`. Inside `Router::nest` a layer sees paths without the prefix, and path rules
//!   must be written so.
//! - **CORS outside.** A script of another origin can read a `405` or a `501` only if the CORS
//!   layer adds its fields to them. Preflights are then answered by the CORS layer and do not reach
//!   the policy.
//! - **Tracing, metrics and request ids outside**, so that refusals are seen and counted; see
//!   [below](#telling-rejections-from-failures).
//! - **Authentication** on either side: outside, nobody unauthenticated learns what is allowed;
//!   inside, refusals cost no look-up of credentials.
//! - **Concurrency limits, load shedding, timeouts** outside: see
//!   [readiness](MethodPolicy#readiness).
//! - **WebSockets over HTTP/2** arrive as an extended `CONNECT` (RFC 8441): allow `CONNECT` at
//!   their paths.
//!
//! # Telling rejections from failures
//!
//! A `501` speaks of the request, but monitoring that counts every 5xx pages an operator for each
//! scanner that tries `FOO`. Each refusal is marked: its response's extensions hold [`Rejected`].
//! With tower-http's `TraceLayer`:
//!
//! ```
//! use http::Response;
//! use tower_http::classify::{
//!     ClassifiedResponse, ClassifyResponse, NeverClassifyEos, ServerErrorsAsFailures,
//!     ServerErrorsFailureClass, SharedClassifier,
//! };
//! use tower_http::trace::TraceLayer;
//! use tower_method_policy::Rejected;
//!
//! /// Server errors are failures, refused methods are not.
//! #[derive(Clone, Debug)]
//! struct Failures;
//!
//! impl ClassifyResponse for Failures {
//!     type FailureClass = ServerErrorsFailureClass;
//!     type ClassifyEos = NeverClassifyEos<ServerErrorsFailureClass>;
//!
//!     fn classify_response<B>(
//!         self,
//!         response: &Response<B>,
//!     ) -> ClassifiedResponse<Self::FailureClass, Self::ClassifyEos> {
//!         match response.extensions().get::<Rejected>() {
//!             Some(_) => ClassifiedResponse::Ready(Ok(())),
//!             None => ServerErrorsAsFailures::new().classify_response(response),
//!         }
//!     }
//!
//!     fn classify_error<E: std::fmt::Display + 'static>(self, error: &E) -> Self::FailureClass {
//!         ServerErrorsAsFailures::new().classify_error(error)
//!     }
//! }
//!
//! let trace = TraceLayer::new(SharedClassifier::new(Failures));
//! ```
//!
//! # Cost
//!
//! What the layer adds to a request, counted with callgrind over a service that itself takes some 400
//! instructions:
//!
//! | request | instructions | allocations |
//! |---|---|---|
//! | a method of RFC 9110 or `PATCH`, forwarded | 13 | 0 |
//! | any other method, forwarded, however many are allowed | 59 | 0 |
//! | forwarded by a [path rule](Policy::route) | `matchit`'s look-up and 30 | 0 or 1 |
//! | refused with an empty body | 1,300 | 3 |
//!
//! More than half of a refusal, and its allocations, are for its mark, [`Rejected`]. A service is 8
//! bytes larger than the inner one, and all of them share one configuration.
//!
//! # Features
//!
//! - `tokio` (default): the clock that bounds how long a rejected request's body is waited for, see
//!   [`Drain`].

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod decide;
mod drain;
mod forwarded;
mod future;
mod layer;
mod methods;
mod policy;
mod rejection;
#[cfg(feature = "rfc2774")]
#[cfg_attr(docsrs, doc(cfg(feature = "rfc2774")))]
pub mod rfc2774;
mod service;

pub use drain::Drain;
pub use future::ResponseFuture;
pub use layer::MethodPolicyLayer;
pub use methods::{Cacheable, MethodSet, ParseMethodSetError, RegisteredMethod, method_excerpt};
pub use policy::{Allow, Decision, Policy, PolicyError};
pub use rejection::{
    EmptyBody, GrpcStatus, PlainText, ProblemDetails, Reason, Rejection, Respond, RetryAfter,
};
pub use service::{AnswerOptions, ForwardOptions, HandleOptions, MethodPolicy};

/// The examples of the README are tested with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
