//! The back end in a SQLite file.

use std::sync::Arc;

use anyport_store::{
    Options, SqliteStore, store_suite,
    suite::{BUCKETS, Subject, TestClock},
};

async fn subject() -> Subject {
    let (time, folder) = (TestClock::default(), tempfile::tempdir().unwrap());
    let store =
        SqliteStore::new(folder.path().join("store"), BUCKETS, Options::default().clock(time.clock()));
    let (swept, folder) = (store.clone(), Arc::new(folder));
    let sweep = Box::new(move || {
        let (swept, folder) = (swept.clone(), folder.clone());
        Box::pin(async move {
            swept.sweep().await.unwrap();
            drop(folder);
        }) as _
    });
    Subject { store: Arc::new(store), time, sweep }
}

store_suite!(subject);
