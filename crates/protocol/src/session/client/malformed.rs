use bytes::Bytes;

use super::call_id::CallId;
use crate::{Error, Id, Limits, Raw, failure::Failure, json::Elements, jsonrpc::Malformed};

/// Text of the server's that is not a message.
#[derive(Debug)]
pub struct MalformedMessage {
    /// The error for its sender.
    pub error: Error,
    /// What it was meant to be.
    pub intent: Intent,
}

/// The kind of message that malformed text was probably meant to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intent {
    /// A request: the server waits for an answer.
    Request(Id),
    /// A notification, or a request whose id cannot be read: there is nothing to answer.
    Notification,
    /// The response to the request with this id. Its caller would wait for ever.
    Response(Id),
    /// Unknown.
    Unknown,
}

impl Intent {
    /// Whether it may be the answer to the one request that is open.
    pub fn may_be_response(&self) -> bool {
        matches!(self, Self::Response(_) | Self::Unknown)
    }
}

impl MalformedMessage {
    /// Reads out of `text`, where it is known, what `malformed` does not say.
    pub fn of(malformed: Malformed, text: Option<&[u8]>) -> Self {
        let Malformed { error, id } = malformed;
        let seen = text.map(Glance::at).unwrap_or_default();
        let intent = match (seen.method, id, seen.id.filter(|_| seen.outcome)) {
            (true, Some(id), _) => Intent::Request(id),
            (true, None, _) => Intent::Notification,
            (false, Some(id), _) => Intent::Response(id),
            (false, None, Some(id)) => Intent::Response(Id::from(id)),
            (false, None, None) => Intent::Unknown,
        };
        Self { error, intent }
    }

    /// The failure of the request that it was to answer.
    pub fn failure(&self) -> Failure {
        Failure::InvalidPeer(format!("the server's message is no JSON-RPC: {}", self.error.message))
    }
}

/// The request that an oversized message answers, of which only the start was kept; `None` if it is not a response, and
/// `Some(None)` if the id is not in the start.
pub fn oversized_response(start: &[u8]) -> Option<Option<CallId>> {
    let Glance { id, method, outcome } = Glance::at(start);
    (!method).then(|| id.filter(|_| outcome).and_then(CallId::new))
}

/// The request that an oversized message answers, of which only the end was kept: some servers write the id last, and the
/// version before or behind it.
pub fn oversized_response_end(end: &[u8]) -> Option<CallId> {
    id_at_end(end).and_then(CallId::new)
}

