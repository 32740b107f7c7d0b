//! Connections to servers: a [`Connection`] is a [`Service`], whatever carries its messages and whatever its server speaks.
//!
//! It takes requests in the newest vocabulary and answers in it. A modern server asks by result, and its `input_required`
//! comes through as it is; an older one asks while the call is open, and its question comes as an event of the reply that
//! it belongs to. What is said in which revision is `anyport_protocol::session::client`; this module carries it.
//!
//! # Layout
//! - [`connect`], [`Target`], [`ConnectOptions`]: how a connection begins.
//! - [`Connection`]: what it is then, with the [`Peer`] at its other end; [`CloseReason`]: why it is over.
//! - `unexpected_messages`: counts what a server sends and should not.
//! - `duplex`: one channel that carries messages both ways: standard streams, sockets, memory.
//! - `child` (feature `client-child`): servers that are started as a child process.
//! - `http` (feature `client-http`): servers over HTTP, in every revision.
//! - `websocket` (feature `client-websocket`): servers behind a WebSocket.
//! - `unix` (feature `client-unix`): servers on a Unix socket.
//! - [`Dial`]: servers that are reached in a way of the caller's own.

mod call_reply;
mod caller;
#[cfg(feature = "client-child")]
pub mod child;
mod connect;
mod connection;
mod dial;
mod duplex;
mod error;
#[cfg(feature = "client-http")]
pub mod http;
mod multiplexer;
#[cfg(feature = "client-http")]
mod name_resolver;
mod opening;
mod peer;
mod server_request;
mod service;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod unexpected_messages;
#[cfg(all(feature = "client-unix", unix))]
mod unix;
#[cfg(feature = "client-websocket")]
pub mod websocket;

pub use anyport_protocol::failure::CloseReason;
pub use connect::connect;
pub use connection::Connection;
pub use dial::Dial;
pub use error::ConnectError;
#[cfg(feature = "client-http")]
pub use name_resolver::NameResolver;
pub use opening::{ConnectOptions, HttpExchange, MessageObserver};
pub use target::Target;

#[cfg(doc)]
use anyport_service::{Peer, Service};
