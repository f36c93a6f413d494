//! Helpers. The crate's own tests also use most of them.

#![allow(dead_code, reason = "no test file uses all of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[cfg(unix)]
#[path = "../../../support/example.rs"]
pub(crate) mod example;
pub(crate) mod grpc;
#[path = "../../../support/serve.rs"]
pub(crate) mod serve;
#[path = "../../../support/server.rs"]
pub(crate) mod server;
