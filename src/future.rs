//! [`ResponseFuture`], the service's future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::body_drain::RequestBody;
use crate::inner_405::Inner405;
use crate::rejection::{Respond, WouldReject, announce_close};
#[cfg(feature = "rfc2774")]
use crate::rfc2774::Acknowledgement;
use crate::settings::Shared;

pin_project! {
    /// The response future of [`MethodPolicy`](crate::MethodPolicy).
    ///
    /// It polls the inner service's future, or drains the request's body and then returns the layer's response.
    /// While it drains, it holds the request's body.
    ///
    /// Do not poll it again after it is ready.
    pub struct ResponseFuture<F, R, ReqBody, ResBody> {
        #[pin]
        kind: Kind<F, R, ReqBody, ResBody>,
    }
}

pin_project! {
    // With one flat enum, a forwarded `GET` would take 32 to 53 instructions and not 30.
    #[project = KindProjection]
    enum Kind<F, R, ReqBody, ResBody> {
        Forward { #[pin] future: F },
        Slow { #[pin] slow: SlowPath<F, R, ReqBody, ResBody> },
    }
}

pin_project! {
    /// All cases except plain forwarding. A separate type keeps their code off the fast path.
    #[project = SlowPathProjection]
    enum SlowPath<F, R, ReqBody, ResBody> {
        // `None` if the table forwards the request and its response stays unchanged.
        ForwardAndChange { #[pin] future: F, change: Option<ChangeResponse<R>> },
        // The layer's response. It is sent when no more of the request's body will be read.
        Own { response: Response<ResBody>, #[pin] body: RequestBody<ReqBody> },
    }
}

/// A change of the inner service's response.
pub(crate) enum ChangeResponse<R> {
    /// Applies the second table to a `405`.
    Inner405(Inner405, Arc<Shared<R>>),
    /// Adds the mark of a layer that only reports.
    Mark(WouldReject),
    #[cfg(feature = "rfc2774")]
    Acknowledge(Acknowledgement),
}

impl<F, R, ReqBody, ResBody> ResponseFuture<F, R, ReqBody, ResBody> {
    #[inline]
    pub(crate) fn forward(future: F) -> Self {
        Self { kind: Kind::Forward { future } }
    }

    pub(crate) fn forward_and_change(future: F, change: Option<ChangeResponse<R>>) -> Self {
        Self { kind: Kind::Slow { slow: SlowPath::ForwardAndChange { future, change } } }
    }

    pub(crate) fn own(response: Response<ResBody>, body: RequestBody<ReqBody>) -> Self {
        Self { kind: Kind::Slow { slow: SlowPath::Own { response, body } } }
    }
}

impl<F, R, ReqBody, ResBody, E> Future for ResponseFuture<F, R, ReqBody, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    R: Respond<ResBody>,
    ReqBody: Body,
    ResBody: Default,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Forward { future } => future.poll(cx),
            KindProjection::Slow { slow } => slow.poll(cx),
        }
    }
}

impl<F, R, ReqBody, ResBody, E> SlowPath<F, R, ReqBody, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    R: Respond<ResBody>,
    ReqBody: Body,
    ResBody: Default,
{
    #[cold]
    #[inline(never)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            SlowPathProjection::ForwardAndChange { future, change } => {
                // The response is changed in place. To move it would take 33 more instructions.
                let mut result = future.poll(cx);
                if let Poll::Ready(Ok(response)) = &mut result {
                    if let Some(change) = change.take() {
                        change.apply(response);
                    }
                }
                result
            }
            SlowPathProjection::Own { response, body } => {
                let closes = ready!(body.poll_closes(cx));
                let mut response = std::mem::take(response);
                if closes {
                    announce_close(&mut response);
                }
                Poll::Ready(Ok(response))
            }
        }
    }
}

impl<R> ChangeResponse<R> {
    fn apply<B: Default>(self, response: &mut Response<B>)
    where
        R: Respond<B>,
    {
        match self {
            Self::Inner405(inner_405, shared) => {
                if response.status() == StatusCode::METHOD_NOT_ALLOWED {
                    inner_405.apply(&shared, response);
                }
            }
            Self::Mark(mark) => {
                response.extensions_mut().insert(mark);
            }
            #[cfg(feature = "rfc2774")]
            Self::Acknowledge(acknowledgement) => acknowledgement.apply(response),
        }
    }
}

impl<F, R, ReqBody, ResBody> fmt::Debug for ResponseFuture<F, R, ReqBody, ResBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
