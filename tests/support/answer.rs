//! Responses as text.

use std::convert::Infallible;
use std::fmt::Debug;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};

/// Returns the response to `request` with its body as text.
pub(crate) async fn send<S, B>(service: S, request: Request<B>) -> Response<String>
where
    S: Service<Request<B>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Error: Debug>,
{
    let Ok(response) = service.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.into()).unwrap())
}

/// Returns the fields, sorted by their names, as `a: 1 & b: 2`.
pub(crate) fn fields(headers: &HeaderMap) -> String {
    let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let values = |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap());
    let fields =
        names.iter().flat_map(|name| values(*name).map(move |value| format!("{name}: {value}")));
    fields.collect::<Vec<_>>().join(" & ")
}
