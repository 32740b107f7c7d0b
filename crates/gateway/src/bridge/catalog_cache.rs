use std::{future::Future, sync::Arc, time::Duration};

use anyport_protocol::{Raw, Revision};
use anyport_service::sync::Lock;
use anyport_store::Error;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use super::catalog_record::{CatalogRecord, Contents};

/// The last known lists of a server, in memory and in a record that outlives the program.
#[derive(Clone)]
pub(super) struct CatalogCache(Arc<Inner>);

struct Inner {
    /// `None`: in memory alone.
    record: Option<CatalogRecord>,
    contents: Lock<Contents>,
    /// Whether the record was read, or cannot be.
    loaded: watch::Sender<bool>,
    /// Something changed, or the last clone is gone.
    changed: Arc<Notify>,
}

/// The largest stored list in bytes; a larger one is requested each time.
const MOST: usize = 8 << 20;
/// The largest number of stored lists. Clients choose their capabilities, and new clients come: if there is no room for
/// a list in use, unused ones are removed.
const LISTS: usize = 64;
/// The delay before the record is written, since changes come together.
const SETTLE: Duration = Duration::from_millis(200);

impl CatalogCache {
    /// An empty cache, which [`load`](Self::load) fills from `record`.
    pub(super) fn new(record: Option<CatalogRecord>) -> Self {
        let loaded = watch::Sender::new(record.is_none());
        Self(Arc::new(Inner { record, contents: Lock::default(), loaded, changed: Arc::default() }))
    }

    /// Reads the record. What is unreadable counts as missing: everything in it can be requested. What was learned meanwhile is newer.
    pub(super) async fn load(&self) {
        if let Some(record) = &self.0.record {
            match record.read().await {
                Ok(stored) => self.0.contents.lock().add(stored),
                // The program ends, or the store is away, of which it tells by itself.
                Err(Error::Unreachable) => {}
                Err(error) => {
                    tracing::warn!(%error, "the cached description of the server cannot be read; it is requested again");
                }
            }
        }
        self.0.loaded.send_replace(true);
    }

    /// Whether the record was read, or cannot be.
    pub(super) fn is_loaded(&self) -> bool {
        *self.0.loaded.borrow()
    }

    /// Waits until the record was read, or cannot be.
    pub(super) async fn loaded(&self) {
        // The sender is in this value.
        let _ = self.0.loaded.subscribe().wait_for(|&loaded| loaded).await;
    }

    /// The server's description for clients of `revision`.
    pub(super) fn discovered(&self, revision: Revision) -> Option<Raw> {
        self.0.contents.lock().discovered_by(revision).clone()
    }

    /// The server's description for some clients.
    pub(super) fn any_discovered(&self) -> Option<Raw> {
        let contents = self.0.contents.lock();
        contents.discovered.clone().or_else(|| contents.discovered_by_legacy.clone())
    }

    pub(super) fn list(&self, key: &str) -> Option<Raw> {
        self.0.contents.lock().lists.get(key).cloned()
    }

    /// Every list of tools.
    pub(super) fn tools(&self) -> Vec<Raw> {
        let contents = self.0.contents.lock();
        let of_tools = contents.lists.iter().filter(|(key, _)| key.starts_with("tools/list "));
        of_tools.map(|(_, list)| list.clone()).collect()
    }

    pub(super) fn set_discovered(&self, revision: Revision, discovered: Raw) {
        let mut contents = self.0.contents.lock();
        let known = contents.discovered_by(revision);
        if known.as_ref() != Some(&discovered) {
            *known = Some(discovered);
            self.0.changed.notify_one();
        }
    }

    /// Returns whether a different list was stored before.
    pub(super) fn set_list(&self, key: String, list: Raw) -> bool {
        let size = key.len() + list.as_str().len();
        if size > MOST {
            return self.drop_list(&key);
        }
        let mut contents = self.0.contents.lock();
        let others = contents.lists.iter().filter(|(other, _)| **other != key);
        let (count, bytes) = others
            .fold((0, 0), |(count, bytes), (key, list)| (count + 1, bytes + key.len() + list.as_str().len()));
        if count >= LISTS || bytes + size > MOST {
            contents.lists.retain(|other, _| *other == key);
        }
        let old = contents.lists.insert(key, list.clone());
        if old.as_ref() != Some(&list) {
            self.0.changed.notify_one();
        }
        old.is_some_and(|old| old != list)
    }

