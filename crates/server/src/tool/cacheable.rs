//! Which tools have results that a cache in front of the server may keep.

use std::sync::atomic::{AtomicU64, Ordering};

use anyport_protocol::types::ToolAnnotations;

use super::definition::Tool;

/// No two tools of a process have the same number, so nothing that one has said is taken for what another says.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl<H> Tool<H> {
    /// Excludes its results from caches although it only reads: they are valid for a moment only, such as the time, a
    /// state or a random number. See [`crate::Server::cacheable`].
    #[must_use]
    pub fn uncached(mut self) -> Self {
        self.uncached = true;
        self
    }

    /// The version number of a tool with cacheable results.
    ///
    /// 2026-07-28, schema, `ToolAnnotations`: with `readOnlyHint`, "the tool does not modify its environment". So leaving
    /// a call of it out changes nothing.
    pub(super) fn cacheable(&self) -> Option<u64> {
        let hints = self.definition.annotations.as_ref();
        let may = |hints: &&ToolAnnotations| {
            hints.read_only_hint == Some(true) && hints.idempotent_hint != Some(false)
        };
        hints.filter(may).filter(|_| !self.uncached).map(|_| NUMBERS.fetch_add(1, Ordering::Relaxed))
    }
}
