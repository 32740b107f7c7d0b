//! A list of an upstream as it was read for some callers.

use std::{collections::HashSet, sync::Arc};

use anyport_protocol::Raw;
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

use crate::federation::{list_kind::ListKind, member_list::ListEntry};

/// The era of callers: a server that speaks both may define its items differently in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::federation) enum Era {
    /// They speak 2026-07-28.
    Modern,
    /// They speak an older revision.
    Legacy,
}

/// The callers that a list was read for.
#[derive(Clone, Debug)]
pub(in crate::federation) struct Caller {
    pub(in crate::federation) era: Era,
    /// Says whether two lists were read for the same callers.
    pub(in crate::federation) tag: Arc<str>,
}

/// What an upstream listed.
#[derive(Clone)]
pub(super) struct Observation {
    pub(super) kind: ListKind,
    pub(super) caller: Caller,
    pub(super) entries: Arc<[Observed]>,
    /// Whether it is the whole list, and not one page.
    pub(super) is_whole: bool,
    /// Whether new items are not trusted, if the list was read before.
    pub(super) is_strict: bool,
}

/// One entry of the list.
pub(super) struct Observed {
    pub(super) key: ByteString,
    pub(super) text: Raw,
    pub(super) hash: Arc<str>,
}

impl Observation {
    /// The names or URIs in the list.
    pub(super) fn keys(&self) -> HashSet<&str> {
        self.entries.iter().map(|entry| &*entry.key).collect()
    }

    /// The entries of a list whose definitions have hashes.
    pub(super) fn entries_of(entries: &[ListEntry]) -> Arc<[Observed]> {
        let observed = entries.iter().filter_map(|entry| {
            let hash = entry.hash.clone()?;
            Some(Observed { key: entry.key.clone(), text: entry.text.clone(), hash })
        });
        observed.collect()
    }
}
