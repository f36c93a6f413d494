//! `Max-Forwards`, which limits how often `OPTIONS` and `TRACE` are forwarded (RFC 9110 §7.6.2).

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, COOKIE, MAX_FORWARDS, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower_method_policy::Policy;

use crate::fields::{OrStatus, members, number};

/// Decrements the limit. Returns whether the proxy is the last recipient and has to answer.
///
/// If there are several numbers, the smallest one counts. Any other value is an error, because the client
/// wanted a limit and would get none.
pub(crate) fn is_last_recipient<B>(request: &mut Request<B>) -> OrStatus<bool> {
    let counts = matches!(*request.method(), Method::OPTIONS | Method::TRACE);
    if !counts || !request.headers().contains_key(MAX_FORWARDS) {
        return Ok(false);
    }
    let limit = members(request.headers(), &MAX_FORWARDS).map(number).min();
    let limit = limit.flatten().ok_or(StatusCode::BAD_REQUEST)?;
    let Some(left) = limit.checked_sub(1) else {
        return Ok(true);
    };
    // The upstream may support only smaller numbers, and no chain of proxies is that long.
    let left = HeaderValue::from(left.min(u32::MAX.into()));
    request.headers_mut().insert(MAX_FORWARDS, left);
    Ok(false)
}

/// The answer of the last recipient.
pub(crate) fn answer<B>(request: &Request<B>, policy: &Policy) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    if request.method() == Method::TRACE {
        // The request as it was received, without fields that scripts must not see (RFC 9110 §9.3.8).
        let secret = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];
        let (uri, version) = (request.uri(), request.version());
        let mut message = format!("TRACE {uri} {version:?}\r\n").into_bytes();
        for (name, value) in request.headers() {
            if !secret.contains(name) {
                message
                    .extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
            }
        }
        message.extend(b"\r\n");
        *response.body_mut() = Full::from(message);
        let message = HeaderValue::from_static("message/http");
        response.headers_mut().insert(CONTENT_TYPE, message);
    } else {
        let rule = policy.rule_at(request.uri().path());
        let allow = rule.and_then(|rule| rule.methods().to_string().try_into().ok());
        let field = allow.map(|allow| (ALLOW, allow));
        response.headers_mut().extend(field);
    }
    response
}
