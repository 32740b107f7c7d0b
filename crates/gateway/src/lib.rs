//! Stands between clients and servers of MCP: one server, for clients of every revision.
//!
//! What each side says and how it asks is made to fit by `anyport-transport` and `anyport_adapters`. This crate
//! keeps what outlives a call and a connection: who is connected on whose behalf, who listens to what, what a server was
//! last known to offer.
//!
//! # Layout
//! - [`Connector`]: what is needed of a connection; [`TransportConnector`]: one over any transport.
//! - [`Upstream`]: one server, behind as many connections as its callers need.
//! - [`Bridge`]: one server as if it were reached directly.
//! - `listen`: `subscriptions/listen` for servers that know only `resources/subscribe`.

mod bridge;
mod connector;
mod deferred;
#[cfg(test)]
mod farm;
mod listen;
mod transport_connector;
mod upstream;

pub use bridge::Bridge;
pub use connector::{ConnectError, Connected, Connector, OpenRequest, Spoken, Tell};
pub use transport_connector::TransportConnector;
pub use upstream::{ServerInfo, Upstream, UpstreamLimits};
