//! [`MethodPolicyLayer`], which has all settings and creates the services.

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, Response, request};
use tower_layer::Layer;

use crate::body_drain::BodyDrain;
use crate::policy::Policy;
use crate::rejection::{EmptyBody, Rejection, RetryAfter};
#[cfg(feature = "rfc2774")]
use crate::rfc2774::MandatoryExtensions;
use crate::service::MethodPolicy;
use crate::settings::{Settings, Shared};

/// A layer that checks each request's method against a [`Policy`], and forwards the request or answers it.
///
/// The [crate documentation](crate) describes its answers and where to put it. All services of a layer share
/// one configuration. The layer builds header values once, not for each request.
///
/// ```
/// use std::time::Duration;
///
/// use http::HeaderValue;
/// use tower_method_policy::{MethodPolicyLayer, ProblemDetails, RetryAfter, method_excerpt};
///
/// let layer = MethodPolicyLayer::default()
///     .answer_options(true)
///     .respond_with(ProblemDetails)
///     .retry_after(RetryAfter::after(Duration::from_secs(3600)))
///     .cache_control(HeaderValue::from_static("max-age=10"))
///     .on_rejection(|rejection, request| {
///         eprintln!("{rejection}: {}", method_excerpt(&request.method));
///     });
/// ```
#[must_use]
pub struct MethodPolicyLayer<R = EmptyBody> {
    shared: Arc<Shared<R>>,
}

/// A layer with [`Policy::new`]: it answers `501` to methods outside
/// [`MethodSet::STANDARD`](crate::MethodSet::STANDARD) and forwards everything else.
impl Default for MethodPolicyLayer {
    fn default() -> Self {
        Self::new(Policy::new())
    }
}

impl MethodPolicyLayer {
    /// Creates a layer that applies `policy` and answers rejected requests with [`EmptyBody`].
    pub fn new(policy: Policy) -> Self {
        let settings = Settings { policy, ..Settings::default() };
        Self { shared: Shared::new(settings, Arc::new(EmptyBody)) }
    }
}