    /// Removes a list that is no longer complete. Returns whether it was stored.
    pub(super) fn drop_list(&self, key: &str) -> bool {
        let was_kept = self.0.contents.lock().lists.remove(key).is_some();
        if was_kept {
            self.0.changed.notify_one();
        }
        was_kept
    }

    /// Removes everything.
    pub(super) fn clear(&self) {
        *self.0.contents.lock() = Contents::default();
        self.0.changed.notify_one();
    }

    /// Writes the record after every change, until the last other clone is gone.
    pub(super) fn written(&self) -> impl Future<Output = ()> + Send + use<> {
        let (inner, changed) = (Arc::downgrade(&self.0), self.0.changed.clone());
        async move {
            loop {
                changed.notified().await;
                let Some(cache) = inner.upgrade().map(Self) else { return };
                let Some(record) = cache.0.record.clone() else { continue };
                sleep(SETTLE).await;
                cache.loaded().await;
                let contents = cache.0.contents.lock().clone();
                if let Err(error) = record.write(&contents).await {
                    tracing::warn!(%error, "the description of the server cannot be cached: the next start waits for the server");
                }
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use anyport_metrics::Metrics;
    use anyport_store::MemoryStore;

    use super::*;
    use crate::bridge::catalog_record::CATALOGS;

    fn list(text: &str) -> Raw {
        Raw::from(serde_json::json!({"tools": [{"name": text}]}))
    }

    /// Invariant: A bridge's stored lists are separate for each credential, and do not grow without bound.
    #[test]
    fn where_there_is_no_room_what_is_in_use_pushes_out_the_rest() {
        let kept = CatalogCache::new(None);
        for number in 0..LISTS {
            kept.set_list(format!("tools/list {number}"), list("old"));
        }
        assert!(!kept.set_list("tools/list new".into(), list("new")));
        assert_eq!(kept.list("tools/list new"), Some(list("new")));
        assert_eq!(kept.tools().len(), 1);
        let half = list(&"x".repeat(MOST / 2));
        for name in ["a", "b"] {
            kept.set_list(format!("tools/list {name}"), half.clone());
            assert_eq!(kept.list(&format!("tools/list {name}")).as_ref(), Some(&half));
        }
        assert_eq!(kept.tools().len(), 1, "two halves and their names are more than may be kept");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_for_nobody() {
        let store = Arc::new(MemoryStore::new(&[&CATALOGS], &Metrics::new()));
        let record = CatalogRecord::new(store, "server");
        let kept = CatalogCache::new(Some(record.clone()));
        kept.load().await;
        let writing = tokio::spawn(kept.written());
        kept.set_list("tools/list {}".into(), list("last"));
        tokio::task::yield_now().await;
        drop(kept);
        writing.await.unwrap();
        let stored = record.read().await.unwrap();
        assert_eq!(stored.lists["tools/list {}"], list("last"), "but what was to be written is");
        let kept = CatalogCache::new(None);
        let idle = tokio::spawn(kept.written());
        drop(kept);
        idle.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_learned_before_the_record_was_read_is_newer() {
        let store = Arc::new(MemoryStore::new(&[&CATALOGS], &Metrics::new()));
        let record = CatalogRecord::new(store, "server");
        let stored = ["a", "b"].map(|name| (name.to_owned(), list("old")));
        record.write(&Contents { lists: stored.into(), ..Contents::default() }).await.unwrap();
        let kept = CatalogCache::new(Some(record.clone()));
        let writing = tokio::spawn(kept.written());
        kept.set_list("a".into(), list("new"));
        sleep(SETTLE * 2).await;
        assert_eq!(
            record.read().await.unwrap().lists["a"],
            list("old"),
            "nothing is written before it was read"
        );
        kept.load().await;
        assert_eq!((kept.list("a"), kept.list("b")), (Some(list("new")), Some(list("old"))));
        drop(kept);
        writing.await.unwrap();
        assert_eq!(record.read().await.unwrap().lists.len(), 2);
    }

    /// Invariant: A bridge's stored lists are separate for each credential, and do not grow without bound.
    #[test]
    fn a_list_that_grew_too_large_is_forgotten_and_another_one_than_before() {
        let kept = CatalogCache::new(None);
        let huge = list(&"x".repeat(MOST));
        assert!(!kept.set_list("tools/list {}".into(), huge.clone()), "it was not known before");
        kept.set_list("tools/list {}".into(), list("small"));
        assert!(kept.set_list("tools/list {}".into(), huge));
        assert_eq!(kept.list("tools/list {}"), None);
    }
}
