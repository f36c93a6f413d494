//! The two answers to `OPTIONS` (RFC 9110 §9.3.7).

use http::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_LOCATION, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED, TRAILER, TRANSFER_ENCODING,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::methods::MethodSet;
use crate::policy::StoredRule;
use crate::rejection::Rejection;

/// The layer's own answer: `rule` is the rule at the target, or `None` for `*`.
pub(crate) fn own_response<B: Default>(rule: Option<&StoredRule>) -> Response<B> {
    let mut response = Response::new(B::default());
    let headers = response.headers_mut();
    if let Some(rule) = rule {
        headers.insert(ALLOW, rule.allow_with_options.value.clone());
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// The fields that describe the content. The changed response has no content.
const CONTENT_FIELDS: [HeaderName; 14] = [
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LOCATION,
    CONTENT_RANGE,
    CONTENT_DISPOSITION,
    HeaderName::from_static("content-digest"),
    TRANSFER_ENCODING,
    TRAILER,
    ETAG,
    LAST_MODIFIED,
    ACCEPT_RANGES,
    HeaderName::from_static("repr-digest"),
    CONTENT_LENGTH,
];

/// Turns the inner service's `405` to an `OPTIONS` request into `200`, and adds `OPTIONS` to its `Allow`.
///
/// Other responses stay unchanged. A `405` also stays unchanged if its `Allow` is missing or is not a list
/// of methods.
pub(crate) fn turn_method_not_allowed<B: Default>(response: &mut Response<B>) {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return;
    }
    let Some(methods) = MethodSet::from_allow(response.headers()) else {
        return;
    };
    let Ok(allow) = HeaderValue::try_from((methods | Method::OPTIONS).to_string()) else {
        return;
    };
    *response.status_mut() = StatusCode::OK;
    *response.body_mut() = B::default();
    let headers = response.headers_mut();
    for name in &CONTENT_FIELDS {
        headers.remove(name);
    }
    headers.insert(ALLOW, allow);
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response.extensions_mut().remove::<Rejection>();
}
