//! The code of the fuzz targets. It is a library, so a test can replay `seeds` with any toolchain. With `SHOW=1`,
//! the test prints each case of `layer`.

mod body;
mod layer;
#[path = "../../tests/support/model/mod.rs"]
mod model;
mod names;
mod patterns;
mod policy;
mod policy_data;
mod request;
mod settings;

pub use self::layer::layer;
pub use self::policy_data::policy_data;
