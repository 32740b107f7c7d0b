//! Copies between any two back ends.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyport_metrics::Metrics;
use anyport_store::{
    Key, MemoryStore, Options, SqliteStore, Store, Version, Write,
    suite::{AGED, BUCKETS, HISTORY, LOG, RECORDS},
    transfer::{NotCopied, contents, copy},
};

use crate::nats::{Release, Server};

/// What a test puts into a store: records, a history, a log, and what expires.
async fn fill(store: &dyn Store) {
    for number in 0..300 {
        let key = Key::new(&RECORDS, format!("a/{number:03}"));
        store.put(&key, format!("{{\"is\":{number}}}").into(), Write::ANY).await.unwrap();
    }
    for value in ["{\"v\":1}", "{\"v\":2}", "{\"v\":3}", "{\"v\":4}"] {
        store.put(&Key::new(&HISTORY, "h"), value.into(), Write::ANY).await.unwrap();
        store.put(&Key::new(&LOG, "ä/l"), value.into(), Write::ANY).await.unwrap();
    }
    store.put(&Key::new(&AGED, "x"), "{}".into(), Write::ANY.ttl(Duration::from_secs(30))).await.unwrap();
    store.put(&Key::new(&RECORDS, "broken"), "no record".into(), Write::ANY).await.unwrap();
}

async fn values(store: &dyn Store, key: &Key) -> Vec<bytes::Bytes> {
    let page = store.read(key, Version::START, 1_000).await.unwrap();
    page.into_iter().map(|entry| entry.value).collect()
}

async fn check_copy(from: &dyn Store, to: &dyn Store) {
    let copied = copy(from, to, BUCKETS).await.unwrap();
    assert_eq!((copied.keys, copied.versions), (304, 300 + 3 + 4 + 2));
    let found = contents(to, BUCKETS).await.unwrap();
    assert_eq!(found, contents(from, BUCKETS).await.unwrap());
    let keys = found.buckets.iter().map(|bucket| (&*bucket.name, bucket.keys)).collect::<Vec<_>>();
    assert_eq!(keys, [("records", 301), ("history", 1), ("log", 1), ("aged", 1)]);
    assert_eq!((found.unreadable.len(), &*found.unreadable[0].id), (1, "broken"));
    for key in [Key::new(&HISTORY, "h"), Key::new(&LOG, "ä/l"), Key::new(&RECORDS, "a/007")] {
        assert_eq!(values(to, &key).await, values(from, &key).await);
    }
    let aged = to.get(&Key::new(&AGED, "x")).await.unwrap().unwrap();
    let left = aged.expires.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left <= Duration::from_secs(31), "{left:?}");
    assert!(matches!(copy(from, to, BUCKETS).await, Err(NotCopied::NotEmpty("records"))));
}

#[tokio::test]
async fn a_store_is_copied_between_all_back_ends() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = |name: &str| SqliteStore::new(folder.path().join(name), BUCKETS, Options::default());
    let memory = || MemoryStore::new(BUCKETS, &Metrics::new());
    let first = sqlite("first");
    fill(&first).await;
    let servers: Vec<_> = [Release::Old, Release::New].into_iter().filter_map(Server::start).collect();
    let mut from: Arc<dyn Store> = Arc::new(first);
    let mut targets: Vec<Arc<dyn Store>> = vec![Arc::new(memory())];
    targets.extend(servers.iter().map(|server| Arc::new(server.store()) as Arc<dyn Store>));
    targets.push(Arc::new(sqlite("last")));
    for to in targets {
        check_copy(&*from, &*to).await;
        from = to;
    }
}
