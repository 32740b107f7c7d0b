//! What the parts of an open store share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyport_metrics::Counter;

use crate::{Bucket, Clock, Error, Key, Outage, faults::FaultCounters, memory::undeclared, watch::Watchers};

/// What the parts of an open store share.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) buckets: Arc<[&'static Bucket]>,
    pub(super) clock: Clock,
    pub(super) max_pages: Option<u32>,
    pub(super) watchers: Arc<Watchers>,
    pub(super) outage: Arc<Mutex<Option<Outage>>>,
    pub(super) counters: Counters,
}

#[derive(Clone)]
pub(super) struct Counters {
    pub(super) writes: Counter,
    pub(super) commits: Counter,
    pub(super) failed_commits: Counter,
    pub(super) faults: FaultCounters,
}

impl Setup {
    pub(super) fn declares(&self, key: &Key) -> Result<(), Error> {
        match self.bucket(key.bucket.name) {
            Some(_) => Ok(()),
            None => Err(undeclared(key.bucket.name)),
        }
    }

    pub(super) fn bucket(&self, name: &str) -> Option<&'static Bucket> {
        self.buckets.iter().copied().find(|bucket| bucket.name == name)
    }

    /// Notes whether writes succeed.
    pub(super) fn report(&self, error: Option<&Error>) {
        if let Some(error) = error {
            self.counters.faults.count(error);
        }
        let mut outage = lock(&self.outage);
        *outage = match (error, outage.take()) {
            (None, _) => None,
            (Some(error), known) => Some(Outage {
                since: known.map_or_else(|| self.clock.now(), |known| known.since),
                why: error.to_string(),
            }),
        };
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an error of SQLite outside of a commit means. Nothing was written.
pub(super) fn failure(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => Error::Full,
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => Error::Unreachable,
        Some(rusqlite::ErrorCode::ReadOnly) => Error::ReadOnly(error.to_string()),
        _ => Error::fault(error),
    }
}
