//! The back end in memory.

use std::sync::Arc;

use anyport_metrics::Metrics;
use anyport_store::{
    Collection, Error, Key, MemoryStore, Store, Write, store_suite,
    suite::{BUCKETS, RECORDS, Subject, TestClock},
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

/// What cannot be read is counted by its reason, wherever it is come across.
#[tokio::test]
async fn records_that_cannot_be_read_are_counted() {
    let metrics = Metrics::new();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(BUCKETS, &metrics));
    let records = Collection::<serde_json::Map<String, serde_json::Value>>::new(store.clone(), &RECORDS, 1);
    for (id, value) in [("newer", "{\"format\":7}"), ("damaged", "\u{1}")] {
        store.put(&Key::new(&RECORDS, id), value.into(), Write::ANY).await.unwrap();
    }
    assert!(matches!(records.get("newer").await, Err(Error::Newer { format: 7 })));
    assert!(matches!(records.get("damaged").await, Err(Error::Unreadable)));
    assert!(records.list("", None, 9).await.unwrap().0.is_empty());
    let counted = |name: &str| metrics.snapshot().into_iter().find(|sample| sample.name.starts_with(name));
    for name in ["anyport_store_newer", "anyport_store_unreadable"] {
        assert_eq!(counted(name).unwrap().value, 2, "{name}");
    }
}
