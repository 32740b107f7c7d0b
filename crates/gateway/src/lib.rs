//! Stands between clients and servers of MCP: one server, for clients of every revision.
//!
//! What each side says and how it asks is made to fit by `anyport-transport` and `anyport_adapters`. This crate
//! keeps what outlives a call and a connection: who is connected on whose behalf, who listens to what, what a server was
//! last known to offer.
//!
//! # Layout
//! - [`Connect`]: what is needed of a connection; [`Reach`]: one over any transport.
//! - [`Upstream`]: one server, behind as many connections as its callers need.
//! - [`Bridge`]: one server as if it were reached directly.
//! - `listen`: `subscriptions/listen` for servers that know only `resources/subscribe`.

mod bridge;
mod connect;
mod deferred;
#[cfg(test)]
mod farm;
mod listen;
mod reach;
mod upstream;

pub use bridge::Bridge;
pub use connect::{Client, Connect, Live, Spoken, Tell, Unreachable};
pub use reach::Reach;
pub use upstream::{Learned, Upstream, UpstreamLimits};
