//! A list of pets on axum with an OpenAPI document, and a policy from that document.

pub mod from_openapi;
pub mod pets;
