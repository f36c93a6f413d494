//! Tower middleware that answers HTTP request methods correctly.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod body_drain;
mod decide;
mod forwarded;
mod future;
mod layer;
mod methods;
mod options;
#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/owners.md")]
pub mod owners {}
mod policy;
mod rejection;
#[cfg(feature = "rfc2774")]
#[cfg_attr(docsrs, doc(cfg(feature = "rfc2774")))]
pub mod rfc2774;
mod service;

pub use body_drain::BodyDrain;
pub use future::ResponseFuture;
pub use layer::MethodPolicyLayer;
pub use methods::{MethodSet, ParseMethodSetError, method_excerpt};
pub use policy::{Decision, Policy, PolicyError, Rule, RuleKind};
pub use rejection::{
    EmptyBody, PlainText, ProblemDetails, Reason, Rejection, Respond, RetryAfter, WouldReject,
};
pub use service::MethodPolicy;

/// The iterators of [`MethodSet`].
pub mod method_set {
    pub use crate::methods::{IntoIter, Iter};
}

/// The examples of the README are tested with those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
