//! [`MethodPolicy`], the service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body_drain::RequestBody;
use crate::decide::{Action, OnResponse};
use crate::future::{ChangeResponse, ResponseFuture};
use crate::inner_405::{Inner405, answer_options};
use crate::policy::Policy;
use crate::rejection::{EmptyBody, Respond};
use crate::settings::{Settings, Shared};

/// A service that checks each request's method against a [`Policy`], and forwards the request to the
/// inner service or answers it.
///
/// [`MethodPolicyLayer`](crate::MethodPolicyLayer) creates it and has all settings. The request body type must
/// implement [`http_body::Body`]. The response body type must implement `Default`, because some answers have an
/// empty body.
///
/// # Readiness
///
/// [`poll_ready`](Service::poll_ready) calls the inner service's `poll_ready`. A request that will be rejected
/// also waits until the inner service is ready. Some services reserve something when they become ready: tower's
/// `ConcurrencyLimit` reserves a permit. A rejected request does not use it, and it stays reserved until the
/// next call. Put concurrency limits, load shedding, and rate limits outside the policy.
pub struct MethodPolicy<S, R = EmptyBody> {
    inner: S,
    shared: Arc<Shared<R>>,
}

impl<S> MethodPolicy<S> {
    /// Wraps `inner` with the settings of [`MethodPolicyLayer::new`](crate::MethodPolicyLayer::new).
    ///
    /// # Panics
    ///
    /// Panics in a tokio runtime without timers: see [`BodyDrain`](crate::BodyDrain#panics).
    #[track_caller]
    pub fn new(inner: S, policy: Policy) -> Self {
        let settings = Settings { policy, ..Settings::default() };
        Self::from_parts(inner, Shared::new(settings, Arc::new(EmptyBody)))
    }
}

impl<S, R> MethodPolicy<S, R> {
    #[track_caller]
    pub(crate) fn from_parts(inner: S, shared: Arc<Shared<R>>) -> Self {
        // A layer that only reports waits for no client.
        if !shared.settings.report_only {
            shared.settings.body_drain.check_runtime();
        }
        Self { inner, shared }
    }

    /// Returns a reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for MethodPolicy<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: Respond<ResBody>,
    ReqBody: Body,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, ReqBody, ResBody>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if self.shared.forwards(&request) {
            return ResponseFuture::forward(self.inner.call(request));
        }
        decide(&self.shared, request, |request| self.inner.call(request))
    }
}

/// Does what [`hyper::service::Service`] needs in place of tower's trait: no `Clone`, and no `&mut`.
#[cfg(feature = "hyper")]
impl<S, R, ReqBody, ResBody> hyper::service::Service<Request<ReqBody>> for MethodPolicy<S, R>
where
    S: hyper::service::Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: Respond<ResBody>,
    ReqBody: Body,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, ReqBody, ResBody>;

    #[inline]
    fn call(&self, request: Request<ReqBody>) -> Self::Future {
        if self.shared.forwards(&request) {
            return ResponseFuture::forward(self.inner.call(request));
        }
        decide(&self.shared, request, |request| self.inner.call(request))
    }
}

/// Handles a request that the shortcut does not forward. `call` sends it to the inner service.
///
/// It splits the request before it reads anything, so that the compiler does not copy the request. The
/// copy would add 50 instructions to a rejection.
#[cold]
#[inline(never)]
fn decide<F, R, ReqBody, ResBody>(
    shared: &Arc<Shared<R>>,
    request: Request<ReqBody>,
    call: impl FnOnce(Request<ReqBody>) -> F,
) -> ResponseFuture<F, R, ReqBody, ResBody>
where
    R: Respond<ResBody>,
    ReqBody: Body,
    ResBody: Default,
{
    let (request, body) = request.into_parts();
    let settings = &shared.settings;
    let on_response = match settings.decide(&request) {
        Action::Forward(on_response) => on_response,
        Action::AnswerOptions(rule) => {
            let body = RequestBody::new(&request, body, &settings.body_drain);
            return ResponseFuture::own(answer_options(rule), body);
        }
        Action::Reject(rejection) => {
            let body = RequestBody::new(&request, body, &settings.body_drain);
            settings.responses.observe(&rejection, &request);
            let mut response = shared.responder.respond(&rejection, &request);
            settings.responses.finish(&mut response, rejection, &request);
            return ResponseFuture::own(response, body);
        }
    };
    let change = match on_response {
        OnResponse::Keep => None,
        OnResponse::Inner405(row, rule) => {
            let inner_405 = Inner405::new(row, rule, shared, &request, &body);
            Some(ChangeResponse::Inner405(inner_405, shared.clone()))
        }
        OnResponse::Mark(mark) => {
            settings.responses.observe(mark.rejection(), &request);
            Some(ChangeResponse::Mark(mark))
        }
        #[cfg(feature = "rfc2774")]
        OnResponse::Acknowledge(fulfillable) => {
            let (request, acknowledgement) = fulfillable.prepare(request);
            let future = call(Request::from_parts(request, body));
            let change = Some(ChangeResponse::Acknowledge(acknowledgement));
            return ResponseFuture::forward_and_change(future, change);
        }
    };
    ResponseFuture::forward_and_change(call(Request::from_parts(request, body)), change)
}

/// Does not need `R: Clone`.
impl<S: Clone, R> Clone for MethodPolicy<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for MethodPolicy<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodPolicy")
            .field("inner", &self.inner)
            .field("settings", &self.shared.settings)
            .finish()
    }
}
