//! Helpers that several test files share.

#![allow(dead_code, reason = "no test file uses every helper")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

pub(crate) mod answer;
#[cfg(unix)]
pub(crate) mod example;
pub(crate) mod serve;
pub(crate) mod server;
pub(crate) mod strategies;
