//! [`MethodPolicyLayer`] and what it shares with its services.

use std::any::type_name;
use std::fmt;
use std::mem;
use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, request};
use tower_layer::Layer;

use crate::drain::Drain;
use crate::extension::{Fulfilment, MandatoryExtensions, Verdict};
use crate::forwarded::Forwarded;
use crate::options::OptionsAnswers;
use crate::policy::{Allow, Decision, Policy};
use crate::rejection::{Reason, Rejected, Rejection};
use crate::respond::{EmptyBody, Respond};
use crate::retry_after::RetryAfter;
use crate::service::MethodPolicy;
use crate::set::MethodSet;

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
pub struct MethodPolicyLayer<R = EmptyBody, const ANSWER_OPTIONS: bool = false> {
    shared: Arc<Shared>,
    responder: R,
}

/// What a layer's services have in common, whatever their responder.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) policy: Policy,
    /// Derived: what needs no look at the whole decision table.
    forwarded: Forwarded,
    retry_after: Option<RetryAfter>,
    cache_control: Option<HeaderValue>,
    observers: Vec<Observer>,
    extensions: Option<MandatoryExtensions>,
    options: Option<OptionsAnswers>,
    /// Shared by the bodies that are waited for.
    pub(crate) drain: Arc<Drain>,
}

type Observer = Arc<dyn Fn(&Rejection<'_>) + Send + Sync>;

/// The layer of [`Policy::new`]: a screen that answers `501` to methods outside of
/// [`MethodSet::STANDARD`](crate::MethodSet::STANDARD) and leaves everything else to the inner
/// service.
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
                forwarded: Forwarded::new(&policy, &MethodSet::new()),
                policy,
                retry_after: None,
                cache_control: None,
                observers: Vec::new(),
                extensions: None,
                options: None,
                drain: Arc::default(),
            }),
            responder: EmptyBody,
        }
    }
}

impl<R, const ANSWER_OPTIONS: bool> MethodPolicyLayer<R, ANSWER_OPTIONS> {
    /// Sends `Retry-After` with each `501` (RFC 9110 §10.2.3). By default none is sent.
    ///
    /// A [`RetryAfter::at`] is left out once it is past, and a `Retry-After` that the responder
    /// sets is kept.
    pub fn retry_after(self, retry_after: RetryAfter) -> Self {
        self.configure(|shared| shared.retry_after = Some(retry_after))
    }

    /// Sends `Cache-Control` with each refusal. By default none is sent.
    ///
    /// `405` and `501` are heuristically cacheable (RFC 9110 §15.1): without the field a cache may
    /// keep them for as long as it sees fit. A `Cache-Control` that the responder sets is kept.
    pub fn cache_control(self, value: HeaderValue) -> Self {
        self.configure(|shared| shared.cache_control = Some(value))
    }

    /// Makes the responses to refused requests with `responder`: by default [`EmptyBody`].
    ///
    /// A closure has to name the type of its argument: `|rejection: &Rejection<'_>| …`. See
    /// [`Respond`].
    pub fn respond_with<R2>(self, responder: R2) -> MethodPolicyLayer<R2, ANSWER_OPTIONS> {
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

    /// Applies the rules of the HTTP Extension Framework (RFC 2774, Historic) to mandatory
    /// requests, those whose method begins with `M-`. By default such a method is like any other.
    /// See [`extension`](crate::extension).
    pub fn mandatory_extensions(self, extensions: MandatoryExtensions) -> Self {
        self.configure(|shared| {
            shared.extensions = Some(extensions);
            shared.derive_forwarded();
        })
    }

    /// Whether `OPTIONS` requests are answered here (RFC 9110 §9.3.7). By default they are
    /// forwarded where the policy allows them.
    ///
    /// The answer is `200` with `Content-Length: 0`, the target's `Allow` and what
    /// [`Allow::options_header`] added to it. It is given where a rule of the policy allows
    /// `OPTIONS`, and, if there is any rule, to `OPTIONS *`, whose `Allow` lists what rules allow
    /// anywhere. Where no rule speaks, the policy does not know what to answer, and `OPTIONS` is
    /// forwarded if it is recognised. Neither observers nor [`Respond::respond`] are called for it.
    ///
    /// A CORS preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) is left to
    /// the inner service, unless it says by `Max-Forwards: 0` that nobody may forward it (RFC 9110
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
    /// let service = MethodPolicyLayer::new(policy).answer_options(true).layer(service_fn(
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
    pub fn answer_options(self, answer: bool) -> MethodPolicyLayer<R, true> {
        let layer = self.configure(|shared| {
            shared.options = answer.then(|| OptionsAnswers::new(&shared.policy));
            shared.derive_forwarded();
        });
        MethodPolicyLayer {
            shared: layer.shared,
            responder: layer.responder,
        }
    }

    /// How much of a rejected request's body is read before the answer is sent, and how long it is
    /// waited for: by default up to 64 MiB and 30 seconds, 5 without a byte. See [`Drain`].
    pub fn drain(self, drain: Drain) -> Self {
        self.configure(|shared| shared.drain = Arc::new(drain))
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

impl<S, R: Clone, const ANSWER_OPTIONS: bool> Layer<S> for MethodPolicyLayer<R, ANSWER_OPTIONS> {
    type Service = MethodPolicy<S, R, ANSWER_OPTIONS>;

    /// Panics in a tokio runtime without timers: see [`Drain`].
    #[track_caller]
    fn layer(&self, inner: S) -> Self::Service {
        self.shared.drain.check();
        MethodPolicy::from_parts(inner, self.shared.clone(), self.responder.clone())
    }
}

impl<R, const ANSWER_OPTIONS: bool> fmt::Debug for MethodPolicyLayer<R, ANSWER_OPTIONS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("MethodPolicyLayer");
        self.shared.debug_fields::<R>(&mut f);
        f.finish()
    }
}

/// What becomes of a request.
pub(crate) enum Outcome<'a, B> {
    Forward(Option<Fulfilment>),
    Describe {
        allow: &'a Allow,
        empty_body: fn() -> B,
    },
    Refuse(Rejected),
}

