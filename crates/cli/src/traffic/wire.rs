use std::{collections::HashMap, num::NonZeroU64, sync::Arc};

use anyport_service::sync::Lock;
use anyport_transport::{CallObserver, ClientObserver, client::MessageObserver};
use bytes::Bytes;
use serde::Deserialize;

use super::hub::Traffic;

/// Sees the messages of clients.
impl ClientObserver for Traffic {
    fn received(&self, message: &[u8]) -> Option<Arc<dyn CallObserver>> {
        if !self.is_wire_watched() {
            return None;
        }
        let number = self.next_call();
        self.message(Some(number), None, false, &[message]);
        Some(Arc::new(ClientCall { number, traffic: self.clone() }))
    }
}

/// Sees what a client is sent for a message of its own.
struct ClientCall {
    number: NonZeroU64,
    traffic: Traffic,
}

impl CallObserver for ClientCall {
    fn number(&self) -> NonZeroU64 {
        self.number
    }

    fn sent(&self, message: &[Bytes]) {
        let parts: Vec<&[u8]> = message.iter().map(|part| &**part).collect();
        self.traffic.message(Some(self.number), None, true, &parts);
    }
}

/// Sees the messages of one connection to a server, and shows them to another observer first.
pub(crate) struct ConnectionObserver {
    server: (Arc<str>, u64),
    traffic: Traffic,
    /// The calls that were observed when they began, by the ids of their requests.
    calls: Lock<HashMap<u64, NonZeroU64>>,
    next: Arc<dyn MessageObserver>,
}

/// The most requests whose calls are known. A response that never comes leaves one.
const MOST_CALLS: usize = 4096;

impl ConnectionObserver {
    /// A new connection to the server `upstream`.
    pub(crate) fn new(upstream: &Arc<str>, traffic: &Traffic, next: Arc<dyn MessageObserver>) -> Self {
        let server = (upstream.clone(), traffic.next_connection());
        Self { server, traffic: traffic.clone(), calls: Lock::default(), next }
    }
}

impl MessageObserver for ConnectionObserver {
    fn call(&self, id: u64, number: NonZeroU64) {
        let mut calls = self.calls.lock();
        if calls.len() >= MOST_CALLS {
            calls.clear();
        }
        calls.insert(id, number);
    }

    fn sent(&self, message: &[u8]) {
        self.next.sent(message);
        if self.traffic.is_wire_watched() {
            let envelope = Envelope::of(message);
            let id = envelope.id.filter(|_| envelope.method.is_some());
            let call = id.and_then(|id| self.calls.lock().get(&id).copied());
            self.traffic.message(call, Some(self.server.clone()), true, &[message]);
        }
    }

    fn received(&self, message: &[u8]) {
        self.next.received(message);
        if self.traffic.is_wire_watched() {
            let envelope = Envelope::of(message);
            // A request of the server has an id of its own.
            let id = envelope.id.filter(|_| envelope.method.is_none());
            let call = id.and_then(|id| self.calls.lock().remove(&id));
            self.traffic.message(call, Some(self.server.clone()), false, &[message]);
        }
    }
}

/// What of a message says which call it belongs to.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    #[serde(deserialize_with = "number")]
    id: Option<u64>,
    method: Option<serde::de::IgnoredAny>,
}

impl Envelope {
    fn of(message: &[u8]) -> Self {
        serde_json::from_slice(message).unwrap_or_default()
    }
}

/// Our ids are numbers; others are no ids of ours.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(serde_json::Value::deserialize(deserializer)?.as_u64())
}
