//! What the parts of a store share.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyport_metrics::Counter;
use tokio::sync::{OnceCell, watch};

use super::{
    address::Address, connection::Connection, options::JetStreamOptions, room::Room, streams::Known,
    subject::Names,
};
use crate::{Bucket, Error, Members, Outage, faults::FaultCounters, members::Beats, watch::Watchers};

pub(super) struct Inner {
    pub(super) address: Address,
    pub(super) names: Names,
    pub(super) buckets: Vec<&'static Bucket>,
    pub(super) options: JetStreamOptions,
    pub(super) members: Members,
    pub(super) beats: Arc<Beats>,
    pub(super) watchers: Watchers,
    pub(super) counters: Counters,
    pub(super) outage: Mutex<Option<Outage>>,
    /// By how many milliseconds the server's clock is ahead.
    pub(super) ahead: AtomicI64,
    pub(super) connection: OnceCell<Connection>,
    pub(super) opened: OnceCell<HashMap<&'static str, Open>>,
    pub(super) me: Weak<Self>,
    closing: watch::Sender<()>,
}

pub(super) struct Counters {
    pub(super) writes: Counter,
    pub(super) unknown: Counter,
    pub(super) unreachable: Counter,
    pub(super) faults: FaultCounters,
}

/// The stream of a bucket.
pub(super) struct Open {
    pub(super) bucket: &'static Bucket,
    known: RwLock<Known>,
    pub(super) room: Room,
    pub(super) follower: OnceCell<()>,
    swept: Mutex<Swept>,
}

/// What the last sweep of a bucket saw, so that the next one is left out if nothing can have expired.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// The last message of the stream.
    pub(super) last: u64,
    /// When the next sweep has something to do, in seconds since 1970.
    pub(super) due: Option<i64>,
}

/// What the store keeps for itself.
pub(super) static META: Bucket = Bucket::new("meta").max_bytes(1 << 20);
impl Inner {
    pub(super) fn new(address: Address, buckets: &[&'static Bucket], options: JetStreamOptions) -> Arc<Self> {
        let metrics = &options.metrics;
        let counters = Counters {
            writes: metrics.counter("anyport_store_writes", "Writes to the store"),
            unknown: metrics.counter("anyport_store_unknown", "Writes to the store whose outcome is unknown"),
            unreachable: metrics
                .counter("anyport_store_unreachable", "Operations while the store could not be reached"),
            faults: FaultCounters::new(metrics),
        };
        let beats = Arc::new(Beats::new(options.beat));
        Arc::new_cyclic(|me| Self {
            address,
            names: Names::new(&options.name),
            buckets: std::iter::once(&META).chain(buckets.iter().copied()).collect(),
            members: Members::beating(beats.clone()),
            beats,
            watchers: Watchers::default(),
            counters,
            outage: Mutex::new(None),
            ahead: AtomicI64::new(0),
            connection: OnceCell::new(),
            opened: OnceCell::new(),
            me: me.clone(),
            closing: watch::channel(()).0,
            options,
        })
    }

    /// What is open, without opening it.
    pub(super) fn open_buckets(&self) -> impl Iterator<Item = &Open> {
        self.opened.get().into_iter().flat_map(HashMap::values)
    }

    /// The time by which entries expire: the server's, or that of the clock that was set.
    pub(super) fn now(&self) -> SystemTime {
        match &self.options.clock {
            Some(clock) => clock.now(),
            None => self.server_now(),
        }
    }

    fn server_now(&self) -> SystemTime {
        let (now, ahead) = (SystemTime::now(), self.ahead.load(Ordering::Relaxed));
        let by = Duration::from_millis(ahead.unsigned_abs());
        let shifted = if ahead < 0 { now.checked_sub(by) } else { now.checked_add(by) };
        shifted.unwrap_or(now)
    }

    pub(super) fn server_seconds(&self) -> i64 {
        seconds(self.server_now())
    }

    /// Changes once the store is closed.
    pub(super) fn closed(&self) -> watch::Receiver<()> {
        self.closing.subscribe()
    }

    /// Notes whether writes succeed.
    pub(super) fn report<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        let failed = match &result {
            Ok(_) | Err(Error::Conflict(_) | Error::TooLarge { .. }) => None,
            Err(error) => Some(error),
        };
        match failed {
            Some(Error::Unreachable) => self.counters.unreachable.increment(),
            Some(error) => self.counters.faults.count(error),
            None => {}
        }
        let mut outage = lock(&self.outage);
        *outage = match (failed, outage.take()) {
            (None, _) => None,
            (Some(error), known) => Some(Outage {
                since: known.map_or_else(SystemTime::now, |known| known.since),
                why: error.to_string(),
            }),
        };
        drop(outage);
        result
    }

    /// This, while the store is open.
    pub(super) fn strong(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }
}

impl Open {
    pub(super) fn new(bucket: &'static Bucket, known: Known, bytes: u64) -> Self {
        Self {
            bucket,
            known: RwLock::new(known),
            room: Room::new(bytes),
            follower: OnceCell::new(),
            swept: Mutex::default(),
        }
    }

    pub(super) fn has_message_ttl(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).has_message_ttl
    }

    pub(super) fn replicas(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).replicas
    }

    /// Whether this is the stream that was opened, and not one that was made in its place.
    pub(super) fn is_same_stream(&self, found: &Known) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).created == found.created
    }

    pub(super) fn set(&self, known: Known) {
        self.room.set(0);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    pub(super) fn swept(&self) -> MutexGuard<'_, Swept> {
        lock(&self.swept)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A time in seconds since 1970, rounded up.
pub(super) fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs().saturating_add(1)).unwrap_or(i64::MAX)
}
