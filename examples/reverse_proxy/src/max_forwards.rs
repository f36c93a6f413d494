//! `Max-Forwards`: how far `OPTIONS` and `TRACE` may still go (RFC 9110 §7.6.2).

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, COOKIE, MAX_FORWARDS, PROXY_AUTHORIZATION};
use http::{HeaderName, HeaderValue, Method, Response, request};
use http_body_util::Full;
use tower_method_policy::Allow;

/// The fields that are not for the eyes of whoever sees the answer to a `TRACE` (RFC 9110 §9.3.8).
const SENSITIVE: [HeaderName; 3] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];

/// Where a request goes from here.
pub(crate) enum Hop {
    /// To the upstream.
    Further,
    /// Nowhere: the proxy is to answer as if it were the upstream.
    Last,
}

/// Counts a hop of an `OPTIONS` or a `TRACE` request. For other methods the field means nothing.
pub(crate) fn next_hop(request: &mut request::Parts) -> Hop {
    if !matches!(request.method, Method::OPTIONS | Method::TRACE) {
        return Hop::Further;
    }
    let left = request
        .headers
        .get(MAX_FORWARDS)
        .and_then(|value| value.to_str().ok())
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        // Any number of digits is allowed; more than a chain can be long means the same.
        .map(|digits| digits.parse().unwrap_or(u32::MAX));
    match left {
        None => Hop::Further,
        Some(0) => Hop::Last,
        Some(left) => {
            let left = HeaderValue::from(left - 1);
            request.headers.insert(MAX_FORWARDS, left);
            Hop::Further
        }
    }
}

/// The answer of the last recipient.
pub(crate) fn answer(request: &request::Parts, allow: Option<&Allow>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    if request.method == Method::TRACE {
        let message = HeaderValue::from_static("message/http");
        response.headers_mut().insert(CONTENT_TYPE, message);
        *response.body_mut() = Full::from(echo(request));
    } else if let Some(allow) = allow {
        let allow = allow.header_value().clone();
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// The request as it was received (RFC 9110 §9.3.8), in the form of `message/http` (RFC 9112 §10.1).
fn echo(request: &request::Parts) -> Vec<u8> {
    let (method, uri, version) = (&request.method, &request.uri, request.version);
    let mut message = format!("{method} {uri} {version:?}\r\n").into_bytes();
    for (name, value) in &request.headers {
        if !SENSITIVE.contains(name) {
            message.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
    }
    message.extend(b"\r\n");
    message
}
