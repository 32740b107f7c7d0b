//! Streamable HTTP over real sockets: what is sent and what comes back, byte by byte where that matters.

#[path = "../common/mod.rs"]
mod common;

mod gate;
mod ladder;
mod limits;
mod modern;
mod session;
