//! Attacks on the examples, each as a user runs it: bounded in number, and over loopback.
//!
//! The example tonic speaks only HTTP/2, so it is not attacked over HTTP/1.x.

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
