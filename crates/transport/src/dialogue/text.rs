//! Messages as JSON text on one line.

use std::time::Duration;

use anyport_protocol::{
    Error, Id, Method, Raw,
    jsonrpc::{Reason, write_error, write_notification, write_request, write_result, write_result_head},
    session::{cancelled_params, server::OutgoingRequest},
};
use bytes::Bytes;

use crate::buffered_bytes::{BufferedBytes, LARGE, Unread};

/// A response as text.
#[derive(Debug)]
pub(crate) struct EncodedResponse {
    /// The whole message.
    pub(crate) text: MessageText,
    /// The error in it, if it is one.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) error: Option<ErrorFacts>,
}

/// The parts of an error from which a transport derives its own status.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "http"), allow(dead_code))]
pub(crate) struct ErrorFacts {
    pub(crate) code: i64,
    pub(crate) reason: Option<Reason>,
    /// The scopes that the operation needs, if the caller lacks one.
    pub(crate) scopes: Option<Vec<String>>,
    /// The time after which the request may be made again, if the error says it.
    pub(crate) retry_after: Option<Duration>,
}

/// The text of a message on one line.
///
/// A large result stands between the two ends of its envelope as it arrived: copying it would take as long as reading it,
/// and as much memory.
#[derive(Debug, Default)]
pub(crate) struct MessageText {
    /// Some may be empty.
    parts: [Bytes; 3],
    /// The bytes are counted as long as they are in memory.
    unread: Option<Unread>,
}

impl MessageText {
    /// The parts, in their order. Some may be empty.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) fn into_parts(self) -> [Bytes; 3] {
        let Self { parts: [head, result, end], unread } = self;
        let result = match unread {
            Some(unread) => unread.until_dropped(result),
            None => result,
        };
        [head, result, end]
    }

    /// The parts, in their order, for an observer.
    pub(crate) fn parts(&self) -> &[Bytes] {
        &self.parts
    }

    /// The text in one piece.
    pub(crate) fn into_bytes(self) -> Bytes {
        let text = match self.parts {
            [text, second, third] if second.is_empty() && third.is_empty() => text,
            parts => parts.concat().into(),
        };
        match self.unread {
            Some(unread) => unread.until_dropped(text),
            None => text,
        }
    }

    /// The number of bytes.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }
}

/// A text in one piece.
impl From<Bytes> for MessageText {
    fn from(text: Bytes) -> Self {
        Self { parts: [text, Bytes::new(), Bytes::new()], unread: None }
    }
}

/// The response that carries `result`. A large one is counted in `buffers` until it is written.
pub(super) fn success(id: &Id, result: Raw, buffers: &BufferedBytes) -> EncodedResponse {
    let mut text = Vec::new();
    let is_copied = result.as_str().len() <= LARGE || has_line_end(result.as_str().as_bytes());
    let text = if is_copied {
        write_result(&mut text, id, &result);
        buffers.hold(one_line(text)).into()
    } else {
        write_result_head(&mut text, id);
        let parts = [one_line(text), result.into_bytes(), Bytes::from_static(b"}")];
        MessageText { unread: buffers.count(parts[1].len()), parts }
    };
    EncodedResponse { text, error: None }
}

fn has_line_end(text: &[u8]) -> bool {
    memchr::memchr2(b'\n', b'\r', text).is_some()
}

/// Replaces line ends by spaces. They are white space in JSON, but end a message on stdio and a line of an event in an
/// event stream.
pub(crate) fn one_line(mut text: Vec<u8>) -> Bytes {
    if has_line_end(&text) {
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
        text: one_line(text).into(),
        error: Some(ErrorFacts {
            code: error.code,
            reason: error.reason,
            scopes: error.required_scopes(),
            retry_after: error.retry_after(),
        }),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn response(result: String) -> (Raw, EncodedResponse) {
        let result = Raw::trusted(result.into_bytes());
        (result.clone(), success(&Id::from(7), result, &BufferedBytes::default()))
    }

    #[test]
    fn a_large_result_is_written_without_a_copy() {
        let (result, response) = response(format!(r#"{{"text":"{}"}}"#, "a".repeat(LARGE)));
        assert_eq!(
            response.text.len(),
            result.as_str().len() + r#"{"jsonrpc":"2.0","id":7,"result":}"#.len()
        );
        let [head, middle, _] = response.text.into_parts();
        assert_eq!(
            (head, middle.as_ptr()),
            (r#"{"jsonrpc":"2.0","id":7,"result":"#.into(), result.as_str().as_ptr())
        );
    }

    #[test]
    fn a_large_result_of_several_lines_comes_on_one() {
        let (_, response) = response(format!("{{\"text\":\n\"{}\"}}", "a".repeat(LARGE)));
        let text = response.text.into_bytes();
        assert!(
            text.starts_with(br#"{"jsonrpc":"2.0","id":7,"result":{"text": "a"#)
                && text.ends_with(br#"a"}}"#)
        );
    }

    #[test]
    fn the_parts_of_a_message_are_one_text() {
        let (result, response) = response(format!(r#""{}""#, "a".repeat(LARGE)));
        let whole = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{}}}"#, result.as_str());
        assert_eq!(response.text.into_bytes(), whole);
    }
}
