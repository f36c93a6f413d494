//! Other implementations of the rule of [`layered`](crate::layered).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::get;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower::Service;
use tower_http::validate_request::{ValidateRequest, ValidateRequestHeader};

use crate::{Inner, InnerFuture};

const ALLOWED: HeaderValue = HeaderValue::from_static(
    "GET, HEAD, POST, COPY, LOCK, MKCOL, MOVE, PROPFIND, PROPPATCH, UNLOCK",
);

/// The status of the rejection, if `method` is rejected.
#[inline]
pub fn rejection(method: &Method) -> Option<StatusCode> {
    match *method {
        Method::GET | Method::HEAD | Method::POST => None,
        Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS
        | Method::TRACE
        | Method::CONNECT => Some(StatusCode::METHOD_NOT_ALLOWED),
        _ => match method.as_str().as_bytes() {
            b"COPY" | b"LOCK" | b"MKCOL" | b"MOVE" | b"PROPFIND" | b"PROPPATCH" | b"UNLOCK" => None,
            b"QUERY" => Some(StatusCode::METHOD_NOT_ALLOWED),
            _ => Some(StatusCode::NOT_IMPLEMENTED),
        },
    }
}

#[inline]
pub fn rejected<B: Default>(status: StatusCode) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, ALLOWED);
    }
    response
}

/// A service with a fixed `match`. The configurable layer is compared with it.
#[derive(Clone, Debug)]
pub struct HandWritten(pub Inner);

impl<B> Service<Request<B>> for HandWritten {
    type Response = <Inner as Service<Request<B>>>::Response;
    type Error = Infallible;
    type Future = HandWrittenFuture;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.0, cx)
    }

    #[inline]
    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(status) = rejection(request.method()) else {
            return HandWrittenFuture::Forward(self.0.call(request));
        };
        HandWrittenFuture::Reject(Some(rejected(status)))
    }
}

#[derive(Debug)]
pub enum HandWrittenFuture {
    Forward(InnerFuture<crate::Buffer>),
    Reject(Option<Response<crate::Buffer>>),
}

impl Future for HandWrittenFuture {
    type Output = Result<Response<crate::Buffer>, Infallible>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Forward(future) => Pin::new(future).poll(cx),
            Self::Reject(response) => Poll::Ready(Ok(response.take().expect("polled once"))),
        }
    }
}

/// tower-http's `ValidateRequestHeaderLayer::custom`.
#[expect(clippy::result_large_err, reason = "the signature is tower-http's")]
pub fn validate()
-> ValidateRequestHeader<Inner, impl ValidateRequest<crate::Buffer, ResponseBody = crate::Buffer>> {
    ValidateRequestHeader::custom(
        Inner::NEW,
        |request: &mut Request<crate::Buffer>| match rejection(request.method()) {
            None => Ok(()),
            Some(status) => Err(rejected(status)),
        },
    )
}

/// An axum router with one route, to put the layer around or into.
pub fn router() -> Router {
    Router::new().route("/", get(async || ()))
}
