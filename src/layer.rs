//! [`MethodPolicyLayer`] and what it shares with its services.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, request};
use tower_layer::Layer;

use crate::policy::Policy;
use crate::rejection::{Reason, Rejected, Rejection};
use crate::respond::{EmptyBody, Respond};
use crate::retry_after::RetryAfter;
use crate::service::MethodPolicy;

/// Puts a [`Policy`] in front of a service.
///
/// See the [crate's documentation](crate) for what it answers and where to put it.
///
/// Its services share one configuration: wrapping a service, or cloning a wrapped one, copies a
/// pointer, and all header values are rendered when the layer is built.
///
/// ```
/// use std::time::Duration;
///
/// use http::{HeaderValue, Method};
/// use tower_method_policy::{MethodPolicyLayer, Policy, ProblemDetails, RetryAfter};
///
/// let layer = MethodPolicyLayer::new(Policy::new().allow([Method::POST]))
///     .retry_after(RetryAfter::after(Duration::from_secs(3600)))
///     .cache_control(HeaderValue::from_static("max-age=10"))
///     .respond_with(ProblemDetails)
///     .on_rejection(|rejection| eprintln!("{} refused", rejection.method_excerpt()));
/// ```
#[derive(Clone)]
#[must_use]
pub struct MethodPolicyLayer<R = EmptyBody> {
    shared: Arc<Shared>,
    responder: R,
}

/// What a layer's services have in common, whatever their responder.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) policy: Policy,
    retry_after: Option<RetryAfter>,
    cache_control: Option<HeaderValue>,
    observers: Vec<Observer>,
}

type Observer = Arc<dyn Fn(&Rejection<'_>) + Send + Sync>;

/// The layer of [`Policy::new`]: a screen that answers `501` to methods outside of
/// [`MethodSet::STANDARD`](crate::MethodSet::STANDARD), `405` to `CONNECT` and `TRACE`, and leaves everything else to the
/// inner service.
impl Default for MethodPolicyLayer {
    fn default() -> Self {
        Self::new(Policy::new())
    }
}

impl MethodPolicyLayer {
    /// A layer that applies `policy` and answers refused requests with [`EmptyBody`].
    pub fn new(policy: Policy) -> Self {
        Self {
            shared: Arc::new(Shared {
                policy,
                retry_after: None,
                cache_control: None,
                observers: Vec::new(),
            }),
            responder: EmptyBody,
        }
    }
}

impl<R> MethodPolicyLayer<R> {
    /// Sends `Retry-After` with each `501` (RFC 9110 §10.2.3). By default none is sent.
    ///
    /// A [`RetryAfter::at`] is left out once it is past, and a `Retry-After` that the responder
    /// sets is kept.
    pub fn retry_after(self, retry_after: RetryAfter) -> Self {
        self.configure(|shared| shared.retry_after = Some(retry_after))
    }

    /// Sends `Cache-Control` with each `405` and `501`. By default none is sent.
    ///
    /// Both are heuristically cacheable (RFC 9110 §15.1): without the field a cache may keep them
    /// for as long as it sees fit. A `Cache-Control` that the responder sets is kept.
    pub fn cache_control(self, value: HeaderValue) -> Self {
        self.configure(|shared| shared.cache_control = Some(value))
    }

    /// Makes the responses to refused requests with `responder` (by default [`EmptyBody`]).
    pub fn respond_with<R2>(self, responder: R2) -> MethodPolicyLayer<R2> {
        MethodPolicyLayer {
            shared: self.shared,
            responder,
        }
    }

    /// Calls `observer` for each refused request, before its response is made. Called again, it
    /// adds another.
    ///
    /// It is called on the request path, so it should not block.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use tower_method_policy::{MethodPolicyLayer, Reason};
    ///
    /// let unimplemented = Arc::new(AtomicU64::new(0));
    /// let counter = unimplemented.clone();
    /// let layer = MethodPolicyLayer::default().on_rejection(move |rejection| {
    ///     if rejection.reason() == Reason::NotImplemented {
    ///         counter.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// ```
    pub fn on_rejection<F>(self, observer: F) -> Self
    where
        F: Fn(&Rejection<'_>) + Send + Sync + 'static,
    {
        self.configure(|shared| shared.observers.push(Arc::new(observer)))
    }

    /// The policy that the layer applies.
    pub fn policy(&self) -> &Policy {
        &self.shared.policy
    }

    fn configure(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }
}

impl<R: Clone, S> Layer<S> for MethodPolicyLayer<R> {
    type Service = MethodPolicy<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        MethodPolicy::from_parts(inner, self.shared.clone(), self.responder.clone())
    }
}

impl<R> fmt::Debug for MethodPolicyLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("MethodPolicyLayer");
        self.shared.debug_fields::<R>(&mut f);
        f.finish()
    }
}

impl Shared {
    /// The response to a request that is refused for what `rejected` says.
    pub(crate) fn refuse<B>(
        &self,
        responder: &impl Respond<B>,
        rejected: Rejected,
        request: request::Parts,
    ) -> Response<B> {
        let rejection = Rejection::new(&rejected, &request);
        for observer in &self.observers {
            observer(&rejection);
        }
        let mut response = responder.respond(&rejection);
        *response.status_mut() = rejection.status();

        let headers = response.headers_mut();
        if headers.is_empty() {
            // The request's map is of no more use, and to fill a fresh one would allocate.
            *headers = request.headers;
            headers.clear();
        }
        self.set_headers(headers, &rejected);
        response.extensions_mut().insert(rejected);
        response
    }

    fn set_headers(&self, headers: &mut HeaderMap, rejected: &Rejected) {
        match rejected.allow() {
            Some(allow) => headers.insert(ALLOW, allow.header_value().clone()),
            // 501 speaks of the server, `Allow` of a resource (RFC 9110 §10.2.1).
            None => headers.remove(ALLOW),
        };
        let retry_after = match rejected.reason() {
            Reason::NotImplemented => self.retry_after.as_ref().and_then(RetryAfter::value),
            Reason::NotAllowed => None,
        };
        for (name, value) in [
            (RETRY_AFTER, retry_after),
            (CACHE_CONTROL, self.cache_control.as_ref()),
        ] {
            if let Some(value) = value {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        }
    }

    pub(crate) fn debug_fields<R>(&self, f: &mut fmt::DebugStruct<'_, '_>) {
        f.field("policy", &self.policy)
            .field("retry_after", &self.retry_after)
            .field("cache_control", &self.cache_control)
            .field("observers", &self.observers.len())
            .field("responder", &format_args!("{}", type_name::<R>()));
    }
}
