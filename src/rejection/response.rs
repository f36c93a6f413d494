//! [`Responses`]: what a rejection carries, beside what the responder makes.

use std::sync::Arc;
use std::{fmt, mem};

use http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, request};

use super::respond::Respond;
use super::retry_after::RetryAfter;
use super::{Reason, Rejection};

pub(crate) type Observer = Arc<dyn Fn(&Rejection, &request::Parts) + Send + Sync>;

/// What the responses to rejected requests have in common.
#[derive(Clone, Default)]
pub(crate) struct Responses {
    pub(crate) retry_after: Option<RetryAfter>,
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) observers: Vec<Observer>,
}

impl Responses {
    /// The response to `request`, which is of no more use then.
    pub(crate) fn reject<B>(
        &self,
        responder: &impl Respond<B>,
        rejection: Rejection,
        request: &mut request::Parts,
    ) -> Response<B> {
        self.observe(&rejection, request);
        let mut response = responder.respond(&rejection, request);
        *response.status_mut() = rejection.status();

        let headers = response.headers_mut();
        if headers.is_empty() {
            // To fill a fresh map would allocate.
            request.headers.clear();
            mem::swap(headers, &mut request.headers);
        } else {
            // Only a 405 has one, the policy's: a 501 speaks of the server (RFC 9110 §10.2.1).
            headers.remove(ALLOW);
        }
        self.set_fields(headers, &rejection);

        let extensions = response.extensions_mut();
        if extensions.is_empty() {
            // Likewise: two of the three allocations that the rejection takes are for the map.
            request.extensions.clear();
            mem::swap(extensions, &mut request.extensions);
        }
        extensions.insert(rejection);
        response
    }

    /// Tells observers of a request that is rejected, or would be.
    pub(crate) fn observe(&self, rejection: &Rejection, request: &request::Parts) {
        for observer in &self.observers {
            observer(rejection, request);
        }
    }

    fn set_fields(&self, headers: &mut HeaderMap, rejection: &Rejection) {
        if let Some(allow) = rejection.allow() {
            headers.insert(ALLOW, allow.header_value().clone());
        }
        let mut set_default = |name, value: Option<&HeaderValue>| {
            if let Some(value) = value {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        };
        if rejection.reason() == Reason::NotImplemented {
            let retry_after = self.retry_after.as_ref().and_then(RetryAfter::value);
            set_default(RETRY_AFTER, retry_after);
        }
        set_default(CACHE_CONTROL, self.cache_control.as_ref());
    }

    pub(crate) fn debug_fields(&self, f: &mut fmt::DebugStruct<'_, '_>) {
        f.field("retry_after", &self.retry_after)
            .field("cache_control", &self.cache_control)
            .field("observers", &self.observers.len());
    }
}
