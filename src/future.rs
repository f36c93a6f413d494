//! [`ResponseFuture`], the service's future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::{HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::body_drain::RequestBody;
use crate::options;
use crate::rejection::WouldReject;
#[cfg(feature = "rfc2774")]
use crate::rfc2774::Acknowledgement;

pin_project! {
    /// The response future of [`MethodPolicy`](crate::MethodPolicy).
    ///
    /// It polls the inner service's future, or drains the request's body and then returns the layer's response.
    ///
    /// # Panics
    ///
    /// Panics if it is polled again after it returned a response that the layer built or changed.
    pub struct ResponseFuture<F, ReqBody, ResBody> {
        #[pin]
        kind: Kind<F, ReqBody, ResBody>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, ReqBody, ResBody> {
        Forward { #[pin] future: F },
        Slow { #[pin] slow: SlowPath<F, ReqBody, ResBody> },
    }
}

pin_project! {
    /// All cases except plain forwarding. A separate type keeps their code off the fast path.
    #[project = SlowPathProjection]
    enum SlowPath<F, ReqBody, ResBody> {
        ForwardAndChange { #[pin] future: F, change: Option<ChangeResponse> },
        // The layer's response. It is sent when no more of the request's body will be read.
        Own { response: Option<Response<ResBody>>, #[pin] body: RequestBody<ReqBody> },
        Done,
    }
}

/// A change of the inner service's response.
pub(crate) enum ChangeResponse {
    /// Adds the mark of a layer that only reports.
    Mark(WouldReject),
    /// Turns a `405` to `OPTIONS` into `200`.
    TurnMethodNotAllowed,
    #[cfg(feature = "rfc2774")]
    Acknowledge(Acknowledgement),
}

impl<F, ReqBody, ResBody> ResponseFuture<F, ReqBody, ResBody> {
    #[inline]
    pub(crate) fn forward(future: F) -> Self {
        Self { kind: Kind::Forward { future } }
    }

    pub(crate) fn forward_and_change(future: F, change: ChangeResponse) -> Self {
        let change = Some(change);
        Self::slow(SlowPath::ForwardAndChange { future, change })
    }

    pub(crate) fn own(response: Response<ResBody>, body: RequestBody<ReqBody>) -> Self {
        let response = Some(response);
        Self::slow(SlowPath::Own { response, body })
    }

    fn slow(slow: SlowPath<F, ReqBody, ResBody>) -> Self {
        Self { kind: Kind::Slow { slow } }
    }
}

impl<F, ReqBody, ResBody, E> Future for ResponseFuture<F, ReqBody, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
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

impl<F, ReqBody, ResBody, E> SlowPath<F, ReqBody, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ReqBody: Body,
    ResBody: Default,
{
    #[cold]
    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // The panics need a caller that breaks the contract of `Future`. No client can cause them.
        match self.as_mut().project() {
            SlowPathProjection::ForwardAndChange { future, change } => {
                let mut response = ready!(future.poll(cx))?;
                if let Some(change) = change.take() {
                    change.apply(&mut response);
                }
                // Without `Done`, each forwarded request would take 4 more instructions.
                self.set(Self::Done);
                Poll::Ready(Ok(response))
            }
            SlowPathProjection::Own { response, body } => {
                let closes = ready!(body.poll_closes(cx));
                let mut response = response.take().expect("polled after completion");
                if closes {
                    announce_close(&mut response);
                }
                Poll::Ready(Ok(response))
            }
            SlowPathProjection::Done => panic!("polled after completion"),
        }
    }
}

impl ChangeResponse {
    fn apply<B: Default>(self, response: &mut Response<B>) {
        match self {
            Self::Mark(mark) => {
                response.extensions_mut().insert(mark);
            }
            Self::TurnMethodNotAllowed => options::turn_method_not_allowed(response),
            #[cfg(feature = "rfc2774")]
            Self::Acknowledge(acknowledgement) => acknowledgement.apply(response),
        }
    }
}

/// Adds `Connection: close` (RFC 9112 §9.6).
#[cold]
fn announce_close<B>(response: &mut Response<B>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().append(CONNECTION, close);
}

impl<F, ReqBody, ResBody> fmt::Debug for ResponseFuture<F, ReqBody, ResBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Slow { slow: SlowPath::Own { .. } } => "Own",
            Kind::Forward { .. } | Kind::Slow { .. } => "Forward",
        };
        write!(f, "ResponseFuture({kind})")
    }
}
