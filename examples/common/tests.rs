//! The support of the crate's own tests, for the tests of the larger examples.

#![allow(dead_code, reason = "not every test uses all of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../../tests/support/example.rs"]
pub(crate) mod example;
#[path = "../../tests/support/server.rs"]
pub(crate) mod server;
