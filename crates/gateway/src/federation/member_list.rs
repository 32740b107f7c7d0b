//! A list of one member.

use std::time::Duration;

use anyport_protocol::Raw;
use bytestring::ByteString;

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListEntry {
    /// The name, the URI or the URI template, as the member writes it.
    pub(super) key: ByteString,
    /// The whole entry.
    pub(super) text: Raw,
}

/// A list of a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MemberList {
    pub(super) entries: Vec<ListEntry>,
    /// `ttlMs`, as the member says.
    pub(super) ttl: Duration,
}
