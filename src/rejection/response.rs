//! The response to a rejected request.

use std::sync::Arc;
use std::{fmt, mem};

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, request};

use super::respond::Respond;
use super::retry_after::RetryAfter;
use super::{Reason, Rejection};

pub(crate) type Observer = Arc<dyn Fn(&Rejection, &request::Parts) + Send + Sync>;

/// A layer's settings for the responses to rejected requests.
#[derive(Clone, Default)]
pub(crate) struct ResponseSettings {
    pub(crate) retry_after: Option<RetryAfter>,
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) observers: Vec<Observer>,
}

/// Larger header maps are not reused: their memory would be held while the request's body is read.
const MAX_REUSED_CAPACITY: usize = 128;

impl ResponseSettings {
    /// Builds the response to `request`. May clear and reuse the request's header map and extensions.
    pub(crate) fn reject<B: Default>(
        &self,
        responder: &impl Respond<B>,
        rejection: Rejection,
        request: &mut request::Parts,
    ) -> Response<B> {
        self.observe(&rejection, request);
        let mut response = responder.respond(&rejection, request);
        *response.status_mut() = rejection.status();
        match rejection.reason() {
            Reason::NotAllowed | Reason::NotImplemented => set_grpc_fields(&mut response, request),
            #[cfg(feature = "rfc2774")]
            Reason::NotExtended | Reason::MalformedDeclaration => {}
        }

        let headers = response.headers_mut();
        if headers.is_empty() && request.headers.capacity() <= MAX_REUSED_CAPACITY {
            // Filling a new map takes 2 allocations.
            request.headers.clear();
            mem::swap(headers, &mut request.headers);
        }
        self.set_fields(headers, &rejection);

        let extensions = response.extensions_mut();
        if extensions.is_empty() {
            // Making a new map takes 2 allocations.
            request.extensions.clear();
            mem::swap(extensions, &mut request.extensions);
        }
        extensions.insert(rejection);
        response
    }

    /// Calls the observers with a rejection that is made or only reported.
    pub(crate) fn observe(&self, rejection: &Rejection, request: &request::Parts) {
        for observer in &self.observers {
            observer(rejection, request);
        }
    }

    fn set_fields(&self, headers: &mut HeaderMap, rejection: &Rejection) {
        match rejection.allow_field() {
            Some(allow) => headers.insert(ALLOW, allow.value.clone()),
            None => headers.remove(ALLOW),
        };
        let retry_after = match rejection.reason() {
            Reason::NotImplemented => self.retry_after.as_ref().and_then(RetryAfter::value),
            Reason::NotAllowed => None,
            #[cfg(feature = "rfc2774")]
            Reason::NotExtended | Reason::MalformedDeclaration => None,
        };
        let mut set_default = |name, value: Option<&HeaderValue>| {
            if let Some(value) = value {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        };
        set_default(RETRY_AFTER, retry_after);
        set_default(CACHE_CONTROL, self.cache_control.as_ref());
    }
}

impl fmt::Debug for ResponseSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseSettings")
            .field("retry_after", &self.retry_after)
            .field("cache_control", &self.cache_control)
            .field("observers", &self.observers.len())
            .finish()
    }
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");
const MESSAGE: HeaderValue = HeaderValue::from_static("the HTTP method is rejected here");

/// Turns the response to a gRPC request into a "Trailers-Only" response (gRPC over HTTP/2, "Responses") with
/// the status `UNIMPLEMENTED`, unless the responder has set a status.
fn set_grpc_fields<B: Default>(response: &mut Response<B>, request: &request::Parts) {
    if request.method != Method::POST {
        return;
    }
    let Some(content_type) = grpc_content_type(&request.headers) else {
        return;
    };
    if response.headers().contains_key(GRPC_STATUS) {
        return;
    }
    *response.body_mut() = B::default();
    let headers = response.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(GRPC_STATUS, UNIMPLEMENTED);
    headers.insert(GRPC_MESSAGE, MESSAGE);
}

/// A copy of the content type of a gRPC request, for the response.
///
/// hyper's values share the memory of the request's whole header section. This memory must be free while the
/// body is read, so the value is copied.
fn grpc_content_type(headers: &HeaderMap) -> Option<HeaderValue> {
    const GRPC: &str = "application/grpc";
    const MAX_LENGTH: usize = 64;
    let content_type = headers.get(CONTENT_TYPE)?.as_bytes();
    let start = content_type.get(..GRPC.len())?;
    if !start.eq_ignore_ascii_case(GRPC.as_bytes()) {
        return None;
    }
    if content_type.len() > MAX_LENGTH {
        return Some(HeaderValue::from_static(GRPC));
    }
    HeaderValue::from_bytes(content_type).ok()
}
