//! Streamable HTTP over real sockets: what is sent and what comes back, byte by byte where that matters.
//!
//! # Layout
//! - `gate`, `ladder`: what is refused, and in which order.
//! - `modern`: requests that carry their version.
//! - `session`: a client that opens with `initialize`; `lifecycle`, `pushes`, `calls`, `resume`, `batch` use it.
//! - `compat`: clients that may leave out headers.
//! - `rest`: tools for programs that speak no MCP.
//! - `limits`, `mutation`: hostile, slow and vanishing clients.

mod batch;
mod calls;
mod compat;
mod gate;
mod ladder;
mod lifecycle;
mod limits;
mod modern;
mod mutation;
mod probes;
mod pushes;
mod rest;
mod resume;
pub(crate) mod session;
