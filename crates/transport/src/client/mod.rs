//! Connections to servers: a [`Connection`] is a [`Service`], whatever carries its messages and whatever its server speaks.
//!
//! It takes requests in the newest vocabulary and answers in it. A modern server asks by result, and its `input_required`
//! comes through as it is; an older one asks while the call is open, and its question comes as an event of the reply that
//! it belongs to. What is said in which revision is `anyport_protocol::session::client`; this module carries it.
//!
//! # Layout
//! - [`connect`], [`Target`], [`ConnectOptions`]: how a connection begins; [`RevisionCache`]: what is remembered of that.
//! - [`Connection`]: what it is then; [`Spoken`]: what the server says outside any call; [`CloseReason`]: why it is over.
//! - `malformed`: counts what a server sends that is not a message.
//! - `duplex`: one channel that carries messages both ways: standard streams, sockets, memory.
//! - `child` (feature `client-child`): servers that are started as a child process.
//! - `http` (feature `client-http`): servers over HTTP, in every revision.
//! - `websocket` (feature `client-websocket`): servers behind a WebSocket.
//! - `unix` (feature `client-unix`): servers on a Unix socket.
//! - [`Dial`]: servers that are reached in a way of the caller's own.

mod aside;
mod call_reply;
mod carrier;
#[cfg(feature = "client-child")]
pub mod child;
mod connection;
mod dial;
mod duplex;
mod eras;
mod error;
#[cfg(feature = "client-http")]
pub mod http;
mod malformed;
mod multiplexer;
mod opening;
mod server_request;
mod service;
mod spoken;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod undeclared;
#[cfg(all(feature = "client-unix", unix))]
mod unix;
#[cfg(feature = "client-websocket")]
pub mod websocket;

pub use anyport_protocol::failure::CloseReason;
pub use aside::Aside;
pub use connection::Connection;
pub use dial::Dial;
pub use eras::RevisionCache;
pub use error::ConnectError;
pub use opening::{ConnectOptions, MessageObserver};
pub use spoken::{Said, Spoken};
pub use target::{Target, connect};

use anyport_service::{Context, Principal, SessionId};
use undeclared::undeclared;

/// Who makes a call: its session, else its principal.
type Caller = (Option<SessionId>, Principal);

fn caller(context: &Context) -> Caller {
    (context.session_id(), context.principal().clone())
}

/// How often a server that asked for progress hears that its question is still open: what it waits for is a person, and
/// its own timeout must not end the call meanwhile.
const PROGRESS: std::time::Duration = std::time::Duration::from_secs(15);

/// Bytes of what a server says of a call that may wait for the reader of the call, where others share the connection; a
/// larger message waits alone.
const WAITING: usize = 256 << 10;

#[cfg(doc)]
use anyport_service::Service;
