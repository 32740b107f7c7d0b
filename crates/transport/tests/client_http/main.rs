//! Connections to servers over HTTP, over real sockets: to our own server in every revision, and to servers that follow
//! a script.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(dead_code, reason = "other tests use more of what they share")]

#[path = "../common/mod.rs"]
mod common;
mod nonsense;
mod ours;
mod outbound;
mod script;
mod scripted;
mod strained;
mod way;
