//! Two stores as one: what all members see in one, and what is of this machine in the other.

use std::{fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;

use crate::{
    Answer, Bucket, Entry, Error, Expect, Key, Members, Place, Status, Store, Version, Watch, Write,
};

/// A [`Store`] that sends each bucket to one of two others by its [`Place`].
///
/// Its members are those of the shared one; a lease of a local bucket is among the processes of this machine.
#[derive(Clone)]
pub struct RoutedStore {
    shared: Arc<dyn Store>,
    local: Arc<dyn Store>,
}

impl RoutedStore {
    /// `shared` for the buckets of [`Place::Shared`], `local` for those of [`Place::Local`].
    pub fn new(shared: Arc<dyn Store>, local: Arc<dyn Store>) -> Self {
        Self { shared, local }
    }

    fn of(&self, bucket: &Bucket) -> &dyn Store {
        match bucket.where_seen() {
            Place::Shared => &*self.shared,
            Place::Local => &*self.local,
        }
    }
}

impl Store for RoutedStore {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        self.of(key.bucket).get(key)
    }

    fn put<'a>(&'a self, key: &'a Key, value: Bytes, write: Write) -> Answer<'a, Version> {
        self.of(key.bucket).put(key, value, write)
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Expect) -> Answer<'a, ()> {
        self.of(key.bucket).delete(key, expect)
    }

    fn read<'a>(&'a self, key: &'a Key, after: Version, limit: usize) -> Answer<'a, Vec<Entry>> {
        self.of(key.bucket).read(key, after, limit)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>> {
        self.of(prefix.bucket).list(prefix, after, limit)
    }

    fn watch(&self, prefix: &Key) -> Watch {
        self.of(prefix.bucket).watch(prefix)
    }

    fn members(&self) -> &Members {
        self.shared.members()
    }

    fn members_of(&self, bucket: &Bucket) -> &Members {
        self.of(bucket).members_of(bucket)
    }

    fn note_fault(&self, bucket: &Bucket, error: &Error) {
        self.of(bucket).note_fault(bucket, error);
    }

    fn now(&self) -> SystemTime {
        self.shared.now()
    }

    /// The status of the shared store, unless only the local one fails. The bytes are those of both.
    fn status(&self) -> Status {
        let (shared, local) = (self.shared.status(), self.local.status());
        Status {
            outage: shared.outage.or(local.outage),
            bytes: shared.bytes.saturating_add(local.bytes),
            ..shared
        }
    }
}

impl fmt::Debug for RoutedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoutedStore").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use anyport_metrics::Metrics;

    use super::*;
    use crate::{Lease, MemoryStore};

    static ALL: Bucket = Bucket::new("all");
    static MINE: Bucket = Bucket::new("mine").place(Place::Local);

    #[tokio::test]
    async fn a_bucket_is_where_its_place_says() {
        let memory = || MemoryStore::new(&[&ALL, &MINE], &Metrics::new());
        let (shared, local) = (memory(), memory());
        let store: Arc<dyn Store> =
            Arc::new(RoutedStore::new(Arc::new(shared.clone()), Arc::new(local.clone())));
        for (bucket, there, elsewhere) in [(&ALL, &shared, &local), (&MINE, &local, &shared)] {
            let key = Key::new(bucket, "a");
            let mut watch = store.watch(&Key::all(bucket));
            store.put(&key, "1".into(), Write::ANY).await.unwrap();
            assert!(watch.next().await.is_some());
            assert_eq!(store.get(&key).await.unwrap(), there.get(&key).await.unwrap());
            assert_eq!(elsewhere.get(&key).await.unwrap(), None);
            assert_eq!(store.list(&Key::all(bucket), None, 9).await.unwrap().len(), 1);
            assert_eq!(store.read(&key, Version::START, 9).await.unwrap().len(), 1);
            let lease = Lease::acquire(&store, Key::new(bucket, "lease")).await.unwrap().unwrap();
            let holder = there.get(lease.key()).await.unwrap().unwrap().value;
            assert_eq!(holder, serde_json::to_vec(there.members().me()).unwrap());
            store.delete(&key, Expect::Anything).await.unwrap();
            assert_eq!(there.get(&key).await.unwrap(), None);
        }
    }
}
