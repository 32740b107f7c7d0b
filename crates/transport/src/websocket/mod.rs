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

mod connection;
mod upgrade;

pub(crate) use upgrade::{NoUpgrade, Sockets, Upgrade};

use std::time::Duration;

/// How to serve WebSockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where. Default `/mcp/ws` and `/ws`.
    pub paths: Vec<String>,
    /// Bytes of one frame (`max_frame_bytes`); a message may consist of several. Without one, as many as a message may
    /// have, which is the default.
    pub max_frame_bytes: Option<usize>,
    /// How often a client is asked whether it is still there. Default 30 s.
    pub ping_interval: Duration,
    /// How long it may take to show that it is. Default 60 s: before its answer it reads what was written before.
    pub pong_timeout: Duration,
    /// Pings and pongs that a client may send within one `ping_interval`. Default 1,000.
    pub max_pings: usize,
    /// How long a client may take to say anything once it is connected. Default 30 s.
    pub first_message: Duration,
    /// How long a client may say nothing while nothing of it runs and it is told of no changes. Default 1 day.
    pub connection_idle: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            paths: vec!["/mcp/ws".into(), "/ws".into()],
            max_frame_bytes: None,
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(60),
            max_pings: 1000,
            first_message: Duration::from_secs(30),
            connection_idle: Duration::from_secs(24 * 3600),
        }
    }
}
