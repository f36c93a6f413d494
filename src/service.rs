//! [`MethodPolicy`], the service.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body_drain::{BodyDrain, RequestBody};
use crate::decide::{DecisionTable, Outcome};
use crate::forwarded::Forwarded;
use crate::future::{ChangeResponse, ResponseFuture};
use crate::options;
use crate::policy::Policy;
use crate::rejection::{EmptyBody, Respond, ResponseSettings, WouldReject};

/// A service that checks each request's method against a [`Policy`], and forwards the request to the
/// inner service or answers it.
///
/// [`MethodPolicyLayer`](crate::MethodPolicyLayer) creates it and has all settings. The response body type
/// must implement `Default`, because some answers have an empty body.
///
/// # Readiness
///
/// [`poll_ready`](Service::poll_ready) calls the inner service's `poll_ready`. A request that will be rejected
/// also waits until the inner service is ready. Some services reserve something when they become ready: tower's
/// `ConcurrencyLimit` reserves a permit. A rejected request does not use it, and it stays reserved until the
/// next call. Put concurrency limits, load shedding, and rate limits outside the policy.
#[derive(Clone, Debug)]
pub struct MethodPolicy<S, R = EmptyBody> {
    inner: S,
    shared: Arc<Shared>,
    responder: R,
}

/// The settings that all services of a layer share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) table: DecisionTable,
    /// `rebuild` computes it from the table.
    forwarded: Forwarded,
    pub(crate) response_settings: ResponseSettings,
    /// Whether every request is forwarded.
    pub(crate) report_only: bool,
    pub(crate) body_drain: Arc<BodyDrain>,
}

impl Shared {
    pub(crate) fn new(policy: Policy) -> Self {
        let table = DecisionTable::new(policy);
        Self {
            forwarded: Forwarded::new(&table),
            table,
            response_settings: ResponseSettings::default(),
            report_only: false,
            body_drain: Arc::default(),
        }
    }

    pub(crate) fn rebuild(&mut self) {
        self.forwarded = Forwarded::new(&self.table);
    }
}

impl<S> MethodPolicy<S> {
    /// Wraps `inner` with the settings of [`MethodPolicyLayer::new`](crate::MethodPolicyLayer::new).
    ///
    /// # Panics
    ///
    /// Panics in a tokio runtime without timers: see [`BodyDrain`](BodyDrain#panics).
    #[track_caller]
    pub fn new(inner: S, policy: Policy) -> Self {
        Self::from_parts(inner, Arc::new(Shared::new(policy)), EmptyBody)
    }
}

impl<S, R> MethodPolicy<S, R> {
    #[track_caller]
    pub(crate) fn from_parts(inner: S, shared: Arc<Shared>, responder: R) -> Self {
        shared.body_drain.check_runtime();
        Self { inner, shared, responder }
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
    type Future = ResponseFuture<S::Future, ReqBody, ResBody>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if self.shared.forwarded.contains(&request, &self.shared.table) {
            return ResponseFuture::forward(self.inner.call(request));
        }
        self.decide(request)
    }
}

impl<S, R> MethodPolicy<S, R> {
    /// Handles a request that the shortcut does not forward.
    ///
    /// It splits the request before it reads anything, so that the compiler does not copy the request. The
    /// copy would add 50 instructions to a rejection.
    #[cold]
    #[inline(never)]
    fn decide<ReqBody, ResBody>(
        &mut self,
        request: Request<ReqBody>,
    ) -> ResponseFuture<S::Future, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        R: Respond<ResBody>,
        ReqBody: Body,
        ResBody: Default,
    {
        let (mut request, body) = request.into_parts();
        let shared = &self.shared;
        let settings = &shared.response_settings;
        let outcome = shared.table.decide(&request);
        let change = if shared.report_only {
            match outcome {
                Outcome::Reject(rejection) => {
                    let mark = WouldReject::new(rejection);
                    settings.observe(mark.rejection(), &request);
                    Some(ChangeResponse::Mark(mark))
                }
                _ => None,
            }
        } else {
            match outcome {
                Outcome::Forward => None,
                Outcome::ForwardOptions => Some(ChangeResponse::TurnMethodNotAllowed),
                #[cfg(feature = "rfc2774")]
                Outcome::Fulfill(fulfillable) => {
                    Some(ChangeResponse::Acknowledge(fulfillable.prepare(&mut request)))
                }
                Outcome::AnswerOptions(rule) => {
                    let body = RequestBody::new(&request, body, &shared.body_drain);
                    let response = options::own_response(rule);
                    return ResponseFuture::own(response, body);
                }
                Outcome::Reject(rejection) => {
                    let body = RequestBody::new(&request, body, &shared.body_drain);
                    let response = settings.reject(&self.responder, rejection, &mut request);
                    return ResponseFuture::own(response, body);
                }
            }
        };
        let future = self.inner.call(Request::from_parts(request, body));
        match change {
            None => ResponseFuture::forward(future),
            Some(change) => ResponseFuture::forward_and_change(future, change),
        }
    }
}
