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
//! - `websocket` (feature of that name): clients that upgrade an HTTP connection; messages both ways, a text frame each.
//! - `unix` (feature of that name): clients of this machine on a Unix socket; messages as on stdio.
//! - [`memory`]: a client in the same process.
//! - `client` (feature of that name): the other way round, connections to servers; each is a service.
//! - `dialogue`: what they share: one request's way out in the words of its caller's revision, and sessions.
//! - `accept`: accepting connections, for every listener; [`FileDescriptors`]: those of the process, of which some are left to what
//!   runs.
//! - [`BufferedBytes`]: the budget of large answers in memory, which the transports of a program share.
//! - [`ClientObserver`]: sees the messages of clients, and what they are sent for them.
//! - `refusals`: counts what limits refuse. `lines`: messages on a stream of bytes; `frames`: messages on a WebSocket.

#[cfg(any(feature = "http", all(feature = "unix", unix)))]
mod accept;
mod buffered_bytes;
#[cfg(feature = "client")]
pub mod client;
#[cfg(any(feature = "http", all(feature = "unix", unix)))]
mod descriptors;
mod dialogue;
#[cfg(any(feature = "websocket", feature = "client-websocket"))]
mod frames;
#[cfg(feature = "http")]
pub mod http;
#[cfg_attr(not(any(feature = "stdio", feature = "client", all(feature = "unix", unix))), allow(dead_code))]
mod lines;
pub mod memory;
mod observed;
mod refusals;
#[cfg(feature = "stdio")]
pub mod stdio;
#[cfg(feature = "unix")]
pub mod unix;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use buffered_bytes::{BufferLimits, BufferedBytes};
#[cfg(any(feature = "http", all(feature = "unix", unix)))]
pub use descriptors::FileDescriptors;
pub use observed::{CallObserver, ClientObserver};

/// The longest time that is waited where a user says how long: nobody notices, and the clock can tell when it ends.
#[cfg(any(feature = "http", feature = "websocket", feature = "client-websocket"))]
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 60 * 60);
