//! Attacks on the examples, which run as a user runs them. Each attack has a limited size and uses loopback.
//!
//! The example tonic speaks only HTTP/2, so there are no attacks on it over HTTP/1.x. Here are no attacks on the parsers of
//! hyper and h2. The crate's own test `upload` has the bytes after a rejected request.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod floods;
mod program;
mod slow;
mod stops;
mod windows;
