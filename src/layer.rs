//! [`MethodPolicyLayer`], the builder of services.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use http::{HeaderValue, request};
use tower_layer::Layer;

use crate::drain::Drain;
use crate::policy::Policy;
use crate::rejection::{EmptyBody, Rejection, RetryAfter};
#[cfg(feature = "rfc2774")]
use crate::rfc2774::MandatoryExtensions;
use crate::service::{AnswerOptions, ForwardOptions, MethodPolicy, Shared};

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
/// use tower_method_policy::{
///     MethodPolicyLayer, Policy, ProblemDetails, RetryAfter, method_excerpt,
/// };
///
/// let layer = MethodPolicyLayer::new(Policy::new().allow([Method::POST]))
///     .retry_after(RetryAfter::after(Duration::from_secs(3600)))
///     .cache_control(HeaderValue::from_static("max-age=10"))
///     .respond_with(ProblemDetails)
///     .on_rejection(|rejection, request| {
///         eprintln!("{} {}", rejection.status(), method_excerpt(&request.method));
///     });
/// ```
#[derive(Clone)]
#[must_use]
pub struct MethodPolicyLayer<R = EmptyBody, O = ForwardOptions> {
    shared: Arc<Shared>,
    responder: R,
    options: PhantomData<fn() -> O>,
}

/// The layer of [`Policy::new`]: a screen that answers `501` to methods outside of
/// [`MethodSet::STANDARD`](crate::MethodSet::STANDARD) and leaves everything else to the inner
/// service.
impl Default for MethodPolicyLayer {
    fn default() -> Self {
        Self::new(Policy::new())
    }
}

impl MethodPolicyLayer {
    /// A layer that applies `policy` and answers rejected requests with [`EmptyBody`].
    pub fn new(policy: Policy) -> Self {
        Self {
            shared: Arc::new(Shared::new(policy)),
            responder: EmptyBody,
            options: PhantomData,
        }
    }
}

impl<R, O> MethodPolicyLayer<R, O> {
    /// Sends `Retry-After` with each `501` (RFC 9110 §10.2.3). By default none is sent.
    ///
    /// A [`RetryAfter::at`] is left out once it is past, and a `Retry-After` that the responder
    /// sets is kept.
    pub fn retry_after(self, retry_after: RetryAfter) -> Self {
        self.configure(|shared| shared.responses.retry_after = Some(retry_after))
    }

    /// Sends `Cache-Control` with each rejection. By default none is sent.
    ///
    /// `405` and `501` are heuristically cacheable (RFC 9110 §15.1): without the field a cache may
    /// keep them for as long as it sees fit. A `Cache-Control` that the responder sets is kept.
    pub fn cache_control(self, value: HeaderValue) -> Self {
        self.configure(|shared| shared.responses.cache_control = Some(value))
    }

    /// Makes the responses to rejected requests with `responder`: by default [`EmptyBody`].
    ///
    /// A closure has to say that its arguments are references: `|rejection: &_, request: &_| …`. See
    /// [`Respond`](crate::Respond).
    pub fn respond_with<R2>(self, responder: R2) -> MethodPolicyLayer<R2, O> {
        MethodPolicyLayer {
            shared: self.shared,
            responder,
            options: PhantomData,
        }
    }

    /// Calls `observer` with each rejected request, before its response is made. Called again, it
    /// adds another.
    ///
    /// It is called on the request path, so it should not block. One that panics costs the request,
    /// and over HTTP/1.x its connection.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use tower_method_policy::{MethodPolicyLayer, Reason};
    ///
    /// let unimplemented = Arc::new(AtomicU64::new(0));
    /// let counter = unimplemented.clone();
    /// let layer = MethodPolicyLayer::default().on_rejection(move |rejection, _request| {
    ///     if rejection.reason() == Reason::NotImplemented {
    ///         counter.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// ```
    pub fn on_rejection<F>(self, observer: F) -> Self
    where
        F: Fn(&Rejection, &request::Parts) + Send + Sync + 'static,
    {
        self.configure(|shared| shared.responses.observers.push(Arc::new(observer)))
    }

    /// Applies the rules of the HTTP Extension Framework (RFC 2774, Historic) to mandatory
    /// requests, those whose method begins with `M-`. By default such a method is like any other.
    /// See [`rfc2774`](crate::rfc2774).
    #[cfg(feature = "rfc2774")]
    #[cfg_attr(docsrs, doc(cfg(feature = "rfc2774")))]
    pub fn mandatory_extensions(self, extensions: MandatoryExtensions) -> Self {
        self.configure(|shared| shared.decision.extensions = Some(extensions))
    }

