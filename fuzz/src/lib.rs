//! The code of the fuzz targets. It is a library, so a test can replay `seeds` with any toolchain. With `SHOW=1`,
//! the test prints each request of `layer`.

#[path = "../../tests/support/model/mod.rs"]
mod model;
mod patterns;
mod policy_data;
#[path = "../../tests/support/random/mod.rs"]
mod random;

pub use self::policy_data::policy_data;

/// Compares random layers with the model.
pub fn layer(bytes: &[u8]) {
    random::check(bytes, std::env::var_os("SHOW").is_some());
}