impl<R> MethodPolicyLayer<R> {
    /// Sets whether the inner service decides where no rule applies. The default is `false`.
    ///
    /// A router that answers `405` knows which methods each path has. If `true`, the layer forwards every method
    /// where no [rule](crate::Policy) applies, and answers in place of a `405` that lists methods:
    ///
    /// - `501` if the server does not [recognize](crate::Policy::recognize) the method
    /// - `405` with the methods that the inner service lists, for any other method, also `GET` and `HEAD`
    ///
    /// Observers and the responder see these rejections. Layers inside see each request and apply to each answer. Rules
    /// still decide before the inner service is called, and only a rule rejects what the inner service handles.
    ///
    /// [Recognize](crate::Policy::recognize) the methods that only some routes handle, such as `PROPFIND`. Then the other
    /// routes answer them with `405` and not `501`. If the layer also [answers `OPTIONS`](Self::answer_options), it
    /// answers `OPTIONS *` itself, unless a fallback lists `OPTIONS`.
    ///
    /// This has a price: a `501` comes only where the inner service answers `405`, the layer cannot
    /// [drain](crate::BodyDrain) an upload that it has forwarded, and [`report_only`](Self::report_only) has nothing to
    /// report where no rule applies. [`guide::decisions`](crate::guide::decisions) compares both ways to decide. It also
    /// has the table of each `405`, and says what happens to the content of the inner service's response.
    ///
    /// Wrap the finished router. With axum's `Router::layer`, this has no effect, because axum adds `Allow` outside of the
    /// layer. Do not enable this in a forward proxy. A proxy must not modify `Allow` (RFC 9110 §10.2.1).
    ///
    /// # Cost
    ///
    /// If there is an observer, or if the responder is not one of this crate, the layer copies the request's head
    /// before it forwards the request. This takes at least 3 allocations, and the copy lives until the inner service
    /// answers. Without them, nothing is allocated, except for gRPC requests.
    ///
    /// ```
    /// use axum::Router;
    /// use axum::body::Body;
    /// use axum::routing::get;
    /// use http::Request;
    /// use tower::{Layer, ServiceExt};
    /// use tower_method_policy::MethodPolicyLayer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let router = Router::new().route("/users", get("users").post("created"));
    /// let app = MethodPolicyLayer::default().inner_decides(true).layer(router);
    ///
    /// for (method, status, allow) in [
    ///     ("DELETE", 405, Some("GET, HEAD, POST")),
    ///     ("FOO", 501, None),
    /// ] {
    ///     let request = Request::builder().method(method).uri("/users").body(Body::empty())?;
    ///     let response = app.clone().oneshot(request).await?;
    ///     assert_eq!(response.status(), status);
    ///     let sent = response.headers().get("allow");
    ///     assert_eq!(sent.map(|sent| sent.as_bytes()), allow.map(str::as_bytes));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn inner_decides(self, inner_decides: bool) -> Self {
        self.configure(|settings| settings.inner_decides = inner_decides)
    }

    /// Sets whether the layer answers `OPTIONS` (RFC 9110 §9.3.7). The default is `false`.
    ///
    /// - If a rule applies that does not list `OPTIONS`, the layer answers `200` with `Allow` and an empty
    ///   body.
    /// - If no rule applies, or the rule lists `OPTIONS`, the layer forwards the request. If the inner
    ///   service answers `405` with an `Allow`, as routers do, the layer changes the answer to `200` and adds
    ///   `OPTIONS` to its `Allow`.
    /// - `OPTIONS *` gets `200` without `Allow`, unless the fallback lists `OPTIONS`.
    /// - Every `Allow` that the layer sends includes `OPTIONS`. Rules need not list it. List it if the inner
    ///   service handles `OPTIONS` itself, as a WebDAV server does.
    ///
    /// A `405` that becomes `200` loses its extensions, its body, and the fields that describe the body, such as
    /// `Content-Type` and `ETag`. `Content-Length` becomes 0. All other fields stay.
    /// [`guide::decisions`](crate::guide::decisions) has the table of all answers.
    ///
    /// The layer does not call observers or responders for these answers. Do not enable this in a forward
    /// proxy. The `405` of another server would become `200`, and a proxy must not modify `Allow`
    /// (RFC 9110 §10.2.1).
    ///
    /// ```
    /// use axum::Router;
    /// use axum::body::Body;
    /// use axum::routing::get;
    /// use http::Request;
    /// use tower::{Layer, ServiceExt};
    /// use tower_method_policy::MethodPolicyLayer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let router = Router::new().route("/users", get("users").post("created"));
    /// let app = MethodPolicyLayer::default().answer_options(true).layer(router);
    ///
    /// let response = app.oneshot(Request::options("/users").body(Body::empty())?).await?;
    /// assert_eq!(response.status(), 200);
    /// assert_eq!(response.headers()["allow"], "GET, HEAD, POST, OPTIONS");
    /// # Ok(())
    /// # }
    /// ```
    pub fn answer_options(self, answer_options: bool) -> Self {
        self.configure(|settings| settings.answers_options = answer_options)
    }

    /// Sets the responder that builds rejection responses. The default is [`EmptyBody`].
    ///
    /// For a closure, use [`respond_with_fn`](Self::respond_with_fn).
    pub fn respond_with<R2>(self, responder: R2) -> MethodPolicyLayer<R2> {
        let settings = self.shared.settings.clone();
        MethodPolicyLayer { shared: Shared::new(settings, Arc::new(responder)) }
    }

    /// Sets a closure that builds rejection responses. [`Respond`](crate::Respond) describes what it can set.
    ///
    /// ```
    /// use axum::body::Body;
    /// use http::Response;
    /// use tower_method_policy::{MethodPolicyLayer, method_excerpt};
    ///
    /// let layer = MethodPolicyLayer::default().respond_with_fn(|rejection, request| {
    ///     let method = method_excerpt(&request.method);
    ///     Response::new(Body::from(format!("{method}: {}\n", rejection.reason())))
    /// });
    /// ```
    pub fn respond_with_fn<F, B>(self, responder: F) -> MethodPolicyLayer<F>
    where
        F: Fn(&Rejection, &request::Parts) -> Response<B>,
    {
        self.respond_with(responder)
    }

    /// Adds an observer. The layer calls it with each rejected request, before it builds the response.
    ///
    /// The observer runs on the request path, so it must not block. If it panics, the request fails and an HTTP/1.x
    /// connection is dropped.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use tower_method_policy::{MethodPolicyLayer, Reason};
    ///
    /// let not_implemented = Arc::new(AtomicU64::new(0));
    /// let counter = not_implemented.clone();
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
        self.configure(|settings| settings.responses.observers.push(Arc::new(observer)))
    }

    /// Sets whether the layer only reports rejections and forwards every request. The default is `false`.
    ///
    /// If `true`, the layer calls observers with the rejections that it would make. Their
    /// [`is_enforced`](Rejection::is_enforced) is `false`. The response gets the mark
    /// [`WouldReject`](crate::WouldReject) in its extensions. The layer changes nothing else: it does not answer
    /// `OPTIONS` and reads no body.
    ///
    /// Use this to try a policy before you enforce it, without [`inner_decides`](Self::inner_decides).
    /// [`guide::rollout`](crate::guide::rollout) shows the steps. To try a stricter policy next to the enforced one,
    /// wrap the enforcing service in a second layer that only reports:
    ///
    /// ```
    /// use axum::Router;
    /// use axum::body::Body;
    /// use axum::routing::put;
    /// use http::{Method, Request};
    /// use tower::{Layer, ServiceExt};
    /// use tower_method_policy::{MethodPolicyLayer, Policy, WouldReject};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let enforced = MethodPolicyLayer::default();
    /// let stricter = MethodPolicyLayer::new(Policy::new().route("/file", [Method::GET])?);
    /// let router = Router::new().route("/file", put("stored"));
    /// let app = stricter.report_only(true).layer(enforced.layer(router));
    ///
    /// let response = app.oneshot(Request::put("/file").body(Body::empty())?).await?;
    /// assert_eq!(response.status(), 200);
    /// let mark = response.extensions().get::<WouldReject>().expect("the stricter policy's mark");
    /// assert_eq!(mark.rejection().to_string(), "405 Method Not Allowed by route /file (report only)");
    /// # Ok(())
    /// # }
    /// ```
    pub fn report_only(self, report_only: bool) -> Self {
        self.configure(|settings| settings.report_only = report_only)
    }

    /// Sets the `Retry-After` field of the layer's `501` responses (RFC 9110 §10.2.3). By default, none is sent.
    ///
    /// The layer does not send a [`RetryAfter::at`] whose time is past. If the responder sets `Retry-After`, the
    /// layer keeps that value. It also keeps that of an inner service in whose place it answers.
    pub fn retry_after(self, retry_after: RetryAfter) -> Self {
        self.configure(|settings| settings.responses.retry_after = Some(retry_after))
    }

    /// Sets the `Cache-Control` field of rejections. By default, none is sent.
    ///
    /// A cache may store a `405` or `501` (RFC 9110 §15.1), but RFC 9110 §9.2.3 defines caching only for `GET`, `HEAD`,
    /// and `POST`. nginx with `proxy_cache_methods POST` stores a `405` to `POST` (observed). If the responder sets
    /// `Cache-Control`, the layer keeps that value. It also keeps that of an inner service in whose place it answers.
    pub fn cache_control(self, value: HeaderValue) -> Self {
        self.configure(|settings| settings.responses.cache_control = Some(value))
    }

    /// Sets how much of a rejected request's body the layer reads before it answers. See [`BodyDrain`].
    pub fn body_drain(self, drain: BodyDrain) -> Self {
        self.configure(|settings| settings.body_drain = Arc::new(drain))
    }

    /// Enables the HTTP Extension Framework (RFC 2774, Historic) for requests whose method begins with
    /// `M-`. See [`rfc2774`](crate::rfc2774).
    #[cfg(feature = "rfc2774")]
    pub fn mandatory_extensions(self, extensions: MandatoryExtensions) -> Self {
        self.configure(|settings| settings.extensions = Some(extensions))
    }

    /// Returns the policy.
    pub fn policy(&self) -> &Policy {
        &self.shared.settings.policy
    }

    fn configure(self, change: impl FnOnce(&mut Settings)) -> Self {
        let (mut settings, responder) = match Arc::try_unwrap(self.shared) {
            Ok(shared) => (shared.settings, shared.responder),
            // A clone of this layer or a service also has them. A policy may be large, so it is copied only here.
            Err(shared) => (shared.settings.clone(), shared.responder.clone()),
        };
        change(&mut settings);
        Self { shared: Shared::new(settings, responder) }
    }
}

impl<S, R> Layer<S> for MethodPolicyLayer<R> {
    type Service = MethodPolicy<S, R>;

    /// Wraps `inner`. Panics in a tokio runtime without timers: see [`BodyDrain`](BodyDrain#panics).
    #[track_caller]
    fn layer(&self, inner: S) -> Self::Service {
        MethodPolicy::from_parts(inner, self.shared.clone())
    }
}

/// Does not need `R: Clone`.
impl<R> Clone for MethodPolicyLayer<R> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<R> fmt::Debug for MethodPolicyLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodPolicyLayer").field("settings", &self.shared.settings).finish()
    }
}
