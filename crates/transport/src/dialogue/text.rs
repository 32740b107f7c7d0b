//! Messages as JSON text on one line.

use anyport_protocol::{
    Error, Id, Method, Raw,
    jsonrpc::{Reason, write_error, write_notification, write_request},
    session::{cancelled_params, server::OutgoingRequest},
};
use bytes::Bytes;

/// A response as text.
#[derive(Debug)]
pub(crate) struct EncodedResponse {
    /// The whole message.
    pub(crate) text: Bytes,
    /// The error in it, if it is one.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) error: Option<ErrorFacts>,
}

/// The parts of an error from which a transport derives its own status.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "http"), allow(dead_code))]
pub(crate) struct ErrorFacts {
    pub(crate) code: i64,
    pub(crate) reason: Option<Reason>,
}

/// Replaces line ends by spaces. They are white space in JSON, but end a message on stdio and a line of an event in an
/// event stream.
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

/// The response to something that never became a call.
pub(crate) fn refusal(id: Option<&Id>, error: &Error, null_id: bool) -> EncodedResponse {
    let mut text = Vec::with_capacity(160);
    write_error(&mut text, id, error, null_id);
    EncodedResponse {
        text: one_line(text),
        error: Some(ErrorFacts { code: error.code, reason: error.reason }),
    }
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

/// A notification.
pub(super) fn notification_text(method: &str, params: &Raw) -> Bytes {
    let mut text = Vec::with_capacity(params.as_str().len() + 80);
    write_notification(&mut text, method, Some(params));
    one_line(text)
}

/// The notification that cancels the request `id`.
pub(super) fn cancellation_text(id: &Id) -> Bytes {
    notification_text(Method::Cancelled.as_str(), &cancelled_params(id))
}

/// A request to the client.
pub(super) fn request_text(request: &OutgoingRequest) -> Bytes {
    let OutgoingRequest { id, method, params } = request;
    let mut text = Vec::with_capacity(params.as_str().len() + 80);
    write_request(&mut text, id, method.as_str(), Some(params));
    one_line(text)
}
