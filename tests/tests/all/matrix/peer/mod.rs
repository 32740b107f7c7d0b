//! A server of exactly one revision, or of one of each era, which shares no code with the product.
//!
//! - [`Peer`]: one server, over as many connections as are opened to it, and what it has heard.
//! - [`Call`]: one request, and how its answer is found: telling, asking, looking at what the client declared.
//! - `offers`: what it lists; `answers`: what it answers. Both say what the revision has words for, and no more.
//! - `both_eras`: the tools of a server of both eras that can ask in one of them alone.

pub(crate) mod answers;
pub(crate) mod both_eras;
mod call;
mod connection;
pub(crate) mod offers;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyport::Revision;
use serde_json::{Map, Value, json};
use tokio::{
    io::DuplexStream,
    sync::{mpsc, watch},
    time::timeout,
};

pub(crate) use call::{Call, UNDECLARED};

/// One server. Clones are the same.
#[derive(Clone)]
pub(crate) struct Peer(Arc<Inside>);

struct Inside {
    revision: Revision,
    /// The older revision of a server of both eras.
    legacy: Option<Revision>,
    /// Every message that came, in order, over all connections.
    heard: watch::Sender<Vec<Value>>,
    connections: Mutex<Vec<connection::Connection>>,
    /// The answers that each state stands for, by its number.
    states: Mutex<Vec<Map<String, Value>>>,
}

impl Peer {
    pub(crate) fn new(revision: Revision) -> Self {
        Self::speaking(revision, None)
    }

    /// A server of 2026-07-28 that speaks `legacy`, too: each of its connections is of the era that its client begins with.
    pub(crate) fn of_both_eras(legacy: Revision) -> Self {
        Self::speaking(Revision::V2026_07_28, Some(legacy))
    }

    fn speaking(revision: Revision, legacy: Option<Revision>) -> Self {
        Self(Arc::new(Inside {
            revision,
            legacy,
            heard: watch::Sender::default(),
            connections: Mutex::default(),
            states: Mutex::default(),
        }))
    }

    /// Another connection to it: a message a line, as on standard streams.
    pub(crate) fn connect(&self) -> DuplexStream {
        let (theirs, ours) = tokio::io::duplex(64 * 1024);
        let connection = connection::Connection::serve(self.clone(), ours);
        self.0.connections.lock().unwrap().push(connection);
        theirs
    }

    /// The revision of a connection that begins with a request of `method`.
    fn revision_for(&self, method: &str) -> Revision {
        self.0.legacy.filter(|_| method == "initialize").unwrap_or(self.0.revision)
    }

    fn speaks_both_eras(&self) -> bool {
        self.0.legacy.is_some()
    }

    /// Waits for a message that `is` what is looked for, also among those that came before.
    pub(crate) async fn heard(&self, is: impl Fn(&Value) -> bool) -> Option<Value> {
        let mut heard = self.0.heard.subscribe();
        let found = async {
            let messages = heard.wait_for(|messages| messages.iter().any(&is)).await.ok()?;
            messages.iter().find(|message| is(message)).cloned()
        };
        timeout(PATIENCE, found).await.ok()?
    }

    /// Whether such a message has come by now.
    pub(crate) fn has_heard(&self, is: impl Fn(&Value) -> bool) -> bool {
        self.0.heard.borrow().iter().any(is)
    }

    /// How many such messages have come by now.
    pub(crate) fn count(&self, is: impl Fn(&Value) -> bool) -> usize {
        self.0.heard.borrow().iter().filter(|message| is(message)).count()
    }

    /// The last request of `method`.
    pub(crate) fn last(&self, method: &str) -> Value {
        let heard = self.0.heard.borrow();
        heard.iter().rfind(|message| message["method"] == method).cloned().unwrap_or_default()
    }

    /// Says that something changed, to whoever may hear it in this revision: an older server tells every connection, a modern
    /// one those that listen to it.
    pub(crate) fn changed(&self, method: &str, params: &Value) {
        for connection in self.0.connections.lock().unwrap().iter() {
            connection.changed(connection.revision(self), method, params);
        }
    }

    /// Asks on a connection while no call is under way.
    pub(crate) async fn ask_aside(&self, method: &str, params: Value) -> Result<Value, Value> {
        let connection = self.0.connections.lock().unwrap().last().unwrap().clone();
        connection.ask(method, params).await
    }

    /// A number that stands for `answers`.
    fn state(&self, answers: Map<String, Value>) -> String {
        let mut states = self.0.states.lock().unwrap();
        states.push(answers);
        format!("state-{}", states.len() - 1)
    }

    fn answers(&self, state: &str) -> Option<Map<String, Value>> {
        let number: usize = state.strip_prefix("state-")?.parse().ok()?;
        self.0.states.lock().unwrap().get(number).cloned()
    }
}

/// How long anything is waited for; time is paused.
const PATIENCE: Duration = Duration::from_secs(120);

/// A JSON-RPC error.
pub(crate) fn error(code: i64, message: &str) -> Value {
    json!({"code": code, "message": message})
}

type Line = mpsc::UnboundedSender<Value>;
