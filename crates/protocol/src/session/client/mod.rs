//! The client's side of a session: what was negotiated with a server, and how requests to it are written.
//!
//! - [`VersionNegotiation`]: finds out which revision a server speaks.
//! - [`NegotiatedSession`]: writes requests and reads messages in the negotiated revision.
//! - [`RequestEnvelope`]: the `_meta` members that one hop adds to a request; [`ServerIdentity`]: those that it adds to a
//!   result.
//! - [`route_request()`]: the call that a legacy server's request on a shared channel belongs to.

mod envelope;
mod negotiated;
mod negotiation;
mod route_request;
mod server_info;

pub use envelope::{RequestEnvelope, initialize_params};
pub use negotiated::NegotiatedSession;
pub use negotiation::{NegotiationError, NegotiationStep, VersionNegotiation};
pub use route_request::{InFlightCall, RequestRoute, route_request};
pub use server_info::ServerIdentity;

#[cfg(test)]
mod tests;
