//! Sets of methods, and the IANA registry.

mod constants;
#[cfg(feature = "serde")]
pub(crate) mod data;
mod excerpt;
mod parse;
pub(crate) mod registry;
mod set;

pub(crate) use self::excerpt::excerpt;
pub use self::excerpt::{MethodExcerpt, method_excerpt};
pub use self::parse::ParseMethodSetError;
pub use self::set::{IntoIter, Iter, MethodSet};
