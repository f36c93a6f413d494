//! The code of the fuzz targets. It is not in the targets themselves, so that a test replays the inputs
//! in `seeds` with any toolchain.

mod body;
mod layer;
mod names;
mod patterns;
mod policy;
mod policy_data;
mod request;
mod settings;

pub use self::layer::layer;
pub use self::policy_data::policy_data;
