//! The fields of an answer to a gRPC request.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, request};

use super::content::remove_content_fields;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

const CONTENT_TYPE_PREFIX: &str = "application/grpc";

/// Whether `request` is a gRPC or gRPC-Web request.
pub(crate) fn is_grpc(request: &request::Parts) -> bool {
    request.method == Method::POST && content_type(&request.headers).is_some()
}

/// The content type of a gRPC request.
fn content_type(headers: &HeaderMap) -> Option<&[u8]> {
    let content_type = headers.get(CONTENT_TYPE)?.as_bytes();
    let start = content_type.get(..CONTENT_TYPE_PREFIX.len())?;
    start.eq_ignore_ascii_case(CONTENT_TYPE_PREFIX.as_bytes()).then_some(content_type)
}

/// Removes the gRPC status of another answer.
pub(crate) fn remove_grpc_fields(headers: &mut HeaderMap) {
    for name in [STATUS, MESSAGE, STATUS_DETAILS] {
        headers.remove(name);
    }
}

/// Turns the response to a gRPC request into a "Trailers-Only" response (gRPC over HTTP/2, "Responses") with
/// the status `UNIMPLEMENTED`, unless the responder has set a status.
pub(super) fn set_grpc_fields<B: Default>(response: &mut Response<B>, request: &request::Parts) {
    if !is_grpc(request) || response.headers().contains_key(STATUS) {
        return;
    }
    *response.body_mut() = B::default();
    let headers = response.headers_mut();
    remove_content_fields(headers);
    headers.insert(CONTENT_TYPE, answer_content_type(&request.headers));
    headers.insert(STATUS, HeaderValue::from_static("12"));
    headers.insert(MESSAGE, HeaderValue::from_static("the HTTP method is rejected here"));
}

/// A copy of the content type of a gRPC request, for the response.
///
/// hyper's values share the memory of the request's whole header section. This memory must be free while the
/// body is read, so the value is copied.
fn answer_content_type(headers: &HeaderMap) -> HeaderValue {
    const MAX_LENGTH: usize = 64;
    content_type(headers)
        .filter(|content_type| content_type.len() <= MAX_LENGTH)
        .and_then(|content_type| HeaderValue::from_bytes(content_type).ok())
        .unwrap_or(HeaderValue::from_static(CONTENT_TYPE_PREFIX))
}
