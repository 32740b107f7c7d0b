//! The back end that ends with the process.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    ops::Bound,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyport_metrics::Metrics;
use bytes::Bytes;
use bytestring::ByteString;
use tokio::time::sleep;

use crate::{
    Answer, Bucket, Change, Clock, Durability, Entry, Error, Expect, Keep, Key, Members, Status, Store,
    VALUE_MAX, Version, Watch, Write,
    faults::FaultCounters,
    watch::{Pages, Watchers},
};

/// A [`Store`] in the memory of this process. Clones are the same store.
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

struct Inner {
    buckets: Mutex<Buckets>,
    watchers: Watchers,
    clock: Clock,
    members: Members,
    faults: FaultCounters,
    /// Whether the task that sweeps runs.
    is_swept: AtomicBool,
}

#[derive(Default)]
struct Buckets {
    /// The newest version of all keys.
    version: u64,
    contents: BTreeMap<&'static str, Contents>,
}

/// One bucket.
struct Contents {
    bucket: &'static Bucket,
    bytes: u64,
    /// The versions of each key, oldest first; none is empty.
    logs: BTreeMap<ByteString, VecDeque<Entry>>,
}

/// How often expired versions are removed. Until then they are not returned either.
const SWEEP: Duration = Duration::from_secs(60);

