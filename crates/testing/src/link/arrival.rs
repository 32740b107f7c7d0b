//! Messages that arrive on a link.

use serde_json::Value;

/// The source of a message: the HTTP response to one request, or the one channel of every other transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Exchange(pub(super) u64);

impl Exchange {
    /// The one channel that is always open.
    pub(super) const CHANNEL: Self = Self(0);
}

/// A message that arrives on a link.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// The head of an HTTP response.
    Head { status: u16, session: Option<String> },
    /// A message, or several in an array; and its text.
    Message(Value, String),
    /// Something that is no JSON.
    Garbage(String),
    /// The HTTP response is over.
    End,
}
