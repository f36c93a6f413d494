//! What several test files share.

#![allow(dead_code, reason = "no test file uses all of it")]

pub(crate) mod strategies;
