//! Attacks on the examples, each as a user runs it: bounded in number, and over loopback.
//!
//! What they come to is printed: `cargo test -p integration-tests --test attacks -- --nocapture`. The example tonic speaks
//! HTTP/2 alone, so what can only be said in HTTP/1.x is not said to it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod floods;
mod methods;
mod program;
mod slow;
mod smuggling;
mod stops;
mod windows;
