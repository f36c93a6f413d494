//! Sets of methods, and the IANA registry.

mod constants;
pub(crate) mod excerpt;
mod parse;
pub(crate) mod registry;
mod set;

pub use self::excerpt::{MethodExcerpt, method_excerpt};
pub use self::parse::ParseMethodSetError;
#[cfg(feature = "serde")]
pub(crate) use self::parse::parse_method;
pub use self::set::{IntoIter, Iter, MethodSet};
