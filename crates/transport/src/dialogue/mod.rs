//! The server's end of a session, as every transport drives it: from a message of some revision to a call, and back.
//!
//! - [`ServerConnection`]: serves one client on a channel that carries messages both ways.
//! - [`LegacySession`]: drives the machine of one session (`anyport_protocol::session::server`).
//! - [`ResponseStream`]: the messages of one call, in the words of its caller's revision.

mod connection;
mod idle;
mod in_flight;
mod response_stream;
mod session;
mod text;

#[cfg_attr(not(any(feature = "unix", feature = "websocket")), allow(unused_imports))]
pub(crate) use connection::ConnectionEnd;
pub(crate) use connection::{ConnectionConfig, Frame, ServerConnection};
pub(crate) use in_flight::InFlightRequest;
pub(crate) use response_stream::{EncodedResponse, ErrorFacts, ResponseEvent, ResponseStream};
pub(crate) use session::LegacySession;
pub(crate) use text::{array, one_line, refusal};

use anyport_protocol::Error;

/// A random identifier of 144 bits in visible ASCII.
pub(crate) fn random_id() -> Result<String, Error> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(|_| Error::internal("no randomness from the operating system"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
