//! [`Respond`]: what makes the body of a rejection.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, request};

use super::Rejection;

/// Makes the response to a rejected request: its body, and header fields that go with it.
///
/// `B` is the body type of the inner service, which is kept. Implemented by
/// [`EmptyBody`](crate::EmptyBody), [`PlainText`](crate::PlainText),
/// [`ProblemDetails`](crate::ProblemDetails), [`GrpcStatus`](crate::GrpcStatus) and by closures.
///
/// What is the policy's stays so, whatever the responder does: the status and `Allow` are
/// overwritten (for a `501` an `Allow` is removed), and the [`Rejection`] is put into the response's
/// extensions. `Retry-After` and `Cache-Control` are the layer's unless the responder sets them.
/// Everything else is as the responder made it.
///
/// A responder is called once for each rejected request, when the request arrives, and never for one
/// that is forwarded. Everything about the request is as the client sent it: its values are valid for
/// HTTP but not for wherever they go next, see [`method_excerpt`](crate::method_excerpt). A responder
/// that panics costs the request, and over HTTP/1.x its connection.
///
/// A closure has to say that its arguments are references, `|rejection: &_, request: &_|`. Without
/// the `&_` the compiler takes each of them for one reference with one lifetime, and says
/// "implementation of `Fn` is not general enough" where the service is used.
///
/// ```
/// use bytes::Bytes;
/// use http::{Method, Request, Response, StatusCode};
/// use http_body_util::{BodyExt, Full};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_method_policy::{MethodPolicyLayer, Policy, method_excerpt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = MethodPolicyLayer::new(Policy::new().allow([Method::POST])).respond_with(
///     |_rejection: &_, request: &http::request::Parts| {
///         let text = format!("{} is not for here\n", method_excerpt(&request.method));
///         Response::new(Full::<Bytes>::from(text))
///     },
/// );
/// let service = layer.layer(service_fn(async |_: Request<Full<Bytes>>| {
///     Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from("hello")))
/// }));
///
/// let request = Request::delete("/").body(Full::default())?;
/// let response = service.oneshot(request).await?;
/// assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
/// assert_eq!(response.headers()["allow"], "GET, HEAD, POST");
/// assert_eq!(response.into_body().collect().await?.to_bytes(), "DELETE is not for here\n");
/// # Ok(())
/// # }
/// ```
pub trait Respond<B> {
    /// The response to `request`, which is being rejected.
    fn respond(&self, rejection: &Rejection, request: &request::Parts) -> Response<B>;
}

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
