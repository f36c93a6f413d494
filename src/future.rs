//! [`ResponseFuture`], the service's future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::CONNECTION;
use http::{HeaderValue, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::drain::Drain;
use crate::extension::Fulfilment;

pin_project! {
    /// The future of [`MethodPolicy`](crate::MethodPolicy): the inner service's, or the policy's
    /// own answer, which waits until the request's body is out of the way.
    ///
    /// # Panics
    ///
    /// Polled again after the policy's own answer was returned, it panics.
    pub struct ResponseFuture<F, ReqBody, ResBody> {
        #[pin]
        kind: Kind<F, ReqBody, ResBody>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<F, ReqBody, ResBody> {
        Forward { #[pin] future: F },
        Fulfil { #[pin] future: F, fulfilment: Fulfilment },
        Answer { #[pin] answer: Answer<ReqBody, ResBody> },
    }
}

pin_project! {
    /// The policy's own answer, held until the request's body is out of the way.
    pub(crate) struct Answer<ReqBody, ResBody> {
        response: Option<Response<ResBody>>,
        #[pin]
        drain: Drain<ReqBody>,
        is_http1: bool,
    }

    // Does nothing, but says that the drop of an answer is not worth inlining where a forwarded
    // request's future is dropped.
    impl<ReqBody, ResBody> PinnedDrop for Answer<ReqBody, ResBody> {
        #[cold]
        #[inline(never)]
        fn drop(_this: Pin<&mut Self>) {}
    }
}

impl<F, ReqBody, ResBody> ResponseFuture<F, ReqBody, ResBody> {
    #[inline]
    pub(crate) fn forward(future: F) -> Self {
        Self {
            kind: Kind::Forward { future },
        }
    }

    pub(crate) fn fulfil(future: F, fulfilment: Fulfilment) -> Self {
        Self {
            kind: Kind::Fulfil { future, fulfilment },
        }
    }

    #[inline]
    pub(crate) fn answer(answer: Answer<ReqBody, ResBody>) -> Self {
        Self {
            kind: Kind::Answer { answer },
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
            KindProjection::Fulfil { future, fulfilment } => {
                let mut response = ready!(future.poll(cx))?;
                fulfilment.acknowledge(&mut response);
                Poll::Ready(Ok(response))
            }
            KindProjection::Answer { answer } => answer.poll_response(cx),
        }
    }
}

impl<ReqBody: Body, ResBody> Answer<ReqBody, ResBody> {
    pub(crate) fn new(response: Response<ResBody>, drain: Drain<ReqBody>, is_http1: bool) -> Self {
        Self {
            response: Some(response),
            drain,
            is_http1,
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_response<E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ResBody>, E>> {
        let this = self.project();
        let finished = ready!(this.drain.poll_finished(cx));
        let mut response = this.response.take().expect("polled after completion");
        if !finished && *this.is_http1 {
            // Announced, so that the client expects the close (RFC 9112 §9.6); from HTTP/2
            // on the field is forbidden and not needed (RFC 9113 §8.2.2).
            let close = HeaderValue::from_static("close");
            response.headers_mut().append(CONNECTION, close);
        }
        Poll::Ready(Ok(response))
    }
}

impl<F, ReqBody, ResBody> fmt::Debug for ResponseFuture<F, ReqBody, ResBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Forward { .. } | Kind::Fulfil { .. } => "Forward",
            Kind::Answer { .. } => "Answer",
        };
        write!(f, "ResponseFuture({kind})")
    }
}
