//! One server and its connections, for a client, a bridge or a gateway.
//!
//! `anyport-transport` and `anyport_adapters` convert a server's messages and requests. This crate has the state that
//! outlives a call and a connection: connections and their callers, subscriptions, and which calls may be repeated.
//!
//! # Layout
//! - [`Connector`]: what is needed of a connection; [`TransportConnector`]: one over any transport;
//!   [`RevisionCache`]: the revisions of the servers that it was connected to; [`ColdStarts`]: how many programs start at once.
//! - [`Upstream`]: one server, behind as many connections as its callers need, made by [`UpstreamBuilder`];
//!   [`UpstreamLimits`], [`IsolationPolicy`]: what it is made with.
//! - `pool`: the connections; `connect`: how they begin, with backoff; `watch`: until they end;
//!   `capacity`: how many there may be; `slot`: one place for a connection.
//! - `breaker`, `failure_count`: when a server counts as down, and how it is tried again; [`UpstreamHealth`]: what is known of that.
//! - `isolation`, `table`: which connection a call belongs to; `era`: of which era it is.
//! - `call`, `retry`: a call under way; when it is made again.
//! - `other_era`, `asking_eras`, `quirks`: calls whose handlers can ask in one era alone, which those are, and how foreign
//!   servers say so.
//! - [`ToolCatalog`]: which of the server's tools are idempotent, and which of their arguments go into headers;
//!   `tool_listing`: how it learns of them; `header_check`: the comparison of headers that a caller sent with the arguments.
//! - `subscriptions`: `subscriptions/listen` for servers of both eras, also after a loss.
//! - [`pages`]: lists that come in pages, read as a whole.

mod asking_eras;
mod breaker;
mod builder;
mod call;
mod capacity;
mod cold_starts;
mod connect;
mod connector;
mod deferred;
mod era;
mod failure_count;
mod header_check;
mod health;
mod isolation;
mod limits;
mod other_era;
pub mod pages;
mod pool;
mod quirks;
mod retry;
mod revision_cache;
mod slot;
mod subscriptions;
mod table;
#[cfg(test)]
#[path = "../tests/common/test_server.rs"]
#[allow(dead_code, reason = "shared by tests of several crates, of which each uses a part")]
mod test_server;
mod tool_listing;
mod tools;
mod transport_connector;
mod upstream;
mod watch;

#[cfg(test)]
extern crate self as anyport_upstream;

pub use builder::UpstreamBuilder;
pub use cold_starts::ColdStarts;
pub use connector::{ConnectError, Connected, Connector, KnownServer, OpenRequest, ServerInfo};
pub use health::UpstreamHealth;
pub use isolation::IsolationPolicy;
pub use limits::{UpstreamLimits, WhenDown};
pub use quirks::revision_to_ask_in;
pub use revision_cache::RevisionCache;
pub use tools::ToolCatalog;
pub use transport_connector::TransportConnector;
pub use upstream::Upstream;
