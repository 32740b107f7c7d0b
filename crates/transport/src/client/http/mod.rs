//! Connections to servers over HTTP: Streamable HTTP of every revision, and HTTP+SSE of 2024-11-05.
//!
//! # Layout
//! - `open`: how a connection begins, and what the server speaks.
//! - `call`: one call, from what is sent to its answer; `hub`: what all calls of a connection share; `streams`: what
//!   comes on streams of the whole connection.
//! - `asked`: what an older server asks beside the calls that it belongs to.
//! - `session`: the session of an older server; `logging`: how verbose its logs are.
//! - `mirror`: arguments that go into headers, too.
//! - `received`: what a server answers, read as messages; `events`: streams of events.
//! - `outbound`: requests over kept connections, with redirects; `connector`: the one way out; `guard`: where it does
//!   not lead; `way`: the same step by step, for whoever looks for a fault.

mod asked;
mod call;
mod connector;
mod endpoint;
mod events;
mod fault;
mod guard;
mod hub;
mod inbox;
mod logging;
mod mirror;
mod open;
mod outbound;
mod received;
mod session;
mod streams;
mod way;

#[cfg(feature = "client-websocket")]
pub(crate) use connector::Connector;
pub use endpoint::Endpoint;
#[cfg(feature = "client-websocket")]
pub(super) use fault::shown;
pub use fault::{Fault, without_secrets};
pub(crate) use open::open;
#[cfg(feature = "client-websocket")]
pub(crate) use outbound::{USER_AGENT, uri};
#[cfg(feature = "client-websocket")]
pub(crate) use received::{Reading, Refusal};
pub use way::{Fetched, Reached, Way};
