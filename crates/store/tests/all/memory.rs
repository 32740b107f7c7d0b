//! The back end in memory.

use std::sync::Arc;

use anyport_metrics::Metrics;
use anyport_store::{
    MemoryStore, store_suite,
    suite::{BUCKETS, Subject, TestClock},
};

async fn subject() -> Subject {
    let time = TestClock::default();
    let store = MemoryStore::with_clock(BUCKETS, &Metrics::new(), time.clock());
    let swept = store.clone();
    let sweep = Box::new(move || {
        swept.sweep();
        Box::pin(std::future::ready(())) as _
    });
    Subject { store: Arc::new(store), time, sweep }
}

store_suite!(subject);
