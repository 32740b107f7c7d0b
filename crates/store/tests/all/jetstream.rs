//! The back end in NATS JetStream, with the oldest and the newest server.

use std::sync::Arc;

use anyport_store::{
    JetStreamStore, store_suite,
    suite::{BUCKETS, Subject, TestClock},
};

use crate::nats::{Release, Server, options};

async fn subject(release: Release) -> Option<Subject> {
    let server = Server::start(release)?.kept();
    let time = TestClock::default();
    let store = JetStreamStore::new(server.address(), BUCKETS, options().clock(time.clock()));
    store.open().await.unwrap();
    store.know_members().await;
    let swept = store.clone();
    let sweep = Box::new(move || {
        let (swept, _server) = (swept.clone(), server.clone());
        Box::pin(async move { swept.sweep().await.unwrap() }) as _
    });
    Some(Subject { store: Arc::new(store), time, sweep })
}

mod old {
    use super::{Release, store_suite, subject};

    store_suite!(async || subject(Release::Old).await);
}

mod new {
    use super::{Release, store_suite, subject};

    store_suite!(async || subject(Release::New).await);
}
