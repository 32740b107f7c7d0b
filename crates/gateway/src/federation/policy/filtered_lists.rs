//! The lists that were filtered last.

use std::{net::IpAddr, num::NonZeroUsize, sync::Arc};

use anyport_protocol::{Raw, Revision};
use anyport_service::{ScopedPrincipal, sync::Lock};
use lru::LruCache;

use crate::federation::merged::Merged;

/// Filtered lists: callers read a list page by page, and again.
pub(super) struct FilteredLists(Lock<LruCache<(Reader, usize), Filtered>>);

/// A list, and the one that it was made of, which is held so that its address stays its own.
struct Filtered {
    _whole: Arc<Merged>,
    filtered: Arc<Merged>,
}

/// For whom a list is filtered: what conditions can look at.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Reader {
    pub(super) caller: ScopedPrincipal,
    pub(super) client: Option<Raw>,
    pub(super) revision: Revision,
    pub(super) address: Option<IpAddr>,
}

impl FilteredLists {
    /// Keeps `most` lists, and one at least.
    pub(super) fn new(most: usize) -> Self {
        Self(Lock::new(LruCache::new(NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN))))
    }

    /// `whole`, filtered for `reader`: as it was kept, or as `filter` makes it.
    pub(super) fn get(
        &self,
        whole: Arc<Merged>,
        reader: Reader,
        filter: impl FnOnce(&Merged) -> Merged,
    ) -> Arc<Merged> {
        let key = (reader, Arc::as_ptr(&whole).addr());
        if let Some(known) = self.0.lock().get(&key) {
            return known.filtered.clone();
        }
        let filtered = Arc::new(filter(&whole));
        self.0.lock().put(key, Filtered { _whole: whole, filtered: filtered.clone() });
        filtered
    }
}
