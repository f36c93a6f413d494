//! [`ResponseFuture`], the service's future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::{HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::drain::Unread;
use crate::rejection::WouldReject;
#[cfg(feature = "rfc2774")]
use crate::rfc2774::Fulfilment;

pin_project! {
    /// The future of [`MethodPolicy`](crate::MethodPolicy): the inner service's, or the policy's
    /// own answer, which waits until the request's body is out of the way.
    ///
    /// # Panics
    ///
    /// Polled again after the policy's own answer was returned, or a response that it marked, it panics.
    pub struct ResponseFuture<F, ReqBody, ResBody> {
        #[pin]
        kind: Kind<F, ReqBody, ResBody>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, ReqBody, ResBody> {
        Forward { #[pin] future: F },
        Handled { #[pin] handled: Handled<F, ReqBody, ResBody> },
    }
}

pin_project! {
    /// A response that the policy has to do with: apart, so that what is forwarded does not pay for
    /// it.
    #[project = HandledProjection]
    enum Handled<F, ReqBody, ResBody> {
        ForwardAnd { #[pin] future: F, after: Option<After> },
        Answer { #[pin] answer: Answer<ReqBody, ResBody> },
        // The response was returned.
        Done,
    }
}

/// What is done to the inner service's response.
pub(crate) enum After {
    Report(WouldReject),
    #[cfg(feature = "rfc2774")]
    Acknowledge(Fulfilment),
}

pin_project! {
    /// The policy's own answer, held until the request's body is out of the way.
    pub(crate) struct Answer<ReqBody, ResBody> {
        response: Option<Response<ResBody>>,
        #[pin]
        body: Unread<ReqBody>,
    }
}

impl<F, ReqBody, ResBody> ResponseFuture<F, ReqBody, ResBody> {
    #[inline]
    pub(crate) fn forward(future: F) -> Self {
        Self {
            kind: Kind::Forward { future },
        }
    }

    pub(crate) fn forward_and(future: F, after: After) -> Self {
        let after = Some(after);
        Self::handled(Handled::ForwardAnd { future, after })
    }

    pub(crate) fn answer(answer: Answer<ReqBody, ResBody>) -> Self {
        Self::handled(Handled::Answer { answer })
    }

    fn handled(handled: Handled<F, ReqBody, ResBody>) -> Self {
        Self {
            kind: Kind::Handled { handled },
        }
    }
}

impl<F, ReqBody, ResBody, E> Future for ResponseFuture<F, ReqBody, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ReqBody: Body,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Forward { future } => future.poll(cx),
            KindProjection::Handled { handled } => handled.poll(cx),
        }
    }
}

impl<F, ReqBody, ResBody, E> Handled<F, ReqBody, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ReqBody: Body,
{
    #[cold]
    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.as_mut().project() {
            HandledProjection::ForwardAnd { future, after } => {
                let mut response = ready!(future.poll(cx))?;
                match after.take() {
                    Some(After::Report(mark)) => {
                        response.extensions_mut().insert(mark);
                    }
                    #[cfg(feature = "rfc2774")]
                    Some(After::Acknowledge(fulfilment)) => fulfilment.acknowledge(&mut response),
                    None => {}
                }
                // What is dropped here as well as with the whole future is not inlined there, where it
                // would cost each forwarded request 15 instructions.
                self.set(Handled::Done);
                Poll::Ready(Ok(response))
            }
            HandledProjection::Done => panic!("polled after completion"),
            HandledProjection::Answer { answer } => answer.poll_response(cx),
        }
    }
}

impl<ReqBody: Body, ResBody> Answer<ReqBody, ResBody> {
    pub(crate) fn new(response: Response<ResBody>, body: Unread<ReqBody>) -> Self {
        Self {
            response: Some(response),
            body,
        }
    }

    fn poll_response<E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ResBody>, E>> {
        let this = self.project();
        let closes = ready!(this.body.poll_closes(cx));
        if let (true, Some(response)) = (closes, this.response.as_mut()) {
            announce_close(response);
        }
        // It was taken before only if the future is polled again after it was ready.
        Poll::Ready(Ok(this.response.take().expect("polled after completion")))
    }
}

/// Says that the connection is closed, so that the client expects it (RFC 9112 §9.6).
#[cold]
fn announce_close<B>(response: &mut Response<B>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().append(CONNECTION, close);
}

impl<F, ReqBody, ResBody> fmt::Debug for ResponseFuture<F, ReqBody, ResBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Handled {
                handled: Handled::Answer { .. },
            } => "Answer",
            Kind::Forward { .. } | Kind::Handled { .. } => "Forward",
        };
        write!(f, "ResponseFuture({kind})")
    }
}
