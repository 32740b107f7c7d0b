//! The tests that every back end passes: [`store_suite!`](crate::store_suite) makes a test of each.
//!
//! A back end gives a [`Subject`] per test: a new store with [`BUCKETS`], whose clock is set by the test.

mod races;
mod records;
mod values;
mod watches;

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;

pub use self::{races::*, records::*, values::*, watches::*};
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

/// Makes a test of every behaviour that a back end must have.
///
/// ```ignore
/// store_suite!(async || Subject { store, time, sweep });
/// ```
#[macro_export]
macro_rules! store_suite {
    ($make:expr) => {
        $crate::store_suite! { $make;
            an_absent_key_has_no_value, a_put_is_read_back, expectations_hold_or_conflict, versions_only_grow,
            a_bucket_keeps_as_many_versions_as_it_says, a_log_keeps_all_and_is_read_by_pages, a_deleted_key_has_ended,
            an_entry_expires_on_time, an_expired_key_does_not_fall_back, a_bucket_has_an_age,
            a_list_has_whole_segments_in_byte_order, pages_are_complete_under_writes, a_full_bucket_refuses_and_is_read,
            what_is_too_large_is_refused, a_bucket_must_be_declared, a_watch_reports_what_is_there_and_what_changes,
            a_watch_reports_an_expiry, a_watch_of_one_key_reports_no_other, a_slow_watch_begins_again,
            racing_writers_have_one_winner_per_version, a_lease_has_one_holder_and_a_growing_fence,
            records_keep_members_that_they_do_not_know, a_newer_record_is_never_rewritten,
            racing_updates_are_all_in_the_record, a_large_record_is_compressed_or_divided,
            a_sealed_record_opens_in_its_place_only,
        }
    };
    ($make:expr; $($test:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let make = $make;
                $crate::suite::$test(make().await).await;
            }
        )*
    };
}

fn key(id: &str) -> Key {
    Key::new(&RECORDS, id.to_owned())
}

fn text(value: &str) -> Bytes {
    Bytes::from(value.to_owned())
}

async fn put(store: &dyn Store, key: &Key, value: &str) -> Version {
    store.put(key, text(value), Write::ANY).await.expect("a put that expects nothing")
}

async fn get(store: &dyn Store, key: &Key) -> Option<Bytes> {
    store.get(key).await.expect("a get").map(|entry| entry.value)
}

async fn stored(store: &dyn Store, key: &Key) -> Vec<Bytes> {
    let page = store.read(key, Version::START, 1_000).await.expect("a read");
    page.into_iter().map(|entry| entry.value).collect()
}

async fn ids(store: &dyn Store, prefix: &Key) -> Vec<String> {
    let page = store.list(prefix, None, 1_000).await.expect("a list");
    page.into_iter().map(|(key, _)| key.id.to_string()).collect()
}
