//! Tower middleware that handles HTTP request methods as RFC 9110 specifies, for axum, hyper, and tonic
//! services. It answers `501` if the server does not implement the method, and `405` with a correct `Allow`
//! if the target does not allow it. It always forwards `GET` and `HEAD` to the inner service.
//!
//! ```no_run
//! use axum::extract::Request;
//! use axum::routing::get;
//! use axum::{Router, ServiceExt};
//! use tower::Layer;
//! use tower_method_policy::{MethodPolicyLayer, ProblemDetails};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let router = Router::new().route("/users", get("users").post("created"));
//!
//! let policy = MethodPolicyLayer::default().answer_options(true).respond_with(ProblemDetails);
//! let app = policy.layer(router); // Wrap the finished router last.
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! let _ = axum::serve(listener, ServiceExt::<Request>::into_make_service(app)).await;
//! # Ok(())
//! # }
//! ```
//!
//! A router sees one resource at a time, so it also answers `405` to `FOO` and `get`. Only a layer in front
//! of all resources can know that none of them implements a method.
//!
//! | request | answer | source |
//! |---|---|---|
//! | `FOO /users`: no resource on the server implements the method | `501` | RFC 9110 §15.6.2 |
//! | `DELETE /users`: the server recognizes the method, the route has no handler | `405` and `Allow` | RFC 9110 §15.5.6 |
//! | `OPTIONS /users`, if the layer [answers `OPTIONS`](MethodPolicyLayer::answer_options) | `200` and `Allow` | RFC 9110 §9.3.7 |
//!
//! In this example, axum sends the `405` with its `Allow` and without a body. The layer forwards every method
//! that the server recognizes. By default, these are the eight methods of RFC 9110, `PATCH`, and `QUERY`. You
//! do not repeat the methods of your routes.
//!
//! # Rules
//!
//! Add rules only if the inner service does not send `405` with `Allow` itself: hyper, tonic, a gateway,
//! WebDAV. A rule lists the methods that the service handles at a path. Also list `GET`. It is always
//! forwarded, but only a listed method appears in `Allow`.
//!
//! ```
//! use http::Method;
//! use tower_method_policy::{Decision, MethodPolicyLayer, MethodSet, Policy};
//!
//! let policy = Policy::new()
//!     .route("/login", [Method::POST])?                  // Allow: POST
//!     .route("/users/{id}", [Method::GET, Method::PUT])? // Allow: GET, HEAD, PUT
//!     .subtree("/dav", MethodSet::WEBDAV)?;              // /dav, /dav/, and everything below
//!
//! // A decision needs neither a server nor a request.
//! let decision = policy.decide(&Method::DELETE, "/login");
//! assert_eq!(decision, Decision::NotAllowed { allow: &MethodSet::from([Method::POST]) });
//!
//! let layer = MethodPolicyLayer::new(policy);
//! # Ok::<_, tower_method_policy::PolicyError>(())
//! ```
//!
//! # Decision table
//!
//! The first row that matches wins. A rule applies if its pattern matches the path. The
//! [fallback](Policy::fallback) applies at all other paths that are not exempt. [`guide::decisions`] has the details.
//!
//! | # | condition | result | source |
//! |---|---|---|---|
//! | 1 | the method is exactly `GET` or `HEAD` | forward | RFC 9110 §9.1 |
//! | 2 | a CORS preflight, and `OPTIONS` is recognized | forward | Fetch |
//! | 3 | `OPTIONS`, the layer [answers `OPTIONS`](MethodPolicyLayer::answer_options), and either the target is `*` or a rule applies that does not list `OPTIONS` | `200`, with `Allow` unless the target is `*` | RFC 9110 §9.3.7 |
//! | 4 | a rule applies and lists the method; or no rule applies and the method is recognized | forward; if the layer answers `OPTIONS`, it changes a `405` with `Allow` to `OPTIONS` into `200` | |
//! | 5 | the method is recognized | `405` and `Allow` | RFC 9110 §15.5.6 |
//! | 6 | anything else: `FOO`, `get`, `M-GET`, a very long name | `501` | RFC 9110 §15.6.2, RFC 9112 §3 |
//!
#![doc = include_str!("../docs/decision.svg")]
//!
//! # Where to put it
//!
//! Wrap the whole application. Put layers that must see rejections, such as tracing, outside the policy. Keep
//! the CORS layer inside, in the router. Do not use `Router::layer`: it applies the policy inside each route, and axum
//! then adds an `Allow` to the `501`. [`guide::placement`] has a row for each common layer.
//!
//! - **hyper**: `TowerToHyperService::new(policy.layer(service))`
//! - **tonic**: `Server::builder().layer(policy)`, with the rule `fallback([Method::POST])`
//! - **others**: any tower `Service<http::Request<B>>` whose response body implements `Default`
//!
//! # Guides
//!
//! - [`guide::decisions`]: the decision table in detail, and what a rejection carries.
//! - [`guide::placement`]: where other layers go, and what differs in axum.
//! - [`guide::security`]: what a policy does not protect.
//! - [`guide::operators`]: what a `501` in your log means, and which proxies count it as a failure.
//! - [`guide::rollout`]: from `report_only` to an enforced policy.
//! - [`guide::observability`]: logs, metrics, and traces of rejections.
//! - [`guide::grpc`]: what gRPC clients show for a rejected call.
//!
//! # Cost
//!
//! The table shows the instructions that the layer adds to a request, counted with callgrind. In the
//! repository, `benches/gate.py` checks that they stay within limits.
//!
//! | request | instructions | allocations |
//! |---|---|---|
//! | `GET`, if the inner service is an axum `Router` | +25 | 0 |
//! | `GET`, `HEAD`, `POST`, forwarded | +29 | 0 |
//! | `PROPFIND`, forwarded | +88 | 0 |
//! | forwarded by a [rule](Policy::route) | +72, and `matchit`'s look-up | 0 to 2 |
//! | `405` | +1460 | 3 |
//! | `501` | +1424 | 3 |
//!
//! # Features
//!
//! - `serde`: a [policy as data](Policy#as-data), in TOML, JSON, YAML, and other formats.
//! - `rfc2774`: the HTTP Extension Framework (RFC 2774, Historic). See [`rfc2774`].

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod body_drain;
#[cfg(feature = "serde")]
mod data;
mod decide;
mod forwarded;
mod future;
mod inner_405;
mod layer;
mod methods;
mod policy;
mod rejection;
#[cfg(feature = "rfc2774")]
#[cfg_attr(docsrs, doc(cfg(feature = "rfc2774")))]
pub mod rfc2774;
mod service;
mod settings;

