//! The API keys of a store in memory, so that a call waits for no disk.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_service::{Authorization, Principal};
use anyport_store::{Change, Key, Store};
use bytestring::ByteString;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep},
};

use super::records::{API_KEYS, ApiKey, ApiKeyRecords};
use crate::resource_server::scopes::Hierarchy;

/// The keys as the store has them. It follows the store until it is dropped.
pub(super) struct Table {
    keys: Arc<RwLock<Keys>>,
    /// Whether all keys of the store have been read.
    pub(super) is_current: watch::Receiver<bool>,
    follower: AbortHandle,
}

type Keys = HashMap<ByteString, Arc<KnownKey>>;

/// A key, and what it allows.
pub(super) struct KnownKey {
    pub(super) key: ApiKey,
    pub(super) authorization: Authorization,
    /// When its use was last written, in seconds since 1970.
    noted: AtomicU64,
}

/// The time between two notes that a key was used, in seconds.
const NOTE_EVERY: u64 = 60;
/// The pause before a record is read again.
const AGAIN: Duration = Duration::from_secs(1);

impl Table {
    /// Begins to follow `store`.
    pub(super) fn follow(store: &dyn Store, records: ApiKeyRecords, hierarchy: Hierarchy) -> Self {
        let keys = Arc::<RwLock<Keys>>::default();
        let (sender, is_current) = watch::channel(false);
        let changes = store.watch(&Key::all(&API_KEYS));
        let follower = Follower { keys: keys.clone(), records, hierarchy, listed: None };
        let follower = tokio::spawn(follower.run(changes, sender)).abort_handle();
        Self { keys, is_current, follower }
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<KnownKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

impl KnownKey {
    /// Whether a use at `now` is to be written: once a minute.
    pub(super) fn is_to_note(&self, now: u64) -> bool {
        let noted = self.noted.load(Ordering::Relaxed);
        now >= noted.saturating_add(NOTE_EVERY)
            && self.noted.compare_exchange(noted, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Carries the changes of the store into the table.
struct Follower {
    keys: Arc<RwLock<Keys>>,
    records: ApiKeyRecords,
    hierarchy: Hierarchy,
    /// What is listed anew after changes were lost. Until all is, what was known stays.
    listed: Option<Keys>,
}

impl Follower {
    async fn run(mut self, mut changes: anyport_store::Watch, is_current: watch::Sender<bool>) {
        while let Some(change) = changes.next().await {
            match change {
                Change::Put(key, _) => {
                    let known = self.read(&key.id).await;
                    self.change(|keys| match known {
                        Some(known) => drop(keys.insert(key.id, Arc::new(known))),
                        None => drop(keys.remove(&key.id)),
                    });
                }
                Change::Deleted(key, _) => self.change(|keys| drop(keys.remove(&key.id))),
                Change::Reset => self.listed = Some(Keys::new()),
                Change::Current => {
                    if let Some(listed) = self.listed.take() {
                        self.change(|keys| *keys = listed);
                    }
                    is_current.send_replace(true);
                }
            }
        }
        // The store is closed: a revocation would not be seen any more.
        is_current.send_replace(false);
    }

    fn change(&mut self, change: impl FnOnce(&mut Keys)) {
        match &mut self.listed {
            Some(listed) => change(listed),
            None => change(&mut self.keys.write().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// The key as it is now; `None` if it is gone, or cannot be read.
    async fn read(&self, id: &str) -> Option<KnownKey> {
        loop {
            match self.records.get(id).await {
                Ok(key) => return key.map(|key| self.known(key)),
                Err(error @ (anyport_store::Error::Unreadable | anyport_store::Error::Newer { .. })) => {
                    tracing::warn!(%error, id, "an API key cannot be read, and is not accepted");
                    return None;
                }
                Err(error) => {
                    tracing::warn!(%error, id, "an API key cannot be read yet");
                    sleep(AGAIN).await;
                }
            }
        }
    }

    fn known(&self, key: ApiKey) -> KnownKey {
        let principal = Principal::named(key.name.as_str());
        let authorization = match &key.scopes {
            Some(scopes) => {
                Authorization::scoped(principal, self.hierarchy.expand(scopes.iter().map(String::as_str)))
            }
            None => Authorization::unlimited(principal),
        };
        let rest = key.expires.map(|end| Duration::from_secs(end.saturating_sub(self.records.seconds())));
        let end = rest.and_then(|rest| Instant::now().checked_add(rest));
        let authorization = match end {
            Some(end) => authorization.until(end),
            None => authorization,
        };
        KnownKey { key, authorization, noted: AtomicU64::new(0) }
    }
}
