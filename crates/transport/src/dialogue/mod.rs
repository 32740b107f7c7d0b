//! The server's end of a session, as every transport drives it: from a message of some revision to a call, and back.
//!
//! - [`ServerConnection`]: serves one client on a channel that carries messages both ways.
//! - [`LegacySession`]: drives the machine of one session (`anyport_protocol::session::server`).
//! - [`ResponseStream`]: the messages of one call, in the words of its caller's revision.

mod connection;
mod idle;
mod in_flight;
mod random_id;
mod response_stream;
mod session;
mod text;

#[cfg_attr(not(any(feature = "unix", feature = "websocket")), allow(unused_imports))]
pub(crate) use connection::ConnectionEnd;
#[cfg(feature = "http")]
pub(crate) use connection::Posted;
pub(crate) use connection::{ConnectionConfig, Frame, ServerConnection};
#[cfg(feature = "http")]
pub(crate) use in_flight::InFlightRequest;
#[cfg(feature = "http")]
pub(crate) use random_id::random_id;
#[cfg(feature = "http")]
pub(crate) use response_stream::{ResponseEvent, ResponseStream, size};
#[cfg(feature = "http")]
pub(crate) use session::{CallOrigin, LegacySession};
#[cfg(any(feature = "http", feature = "client"))]
pub(crate) use text::one_line;
#[cfg(any(feature = "http", feature = "unix"))]
pub(crate) use text::refusal;
#[cfg(feature = "http")]
pub(crate) use text::{EncodedResponse, ErrorFacts, MessageText, array};
