//! [`Respond`], the trait of responders.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, request};

use super::Rejection;

/// Builds the response to a rejected request.
///
/// [`EmptyBody`](crate::EmptyBody), [`PlainText`](crate::PlainText), and
/// [`ProblemDetails`](crate::ProblemDetails) implement it, and so do closures. Give a layer a closure with
/// [`respond_with_fn`](crate::MethodPolicyLayer::respond_with_fn), which infers its argument types.
///
/// A responder sets the body and any header fields. It cannot override the policy: the layer sets the
/// status, sets or removes `Allow`, and puts the [`Rejection`] into the extensions. The layer sets
/// `Retry-After` and `Cache-Control` only if the responder did not.
///
/// A responder is called once for each rejected request, when the request arrives. If it panics, the
/// request fails and an HTTP/1.x connection is dropped. The request's values are as the client sent them,
/// so escape them for where they go next; see [`method_excerpt`](crate::method_excerpt).
///
/// # Body types
///
/// `B` is the response body type of the inner service. [`EmptyBody`](crate::EmptyBody) needs
/// `B: Default`; the other ready responders need `B: From<bytes::Bytes>`. axum's and tonic's `Body` and
/// `http_body_util::Full` have both.
///
/// `BoxBody` has only the first. Use a ready responder with another body and box it:
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
/// hyper's `Incoming` has neither. Box the inner service's bodies, inside the layer:
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
    note = "for `BoxBody` and `Incoming`, see \"Body types\" in the documentation of `tower_method_policy::Respond`"
)]
pub trait Respond<B> {
    /// Builds the response to `request`.
    fn respond(&self, rejection: &Rejection, request: &request::Parts) -> Response<B>;
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

pub(super) fn with_content_type<B: From<Bytes>>(
    body: String,
    content_type: &'static str,
) -> Response<B> {
    let mut response = Response::new(B::from(Bytes::from(body)));
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
