//! What several test files use.

#![allow(dead_code, reason = "no test file uses all of it")]

#[cfg(unix)]
pub(crate) mod example;
pub(crate) mod server;