impl MemoryStore {
    /// An empty store with these buckets, which counts for `metrics`.
    pub fn new(buckets: &[&'static Bucket], metrics: &Metrics) -> Self {
        Self::with_clock(buckets, metrics, Clock::default())
    }

    /// An empty store whose entries expire by `clock`.
    pub fn with_clock(buckets: &[&'static Bucket], metrics: &Metrics, clock: Clock) -> Self {
        let contents = |bucket: &'static Bucket| Contents { bucket, bytes: 0, logs: BTreeMap::new() };
        let contents = buckets.iter().map(|bucket| (bucket.name, contents(bucket))).collect();
        Self(Arc::new(Inner {
            buckets: Mutex::new(Buckets { version: 0, contents }),
            watchers: Watchers::default(),
            clock,
            members: Members::alone(),
            faults: FaultCounters::new(metrics),
            is_swept: AtomicBool::new(false),
        }))
    }

    /// Removes what has expired, and reports it to watches. The store does so once a minute.
    pub fn sweep(&self) {
        self.0.sweep();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(self: &Arc<Self>, key: &Key, value: Bytes, write: Write) -> Result<Version, Error> {
        key.check()?;
        if value.len() > VALUE_MAX {
            return Err(Error::TooLarge { limit: VALUE_MAX });
        }
        let now = self.clock.now();
        let expires = key.bucket.life(write.ttl).and_then(|life| now.checked_add(life));
        let mut buckets = self.lock();
        let version = Version(buckets.version + 1);
        let entry = Entry { version, value, expires };
        let put = buckets.contents(key)?.put(key, entry.clone(), write.expect, now);
        if let Err(error) = put {
            self.faults.count(&error);
            return Err(error);
        }
        buckets.version = version.0;
        // Under the lock, so that changes are reported in order.
        self.watchers.publish(&Change::Put(key.clone(), entry));
        drop(buckets);
        if expires.is_some() && !self.is_swept.swap(true, Ordering::AcqRel) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
        Ok(version)
    }

    fn delete(&self, key: &Key, expect: Expect) -> Result<(), Error> {
        key.check()?;
        let now = self.clock.now();
        let mut buckets = self.lock();
        let version = Version(buckets.version + 1);
        let contents = buckets.contents(key)?;
        let newest = contents.newest(&key.id, now);
        expect.check(newest)?;
        if newest.is_some() {
            contents.remove(&key.id);
            buckets.version = version.0;
            self.watchers.publish(&Change::Deleted(key.clone(), version));
        }
        Ok(())
    }

    fn list(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Entry)>, Error> {
        let now = self.clock.now();
        let mut buckets = self.lock();
        let contents = buckets.contents(prefix)?;
        let start = match after {
            Some(after) if after.id >= prefix.id => Bound::Excluded(&after.id),
            _ => Bound::Included(&prefix.id),
        };
        let keys = contents.logs.range::<ByteString, _>((start, Bound::Unbounded));
        let keys = keys.take_while(|(id, _)| id.starts_with(&*prefix.id));
        let keys = keys.map(|(id, log)| (Key::new(prefix.bucket, id.clone()), log.back()));
        let live = keys.filter_map(|(key, newest)| {
            let newest = newest.filter(|newest| !newest.is_expired(now))?;
            prefix.covers(&key).then(|| (key, newest.clone()))
        });
        Ok(live.take(limit).collect())
    }

    fn read(&self, key: &Key, after: Version, limit: usize) -> Result<Vec<Entry>, Error> {
        let now = self.clock.now();
        let mut buckets = self.lock();
        let contents = buckets.contents(key)?;
        if contents.newest(&key.id, now).is_none() {
            return Ok(Vec::new());
        }
        let log = contents.logs.get(&key.id).into_iter().flatten();
        let log = log.filter(|entry| entry.version > after && !entry.is_expired(now));
        Ok(log.take(limit).cloned().collect())
    }

    fn sweep(&self) {
        let now = self.clock.now();
        let mut buckets = self.lock();
        let Buckets { version, contents } = &mut *buckets;
        for contents in contents.values_mut() {
            let ended: Vec<ByteString> = contents
                .logs
                .iter()
                .filter(|(_, log)| log.back().is_some_and(|newest| newest.is_expired(now)))
                .map(|(id, _)| id.clone())
                .collect();
            for id in ended {
                contents.remove(&id);
                *version += 1;
                self.watchers.publish(&Change::Deleted(Key::new(contents.bucket, id), Version(*version)));
            }
            contents.drop_expired(now);
        }
    }
}

/// Sweeps once a minute until the store is gone.
async fn sweep(store: Weak<Inner>) {
    loop {
        sleep(SWEEP).await;
        match store.upgrade() {
            Some(store) => store.sweep(),
            None => return,
        }
    }
}

impl Buckets {
    fn contents(&mut self, key: &Key) -> Result<&mut Contents, Error> {
        let name = key.bucket.name;
        self.contents.get_mut(name).ok_or_else(|| undeclared(name))
    }
}

/// The store was opened without this bucket.
pub(crate) fn undeclared(bucket: &str) -> Error {
    Error::fault(format!("the store was opened without the bucket {bucket}"))
}

impl Contents {
    /// The newest version of a key that is neither absent nor expired.
    fn newest(&self, id: &str, now: SystemTime) -> Option<&Entry> {
        self.logs.get(id)?.back().filter(|newest| !newest.is_expired(now))
    }

    fn put(&mut self, key: &Key, entry: Entry, expect: Expect, now: SystemTime) -> Result<(), Error> {
        let newest = self.newest(&key.id, now);
        expect.check(newest)?;
        let log = self.logs.get(&key.id).map_or(0, VecDeque::len);
        let dropped = match self.bucket.keep {
            // An expired key has ended: its older versions do not come back.
            _ if newest.is_none() => log,
            Keep::All => 0,
            Keep::Newest(count) => (log + 1).saturating_sub(count.max(1) as usize),
        };
        let freed: u64 =
            self.logs.get(&key.id).into_iter().flatten().take(dropped).map(|old| size(&key.id, old)).sum();
        let bytes = self.bytes - freed + size(&key.id, &entry);
        if bytes > self.bucket.max_bytes {
            return Err(Error::Full);
        }
        let log = self.logs.entry(key.id.clone()).or_default();
        log.drain(..dropped);
        log.push_back(entry);
        self.bytes = bytes;
        Ok(())
    }

    fn remove(&mut self, id: &str) {
        let log = self.logs.remove(id).unwrap_or_default();
        self.bytes -= log.iter().map(|entry| size(id, entry)).sum::<u64>();
    }

    /// Removes the expired versions of keys that are there.
    fn drop_expired(&mut self, now: SystemTime) {
        for (id, log) in &mut self.logs {
            let before: u64 = log.iter().map(|entry| size(id, entry)).sum();
            log.retain(|entry| !entry.is_expired(now));
            let after: u64 = log.iter().map(|entry| size(id, entry)).sum();
            self.bytes -= before - after;
        }
    }
}

/// What a version counts for in its bucket.
fn size(id: &str, entry: &Entry) -> u64 {
    (id.len() + entry.value.len()) as u64
}

fn ready<'a, T: Send + 'a>(result: Result<T, Error>) -> Answer<'a, T> {
    Box::pin(std::future::ready(result))
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        let now = self.0.clock.now();
        let mut buckets = self.0.lock();
        ready(buckets.contents(key).map(|contents| contents.newest(&key.id, now).cloned()))
    }

    fn put<'a>(&'a self, key: &'a Key, value: Bytes, write: Write) -> Answer<'a, Version> {
        // In the future, so that what is dropped unpolled is not written.
        Box::pin(async move { self.0.put(key, value, write) })
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Expect) -> Answer<'a, ()> {
        Box::pin(async move { self.0.delete(key, expect) })
    }

    fn read<'a>(&'a self, key: &'a Key, after: Version, limit: usize) -> Answer<'a, Vec<Entry>> {
        ready(self.0.read(key, after, limit))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>> {
        ready(self.0.list(prefix, after, limit))
    }

    fn watch(&self, prefix: &Key) -> Watch {
        let source: Weak<dyn Pages> = Arc::<Inner>::downgrade(&self.0);
        self.0.watchers.watch(prefix, source)
    }

    fn members(&self) -> &Members {
        &self.0.members
    }

    fn note_fault(&self, _: &Bucket, error: &Error) {
        self.0.faults.count(error);
    }

    fn now(&self) -> SystemTime {
        self.0.clock.now()
    }

    fn status(&self) -> Status {
        let bytes = self.0.lock().contents.values().map(|contents| contents.bytes).sum();
        Status { outage: None, durability: Durability::Process, bytes, clock_offset: Duration::ZERO }
    }
}

impl Pages for Inner {
    fn page<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>> {
        ready(self.list(prefix, after, limit))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("status", &self.status()).finish_non_exhaustive()
    }
}
