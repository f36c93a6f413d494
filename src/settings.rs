//! The settings that a layer, its services, and their futures share.

use std::sync::Arc;

use http::Request;

use crate::body_drain::BodyDrain;
use crate::forwarded::Forwarded;
use crate::methods::MethodSet;
use crate::policy::Policy;
use crate::rejection::ResponseSettings;
#[cfg(feature = "rfc2774")]
use crate::rfc2774::MandatoryExtensions;

/// The settings of a layer and its responder.
pub(crate) struct Shared<R> {
    pub(crate) settings: Settings,
    /// It is in an `Arc`, so a layer can change its settings if `R` does not implement `Clone`.
    pub(crate) responder: Arc<R>,
}

/// The settings of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) inner_decides: bool,
    pub(crate) answers_options: bool,
    pub(crate) report_only: bool,
    #[cfg(feature = "rfc2774")]
    pub(crate) extensions: Option<MandatoryExtensions>,
    pub(crate) responses: ResponseSettings,
    pub(crate) body_drain: Arc<BodyDrain>,
    /// `rebuild` computes it from the other settings.
    forwarded: Forwarded,
}

impl Settings {
    pub(crate) fn new(policy: Policy) -> Self {
        Self {
            forwarded: Forwarded::new(&policy, &MethodSet::new()),
            policy,
            inner_decides: false,
            answers_options: false,
            report_only: false,
            #[cfg(feature = "rfc2774")]
            extensions: None,
            responses: ResponseSettings::default(),
            body_drain: Arc::default(),
        }
    }

    pub(crate) fn rebuild(&mut self) {
        self.forwarded = Forwarded::new(&self.policy, &self.depend_on_more());
    }

    /// Whether `request` is forwarded and its response stays unchanged. If `false`, the decision table decides.
    #[inline(always)]
    pub(crate) fn forwards<B>(&self, request: &Request<B>) -> bool {
        self.forwarded.contains(request, &self.policy)
    }

    /// The recognized methods whose requests need more than method and path: header fields, or a look at the
    /// response.
    fn depend_on_more(&self) -> MethodSet {
        let may_change_responses = self.inner_decides || self.answers_options;
        if may_change_responses && !self.report_only {
            return self.policy.recognized().clone();
        }
        #[cfg(feature = "rfc2774")]
        if self.extensions.is_some() {
            return self.policy.recognized() - crate::policy::GET_AND_HEAD;
        }
        MethodSet::new()
    }

    /// Panics if the layer could wait for a client and waiting would panic.
    #[track_caller]
    pub(crate) fn check_runtime(&self) {
        if !self.report_only {
            self.body_drain.check_runtime();
        }
    }
}

impl<R> Shared<R> {
    pub(crate) fn new(settings: Settings, responder: R) -> Self {
        Self { settings, responder: Arc::new(responder) }
    }
}

/// Does not need `R: Clone`.
impl<R> Clone for Shared<R> {
    fn clone(&self) -> Self {
        Self { settings: self.settings.clone(), responder: self.responder.clone() }
    }
}
