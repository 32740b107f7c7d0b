use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_metrics::Metrics;
use anyport_protocol::{Method, Raw, Revision};
use anyport_seal::Key as SealKey;
use anyport_service::{Context, Outcome, Principal, Reply, Request, Service};
use anyport_store::{
    Answer, Entry, Error, Expect, Key, Members, MemoryStore, Status, Store, Version, Watch, Write,
};
use bytes::Bytes;
use serde_json::{Value, json};
use tower_layer::Layer as _;

use crate::{AUDIT, AuditLog, Filter, Found, Head, Mode, Options, Query, RecordLayer, Report, UpstreamLayer};

pub(super) fn key() -> SealKey {
    SealKey::from_bytes([3; 32])
}

/// A store whose writes can be made to fail, or to wait.
pub(super) struct TestStore {
    inner: MemoryStore,
    pub(super) is_full: AtomicBool,
    pub(super) delay_ms: AtomicU64,
    pub(super) writes: AtomicU64,
}

impl TestStore {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(&[&AUDIT], &Metrics::new()),
            is_full: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        })
    }

    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::SeqCst);
    }

    /// The value of a block.
    pub(super) async fn block(&self, chain: &str, number: u64) -> String {
        let entry = self.get(&block_key(chain, number)).await.unwrap().unwrap();
        String::from_utf8(entry.value.to_vec()).unwrap()
    }

    pub(super) async fn set_block(&self, chain: &str, number: u64, value: String) {
        self.inner.put(&block_key(chain, number), value.into(), Write::ANY).await.unwrap();
    }

    pub(super) async fn remove(&self, id: &str) {
        self.inner.delete(&Key::new(&AUDIT, id), Expect::Anything).await.unwrap();
    }
}

pub(super) fn block_key(chain: &str, number: u64) -> Key {
    Key::new(&AUDIT, format!("block/{chain}/{number:016}"))
}

impl Store for TestStore {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        self.inner.get(key)
    }

    fn put<'a>(&'a self, key: &'a Key, value: Bytes, write: Write) -> Answer<'a, Version> {
        Box::pin(async move {
            self.writes.fetch_add(1, Ordering::SeqCst);
            match self.delay_ms.load(Ordering::SeqCst) {
                0 => {}
                delay => tokio::time::sleep(Duration::from_millis(delay)).await,
            }
            match self.is_full.load(Ordering::SeqCst) {
                true => Err(Error::Full),
                false => self.inner.put(key, value, write).await,
            }
        })
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Expect) -> Answer<'a, ()> {
        self.inner.delete(key, expect)
    }

    fn read<'a>(&'a self, key: &'a Key, after: Version, limit: usize) -> Answer<'a, Vec<Entry>> {
        self.inner.read(key, after, limit)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>> {
        self.inner.list(prefix, after, limit)
    }

    fn watch(&self, prefix: &Key) -> Watch {
        self.inner.watch(prefix)
    }

    fn members(&self) -> &Members {
        self.inner.members()
    }

    fn status(&self) -> Status {
        self.inner.status()
    }
}

/// A server that answers with what its tool is called, and counts its calls.
#[derive(Clone, Default)]
pub(super) struct Server(pub(super) Arc<AtomicU64>);

impl Service for Server {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.0.fetch_add(1, Ordering::SeqCst);
        match request.name().as_deref() {
            Some("fails") => Reply::ready(Ok(Raw::from(json!({"content": [], "isError": true})))),
            Some("hangs") => Reply::future(std::future::pending()),
            Some("denied") => {
                if let Some(trail) = context.trail() {
                    trail.refused_by("no writes");
                }
                Reply::error(anyport_protocol::Error::internal("no"))
            }
            _ => Reply::ready(Ok(Raw::from(json!({"content": []})))),
        }
    }
}

/// `server` behind the layers of an audit log.
pub(super) fn layered(log: &AuditLog, server: Server) -> impl Service {
    RecordLayer::new(log.clone()).layer(UpstreamLayer::new("shop").layer(server))
}

pub(super) fn call(service: &impl Service, principal: &str, params: Value) -> Reply {
    let context = Context::new(Principal::named(principal), Revision::V2026_07_28);
    service.call(Request::new(Method::ToolsCall, Raw::from(params)), context)
}

pub(super) async fn answer(service: &impl Service, tool: &str) -> Outcome {
    call(service, "ann", json!({"name": tool, "arguments": {"id": 7}})).outcome().await
}

pub(super) async fn log_in(store: &Arc<TestStore>, mode: Mode) -> AuditLog {
    let log = AuditLog::start(store.clone(), &key(), mode, Options::default().version("1.0.0"));
    log.opened().await.unwrap();
    log
}

pub(super) async fn found(store: &Arc<TestStore>, filter: &Filter) -> Vec<Found> {
    Query::new(store.clone(), &key()).newest(filter, 1_000).await.unwrap()
}

/// The records of calls, as JSON without what differs between runs.
pub(super) async fn calls(store: &Arc<TestStore>) -> Vec<Value> {
    let found = found(store, &Filter::default()).await.into_iter().filter(|one| one.said.call().is_some());
    found
        .map(|found| {
            let mut value = serde_json::to_value(found.said).unwrap();
            for member in ["at", "duration_us", "call"] {
                value.as_object_mut().unwrap().remove(member);
            }
            value
        })
        .collect()
}

pub(super) async fn verified(store: &Arc<TestStore>) -> Report {
    crate::verify(store.clone(), &key(), &[]).await.unwrap()
}

/// A chain of three blocks with a record each, and of the record that ends it.
pub(super) async fn chain_of_three(store: &Arc<TestStore>) -> Head {
    let log = log_in(store, Mode::Required).await;
    let service = RecordLayer::new(log.clone()).layer(Server::default());
    for _ in 0..3 {
        answer(&service, "buy").await;
    }
    log.close().await;
    verified(store).await.chains.last().unwrap().head.clone()
}
