//! What the fuzz targets do with an input. It is here and not in the targets, so that a test of any
//! toolchain does the same with the inputs in `seeds`.

mod declarations;
mod layer;
mod method_set;
pub mod names;
mod policy_data;

pub use self::declarations::declarations;
pub use self::layer::{SITUATIONS, layer};
pub use self::method_set::method_set;
pub use self::policy_data::policy_data;
