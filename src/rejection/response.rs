//! The response to a rejected request.

use std::fmt;
use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, RETRY_AFTER};
use http::{HeaderValue, Response, request};

use super::grpc::set_grpc_fields;
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

impl ResponseSettings {
    /// Calls the observers with a rejection that is made or only reported.
    pub(crate) fn observe(&self, rejection: &Rejection, request: &request::Parts) {
        for observer in &self.observers {
            observer(rejection, request);
        }
    }

    /// Sets what a responder cannot override, and the default values of other fields.
    pub(crate) fn finish<B: Default>(
        &self,
        response: &mut Response<B>,
        rejection: Rejection,
        request: &request::Parts,
    ) {
        *response.status_mut() = rejection.status();
        let reason = rejection.reason();
        if matches!(reason, Reason::NotAllowed | Reason::NotImplemented) {
            set_grpc_fields(response, request);
        }

        let headers = response.headers_mut();
        match rejection.allow_field() {
            Some(allow) => headers.insert(ALLOW, allow.value.clone()),
            None => headers.remove(ALLOW),
        };
        let retry_after = self.retry_after.as_ref().filter(|_| reason == Reason::NotImplemented);
        let mut set_default = |name, value: Option<&HeaderValue>| {
            if let Some(value) = value {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        };
        set_default(RETRY_AFTER, retry_after.and_then(RetryAfter::value));
        set_default(CACHE_CONTROL, self.cache_control.as_ref());

        response.extensions_mut().insert(rejection);
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

/// Adds `Connection: close` (RFC 9112 §9.6), unless the responder or the inner service has sent it.
#[cold]
pub(crate) fn announce_close<B>(response: &mut Response<B>) {
    let headers = response.headers_mut();
    let mut options = headers.get_all(CONNECTION).iter();
    if !options.any(|option| option.as_bytes().eq_ignore_ascii_case(b"close")) {
        headers.append(CONNECTION, HeaderValue::from_static("close"));
    }
}
