//! What the crate's own tests use, too, and a client that speaks HTTP/3.

#![allow(dead_code, reason = "the crate's own tests use more of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

pub(crate) mod client;
#[path = "../../../../tests/support/example.rs"]
pub(crate) mod example;
#[path = "../../../../tests/support/server.rs"]
pub(crate) mod server;
