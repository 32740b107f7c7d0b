//! The operations of a store, each within its time.

use std::{
    sync::{Weak, atomic::Ordering},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::time::timeout;

use super::{
    connection::OPERATION,
    shared::{Inner, Open, lock},
};
use crate::{
    Answer, Bucket, Durability, Entry, Error, Expect, Key, Members, Status, Store, Version, Watch, Write,
    watch::Pages,
};

/// What an operation returns, if it does within its time.
pub(super) async fn within<T>(operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(OPERATION, operation).await.unwrap_or(Err(Error::Unreachable))
}

impl Store for Inner {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        Box::pin(within(self.get(key)))
    }

    fn put<'a>(&'a self, key: &'a Key, value: Bytes, write: Write) -> Answer<'a, Version> {
        Box::pin(async move {
            self.counters.writes.increment();
            self.report(self.put(key, value, write).await)
        })
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Expect) -> Answer<'a, ()> {
        Box::pin(async move {
            self.counters.writes.increment();
            self.report(self.delete(key, expect).await)
        })
    }

    fn read<'a>(&'a self, key: &'a Key, after: Version, limit: usize) -> Answer<'a, Vec<Entry>> {
        Box::pin(within(self.versions(key, after, limit)))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>> {
        Box::pin(within(self.list(prefix, after, limit)))
    }

    fn watch(&self, prefix: &Key) -> Watch {
        let source: Weak<dyn Pages> = self.me.clone();
        self.watchers.watch(prefix, source)
    }

    fn members(&self) -> &Members {
        &self.members
    }

    fn note_fault(&self, _: &Bucket, error: &Error) {
        self.counters.faults.count(error);
    }

    fn now(&self) -> SystemTime {
        self.now()
    }

    fn status(&self) -> Status {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let replicas = self.open_buckets().map(Open::replicas).min();
        Status {
            outage: lock(&self.outage).clone(),
            durability: replicas.map_or(Durability::Unknown, |replicas| Durability::Servers { replicas }),
            bytes: self.open_buckets().map(|open| open.room.bytes()).fold(0, u64::saturating_add),
            clock_offset: Duration::from_millis(ahead.unsigned_abs()),
        }
    }
}

impl Pages for Inner {
    fn page<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>> {
        Box::pin(async move {
            if after.is_none()
                && let Some(me) = self.strong()
            {
                me.follow(prefix.bucket).await?;
            }
            within(self.list(prefix, after, limit)).await
        })
    }
}
