//! [`Respond`]: what makes the response to a refused request.

mod empty_body;
mod grpc_status;
mod plain_text;
mod problem_details;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

pub use self::empty_body::EmptyBody;
pub use self::grpc_status::GrpcStatus;
pub use self::plain_text::PlainText;
pub use self::problem_details::ProblemDetails;
use crate::rejection::Rejection;

/// Makes the response to a refused request: its body, and header fields that go with it.
///
/// `B` is the body type of the inner service, which is kept. Implemented by [`EmptyBody`],
/// [`PlainText`],
/// [`ProblemDetails`], [`GrpcStatus`] and by closures.
///
/// What is the policy's stays so, whatever the responder does: the status and `Allow` are
/// overwritten (for a `501` an `Allow` is removed), and [`Rejected`](crate::Rejected) is put into
/// the extensions. `Retry-After` and `Cache-Control` are the layer's unless the responder sets
/// them. Everything else is as the responder made it.
///
/// A responder is called once for each refused request, when the request arrives, and never for one
/// that is forwarded.
///
/// ```
/// use bytes::Bytes;
/// use http::{Method, Request, Response, StatusCode};
/// use http_body_util::{BodyExt, Full};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_method_policy::{MethodPolicyLayer, Policy, Rejection};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = MethodPolicyLayer::new(Policy::new().allow([Method::POST])).respond_with(
///     |rejection: &Rejection<'_>| {
///         let text = format!("{} is not for here\n", rejection.method_excerpt());
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
    /// The response to the request that is being refused.
    fn respond(&self, rejection: &Rejection<'_>) -> Response<B>;
}

impl<F, B> Respond<B> for F
where
    F: Fn(&Rejection<'_>) -> Response<B>,
{
    fn respond(&self, rejection: &Rejection<'_>) -> Response<B> {
        self(rejection)
    }
}

fn with_content_type<B: From<Bytes>>(body: String, content_type: &'static str) -> Response<B> {
    let mut response = Response::new(B::from(Bytes::from(body)));
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
