//! [`Forwarded`], a shortcut for requests that are forwarded because of their method, or method and path.
//!
//! It may forward a request only if the decision table forwards it and its response stays unchanged.

use http::{Method, Request};

use crate::methods::MethodSet;
use crate::methods::registry::{self, Id};
use crate::policy::Policy;

/// The methods that are forwarded without the decision table.
#[derive(Clone, Debug)]
pub(crate) struct Forwarded {
    /// The methods of `registry::common` that are forwarded at every path, as bits.
    everywhere: u64,
    /// The methods of `registry::common` whose decision depends only on the path, as bits.
    by_path: u64,
    /// The first other methods that are forwarded at every path, in canonical order.
    others: Box<[Method]>,
}

/// A scan of more methods is slower than the decision table.
const MAX_OTHERS: usize = 32;

impl Forwarded {
    /// The shortcut for a policy. `depend_on_more` are the methods that it leaves to the table.
    pub(crate) fn new(policy: &Policy, depend_on_more: &MethodSet) -> Self {
        let everywhere = policy.forwarded_everywhere() - depend_on_more;
        let others = everywhere.iter().filter(|method| registry::common(method).is_none());
        Self {
            everywhere: everywhere.registered(),
            by_path: (policy.recognized() - depend_on_more).registered(),
            others: others.take(MAX_OTHERS).cloned().collect(),
        }
    }

    /// Whether `request` is forwarded. If `false`, the decision table decides.
    ///
    /// It is always inlined. A call with a reference to the request makes the compiler copy the request, which
    /// takes 49 instructions.
    #[inline(always)]
    pub(crate) fn contains<B>(&self, request: &Request<B>, policy: &Policy) -> bool {
        let method = request.method();
        match registry::common(method).map(Id::bit) {
            Some(bit) if self.everywhere & bit != 0 => true,
            Some(bit) => self.by_path & bit != 0 && policy.forwards(bit, request.uri().path()),
            None => self.others.contains(method),
        }
    }
}
