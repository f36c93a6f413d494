//! The rows of RFC 2774 §5, which come between rows 1 and 2.

use http::{Method, request};

use super::{Action, OnResponse};
use crate::policy::Place;
use crate::rejection::Rejection;
use crate::rfc2774::Verdict;
use crate::settings::Settings;

impl Settings {
    /// Decides about a request that declares mandatory extensions, or whose method begins with `M-`. `None` if the
    /// other rows decide.
    pub(super) fn rows_of_rfc2774(
        &self,
        request: &request::Parts,
        place: Place<'_>,
    ) -> Option<Action<'_>> {
        let fulfillable = match self.extensions.as_ref()?.examine(request) {
            Verdict::Ordinary => return None,
            Verdict::Reject(problem) => {
                return Some(Action::Reject(Rejection::by_extension(problem)));
            }
            Verdict::Fulfillable(fulfillable) => fulfillable,
        };
        // A request that can be fulfilled is decided by its base method.
        let base_action = match fulfillable.base {
            Method::GET | Method::HEAD => Action::Forward(OnResponse::Keep),
            Method::OPTIONS if self.answers_options => Action::Forward(OnResponse::Keep),
            _ => self.rows_4_to_6(&fulfillable.base, place),
        };
        Some(match base_action {
            Action::Forward(_) => Action::Forward(OnResponse::Acknowledge(fulfillable)),
            rejected => rejected,
        })
    }
}
