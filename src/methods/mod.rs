//! Methods: sets of them, and the IANA registry.

#[cfg(feature = "serde")]
pub(crate) mod data;
mod excerpt;
mod named;
mod parse;
pub(crate) mod registered;
mod set;

pub use self::excerpt::method_excerpt;
pub use self::parse::ParseMethodSetError;
pub use self::registered::{Cacheable, RegisteredMethod};
pub use self::set::MethodSet;
