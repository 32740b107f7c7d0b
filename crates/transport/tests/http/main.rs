//! Streamable HTTP over real sockets: what is sent and what comes back, byte by byte where that matters.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../common/mod.rs"]
mod common;

mod gate;
mod ladder;
mod limits;
mod modern;
mod mutation;
mod session;
