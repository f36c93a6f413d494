//! The rule of [`layered`](crate::layered) by other means.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request as AxumRequest;
use axum::middleware::{self, Next};
use axum::routing::{MethodRouter, get};
use http::header::ALLOW;
use http::{Extensions, HeaderValue, Method, Request, Response, StatusCode};
use tower::filter::{Filter, Predicate};
use tower::{BoxError, Layer, Service};
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

/// A fixed `match` in a service written for it: what a configurable layer is held against. With
/// `MARKED` a rejection carries a value in its extensions.
#[derive(Clone, Debug)]
pub struct HandWritten<const MARKED: bool>(pub Inner);

/// As large as what a rejection of the crate leaves.
#[derive(Clone, Debug)]
struct Mark(#[expect(dead_code, reason = "it only takes room")] [usize; 2]);

impl<B, const MARKED: bool> Service<Request<B>> for HandWritten<MARKED> {
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
        let mut response = rejected(status);
        if MARKED {
            let extensions: &mut Extensions = response.extensions_mut();
            extensions.insert(Mark([0; 2]));
        }
        HandWrittenFuture::Reject(Some(response))
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

/// tower's `FilterLayer`, whose rejection is an error: it cannot answer.
pub fn filter()
-> Filter<Inner, impl Predicate<Request<crate::Buffer>, Request = Request<crate::Buffer>>> {
    Filter::new(
        Inner::NEW,
        |request: Request<crate::Buffer>| match rejection(request.method()) {
            None => Ok(request),
            Some(_) => Err(BoxError::from("rejected")),
        },
    )
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

/// axum's `from_fn`.
pub fn from_fn()
-> impl Service<AxumRequest, Response = axum::response::Response, Error = Infallible> + Clone {
    let layer = middleware::from_fn(async |request: AxumRequest, next: Next| {
        match rejection(request.method()) {
            None => next.run(request).await,
            Some(status) => rejected(status),
        }
    });
    layer.layer(Inner::<axum::body::Body>::NEW)
}

/// axum's own `MethodRouter`, whose handler returns an empty response. It knows no 501.
pub fn method_router() -> MethodRouter<(), Infallible> {
    get(async || ()).post(async || ())
}

/// An axum router with one route, to put the layer around or into.
pub fn router() -> Router {
    Router::new().route("/", get(async || ()))
}
