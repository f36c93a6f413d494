//! A stand-in for `tower-method-policy` that does nothing: what the layer costs a whole server is
//! measured by building the crate's examples against this instead.
//!
//! The library bears the crate's name and has what `examples/hyper.rs` and `examples/axum.rs` import
//! from it, nothing else. Both are built from the very same sources, unchanged, with the same
//! versions and features of everything beside; the one difference is that here
//! [`MethodPolicyLayer::layer`] returns the service that it is given. No trace of a policy is left
//! in these builds: hyper's example then answers `DELETE` and `PROPFIND` with what it answers to
//! `GET`, and axum's answers both with the 405 of its router.
//!
//! ```text
//! cargo run --release --example hyper [-- ADDRESS]
//! cargo run --release --example axum [-- ADDRESS]
//! ```

use std::convert::Infallible;

use http::Method;
use tower_layer::Layer;

/// The layer that is none.
#[derive(Clone, Copy, Debug)]
pub struct MethodPolicyLayer;

impl MethodPolicyLayer {
    /// Forgets the policy.
    #[must_use]
    pub fn new(_: Policy) -> Self {
        Self
    }

    /// Forgets the responder: nothing is rejected.
    #[must_use]
    pub fn respond_with<R>(self, _: R) -> Self {
        self
    }
}

impl<S> Layer<S> for MethodPolicyLayer {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

/// The policy that allows everything, whatever it is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policy;

impl Policy {
    /// A policy that has no rules, and gets none.
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    /// Forgets the methods.
    #[must_use]
    pub fn allow<const N: usize>(self, _: [Method; N]) -> Self {
        self
    }

    /// Forgets the path and its methods.
    ///
    /// # Errors
    ///
    /// None: this is a `Result` because the crate's is one.
    pub fn route<const N: usize>(self, _: &str, _: [Method; N]) -> Result<Self, PolicyError> {
        Ok(self)
    }
}

/// What is wrong with a policy: nothing ever is.
pub type PolicyError = Infallible;

/// Stands for the responder that rejects with a sentence of text.
#[derive(Clone, Copy, Debug)]
pub struct PlainText;

/// Stands for the responder that rejects with problem details.
#[derive(Clone, Copy, Debug)]
pub struct ProblemDetails;