    /// Whether the layer only reports: everything is forwarded, and observers are called with what
    /// would have been rejected. By default it rejects.
    ///
    /// Observers can tell by [`Rejection::is_enforced`], and the inner service's response has the mark
    /// [`WouldReject`](crate::WouldReject) in its extensions. Nothing else is changed: an `OPTIONS`
    /// request that would be answered is forwarded, and no body is read.
    ///
    /// So a policy can be tried before it counts. To try a stricter one beside the one that counts,
    /// put two layers around the service, the stricter one outside:
    ///
    /// ```
    /// use http::{Method, Request, Response};
    /// use http_body_util::Empty;
    /// use tower::{Layer, ServiceExt, service_fn};
    /// use tower_method_policy::{MethodPolicyLayer, Policy, WouldReject};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let policy = Policy::new().allow([Method::POST, Method::PUT]);
    /// let stricter = Policy::new().allow([Method::POST]);
    /// let inner = MethodPolicyLayer::new(policy).layer(service_fn(
    ///     async |_: Request<Empty<&'static [u8]>>| {
    ///         Ok::<_, std::convert::Infallible>(Response::new(String::from("stored")))
    ///     },
    /// ));
    /// let service = MethodPolicyLayer::new(stricter).report_only(true).layer(inner);
    ///
    /// let response = service.oneshot(Request::put("/").body(Empty::new())?).await?;
    /// assert_eq!(response.status(), 200);
    /// let mark = response.extensions().get::<WouldReject>().expect("the stricter policy's");
    /// assert_eq!(mark.allow().unwrap().to_string(), "GET, HEAD, POST");
    /// # Ok(())
    /// # }
    /// ```
    pub fn report_only(self, report_only: bool) -> Self {
        self.configure(|shared| shared.reports_only = report_only)
    }

    /// Answers `OPTIONS` requests (RFC 9110 §9.3.7). By default they are forwarded where the policy
    /// allows them.
    ///
    /// The answer is `200` with `Content-Length: 0`, the target's `Allow` and what
    /// [`Allow::options_header`](crate::Allow::options_header) added to it. It is given where a rule of the policy allows
    /// `OPTIONS`, and, if there is any rule, to `OPTIONS *`, whose `Allow` lists what rules allow
    /// anywhere. Where no rule speaks, the policy does not know what to answer, and `OPTIONS` is
    /// forwarded if it is recognised. Neither observers nor [responders](crate::Respond) are called for it.
    ///
    /// A CORS preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) is left to
    /// the inner service, unless `Max-Forwards: 0` says that it must not be forwarded (RFC 9110
    /// §7.6.2).
    ///
    /// ```
    /// use http::{Method, Request, Response};
    /// use http_body_util::Empty;
    /// use tower::{Layer, ServiceExt, service_fn};
    /// use tower_method_policy::{MethodPolicyLayer, Policy};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let policy = Policy::new().allow([Method::POST, Method::OPTIONS]);
    /// let service = MethodPolicyLayer::new(policy).answer_options().layer(service_fn(
    ///     async |_: Request<Empty<&'static [u8]>>| {
    ///         Ok::<_, std::convert::Infallible>(Response::new(String::from("not asked")))
    ///     },
    /// ));
    /// let response = service.oneshot(Request::options("/").body(Empty::new())?).await?;
    /// assert_eq!(response.status(), 200);
    /// assert_eq!(response.headers()["allow"], "GET, HEAD, POST, OPTIONS");
    /// assert_eq!(response.body(), "");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The wrapped service's response body has to have a default, which is the answer's body.
    pub fn answer_options(self) -> MethodPolicyLayer<R, AnswerOptions> {
        let layer = self.configure(|shared| shared.decision.answers_options = true);
        MethodPolicyLayer {
            shared: layer.shared,
            responder: layer.responder,
            options: PhantomData,
        }
    }

    /// How much of a rejected request's body is read before the answer is sent, and how long it is
    /// waited for: by default up to 64 MiB and 30 seconds, 5 without a byte. See [`Drain`].
    pub fn drain(self, drain: Drain) -> Self {
        self.configure(|shared| shared.drain = Arc::new(drain))
    }

    /// The policy that the layer applies.
    pub fn policy(&self) -> &Policy {
        &self.shared.decision.policy
    }

    fn configure(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        let shared = Arc::make_mut(&mut self.shared);
        change(shared);
        shared.derive();
        self
    }
}

impl<S, R: Clone, O> Layer<S> for MethodPolicyLayer<R, O> {
    type Service = MethodPolicy<S, R, O>;

    /// Panics in a tokio runtime without timers: see [`Drain`].
    #[track_caller]
    fn layer(&self, inner: S) -> Self::Service {
        MethodPolicy::from_parts(inner, self.shared.clone(), self.responder.clone())
    }
}

impl<R, O> fmt::Debug for MethodPolicyLayer<R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("MethodPolicyLayer");
        self.shared.debug_fields::<R>(&mut f);
        f.finish()
    }
}
