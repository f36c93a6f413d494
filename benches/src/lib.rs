//! The inner service, the layers around it, and the requests that the benchmarks measure.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::Future;
use std::hint::black_box;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST, ORIGIN, USER_AGENT};
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use http_body_util::Full;
use tower::{Layer, Service};
use tower_method_policy::{MethodPolicy, MethodPolicyLayer, MethodSet, Policy, ProblemDetails};

/// The body of most requests and responses.
pub type Buffer = Full<Bytes>;

/// The inner service of all benchmarks. The compiler cannot inline it.
#[derive(Debug)]
pub struct Inner<B = Buffer>(PhantomData<fn() -> B>);

impl<B> Inner<B> {
    pub const NEW: Self = Self(PhantomData);
}

impl<B> Clone for Inner<B> {
    fn clone(&self) -> Self {
        Self::NEW
    }
}

impl<ReqBody, ResBody: Default> Service<Request<ReqBody>> for Inner<ResBody> {
    type Response = Response<ResBody>;
    type Error = Infallible;
    type Future = InnerFuture<ResBody>;

    #[inline(never)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        black_box(cx);
        Poll::Ready(Ok(()))
    }

    #[inline(never)]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        black_box(&request);
        InnerFuture(Some(Response::default()))
    }
}

#[derive(Debug)]
pub struct InnerFuture<B>(Option<Response<B>>);

impl<B> Unpin for InnerFuture<B> {}

impl<B> Future for InnerFuture<B> {
    type Output = Result<Response<B>, Infallible>;

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        black_box(cx);
        Poll::Ready(Ok(self.0.take().expect("polled once")))
    }
}

/// Everything that a server does with a request and a service: `poll_ready`, `call`, the future,
/// the response's body, and the drops. Returns the response's status, or 0 for an error.
#[inline(never)]
pub fn exchange<S, ReqBody, ResBody>(service: &mut S, request: Request<ReqBody>) -> u16
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: Debug>,
    ResBody: Body,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let Poll::Ready(answer) = pin!(service.call(request)).poll(&mut cx) else {
        panic!("the response is not ready at once");
    };
    let Ok(response) = answer else { return 0 };
    let status = response.status().as_u16();
    let mut body = pin!(response.into_body());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
        drop(black_box(frame));
    }
    status
}

fn allowed() -> MethodSet {
    (MethodSet::WEBDAV - [Method::PUT, Method::DELETE, Method::OPTIONS]) | Method::POST
}

pub fn layer() -> MethodPolicyLayer {
    MethodPolicyLayer::new(Policy::new().fallback(allowed()))
}

/// The inner service behind one rule.
pub fn layered() -> MethodPolicy<Inner> {
    layer().layer(Inner::NEW)
}

/// The inner service behind a layer that answers `OPTIONS`.
pub fn answering() -> MethodPolicy<Inner> {
    MethodPolicyLayer::default().answer_options(true).layer(Inner::NEW)
}

/// A layer that answers in place of the `405` of the inner service.
pub fn deciding() -> MethodPolicyLayer<ProblemDetails> {
    MethodPolicyLayer::default().inner_decides(true).respond_with(ProblemDetails)
}

/// The same layer with an observer, so it copies the head of each request.
pub fn observed() -> MethodPolicyLayer<ProblemDetails> {
    deciding().on_rejection(|rejection, request| {
        black_box((rejection, request));
    })
}

/// An axum router with one route.
pub fn router() -> Router {
    Router::new().route("/", get(async || ()))
}

/// The inner service behind a rule with `count` unregistered methods: `OWN-00000` and so on.
pub fn with_own_methods(count: usize) -> MethodPolicy<Inner> {
    let own: MethodSet = (0..count).map(|n| method(&format!("OWN-{n:05}"))).collect();
    MethodPolicy::new(Inner::NEW, Policy::new().fallback(allowed() | own))
}

/// The patterns of `count` path rules.
pub fn patterns(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("/collection-{n}/{{id}}"))
}

/// A path that one of 10 or more [`patterns`] matches.
pub const PATH: &str = "/collection-7/item";

/// The inner service behind `count` path rules that list `PUT`, and a fallback that does not.
pub fn with_routes(count: usize) -> MethodPolicy<Inner> {
    let policy = Policy::new().fallback([Method::GET]);
    let policy = patterns(count)
        .fold(policy, |policy, pattern| policy.route(&pattern, Method::PUT).expect("no conflict"));
    MethodPolicy::new(Inner::NEW, policy)
}

/// A request without a body.
pub fn request<B: Default>(method: &Method, path: &'static str, headers: usize) -> Request<B> {
    let mut request = Request::new(B::default());
    *request.method_mut() = method.clone();
    *request.uri_mut() = http::Uri::from_static(path);
    let names = [HOST, USER_AGENT, ACCEPT, ACCEPT_ENCODING, ORIGIN];
    for name in names.into_iter().take(headers) {
        request.headers_mut().insert(name, HeaderValue::from_static("value"));
    }
    request
}

pub fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).expect("a token")
}
