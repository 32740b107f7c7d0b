//! The client's side of a session: the state machine of a connection to a server, and its parts.
//!
//! - [`ClientConnection`]: the machine. It takes [`Input`]s and returns [`Action`]s; what happens to a call are
//!   [`CallEvent`]s. It performs no I/O and knows no clock.
//! - [`VersionNegotiation`]: finds out which revision a server speaks.
//! - [`NegotiatedSession`]: writes requests and reads messages in the negotiated revision.
//! - [`RequestEnvelope`]: the `_meta` members that one hop adds to a request; [`ServerIdentity`]: those that it adds to a
//!   result.
//! - [`route_request()`]: the call that a legacy server's request on a shared channel belongs to.
//! - [`PreparedRequest`]: the request of a call, ready to be written.
//! - [`MalformedMessage`]: text that is not a message, and what it was meant to be.
//! - [`CallTable`]: values by call, for this machine and for drivers.

mod ask;
mod call_id;
mod calls;
mod connection;
mod envelope;
mod input;
mod log_level;
mod malformed;
mod message;
mod negotiated;
mod negotiation;
mod opening;
mod own_requests;
mod phase;
mod prepared_request;
mod receive;
mod recent_callers;
mod renewal;
mod route_request;
mod server_info;
mod server_requests;
mod sessions;
mod subscriptions;
mod table;

pub use call_id::{CallId, ServerRequestId};
pub use connection::ClientConnection;
pub use envelope::{RequestEnvelope, discover_params, initialize_params};
pub use input::{
    Action, Actions, Attribution, CallEvent, CallFacts, Channel, ConnectionConfig, Input, Origin, Outgoing,
    UnsolicitedMessage,
};
pub use malformed::{Intent, MalformedMessage, element, oversized_response, oversized_response_end};
pub use message::ServerMessage;
pub use negotiated::NegotiatedSession;
pub use negotiation::{NegotiationError, NegotiationStep, VersionNegotiation};
pub use prepared_request::PreparedRequest;
pub use route_request::{InFlightCall, RequestRoute, route_request};
pub use server_info::ServerIdentity;
pub use table::CallTable;

#[cfg(test)]
mod tests;
