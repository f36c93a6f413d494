//! [`MethodPolicy`], the service.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{ALLOW, CONTENT_LENGTH};
use http::{HeaderValue, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::decide::{Outcome, Table};
use crate::drain::{Drain, Unread};
use crate::forwarded::Forwarded;
use crate::future::{After, Answer, ResponseFuture};
use crate::policy::{Allow, Policy};
use crate::rejection::{EmptyBody, Respond, Responses, WouldReject};

/// A service behind a [`Policy`]: forwards a request, or rejects it without the inner service
/// seeing it.
///
/// See the [crate's documentation](crate). The inner service's response body type and error type
/// are kept; what it answers passes unchanged.
///
/// # Readiness
///
/// [`poll_ready`](Service::poll_ready) is the inner service's. So a rejection, too, waits until the
/// inner service is ready, and where readiness reserves something, as a permit of `tower`'s
/// `ConcurrencyLimit`, a rejected request leaves it reserved until the next call or until the
/// service is dropped. Put concurrency limits, load shedding and rate limits outside of the policy,
/// where they see rejected requests as well.
#[derive(Clone)]
pub struct MethodPolicy<S, R = EmptyBody, O = ForwardOptions> {
    inner: S,
    shared: Arc<Shared>,
    responder: R,
    options: PhantomData<fn() -> O>,
}

/// What a layer's services have in common, whatever their responder.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) decision: Table,
    /// Derived from it.
    forwarded: Forwarded,
    pub(crate) responses: Responses,
    /// Whether everything is forwarded, and observers are told of what would be rejected.
    pub(crate) reports_only: bool,
    /// Shared by the bodies that are waited for.
    pub(crate) drain: Arc<Drain>,
}

impl Shared {
    pub(crate) fn new(policy: Policy) -> Self {
        let decision = Table::new(policy);
        Self {
            forwarded: Forwarded::new(&decision),
            decision,
            responses: Responses::default(),
            reports_only: false,
            drain: Arc::default(),
        }
    }

    /// Derives what follows from the rest.
    pub(crate) fn derive(&mut self) {
        self.decision.derive();
        self.forwarded = Forwarded::new(&self.decision);
    }

    pub(crate) fn debug_fields<R>(&self, f: &mut fmt::DebugStruct<'_, '_>) {
        f.field("policy", &self.decision.policy)
            .field("answer_options", &self.decision.answers_options);
        #[cfg(feature = "rfc2774")]
        f.field("mandatory_extensions", &self.decision.extensions);
        self.responses.debug_fields(f);
        f.field("report_only", &self.reports_only);
        f.field("drain", &self.drain)
            .field("responder", &format_args!("{}", type_name::<R>()));
    }
}

/// Marks a layer that forwards `OPTIONS` like any other method: the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ForwardOptions;

/// Marks a layer that [answers `OPTIONS`](crate::MethodPolicyLayer::answer_options). Its services are
/// for response bodies that have a default, which is the answer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AnswerOptions;

/// What becomes of `OPTIONS` requests: [`ForwardOptions`] or [`AnswerOptions`].
///
/// `B` is the body type of the inner service. The trait is sealed.
pub trait HandleOptions<B>: sealed::Sealed {
    #[doc(hidden)]
    const EMPTY_BODY: Option<fn() -> B>;
}

impl<B> HandleOptions<B> for ForwardOptions {
    const EMPTY_BODY: Option<fn() -> B> = None;
}

impl<B: Default> HandleOptions<B> for AnswerOptions {
    const EMPTY_BODY: Option<fn() -> B> = Some(B::default);
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ForwardOptions {}
    impl Sealed for super::AnswerOptions {}
}

impl<S> MethodPolicy<S> {
    /// Puts `policy` in front of `inner`; rejected requests are answered with [`EmptyBody`].
    ///
    /// For everything else that can be configured see
    /// [`MethodPolicyLayer`](crate::MethodPolicyLayer).
    #[track_caller]
    pub fn new(inner: S, policy: Policy) -> Self {
        Self::from_parts(inner, Arc::new(Shared::new(policy)), EmptyBody)
    }
}

impl<S, R, O> MethodPolicy<S, R, O> {
    #[track_caller]
    pub(crate) fn from_parts(inner: S, shared: Arc<Shared>, responder: R) -> Self {
        shared.drain.check();
        Self {
            inner,
            shared,
            responder,
            options: PhantomData,
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

impl<S, R, O, ReqBody, ResBody> Service<Request<ReqBody>> for MethodPolicy<S, R, O>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: Respond<ResBody>,
    O: HandleOptions<ResBody>,
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
        if self
            .shared
            .forwarded
            .contains(&request, &self.shared.decision.policy)
        {
            return ResponseFuture::forward(self.inner.call(request));
        }
        self.decide(request)
    }
}

impl<S, R, O> MethodPolicy<S, R, O> {
    /// What `call` does with a request that is not forwarded at once.
    ///
    /// The request is taken apart before anything looks at it. So the compiler sees that the argument
    /// is only read, and hands it over without a copy, which would cost a rejection some 50
    /// instructions.
    #[cold]
    #[inline(never)]
    fn decide<ReqBody, ResBody>(
        &mut self,
        request: Request<ReqBody>,
    ) -> ResponseFuture<S::Future, ReqBody, ResBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        R: Respond<ResBody>,
        O: HandleOptions<ResBody>,
        ReqBody: Body,
    {
        let (mut request, body) = request.into_parts();
        let shared = &self.shared;
        let after = match (shared.decision.decide(&request), O::EMPTY_BODY) {
            (Outcome::Reject(rejection), _) if shared.reports_only => {
                let mark = WouldReject::new(rejection);
                shared.responses.observe(mark.rejection(), &request);
                Some(After::Report(mark))
            }
            (Outcome::Reject(rejection), _) => {
                let unread = Unread::new(&request, body, &shared.drain);
                let responses = &shared.responses;
                let response = responses.reject(&self.responder, rejection, &mut request);
                return ResponseFuture::answer(Answer::new(response, unread));
            }
            (Outcome::AnswerOptions(allow), Some(empty_body)) if !shared.reports_only => {
                let unread = Unread::new(&request, body, &shared.drain);
                let response = options_response(allow, empty_body());
                return ResponseFuture::answer(Answer::new(response, unread));
            }
            #[cfg(feature = "rfc2774")]
            (Outcome::Fulfil(mandatory), _) if !shared.reports_only => {
                Some(After::Acknowledge(mandatory.prepare(&mut request)))
            }
            _ => None,
        };
        let future = self.inner.call(Request::from_parts(request, body));
        match after {
            None => ResponseFuture::forward(future),
            Some(after) => ResponseFuture::forward_and(future, after),
        }
    }
}

/// The answer to `OPTIONS` (RFC 9110 §9.3.7).
fn options_response<B>(allow: &Allow, empty_body: B) -> Response<B> {
    let mut response = Response::new(empty_body);
    let headers = response.headers_mut();
    headers.clone_from(allow.options_headers());
    headers.insert(ALLOW, allow.header_value().clone());
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

impl<S: fmt::Debug, R, O> fmt::Debug for MethodPolicy<S, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("MethodPolicy");
        f.field("inner", &self.inner);
        self.shared.debug_fields::<R>(&mut f);
        f.finish()
    }
}
