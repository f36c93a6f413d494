//! Tower middleware that answers HTTP request *methods* correctly.
//!
//! You run a server that answers `501`, and did not build it? Here is [what that means](owners).
//!
//! A router knows one resource at a time. Asked for a method that it has no handler for, it can only
//! say `405 Method Not Allowed`, so it says that to `DELETE`, `FOO` and `get` alike, often without the
//! `Allow` that a `405` must have. Clients, caches and crawlers are then told that the server
//! implements what it does not. Only what stands in front of *every* resource can truthfully answer
//! `501 Not Implemented`.
//!
//! [`MethodPolicyLayer`] stands there. It checks each request's method against a [`Policy`] for the
//! whole server, and forwards the request or answers it:
//!
//! | the method is | answer | source |
//! |---|---|---|
//! | allowed at the target | the inner service's, untouched | |
//! | recognised by the server, not allowed at the target | `405` and a true `Allow` | RFC 9110 §15.5.6 |
//! | not recognised: no resource of the server implements it | `501` | RFC 9110 §15.6.2 |
//!
//! `GET` and `HEAD` always reach the inner service, whatever is configured (RFC 9110 §9.1).
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
//! // GET, HEAD and POST are allowed; the other standard methods get 405, and all others 501.
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
//! let rejected = ask("DELETE").await;
//! assert_eq!(rejected.status(), StatusCode::METHOD_NOT_ALLOWED);
//! assert_eq!(rejected.headers()["allow"], "GET, HEAD, POST");
//!
//! let rejected = ask("PROPFIND").await;
//! assert_eq!(rejected.status(), StatusCode::NOT_IMPLEMENTED);
//! assert!(!rejected.headers().contains_key("allow"));
//! # Ok(())
//! # }
//! ```
//!
//! Paths can have rules of their own, and rejections a body, `Retry-After` and `Cache-Control`:
//!
//! ```
//! use std::time::Duration;
//!
//! use http::request::Parts;
//! use http::{HeaderValue, Method};
//! use tower_method_policy::{
//!     Allow, Decision, MethodPolicyLayer, MethodSet, Policy, ProblemDetails, Rejection, RetryAfter,
//!     method_excerpt,
//! };
//!
//! # fn main() -> Result<(), tower_method_policy::PolicyError> {
//! let dav = MethodSet::WEBDAV | MethodSet::from([Method::PUT, Method::DELETE, Method::OPTIONS]);
//! let policy = Policy::new()
//!     // 405 rather than 501 for these, although no rule allows them.
//!     .recognize(MethodSet::WEBDAV_ACL)
//!     // Every path without a rule of its own.
//!     .allow([Method::POST, Method::OPTIONS])
//!     // There is nothing to GET here, and `Allow` says so.
//!     .route("/login", Allow::exactly([Method::POST]))?
//!     // The pattern alone matches neither `/dav` nor `/dav/`.
//!     .route("/dav", dav.clone())?
//!     .route("/dav/", dav.clone())?
//!     .route("/dav/{*path}", dav)?;
//!
//! // A decision needs neither a server nor a request.
//! assert_eq!(policy.decide(&Method::PUT, "/dav/a.txt"), Decision::Forward);
//! assert!(matches!(policy.decide(&Method::PUT, "/"), Decision::NotAllowed { .. }));
//!
//! let layer = MethodPolicyLayer::new(policy)
//!     .answer_options()
//!     .respond_with(ProblemDetails)
//!     .retry_after(RetryAfter::after(Duration::from_secs(3600)))
//!     .cache_control(HeaderValue::from_static("max-age=10"))
//!     .on_rejection(|rejection: &Rejection, request: &Parts| {
//!         eprintln!("{} for {}", rejection.status(), method_excerpt(&request.method));
//!     });
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
#![doc = include_str!("../docs/decision.svg")]
//!
//! - Methods are case-sensitive and never normalised. `X-HTTP-Method-Override` is never read.
//! - What is recognised is up to the server, not to IANA. By default it is [`MethodSet::STANDARD`],
//!   and whatever a rule allows anywhere. A server without a handler for `PROPFIND` answers `501` to
//!   it, although the method is registered.
//! - No rule speaks where no [path rule](Policy::route) matches and [`Policy::allow`] was not called.
//!   There the layer only answers `501`, and leaves everything that is recognised to the inner
//!   service, `CONNECT` and `TRACE` too: it does not know what the target allows, a router does.
//! - `Allow` lists `GET` and `HEAD`, unless the rule was made by [`Allow::exactly`]. It names each
//!   method once, always in the same order, and is the same whichever method was rejected.
//! - What the inner service answers is passed on unchanged: status, header fields (its `Allow`
//!   included), body, trailers and errors.
//!
//! With mandatory extensions (RFC 2774, feature `rfc2774`) switched on, their rules come between rows
//! 1 and 2 for methods that begin with `M-`.
//!
//! # What a rejection carries
//!
//! | | `405` | `501` |
//! |---|---|---|
//! | `Allow` | always | never: it speaks of a resource, `501` of the server |
//! | `Retry-After` | | if [configured](MethodPolicyLayer::retry_after) |
//! | `Cache-Control` | if [configured](MethodPolicyLayer::cache_control) | likewise |
//! | `Connection: close` | over HTTP/1.x, if the request's body is [not read to its end](Drain) | likewise |
//! | body | the [responder's](Respond), empty by default | likewise |
//! | extensions | [`Rejection`] | likewise |
//!
//! A rejected upload is read, within [bounds](Drain), before the answer is sent. Otherwise clients and
//! proxies that are still sending would often lose it.
//!
//! # Where to put it
//!
//! Around the whole application, inside of whatever should see rejections too.
//!
//! | layer | where | why |
//! |---|---|---|
//! | tracing, metrics, request ids | outside | they see and count rejections, and can [tell them from failures](#telling-rejections-from-failures) |
//! | CORS | outside | scripts of other origins can only read a `405` or `501` that has the CORS fields; tower-http's `CorsLayer` then answers *every* `OPTIONS` itself, preflight or not |
//! | timeouts | outside | they also bound the wait for a rejected upload |
//! | compression | outside | the bodies of rejections are compressed too |
//! | concurrency limits, load shedding | outside | see [readiness](MethodPolicy#readiness) |
//! | authentication | either side | outside, nobody unauthenticated learns what is allowed; inside, a rejection costs no look-up of credentials |
//!
//! WebSockets over HTTP/2 arrive as an extended `CONNECT` (RFC 8441), so a rule for their path has to
//! allow `CONNECT`.
//!
//! ## axum
//!
//! Wrap the router, and make it the fallback of an empty one. That is a `Router` again: it takes every
//! other layer, and `axum::serve` and `into_make_service_with_connect_info` take it as it is.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::Router;
//! use axum::body::Body;
//! use axum::routing::get;
//! use http::{Method, Request, StatusCode};
//! use tower::{Layer, ServiceExt};
//! use tower_http::compression::CompressionLayer;
//! use tower_http::cors::CorsLayer;
//! use tower_http::timeout::TimeoutLayer;
//! use tower_http::trace::TraceLayer;
//! use tower_method_policy::{MethodPolicyLayer, Policy};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let router = Router::new().route("/", get("hello").post(async |text: String| text));
//!
//! let policy = MethodPolicyLayer::new(Policy::new().allow([Method::POST]));
//! let app: Router = Router::new()
//!     .fallback_service(policy.layer(router))
//!     // From the inside out.
//!     .layer(CompressionLayer::new())
//!     .layer(TimeoutLayer::with_status_code(
//!         StatusCode::SERVICE_UNAVAILABLE,
//!         Duration::from_secs(10),
//!     ))
//!     .layer(CorsLayer::permissive())
//!     .layer(TraceLayer::new_for_http());
//!
//! // `axum::serve(listener, app)` serves it. No server is needed to see what it answers:
//! let ask = async |method: &str, path: &str| {
//!     let request = Request::builder().method(method).uri(path);
//!     let request = request.header("origin", "https://example.com").body(Body::empty());
//!     app.clone().oneshot(request.unwrap()).await.unwrap()
//! };
//! assert_eq!(ask("POST", "/").await.status(), StatusCode::OK);
//! assert_eq!(ask("GET", "/nowhere").await.status(), StatusCode::NOT_FOUND);
//!
//! let rejected = ask("DELETE", "/").await;
//! assert_eq!(rejected.status(), StatusCode::METHOD_NOT_ALLOWED);
//! assert_eq!(rejected.headers()["allow"], "GET, HEAD, POST");
//! assert_eq!(rejected.headers()["access-control-allow-origin"], "*");
//!
//! let rejected = ask("PROPFIND", "/nowhere").await;
//! assert_eq!(rejected.status(), StatusCode::NOT_IMPLEMENTED);
//! assert!(!rejected.headers().contains_key("allow"));
//! # Ok(())
//! # }
//! ```
//!
//! The wrapped router alone works too, and costs [less](#cost), but it is a plain service. axum serves
//! it only by `axum::ServiceExt::<Request>::into_make_service`, and not with every layer around it: with
//! compression or tracing outside, for instance, the response has another body type, and
//! `axum::serve` does not compile.
//!
//! What is different from a layer that is given to the router itself:
//!
//! - **Unmatched paths are covered.** A method that is rejected gets `405` or `501` where there is no
//!   route, too, and not the router's `404`. Where no rule speaks, a recognised method still gets the
//!   `404`.
//! - **Routes of the outer router are not covered.** Add routes to the inner one. For the same reason
//!   the application cannot be merged with another router that has a fallback: axum panics.
//! - **`MatchedPath` is not known outside.** Only the inner router matches paths, so metrics by route
//!   belong in there (`Router::route_layer`); what they do not see, rejections, `on_rejection` counts.
//!   Or a layer in the inner router puts the `MatchedPath` into the response's extensions for the
//!   layers outside.
//! - **`method_not_allowed_fallback` is not called for rejections**, only for what the policy forwards
//!   and the route has no handler for. On the outer router it does nothing. The bodies of rejections
//!   are the [responder's](Respond).
//!
//! Where else the layer could be put, and why it should not:
//!
//! - **`Router::layer`** applies it within each route. There axum adds the route's own `Allow` to a
//!   `501`, as to every response to a method without a handler that has none yet. And each request
//!   pays for axum's type erasure.
//! - **`Router::route_layer`** does the same, and leaves unmatched paths to the router's `404`.
//! - **Inside `Router::nest`** it sees paths without the prefix, and path rules have to be written so.
//!
//! ## Other stacks
//!
//! - **hyper**: `TowerToHyperService::new(layer.layer(service))`.
//! - **tonic**: `Server::builder().layer(layer.respond_with(GrpcStatus))`; see [`GrpcStatus`].
//! - **salvo**: `Service::hoop` is called for every request. `Router::hoop` is called only once a
//!   route has matched, method included, so it never sees what should be rejected.
//! - **AWS Lambda**: `lambda_http` may put the stage in front of the path (`/Prod/items`), unless
//!   `AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH` is set. Path rules see the path as it is in the request.
//!
//! # Telling rejections from failures
//!
//! A `501` of this layer speaks of the request, but monitoring that counts every 5xx as a failure
//! pages an operator for each scanner that tries `FOO`. The response's extensions tell them apart:
//! those of a rejection hold the [`Rejection`]. With tower-http's `TraceLayer`:
//!
//! ```
//! use http::Response;
//! use tower_http::classify::{
//!     ClassifiedResponse, ClassifyResponse, NeverClassifyEos, ServerErrorsAsFailures,
//!     ServerErrorsFailureClass, SharedClassifier,
//! };
//! use tower_http::trace::TraceLayer;
//! use tower_method_policy::Rejection;
//!
//! /// Server errors are failures, rejected methods are not.
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
//!         match response.extensions().get::<Rejection>() {
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
#![doc = include_str!("../docs/instrumentation.md")]
//!
//! # Cost
//!
//! What the layer adds to a request, counted with callgrind over a service that itself takes some 400
//! instructions:
//!
//! | request | instructions | allocations |
//! |---|---|---|
//! | a method of RFC 9110 or `PATCH`, forwarded | +13 | 0 |
//! | any other method, forwarded, however many are allowed | +59 | 0 |
//! | forwarded by a [path rule](Policy::route) | `matchit`'s look-up and +50 | 0 or 1 |
//! | `405` with an empty body | +1323 | 3 |
//! | `501` with an empty body | +1230 | 3 |
//! | `GET`, around an axum `Router` | +15 | 0 |
//! | the same, as the [fallback](#axum) of an empty one | +2003 | 2 |
//! | the same, by `Router::layer` | +1411 | 4 |
//!
//! More than half of what a rejection costs, and its allocations, are for the [`Rejection`] in the
//! response's extensions. A service is 8 bytes larger than the inner one, and all services of a layer
//! share one configuration. How this is measured, and other ways to the same end beside it, are in
//! `benches/README.md` of the repository.
//!
//! # Features
//!
//! - `tokio` (default): the clock that bounds how long a rejected request's body is waited for, see
//!   [`Drain`].
//! - `rfc2774`: [mandatory extensions](rfc2774), the `M-` methods of the HTTP Extension Framework (RFC 2774,
//!   Historic).
//! - `serde`: a [policy as data](Policy#as-data), in TOML, JSON, YAML and the like, with [`MethodSet`],
//!   [`Allow`] and [`RetryAfter`].

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod decide;
mod drain;
mod forwarded;
mod future;
mod layer;
mod methods;
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/owners.md")]
pub mod owners {}
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
    WouldReject,
};
pub use service::{AnswerOptions, ForwardOptions, HandleOptions, MethodPolicy};

/// The examples of the README are tested with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
