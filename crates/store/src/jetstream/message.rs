//! What a version of a key is as a message of a stream.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::{HeaderMap, jetstream::message::StreamMessage};
use bytes::Bytes;

use crate::{Entry, Version};

/// A message of a stream: a version, or a deletion.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) version: Version,
    pub(super) value: Bytes,
    pub(super) expires: Option<SystemTime>,
    pub(super) is_deletion: bool,
    /// The random id of the write.
    pub(super) write: Option<u64>,
}

/// A message that is to be written.
pub(super) struct Draft {
    pub(super) value: Bytes,
    pub(super) expires: Option<SystemTime>,
    pub(super) is_deletion: bool,
    pub(super) write: u64,
    /// The number of the newest message that the key must have, 0 for none.
    pub(super) expected: Option<u64>,
    /// When the server may remove the message by itself, if it can.
    pub(super) server_ttl: Option<Duration>,
}

/// The id of the write. The server drops a second message with the same one for a while, so a write can be repeated.
const WRITE: &str = "Nats-Msg-Id";
/// When the version expires, in milliseconds since 1970 by the server's clock.
const EXPIRES: &str = "Ap-Expires";
/// There if the message is a deletion.
const DELETED: &str = "Ap-Deleted";
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
const TTL: &str = "Nats-TTL";

/// What a message takes in a stream besides its subject and its value: the record of the server, and the shortest headers.
pub(super) const OVERHEAD: u64 = 34 + "NATS/1.0\r\nNats-Msg-Id: 0123456789abcdef\r\n\r\n".len() as u64;

impl Stored {
    pub(super) fn new(sequence: u64, headers: Option<&HeaderMap>, value: Bytes) -> Self {
        let header = |name: &str| headers.and_then(|headers| headers.get(name)).map(|value| value.as_str());
        let expires = header(EXPIRES).and_then(|text| text.parse().ok());
        Self {
            version: Version(sequence),
            value,
            // A time beyond all clocks is none.
            expires: expires
                .and_then(|milliseconds| UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))),
            is_deletion: header(DELETED).is_some(),
            write: header(WRITE).and_then(|text| u64::from_str_radix(text, 16).ok()),
        }
    }

    /// The entry, unless it is a deletion or has expired.
    pub(super) fn live(self, now: SystemTime) -> Option<Entry> {
        let entry = Entry { version: self.version, value: self.value, expires: self.expires };
        (!self.is_deletion && !entry.is_expired(now)).then_some(entry)
    }

    /// Whether it is a version that has expired.
    pub(super) fn is_expired(&self, now: SystemTime) -> bool {
        !self.is_deletion && self.expires.is_some_and(|expires| expires <= now)
    }
}

impl From<StreamMessage> for Stored {
    fn from(message: StreamMessage) -> Self {
        Self::new(message.sequence, Some(&message.headers), message.payload)
    }
}

impl Draft {
    pub(super) fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(WRITE, format!("{:016x}", self.write));
        if let Some(expires) = self.expires {
            headers.insert(EXPIRES, milliseconds(expires).to_string());
        }
        if self.is_deletion {
            headers.insert(DELETED, "1");
        }
        if let Some(expected) = self.expected {
            headers.insert(EXPECTED, expected.to_string());
        }
        if let Some(ttl) = self.server_ttl {
            headers.insert(TTL, format!("{}s", ttl.as_secs().max(1)));
        }
        headers
    }
}

/// A time as the header has it. It is rounded up, so that nothing expires early.
fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_and_a_number_beyond_all_others_are_read() {
        let mut headers = HeaderMap::new();
        for (written, is_there) in [(u64::MAX.to_string(), true), ("-1".into(), false), ("1e9".into(), false)]
        {
            headers.insert(EXPIRES, written);
            let stored = Stored::new(u64::MAX, Some(&headers), Bytes::new());
            assert_eq!((stored.expires.is_some(), stored.version), (is_there, Version(u64::MAX)));
            assert!(!stored.is_expired(SystemTime::now()));
        }
    }
}
