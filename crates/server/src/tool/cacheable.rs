//! Whose results a cache in front of the server may keep.

use std::sync::atomic::{AtomicU64, Ordering};

use anyport_protocol::types::ToolAnnotations;
use anyport_service::Principal;

use super::Tool;
use crate::Server;

/// No two tools of a process have the same number, so nothing that one has said is taken for what another says.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

impl<H> Tool<H> {
    /// Lets no cache keep its results, although it only reads: what it tells is true at this moment only, such as the
    /// time, a state or a random number. See [`Server::cacheable`].
    #[must_use]
    pub fn uncached(mut self) -> Self {
        self.uncached = true;
        self
    }

    /// The number of a tool whose results may be kept.
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

impl Server {
    /// Whether results of `tool` may be kept for `caller`: a number that stands for this very tool, for
    /// [`anyport_layers::Cache::new`].
    ///
    /// They may when the tool says that it only reads ([`ToolAnnotations::read_only_hint`]), and not that the same call
    /// does something else the next time ([`ToolAnnotations::idempotent_hint`] is false) or that it is
    /// [`Tool::uncached`]; and when it is there for `caller` now. When it is replaced, the number is another one.
    ///
    /// ```
    /// use anyport_server::Server;
    /// use anyport_service::Service;
    /// use anyport_layers::{Cache, CacheLimits};
    ///
    /// fn cached(server: Server) -> impl Service {
    ///     let asked = server.clone();
    ///     Cache::new(server, CacheLimits::default(), move |tool, caller| asked.cacheable(tool, caller))
    /// }
    /// ```
    pub fn cacheable(&self, tool: &str, caller: &Principal) -> Option<u64> {
        let registry = self.core().registry.load();
        registry.tools.find(tool, caller)?.entry().cacheable
    }
}
