//! [`Reloading`], a service that is replaced while it serves.

use std::mem;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use tower::util::Oneshot;
use tower::{Service, ServiceExt};

/// Asks the current one of services that take each other's place.
///
/// Each request takes the service as a whole: the router with its policy, its responder and whether it
/// only reports. So no request sees half of a change, and one that has begun ends as it began.
///
/// A lock of the standard library is enough. It is held for no longer than a clone takes, and adds
/// next to nothing to what that costs. What it and other means add to the 5,429 instructions of a `GET`
/// to a service that cannot be replaced, as `cargo bench --bench reloading` counts them in `benches/`:
///
/// | | instructions |
/// |---|---|
/// | to ask a clone of a service, whichever it is | +196 |
/// | this one | +200 |
/// | `tokio::sync::watch` | +230 |
/// | `ArcSwap` | +240 |
/// | `arc_swap::Cache`, which is behind for ever: axum clones what it serves for each request | +286 |
/// | a service for each connection | 0 |
///
/// The last would leave clients that keep their connections open, as proxies do for hours, to the old
/// policy.
#[derive(Debug)]
pub(crate) struct Reloading<S> {
    current: Arc<RwLock<S>>,
}

impl<S> Clone for Reloading<S> {
    fn clone(&self) -> Self {
        Self {
            current: self.current.clone(),
        }
    }
}

impl<S> Reloading<S> {
    pub(crate) fn new(service: S) -> Self {
        Self {
            current: Arc::new(RwLock::new(service)),
        }
    }

    /// From the next request on, `service` is asked.
    pub(crate) fn replace(&self, service: S) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut *current, service);
        // What is dropped is dropped while nobody waits.
        drop(current);
        drop(before);
    }
}

impl<S, Request> Service<Request> for Reloading<S>
where
    S: Service<Request> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Oneshot<S, Request>;

    /// Always ready: the service that would be asked may be another by the time of the call. Its
    /// readiness is waited for there.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone().oneshot(request)
    }
}
