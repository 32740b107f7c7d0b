use std::{fmt, io::Write as _, num::NonZeroU64};

use crate::Id;

/// The id of a request of ours: the JSON-RPC id on the wire, and the progress token that the server is given for it.
///
/// 2025-11-25, basic §Requests: "The request ID **MUST NOT** have been previously used by the requestor within the same
/// session." Ids of one connection only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(NonZeroU64);

impl CallId {
    pub(super) const FIRST: Self = Self(NonZeroU64::MIN);

    pub(super) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The id with this number; `None` for 0, which is no id of ours.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Reads an id that the server sends back. `None` unless it is an integer that can be an id of ours.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The number as text, written into `buffer`: each call has one, which is not worth an allocation.
    pub(super) fn digits(self, buffer: &mut [u8; 20]) -> &str {
        let mut rest = &mut buffer[..];
        // `u64::MAX` has 20 digits.
        let _ = write!(rest, "{self}");
        let length = 20 - rest.len();
        std::str::from_utf8(&buffer[..length]).unwrap_or_default()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<CallId> for Id {
    fn from(call: CallId) -> Self {
        Self::from(call.get())
    }
}

/// A request of the server's, as this connection counts them. Unlike the server's own id it is never used twice, so that a
/// late answer cannot reach a later request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerRequestId(pub(super) u64);