fn id_at_end(end: &[u8]) -> Option<u64> {
    let at = memchr::memmem::rfind(end, b"\"id\"")?;
    // A member, and not a word in a text.
    let (before, value) = (end[..at].trim_ascii_end(), end[at + "\"id\"".len()..].trim_ascii_start());
    let value = value.strip_prefix(b":").filter(|_| before.ends_with(b","))?.trim_ascii_start();
    let id = integer(value)?;
    let behind = &value[value.iter().take_while(|byte| byte.is_ascii_digit()).count()..];
    let behind = behind.trim_ascii_start();
    let behind = behind.strip_prefix(br#","jsonrpc":"2.0""#).unwrap_or(behind);
    // One bracket closes the message: with two, this would be a member of something in it.
    (behind.trim_ascii() == b"}").then_some(id)
}

/// The text of one message in an array of messages.
pub fn element(array: &Bytes, index: usize, limits: &Limits) -> Option<Bytes> {
    let array = Raw::parse(array.clone(), limits).ok()?;
    let element = Elements::of(array.as_str()).nth(index)?;
    Some(array.slice(element).into_bytes())
}

/// What can be seen of an object's own members in a text that need not be JSON: servers write `NaN`, equal keys, and more
/// levels than may be, and the id stands there all the same.
#[derive(Debug, Default, PartialEq, Eq)]
struct Glance {
    /// An integer, as our ids are, that stands there once.
    id: Option<u64>,
    method: bool,
    /// Whether there is a result or an error.
    outcome: bool,
}

impl Glance {
    fn at(text: &[u8]) -> Self {
        let (mut seen, mut ids, mut depth, mut at) = (Self::default(), 0, 0_usize, 0);
        if text.trim_ascii_start().first() != Some(&b'{') {
            return seen;
        }
        while let Some(byte) = text.get(at) {
            at += 1;
            match byte {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => {
                    let begin = at;
                    at = end_of_string(text, at);
                    let value = text[at..].trim_ascii_start().strip_prefix(b":").filter(|_| depth == 1);
                    match (text[begin..at].strip_suffix(b"\""), value) {
                        (Some(b"method"), Some(_)) => seen.method = true,
                        (Some(b"result" | b"error"), Some(_)) => seen.outcome = true,
                        (Some(b"id"), Some(value)) => {
                            ids += 1;
                            seen.id = integer(value.trim_ascii_start()).filter(|_| ids == 1);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        seen
    }
}

/// Behind the quote that ends the string in which `at` stands.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn integer(value: &[u8]) -> Option<u64> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ends = matches!(value.get(digits)?, b',' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
    std::str::from_utf8(&value[..digits]).ok().filter(|_| ends)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jsonrpc::read;

    fn meant(text: &str) -> Intent {
        let malformed = read(Bytes::copy_from_slice(text.as_bytes()), &Limits::default()).unwrap_err();
        MalformedMessage::of(malformed, Some(text.as_bytes())).intent
    }

    /// Invariant: A malformed message costs its own call alone; a broken response ends its call at once, a
    /// broken request is refused.
    #[test]
    fn what_it_was_meant_to_be_is_told_where_it_can_be() {
        let answer = || Intent::Response(Id::from(7));
        for text in [
            r#"{"jsonrpc":"2.0","id":7}"#,
            r#"{"jsonrpc":"1.0","id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"error":"no"}"#,
            // What is no JSON, or too much of it.
            r#"{"jsonrpc":"2.0","id":7,"result":{"x":NaN}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"a":1,"a":2}}"#,
            r#" { "id" : 7 , "result":{"text":"\"}{\\"},'x'}"#,
            &format!(r#"{{"result":{}1{},"id":7}}"#, "[".repeat(500), "]".repeat(500)),
            // The method of something within is not its own.
            r#"{"id":7,"result":{"method":"x","id":9},"x":nope}"#,
        ] {
            assert_eq!(meant(text), answer(), "{text}");
        }
        for text in [
            r#"{"jsonrpc":"2.0","id":7,"method":5}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":null}"#,
        ] {
            assert_eq!(meant(text), Intent::Request(Id::from(7)), "{text}");
        }
        for text in [
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"x":NaN}}"#,
        ] {
            assert_eq!(meant(text), Intent::Notification, "{text}");
        }
        for text in [
            "",
            "{",
            "17",
            "nonsense",
            r#""id":7,"result""#,
            r#"{"id":7.5,"result":NaN}"#,
            r#"{"id":7,"id":8,"result":NaN}"#,
            r#"{"id":7,"level":NaN}"#,
            r#"{"text":"\"id\":7,","result":NaN}"#,
            r#"{"id":7"#,
        ] {
            assert_eq!(meant(text), Intent::Unknown, "{text}");
        }
    }

    #[test]
    fn an_end_tells_whose_it_is_where_it_is_the_end_of_the_message() {
        for end in [
            r#"words"}]},"jsonrpc":"2.0","id":7}"#,
            r#"}, "jsonrpc": "2.0", "id": 7 }"#,
            r#"{"id":9}},"id":7,"jsonrpc":"2.0"}"#,
            r#",\"id\":9}"},"id":7}"#,
        ] {
            assert_eq!(id_at_end(end.as_bytes()), Some(7), "{end}");
        }
        for end in [
            "",
            r#""id":7}"#,
            r#"{"a":1,"id":7}}"#,
            r#"{"result":",\"id\":7}"#,
            r#","id":"7"}"#,
            r#","id":7,"result":{}}"#,
            r#","id":7"#,
        ] {
            assert_eq!(id_at_end(end.as_bytes()), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_looked_at_nothing_panics(
            text in proptest::collection::vec(
                prop_oneof![any::<u8>(), proptest::sample::select(&b"{}[]\"\\:,id1 "[..])], 0..64)
        ) {
            Glance::at(&[b"{", &text[..]].concat());
            id_at_end(&[b",\"id\":", &text[..]].concat());
        }
    }
}
