//! Tests of the transports over real sockets, pipes and memory, in front of a service that a test can steer.
//!
//! Every file beside this one is a module: one program is linked, not one per file. Only what must be alone in its process
//! (it counts allocations, descriptors or children) is a program of its own, beside this folder.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[cfg(all(feature = "axum", feature = "unix", feature = "websocket"))]
mod abrupt;
#[cfg(feature = "websocket")]
mod authorization;
#[cfg(feature = "axum")]
mod axum;
#[cfg(all(
    feature = "client-http",
    feature = "http",
    feature = "stdio",
    feature = "unix",
    feature = "websocket"
))]
mod buffers;
#[cfg(all(feature = "client-http", feature = "http"))]
mod client_http;
#[cfg(all(feature = "client-websocket", feature = "websocket"))]
mod client_websocket;
#[cfg(feature = "http")]
mod common;
#[cfg(feature = "http")]
mod endpoint;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "http")]
mod memory;
#[cfg(all(feature = "axum", feature = "websocket"))]
mod routes;
#[cfg(feature = "http")]
mod sse;
#[cfg(all(feature = "client-websocket", feature = "tls", feature = "websocket"))]
mod tls;
#[cfg(all(feature = "http", feature = "unix"))]
mod unix;
#[cfg(feature = "websocket")]
mod websocket;
