use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytestring::ByteString;
use tokio::{sync::mpsc, time::sleep};

use crate::{Answer, Change, Entry, Key, Version};

/// The changes below a prefix: what is there, [`Change::Current`], then what changes.
///
/// A watch that is not read for more than 256 changes reports [`Change::Reset`] and begins again.
pub struct Watch {
    source: Weak<dyn Pages>,
    prefix: Key,
    changes: mpsc::Receiver<Change>,
    /// Changes were lost since the queue was full or the back end could not follow.
    lost: Arc<AtomicBool>,
    /// `None`: all that was there is reported.
    listing: Option<Listing>,
    listed: Listed,
}

/// Where [`Watch`] reads what is there.
pub(crate) trait Pages: Send + Sync + 'static {
    /// One page of the keys under `prefix`. Every change after the first page was read is published.
    fn page<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>>;
}

/// The watches of a store.
#[derive(Default)]
pub(crate) struct Watchers(Mutex<Vec<Watcher>>);

struct Watcher {
    prefix: Key,
    queue: mpsc::Sender<Change>,
    lost: Arc<AtomicBool>,
}

#[derive(Default)]
struct Listing {
    after: Option<Key>,
    page: VecDeque<(Key, Entry)>,
    /// There is no further page.
    is_last: bool,
}

/// The versions that a listing reported. The queue may hold older ones, which would come out of order after it.
#[derive(Default)]
struct Listed {
    versions: HashMap<ByteString, Version>,
    newest: Version,
}

/// The number of changes that wait for a watch.
const QUEUE: usize = 256;
/// The number of keys that are read at once.
const PAGE: usize = 64;
/// The pause before a listing is tried again.
const AGAIN: Duration = Duration::from_secs(1);

impl Watchers {
    /// Registers a watch of `prefix`, which lists from `source`. It does not keep the store open.
    pub(crate) fn watch(&self, prefix: &Key, source: Weak<dyn Pages>) -> Watch {
        let (queue, changes) = mpsc::channel(QUEUE);
        let lost = Arc::<AtomicBool>::default();
        self.lock().push(Watcher { prefix: prefix.clone(), queue, lost: lost.clone() });
        Watch {
            source,
            prefix: prefix.clone(),
            changes,
            lost,
            listing: Some(Listing::default()),
            listed: Listed::default(),
        }
    }

    /// Reports a change to the watches that cover it.
    pub(crate) fn publish(&self, change: &Change) {
        self.lock().retain(|watcher| {
            if change.key().is_some_and(|key| watcher.prefix.covers(key))
                && let Err(mpsc::error::TrySendError::Full(_)) = watcher.queue.try_send(change.clone())
            {
                watcher.lost.store(true, Ordering::Release);
            }
            !watcher.queue.is_closed()
        });
    }

    /// Has every watch begin again.
    pub(crate) fn reset(&self) {
        for watcher in self.lock().iter() {
            watcher.lost.store(true, Ordering::Release);
            // Wakes a watch that waits; a full queue wakes it as well.
            let _ = watcher.queue.try_send(Change::Reset);
        }
    }

    /// Whether there is no watch.
    pub(crate) fn is_empty(&self) -> bool {
        let mut watchers = self.lock();
        watchers.retain(|watcher| !watcher.queue.is_closed());
        watchers.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Returns the next change; `None` once the store is closed. It is cancel safe.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            if self.lost.swap(false, Ordering::AcqRel) {
                while self.changes.try_recv().is_ok() {}
                self.listing = Some(Listing::default());
                self.listed = Listed::default();
                return Some(Change::Reset);
            }
            let Some(listing) = &mut self.listing else {
                match self.changes.recv().await? {
                    // Marked as lost, too.
                    Change::Reset => continue,
                    change if self.listed.covers(&change) => continue,
                    change => return Some(change),
                }
            };
            if let Some((key, entry)) = listing.page.pop_front() {
                self.listed.add(&key, entry.version);
                return Some(Change::Put(key, entry));
            }
            if listing.is_last {
                self.listing = None;
                return Some(Change::Current);
            }
            let source = self.source.upgrade()?;
            match source.page(&self.prefix, listing.after.as_ref(), PAGE).await {
                Ok(page) => {
                    listing.is_last = page.len() < PAGE;
                    listing.after = page.last().map(|(key, _)| key.clone());
                    listing.page = page.into();
                }
                Err(error) => {
                    tracing::debug!(%error, prefix = ?self.prefix, "a watch cannot list; it tries again");
                    drop(source);
                    sleep(AGAIN).await;
                }
            }
        }
    }
}

impl Listed {
    fn add(&mut self, key: &Key, version: Version) {
        self.versions.insert(key.id.clone(), version);
        self.newest = self.newest.max(version);
    }

    /// Whether the listing reported this change, or a newer one of the same key.
    fn covers(&mut self, change: &Change) -> bool {
        let (Some(key), Some(version)) = (change.key(), change.version()) else { return false };
        if version > self.newest {
            // Versions come in order: nothing older follows.
            self.versions = HashMap::new();
        }
        self.versions.get(&key.id).is_some_and(|listed| *listed >= version)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.prefix).finish()
    }
}
