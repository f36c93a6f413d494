//! Runs the crate against programs, clients, and libraries that the crate's own tests do not need.
//!
//! The tests are in `tests/`. Clients and proxies that are not written in Rust are in `clients/`.

/// The examples of the guide need crates that the crate itself does not depend on, so they are tested here.
#[doc = include_str!("../../../docs/observability.md")]
pub mod observability {}
