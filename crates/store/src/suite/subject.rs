//! A store under test, and what the tests do with it.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

use crate::{BLOB, Bucket, Clock, Keep, Key, Store, Version, Write};

/// One version per key.
pub static RECORDS: Bucket = Bucket::new("records");
/// Three versions per key.
pub static HISTORY: Bucket = Bucket::new("history").keep(Keep::Newest(3));
/// All versions.
pub static LOG: Bucket = Bucket::new("log").keep(Keep::All);
/// At most 1,000 bytes.
pub static SMALL: Bucket = Bucket::new("small").max_bytes(1_000);
/// Versions that live for a minute.
pub static AGED: Bucket = Bucket::new("aged").max_age(Duration::from_secs(60));
/// Encrypted records.
pub static SECRETS: Bucket = Bucket::new("secrets").sealed();
/// The buckets that a subject is opened with.
pub static BUCKETS: &[&Bucket] = &[&RECORDS, &HISTORY, &LOG, &SMALL, &AGED, &SECRETS, &BLOB];

/// A store under test.
pub struct Subject {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock of the store.
    pub time: TestClock,
    /// Removes what has expired, now.
    pub sweep: Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>,
}

/// A clock that stands until it is moved.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<SystemTime>>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(1_700_000_000))))
    }
}

impl TestClock {
    /// The clock for the store.
    pub fn clock(&self) -> Clock {
        let time = self.0.clone();
        Clock::new(move || *time.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

pub(super) fn key(id: &str) -> Key {
    Key::new(&RECORDS, id.to_owned())
}

pub(super) fn text(value: &str) -> Bytes {
    Bytes::from(value.to_owned())
}

pub(super) async fn put(store: &dyn Store, key: &Key, value: &str) -> Version {
    store.put(key, text(value), Write::ANY).await.expect("a put that expects nothing")
}

pub(super) async fn get(store: &dyn Store, key: &Key) -> Option<Bytes> {
    store.get(key).await.expect("a get").map(|entry| entry.value)
}

pub(super) async fn stored(store: &dyn Store, key: &Key) -> Vec<Bytes> {
    let page = store.read(key, Version::START, 1_000).await.expect("a read");
    page.into_iter().map(|entry| entry.value).collect()
}

pub(super) async fn ids(store: &dyn Store, prefix: &Key) -> Vec<String> {
    let page = store.list(prefix, None, 1_000).await.expect("a list");
    page.into_iter().map(|(key, _)| key.id.to_string()).collect()
}