impl Shared {
    /// Derives which requests are forwarded at once, from what has to be looked at first.
    fn derive_forwarded(&mut self) {
        let mut looked_at = MethodSet::new();
        if self.options.is_some() {
            looked_at.insert(Method::OPTIONS);
        }
        if self.extensions.is_some() {
            // What is forwarded depends on what is declared.
            let all = self.policy.recognized().clone();
            looked_at = all - MethodSet::from([Method::GET, Method::HEAD]);
        }
        self.forwarded = Forwarded::new(&self.policy, &looked_at);
    }

    /// Whether `request` is forwarded, as far as that can be said at once: `false` leaves it to
    /// [`decide`](Self::decide).
    #[inline]
    pub(crate) fn forwards<B>(&self, request: &Request<B>) -> bool {
        self.forwarded.contains(request, &self.policy)
    }

    /// The decision table: the rules for extensions and row 2, which depend on more than the method
    /// and the target, then the policy's rows.
    pub(crate) fn decide<B>(
        &self,
        request: &mut request::Parts,
        empty_body: Option<fn() -> B>,
    ) -> Outcome<'_, B> {
        if let Some(extensions) = &self.extensions {
            match extensions.examine(request) {
                Verdict::Ordinary => {}
                Verdict::Extended { base, fulfilment } => {
                    return match self.policy_decides(&base, &request.uri) {
                        Outcome::Forward(_) => Outcome::Forward(Some(fulfilment)),
                        refusal => refusal,
                    };
                }
                Verdict::Refuse(problem) => {
                    return Outcome::Refuse(Rejected::by_extension(problem));
                }
            }
        }
        if let (Some(options), Some(empty_body)) = (&self.options, empty_body) {
            if let Some(allow) = options.answer(&self.policy, request) {
                return Outcome::Describe { allow, empty_body };
            }
        }
        self.policy_decides(&request.method, &request.uri)
    }

    fn policy_decides<B>(&self, method: &Method, uri: &Uri) -> Outcome<'_, B> {
        match self.policy.decide(method, uri.path()) {
            Decision::Forward => Outcome::Forward(None),
            Decision::NotAllowed { allow } => Outcome::Refuse(Rejected::not_allowed(allow.clone())),
            Decision::NotImplemented => Outcome::Refuse(Rejected::not_implemented()),
        }
    }

    /// The response to a request that is refused for what `rejected` says.
    pub(crate) fn refuse<B>(
        &self,
        responder: &impl Respond<B>,
        rejected: Rejected,
        request: &mut request::Parts,
    ) -> Response<B> {
        let rejection = Rejection::new(&rejected, request);
        for observer in &self.observers {
            observer(&rejection);
        }
        let mut response = responder.respond(&rejection);
        *response.status_mut() = rejection.status();

        let headers = response.headers_mut();
        if headers.is_empty() {
            // The request's map is of no more use, and to fill a fresh one would allocate.
            request.headers.clear();
            mem::swap(headers, &mut request.headers);
        } else {
            // Only a 405 has one, the policy's: a 501 speaks of the server (RFC 9110 §10.2.1).
            headers.remove(ALLOW);
        }
        self.set_headers(headers, &rejected);

        let extensions = response.extensions_mut();
        if extensions.is_empty() {
            // Likewise: two of the three allocations that the mark takes are for the map.
            request.extensions.clear();
            mem::swap(extensions, &mut request.extensions);
        }
        extensions.insert(rejected);
        response
    }

    fn set_headers(&self, headers: &mut HeaderMap, rejected: &Rejected) {
        if let Some(allow) = rejected.allow() {
            headers.insert(ALLOW, allow.header_value().clone());
        }
        let mut set_default = |name, value: Option<&HeaderValue>| {
            if let Some(value) = value {
                headers.entry(name).or_insert_with(|| value.clone());
            }
        };
        if rejected.reason() == Reason::NotImplemented {
            let retry_after = self.retry_after.as_ref().and_then(RetryAfter::value);
            set_default(RETRY_AFTER, retry_after);
        }
        set_default(CACHE_CONTROL, self.cache_control.as_ref());
    }

    pub(crate) fn debug_fields<R>(&self, f: &mut fmt::DebugStruct<'_, '_>) {
        f.field("policy", &self.policy)
            .field("retry_after", &self.retry_after)
            .field("cache_control", &self.cache_control)
            .field("observers", &self.observers.len())
            .field("mandatory_extensions", &self.extensions)
            .field("answer_options", &self.options.is_some())
            .field("drain", &self.drain)
            .field("responder", &format_args!("{}", type_name::<R>()));
    }
}

/// The answer to `OPTIONS` (RFC 9110 §9.3.7).
pub(crate) fn describe<B>(allow: &Allow, empty_body: B) -> Response<B> {
    let mut response = Response::new(empty_body);
    let headers = response.headers_mut();
    headers.clone_from(allow.options_headers());
    headers.insert(ALLOW, allow.header_value().clone());
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}
