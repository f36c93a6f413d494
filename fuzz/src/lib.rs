//! What the fuzz targets do with an input. It is here and not in the targets, so that a test of any
//! toolchain does the same with the inputs in `seeds`.

mod layer;
pub mod names;
mod policy_data;

pub use self::layer::{SITUATIONS, layer};
pub use self::policy_data::policy_data;
