//! The code of the fuzz targets. It is not in the targets themselves, so that a test replays the inputs
//! in `seeds` with any toolchain.

mod layer;
pub mod names;
mod patterns;
mod policy_data;

pub use self::layer::{SITUATIONS, layer};
pub use self::policy_data::policy_data;
