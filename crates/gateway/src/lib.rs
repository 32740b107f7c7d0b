//! Stands between clients and servers of MCP: one server or several, for clients of every revision.
//!
//! Each server is an `anyport_upstream::Upstream`. This crate keeps what a server was last known to offer, and answers
//! from it while the server is away.
//!
//! # Layout
//! - [`Bridge`]: one server as if it were reached directly.
//! - [`CallerBridges`]: a bridge for each caller of one server, told apart by keys that they bring or by who they are
//!   ([`CallerPart`]).
//! - [`federation`]: several services, such as bridges, behind one endpoint.
//! - [`StoredPortions`]: rates that several processes keep together.
//! - [`tool_search`]: three tools in place of a large catalog.

mod bridge;
mod caller_bridges;
mod caller_part;
pub mod federation;
mod shared_rates;
#[cfg(test)]
#[path = "../../upstream/tests/common/test_server.rs"]
#[allow(dead_code, reason = "shared by tests of several crates, of which each uses a part")]
mod test_server;
pub mod tool_search;

pub use bridge::{Bridge, CATALOGS, CatalogRecord};
pub use caller_bridges::{CallerBridge, CallerBridges, CallerDistinction, CallerKey, CallerLimits};
pub use caller_part::CallerPart;
pub use federation::Federation;
pub use shared_rates::{RATES, StoredPortions};
pub use tool_search::ToolSearch;
