use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, request};

use super::Rejection;
use super::respond::Respond;

/// Answers a gRPC request so that its client sees `UNIMPLEMENTED`, and any other with an empty
/// body.
///
/// To a request whose `Content-Type` begins with `application/grpc` (in any case; gRPC-Web is among
/// them) the response is a "Trailers-Only" one: it repeats that `Content-Type` and has
/// `grpc-status: 12` and a `grpc-message` in its header section. Without them a client derives the
/// code from the HTTP status, and from `405` or `501` that is `UNKNOWN` ([gRPC over HTTP/2], "HTTP
/// to gRPC status code mapping").
///
/// [gRPC over HTTP/2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GrpcStatus;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");
const MESSAGE: HeaderValue = HeaderValue::from_static("the HTTP method is rejected here");

impl<B: Default> Respond<B> for GrpcStatus {
    fn respond(&self, _: &Rejection, request: &request::Parts) -> Response<B> {
        let mut response = Response::new(B::default());
        if let Some(content_type) = grpc_content_type(&request.headers) {
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, content_type.clone());
            headers.insert(GRPC_STATUS, UNIMPLEMENTED);
            headers.insert(GRPC_MESSAGE, MESSAGE);
        }
        response
    }
}

fn grpc_content_type(headers: &HeaderMap) -> Option<&HeaderValue> {
    const GRPC: &[u8] = b"application/grpc";
    let content_type = headers.get(CONTENT_TYPE)?;
    let start = content_type.as_bytes().get(..GRPC.len())?;
    start.eq_ignore_ascii_case(GRPC).then_some(content_type)
}
