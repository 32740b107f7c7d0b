//! A list of one member.

use std::{sync::Arc, time::Duration};

use anyport_protocol::Raw;
use bytestring::ByteString;

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ListEntry {
    /// The name, the URI or the URI template, as the member writes it.
    pub(super) key: ByteString,
    /// The whole entry.
    pub(super) text: Raw,
    /// The hash of its definition, if the definitions of the member are pinned.
    pub(super) hash: Option<Arc<str>>,
    /// Why clients do not receive it, if they do not.
    pub(super) held: Option<Verdict>,
}

/// What pins, or its text, say of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is accepted.
    Accepted,
    /// Another one of the same item is accepted.
    Changed,
    /// None of the item is accepted.
    New,
    /// It has hidden instructions or invisible characters.
    Suspicious,
}

/// A list of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberList {
    pub(super) entries: Vec<ListEntry>,
    /// `ttlMs`, as the member says.
    pub(super) ttl: Duration,
}
