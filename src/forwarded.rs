//! [`Forwarded`], a shortcut for requests that are forwarded because of their method, or method and path.
//!
//! It may forward a request only if the decision table forwards it. It is inlined, because a call with a
//! reference to the request makes the compiler copy the request. The copy is slower than the decision.

use http::{Method, Request};

use crate::decide::DecisionTable;
use crate::methods::registry::{self, Id};

/// The methods that are forwarded without the decision table.
#[derive(Clone, Debug)]
pub(crate) struct Forwarded {
    /// The methods of the registry that are forwarded at every path, as bits.
    everywhere: u64,
    /// The methods of the registry whose decision depends only on the path, as bits.
    by_path: u64,
    /// The first other methods that are forwarded at every path, in canonical order.
    others: Box<[Method]>,
}

/// A scan of more methods is slower than the decision table.
const MAX_OTHERS: usize = 32;

impl Forwarded {
    pub(crate) fn new(table: &DecisionTable) -> Self {
        let depends_on_more = table.depends_on_more();
        let everywhere = table.policy.forwarded_everywhere() - &depends_on_more;
        let others = everywhere.iter();
        let others = others.filter(|method| registry::common(method).is_none());
        Self {
            everywhere: everywhere.registered(),
            by_path: (table.policy.recognized() - &depends_on_more).registered(),
            others: others.take(MAX_OTHERS).cloned().collect(),
        }
    }

    /// Whether `request` is forwarded. If `false`, the decision table decides.
    #[inline]
    pub(crate) fn contains<B>(&self, request: &Request<B>, table: &DecisionTable) -> bool {
        let method = request.method();
        match registry::common(method).map(Id::bit) {
            Some(bit) if self.everywhere & bit != 0 => true,
            Some(bit) => self.by_path & bit != 0 && table.forwards(bit, request.uri().path()),
            None => self.others.contains(method),
        }
    }
}
