//! Connections to servers over HTTP.
//!
//! # Layout
//! - `connector`: the one way out; `guard`: where it does not lead.
//! - `outbound`: requests over kept connections, with redirects.
//! - `events`: reads event streams.

mod connector;
mod endpoint;
mod events;
mod fault;
mod guard;
mod outbound;

pub use endpoint::Endpoint;
pub use fault::Fault;
