//! [`MethodPolicy`], the service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::future::ResponseFuture;
use crate::layer::{MethodPolicyLayer, Shared};
use crate::policy::{Decision, Policy};
use crate::rejection::Rejected;
use crate::respond::{EmptyBody, Respond};

/// A service behind a [`Policy`]: forwards a request, or refuses it without the inner service
/// seeing it.
///
/// See the [crate's documentation](crate). The inner service's response body type and error type
/// are kept; what it answers passes unchanged.
///
/// # Readiness
///
/// [`poll_ready`](Service::poll_ready) is the inner service's. So a refusal, too, waits until the inner service is
/// ready, and where readiness reserves something, as a permit of `tower`'s `ConcurrencyLimit`, a
/// refused request leaves it reserved until the next call or until the service is dropped. Put
/// concurrency limits, load shedding and rate limits outside of the policy if refusals shall count,
/// or be answered by the policy's side.
#[derive(Clone)]
pub struct MethodPolicy<S, R = EmptyBody> {
    inner: S,
    shared: Arc<Shared>,
    responder: R,
}

impl<S> MethodPolicy<S> {
    /// Puts `policy` in front of `inner`; refused requests are answered with [`EmptyBody`].
    ///
    /// For everything else that can be configured see [`MethodPolicyLayer`].
    pub fn new(inner: S, policy: Policy) -> Self {
        MethodPolicyLayer::new(policy).layer(inner)
    }
}

impl<S, R> MethodPolicy<S, R> {
    pub(crate) fn from_parts(inner: S, shared: Arc<Shared>, responder: R) -> Self {
        Self {
            inner,
            shared,
            responder,
        }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service, mutably.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service, without the policy.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for MethodPolicy<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: Respond<ResBody>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let policy = &self.shared.policy;
        let rejected = match policy.decide(request.method(), request.uri().path()) {
            Decision::Forward => return ResponseFuture::forward(self.inner.call(request)),
            Decision::NotAllowed { allow } => Rejected::not_allowed(allow.clone()),
            Decision::NotImplemented => Rejected::not_implemented(),
        };
        let (request, _body) = request.into_parts();
        ResponseFuture::refused(self.shared.refuse(&self.responder, rejected, request))
    }
}

impl<S: fmt::Debug, R> fmt::Debug for MethodPolicy<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("MethodPolicy");
        f.field("inner", &self.inner);
        self.shared.debug_fields::<R>(&mut f);
        f.finish()
    }
}
