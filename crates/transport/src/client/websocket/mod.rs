//! Connections to servers over a WebSocket: messages both ways, a text frame each, as [`crate::websocket`] serves them.
//!
//! The connection is made by the one connector of HTTP: names, proxies, TLS and what is out of bounds are as for a server
//! over HTTP, and so are the headers of the handshake. It offers the subprotocol `mcp`, takes a server that chooses none,
//! and offers no extensions. Redirects are not followed: a WebSocket is where its URL says.
//!
//! # How a connection ends
//! What the server may not send ends it, by the close codes that [`crate::websocket`] names; a server that shows for
//! `pong_timeout` after a ping no sign of life is given up. A connection that nobody uses is closed after
//! `connection_idle` by 1008, as the server's side does; but who listens to changes may say nothing for days. The
//! connection's [`CloseReason`](super::CloseReason) says why, with the server's own words where it closed.

mod endpoint;
mod open;
#[cfg(test)]
mod tests;

pub use endpoint::{Config, Endpoint};
pub(super) use open::Upgraded;
