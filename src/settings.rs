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

/// The settings of a layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) inner_decides: bool,
    pub(crate) answers_options: bool,
    pub(crate) report_only: bool,
    #[cfg(feature = "rfc2774")]
    pub(crate) extensions: Option<MandatoryExtensions>,
    pub(crate) responses: ResponseSettings,
    pub(crate) body_drain: Arc<BodyDrain>,
}

impl Settings {
    /// The recognized methods whose requests need more than method and path: header fields, or a look at the
    /// response.
    fn depend_on_more(&self) -> MethodSet {
        if (self.inner_decides || self.answers_options) && !self.report_only {
            return self.policy.recognized().clone();
        }
        #[cfg(feature = "rfc2774")]
        if self.extensions.is_some() {
            return self.policy.recognized() - crate::policy::GET_AND_HEAD;
        }
        MethodSet::new()
    }
}

/// The settings of a layer, what is computed from them, and the responder.
pub(crate) struct Shared<R> {
    pub(crate) settings: Settings,
    forwarded: Forwarded,
    /// It is in an `Arc`, so a layer can change its settings if `R` does not implement `Clone`.
    pub(crate) responder: Arc<R>,
}

impl<R> Shared<R> {
    pub(crate) fn new(settings: Settings, responder: Arc<R>) -> Arc<Self> {
        let forwarded = Forwarded::new(&settings.policy, &settings.depend_on_more());
        Arc::new(Self { settings, forwarded, responder })
    }

    /// Whether `request` is forwarded and its response stays unchanged. If `false`, the decision table decides.
    #[inline(always)]
    pub(crate) fn forwards<B>(&self, request: &Request<B>) -> bool {
        self.forwarded.contains(request, &self.settings.policy)
    }
}
