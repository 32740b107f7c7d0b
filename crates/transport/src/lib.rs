//! Carries messages between a [`Service`](anyport_service::Service) and its clients.
//!
//! A transport turns bytes into calls and calls into bytes; it decides nothing about what is said. Every transport
//! serves every revision that the protocol defines for it, several at once on one endpoint: a request that carries
//! its version is served statelessly, one that opens with `initialize` gets a session.
//!
//! # Layout
//! - [`stdio`]: one client on standard input and output.
//! - [`http`]: Streamable HTTP, with sessions for clients that open with `initialize`, and HTTP+SSE of 2024-11-05; on a
//!   listener of our own or within another program.
//! - `dialogue`: what they share: one request's way out in the words of its caller's revision, and sessions.

mod dialogue;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "stdio")]
pub mod stdio;
