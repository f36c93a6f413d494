//! [`Respond`], the trait of responders.

use std::sync::Arc;

use http::{Response, request};

use super::Rejection;

/// Builds the response to a rejected request.
///
/// [`EmptyBody`](crate::EmptyBody), [`PlainText`](crate::PlainText), and
/// [`ProblemDetails`](crate::ProblemDetails) implement it. Closures also implement it. Pass a closure to
/// [`respond_with_fn`](crate::MethodPolicyLayer::respond_with_fn), and the compiler infers its argument types. To
/// choose a responder at run time, use `Arc<dyn Respond<B> + Send + Sync>`. (`Box` cannot implement the trait next to
/// closures.) The responders of this crate will never have settings.
///
/// A responder sets the body and any header fields. It cannot override the policy: the layer sets the
/// status, sets or removes `Allow`, and puts the [`Rejection`] into the extensions. The layer sets
/// `Retry-After` and `Cache-Control` only if the responder did not. For a gRPC request, the layer also replaces
/// the body: see [`guide::grpc`](crate::guide::grpc).
///
/// The layer calls the responder once for each rejected request, when the request arrives. If the
/// [inner service decides](crate::MethodPolicyLayer::inner_decides), the layer calls it when the inner service has
/// answered. For a `HEAD` request, the layer removes the content. If the responder
/// panics, the request fails and an HTTP/1.x connection is dropped. The values in the request come from the client.
/// Escape them for the format that you write. See [`method_excerpt`](crate::method_excerpt).
///
/// # Body types
///
/// `B` is the response body type of the inner service. [`EmptyBody`](crate::EmptyBody) needs
/// `B: Default`. `PlainText` and `ProblemDetails` need `B: From<bytes::Bytes>`. axum's `Body` and
/// `http_body_util::Full` implement both traits.
///
/// `BoxBody` and tonic's `Body` implement only `Default`. Build the response with another body, and convert
/// the body:
///
/// ```
/// use std::convert::Infallible;
///
/// use bytes::Bytes;
/// use http_body_util::combinators::BoxBody;
/// use http_body_util::{BodyExt, Full};
/// use tower_method_policy::{MethodPolicyLayer, ProblemDetails, Respond};
///
/// type Body = BoxBody<Bytes, Infallible>;
///
/// let layer = MethodPolicyLayer::default().respond_with_fn(|rejection, request| {
///     ProblemDetails.respond(rejection, request).map(|body: Full<Bytes>| -> Body { body.boxed() })
/// });
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt};
/// # let service = layer.layer(tower::service_fn(async |_: Request<Body>| {
/// #     Ok::<_, Infallible>(Response::new(Body::default()))
/// # }));
/// # let request = Request::builder().method("FOO").body(Body::default()).unwrap();
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # let response = runtime.block_on(service.oneshot(request)).unwrap();
/// # assert_eq!(response.headers()["content-type"], "application/problem+json");
/// ```
///
/// hyper's `Incoming` implements neither. Box the inner service's bodies, inside the layer:
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::BodyExt;
/// use http_body_util::combinators::BoxBody;
/// use hyper::body::Incoming;
/// use tower::{Service, ServiceBuilder};
/// use tower_method_policy::MethodPolicyLayer;
///
/// fn wrap<S>(
///     inner: S,
/// ) -> impl Service<Request<Incoming>, Response = Response<BoxBody<Bytes, hyper::Error>>>
/// where
///     S: Service<Request<Incoming>, Response = Response<Incoming>>,
/// {
///     ServiceBuilder::new()
///         .layer(MethodPolicyLayer::default())
///         .map_response(|response: Response<Incoming>| response.map(BodyExt::boxed))
///         .service(inner)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot build a response with the body type `{B}`",
    label = "`{Self}` is not a responder for `{B}`",
    note = "`EmptyBody` needs a body that implements `Default`, `PlainText` and `ProblemDetails` one that implements `From<bytes::Bytes>`",
    note = "give a closure to `respond_with_fn`, and let it return `http::Response<{B}>`",
    note = "if a layer inside the policy changes the body type, put `tower_http::map_response_body::MapResponseBodyLayer::new(axum::body::Body::new)` between them",
    note = "for `BoxBody` and `Incoming`, see \"Body types\" in the documentation of `tower_method_policy::Respond`"
)]
pub trait Respond<B> {
    /// Builds the response to `request`.
    fn respond(&self, rejection: &Rejection, request: &request::Parts) -> Response<B>;

    /// What the responder needs of a request that the layer has forwarded. Only the responders of this crate
    /// need less than the head.
    #[doc(hidden)]
    fn needs(&self) -> Needs {
        Needs::Head
    }
}

/// What a responder needs of a request.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// It has no content.
    Nothing,
    Method,
    Head,
}

#[diagnostic::do_not_recommend]
impl<F, B> Respond<B> for F
where
    F: Fn(&Rejection, &request::Parts) -> Response<B>,
{
    fn respond(&self, rejection: &Rejection, request: &request::Parts) -> Response<B> {
        self(rejection, request)
    }
}

/// A responder that is chosen at run time: `Arc<dyn Respond<B> + Send + Sync>`.
#[diagnostic::do_not_recommend]
impl<B, R: Respond<B> + ?Sized> Respond<B> for Arc<R> {
    fn respond(&self, rejection: &Rejection, request: &request::Parts) -> Response<B> {
        (**self).respond(rejection, request)
    }

    fn needs(&self) -> Needs {
        (**self).needs()
    }
}
