//! A list of pets on axum, described by OpenAPI, and the policy that is made of its document.

pub mod from_openapi;
pub mod pets;
