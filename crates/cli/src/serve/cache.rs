//! The answer cache, which is valid as long as the documents do not change.

use std::sync::{Arc, OnceLock};

use anyport_knowledge::{Change, Knowledge};
use anyport_layers::{CacheHandle, CacheLayer, CacheLimits};
use anyport_server::Server;
use anyport_service::{Principal, sync::Lock};
use tokio::sync::broadcast::{Receiver, error::TryRecvError};

/// Keeps the results of the tools of `server` that only read.
pub(super) fn layer(server: Server, knowledge: Knowledge, limits: CacheLimits) -> CacheLayer {
    let documents = Documents { changes: Lock::new(knowledge.changes()), knowledge, clear: OnceLock::new() };
    let documents = Arc::new(documents);
    let asked = documents.clone();
    let which = move |tool: &str, caller: &Principal| {
        let number = server.cacheable(tool, caller)?;
        asked.are_settled().then_some(number)
    };
    let cache = CacheLayer::new(limits, which);
    let _ = documents.clear.set(cache.handle());
    cache
}

struct Documents {
    knowledge: Knowledge,
    changes: Lock<Receiver<Arc<Change>>>,
    clear: OnceLock<CacheHandle>,
}

impl Documents {
    /// Whether current answers stay valid until the documents change. Checked at every call, so that a client that
    /// received a change notification gets no older answer: a task that clears the cache might run later than the
    /// client's next call.
    fn are_settled(&self) -> bool {
        // First the changes: they are sent before reading and indexing are over, so no change comes in between.
        let mut changes = self.changes.lock();
        if have_come(&mut changes)
            && let Some(clear) = self.clear.get()
        {
            // Within the lock: a call beside this one finds no more changes, and must not find what was before them.
            clear.clear();
        }
        drop(changes);
        let progress = self.knowledge.progress();
        !progress.reading && !progress.indexing
    }
}

fn have_come(changes: &mut Receiver<Arc<Change>>) -> bool {
    let mut changed = false;
    loop {
        match changes.try_recv() {
            // There were more than the channel holds, and the rest comes next.
            Ok(_) | Err(TryRecvError::Lagged(_)) => changed = true,
            Err(TryRecvError::Empty | TryRecvError::Closed) => return changed,
        }
    }
}
