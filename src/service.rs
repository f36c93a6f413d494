//! [`MethodPolicy`], the service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, request};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use crate::drain::{Drain, Unread};
use crate::future::{Answer, ResponseFuture};
use crate::layer::{MethodPolicyLayer, Outcome, Shared, describe};
use crate::policy::Policy;
use crate::respond::{EmptyBody, Respond};

/// A service behind a [`Policy`]: forwards a request, or refuses it without the inner service
/// seeing it.
///
/// See the [crate's documentation](crate). The inner service's response body type and error type
/// are kept; what it answers passes unchanged.
///
/// # Readiness
///
/// [`poll_ready`](Service::poll_ready) is the inner service's. So a refusal, too, waits until the
/// inner service is ready, and where readiness reserves something, as a permit of `tower`'s
/// `ConcurrencyLimit`, a refused request leaves it reserved until the next call or until the
/// service is dropped. Put concurrency limits, load shedding and rate limits outside of the policy
/// if refusals shall count, or be answered by the policy's side.
#[derive(Clone)]
pub struct MethodPolicy<S, R = EmptyBody, const ANSWER_OPTIONS: bool = false> {
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

impl<S, R, const ANSWER_OPTIONS: bool> MethodPolicy<S, R, ANSWER_OPTIONS> {
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
    ReqBody: Body,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ReqBody, ResBody>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // Most requests end here.
        if self.shared.forwards(&request) {
            return ResponseFuture::forward(self.inner.call(request));
        }
        self.decide(request, None)
    }
}

/// Answers to `OPTIONS` need an empty body, so the body type has to have a default.
impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for MethodPolicy<S, R, true>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: Respond<ResBody>,
    ReqBody: Body,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ReqBody, ResBody>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if self.shared.forwards(&request) {
            return ResponseFuture::forward(self.inner.call(request));
        }
        self.decide(request, Some(ResBody::default))
    }
}

impl<S, R, const ANSWER_OPTIONS: bool> MethodPolicy<S, R, ANSWER_OPTIONS> {
    /// What `call` does with a request that is not forwarded at once.
    ///
    /// The request is taken apart before anything looks at it. So the compiler sees that the
    /// argument is only read, and `call` hands it over, and on to the inner service, without a copy.
    #[cold]
    #[inline(never)]
    fn decide<ReqBody, ResBody>(
        &mut self,
        request: Request<ReqBody>,
        empty_body: Option<fn() -> ResBody>,
    ) -> ResponseFuture<S::Future, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        R: Respond<ResBody>,
        ReqBody: Body,
    {
        let (mut request, body) = request.into_parts();
        let shared = &self.shared;
        match shared.decide(&mut request, empty_body) {
            Outcome::Forward(fulfilment) => {
                let future = self.inner.call(Request::from_parts(request, body));
                match fulfilment {
                    None => ResponseFuture::forward(future),
                    Some(fulfilment) => ResponseFuture::fulfil(future, fulfilment),
                }
            }
            Outcome::Describe { allow, empty_body } => {
                answer(&mut request, body, &shared.drain, |_| {
                    describe(allow, empty_body())
                })
            }
            Outcome::Refuse(rejected) => answer(&mut request, body, &shared.drain, |request| {
                shared.refuse(&self.responder, rejected, request)
            }),
        }
    }
}

/// The policy's own answer, which `respond` makes, to a request.
fn answer<F, ReqBody: Body, ResBody>(
    request: &mut request::Parts,
    body: ReqBody,
    drain: &Arc<Drain>,
    respond: impl FnOnce(&mut request::Parts) -> Response<ResBody>,
) -> ResponseFuture<F, ReqBody, ResBody> {
    let unread = Unread::new(request, body, drain);
    ResponseFuture::answer(Answer::new(respond(request), unread))
}

impl<S: fmt::Debug, R, const ANSWER_OPTIONS: bool> fmt::Debug
    for MethodPolicy<S, R, ANSWER_OPTIONS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("MethodPolicy");
        f.field("inner", &self.inner);
        self.shared.debug_fields::<R>(&mut f);
        f.finish()
    }
}
