//! What the crate's own tests use, too.

#![allow(dead_code, reason = "the crate's own tests use more of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../../../../tests/support/example.rs"]
pub(crate) mod example;
pub(crate) mod proxy;
#[path = "../../../../tests/support/server.rs"]
pub(crate) mod server;
