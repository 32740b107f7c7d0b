//! What every transport shares: from a message of some revision to a call, and back.

mod connection;
mod response_stream;
mod session;

#[cfg_attr(not(any(feature = "unix", feature = "websocket")), allow(unused_imports))]
pub(crate) use connection::ConnectionEnd;
pub(crate) use connection::{ConnectionConfig, Frame, ServerConnection};
pub(crate) use response_stream::{Answer, Fault, ResponseEvent, ResponseStream};
pub(crate) use session::LegacySession;

use anyport_protocol::{
    Error, Id, Raw,
    jsonrpc::{Reason, write_error},
};
use bytes::Bytes;

/// Written messages stand on one line: line ends are white space in JSON, but end a message on stdio and an event
/// line in an event stream.
pub(crate) fn one_line(mut text: Vec<u8>) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &text).is_some() {
        for byte in &mut text {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    text.into()
}

/// The answer to something that never became a call.
pub(crate) fn refusal(id: Option<&Id>, error: &Error, null_id: bool) -> Answer {
    let mut text = Vec::with_capacity(160);
    write_error(&mut text, id, error, null_id);
    Answer { text: one_line(text), fault: Some(Fault { code: error.code, reason: error.reason }) }
}

/// 2026-07-28, basic §Requests: "The request ID MUST NOT match the ID of any other request the sender has issued and not
/// yet received a response for."
pub(crate) fn in_use(id: &Id) -> Error {
    Error::invalid_request(format!("id {id} belongs to a request that still runs"))
}

/// A client has as many requests open as it may have.
pub(crate) fn too_many_open(limit: usize) -> Error {
    Error::internal(format!("{limit} requests are open (max_open_requests)")).with_reason(Reason::Overloaded)
}

/// Messages as one batch.
pub(crate) fn array(messages: &[Bytes]) -> Bytes {
    let mut text = Vec::with_capacity(messages.iter().map(|message| message.len() + 1).sum::<usize>() + 1);
    for message in messages {
        text.push(if text.is_empty() { b'[' } else { b',' });
        text.extend_from_slice(message);
    }
    text.push(b']');
    text.into()
}

/// A random identifier of 144 bits in visible ASCII.
pub(crate) fn random_id() -> Result<String, Error> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(|_| Error::internal("no randomness from the operating system"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// `{"requestId": id}`, the params of `notifications/cancelled`.
pub(crate) fn cancelled_params(id: &Id) -> Raw {
    anyport_protocol::json::Splice::new().with("requestId", id.as_raw()).finish()
}
