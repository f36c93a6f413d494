//! Tower middleware for HTTP methods.
//!
//! The layer checks each request's method against its list of methods and its rules before the inner service is
//! called. It answers `501 Not Implemented` or `405 Method Not Allowed` itself. If a router knows the methods of
//! each path, you can let the router decide. Then the layer answers in place of the router's `405`. `GET` and `HEAD`
//! always reach the inner service.
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
//! let policy = MethodPolicyLayer::default().inner_decides(true).answer_options(true);
//! let app = policy.respond_with(ProblemDetails).layer(router); // Wrap the finished router last.
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
//! axum::serve(listener, ServiceExt::<Request>::into_make_service(app)).await
//! # }
//! ```
//!
//! | request | axum alone | with the layer |
//! |---|---|---|
//! | `FOO /users`: the method is not on the server's list | `405` and `Allow` | `501` with problem details |
//! | `DELETE /users`: the route has no handler | `405` and `Allow` | `405` with problem details and `Allow` |
//! | `OPTIONS /users` | `405` and `Allow` | `200` and `Allow` |
//!
//! With [`inner_decides`](MethodPolicyLayer::inner_decides), you write no rules, the layer rejects nothing that the
//! router handles, and the layers of the application apply to each answer.
//!
//! # Decide before the inner service
//!
//! Without `inner_decides`, the layer decides alone. Choose this if no router answers `405` with `Allow` (hyper, tonic,
//! a gateway), if clients upload, or if unknown methods must not reach the application. The layer answers `501` to every
//! method that is not on its list. By default, the list has the eight methods of RFC 9110, `PATCH`, `QUERY`, and the
//! methods of your rules. A rule lists the methods that the inner service handles at a path. Also list `GET`. It is
//! always forwarded, but only a listed method appears in `Allow`.
//!
//! ```
//! use http::Method;
//! use tower_method_policy::{Decision, MethodPolicyLayer, MethodSet, Policy};
//!
//! let policy = Policy::new()
//!     .route("/login", [Method::POST])?                    // Allow: POST
//!     .route("/users/{id}", [Method::GET, Method::PUT])?   // Allow: GET, HEAD, PUT
//!     .subtree("/dav", MethodSet::WEBDAV | Method::PATCH)? // dav-server also handles PATCH
//!     .fallback([Method::GET]);                            // at all other paths
//!
//! // A decision needs neither a server nor a request.
//! let decision = policy.decide(&Method::DELETE, "/login");
//! assert_eq!(decision, Decision::NotAllowed { allow: &MethodSet::from([Method::POST]) });
//!
//! let layer = MethodPolicyLayer::new(policy);
//! # Ok::<_, tower_method_policy::PolicyError>(())
//! ```
//!
//! - **hyper**: `serve_connection(io, layer.layer(service_fn(handler)))`, with the feature `hyper`
//! - **tonic**: `Server::builder().layer(layer)`, with the rule `fallback([Method::POST])`
//! - **others**: any tower `Service<http::Request<B>>` whose response body implements `Default`
//!
//! # Guides
//!
//! - [`guide::placement`]: where this layer and other layers go, and how to add it to an existing application.
//! - [`guide::decisions`]: the decision tables, and what a rejection carries.
//! - [`guide::security`]: what a policy does not protect.
//! - [`guide::rollout`]: from `report_only` to an enforced policy.
//! - [`guide::observability`]: logs, metrics, and traces of rejections.
//! - [`guide::grpc`]: gRPC servers, and what clients show for a rejected call.
//! - [`guide::operators`]: which proxies count a `501` as a failure, what it means, and what to do.
//!
//! # Cost
//!
//! The layer adds about 30 instructions and no allocation to a forwarded `GET`, and about 500 instructions if the
//! inner service decides. `benches/README.md` in the repository has all numbers.
//!
//! # Features
//!
//! - `hyper`: [`MethodPolicy`] implements hyper's `Service` trait.
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

#[cfg(any(doc, doctest))]
pub mod guide {
    //! Guides. This module exists only in the documentation.

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
