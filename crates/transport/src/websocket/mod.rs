//! Clients that upgrade an HTTP connection: messages both ways, a text frame each.
//!
//! It is a part of the HTTP listener, switched on by [`http::Config::websocket`](crate::http::Config::websocket): the
//! same port, the same checks of Host, Origin and token before the upgrade, the same count of connections. Browsers
//! always name their origin and a foreign one gets 403; there is no token in a query, where logs would keep it.
//!
//! 2026-07-28, transports §Custom Transports: "Custom transports **SHOULD** document their specific connection
//! establishment and message exchange patterns to aid interoperability." So:
//! - a client opens a WebSocket (RFC 6455, version 13, over HTTP/1.1) at one of [`Config::paths`]; if it offers the
//!   subprotocol `mcp`, that is chosen; extensions are not, so nothing is compressed;
//! - every message is one text frame, or several fragments of one; a binary frame ends the connection (1003);
//! - every revision is spoken, and both eras on one connection, as on stdio; a connection has at most one session of
//!   an older revision, which ends with it;
//! - a client that closes cancels its calls.
//!
//! # How a connection ends
//! Its close frame says why, with the name of the limit if it was one: 1000 as the client did, 1001 the server stops,
//! 1002 against the protocol, 1003 a binary frame, 1007 no UTF-8, 1008 silent or idle for too long or too many pings,
//! 1009 too large, 1011 no pong.

mod config;
mod connection;
mod upgrade;

pub use config::Config;
pub(crate) use upgrade::{NoUpgrade, Sockets, Upgrade};