pub use body_drain::BodyDrain;
pub use future::ResponseFuture;
pub use layer::MethodPolicyLayer;
pub use methods::{MethodExcerpt, MethodSet, ParseMethodSetError, method_excerpt};
pub use policy::{Decision, Policy, PolicyError, Rule, RuleKind};
pub use rejection::{
    EmptyBody, PlainText, ProblemDetails, Reason, Rejection, Respond, RetryAfter, WouldReject,
};
pub use service::MethodPolicy;

/// The iterators over a [`MethodSet`].
pub mod method_set {
    pub use crate::methods::{IntoIter, Iter};
}

/// Declares a module that shows a page of `docs`. It exists only in the documentation.
#[cfg(any(doc, doctest))]
pub mod guide {
    //! Guides. This module exists only in the documentation.
    //!
    //! - [`placement`](crate::guide::placement): where the layer and other layers go, and how to add it to an existing application.
    //! - [`decisions`](crate::guide::decisions): both decision tables in detail, and what a rejection carries.
    //! - [`security`](crate::guide::security): what a policy does not protect.
    //! - [`rollout`](crate::guide::rollout): from `report_only` to an enforced policy.
    //! - [`observability`](crate::guide::observability): logs, metrics, and traces of rejections.
    //! - [`grpc`](crate::guide::grpc): what gRPC clients show for a rejected call.
    //! - [`operators`](crate::guide::operators): what a `501` in your log means, and which proxies count it as a failure.

    #[doc = include_str!("../docs/placement.md")]
    pub mod placement {}

    #[doc = include_str!("../docs/decisions.md")]
    pub mod decisions {}

    #[doc = include_str!("../docs/security.md")]
    pub mod security {}

    #[doc = include_str!("../docs/rollout.md")]
    pub mod rollout {}

    // The examples of this page need more crates, so `tests/integration` tests them.
    #[cfg(all(doc, not(doctest)))]
    #[doc = include_str!("../docs/observability.md")]
    pub mod observability {}

    #[doc = include_str!("../docs/grpc.md")]
    pub mod grpc {}

    #[doc = include_str!("../docs/operators.md")]
    pub mod operators {}
}

/// Tests the examples in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
