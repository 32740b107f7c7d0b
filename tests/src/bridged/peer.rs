use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyport::Revision;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::timeout,
};

use super::{PATIENCE, Setup, http, settle, text};

/// The server's end of a connection; over HTTP, the server. Dropping it breaks the connection off.
#[derive(Debug)]
pub struct Peer {
    /// The params of `initialize`, or of `server/discover` from a modern bridge to a modern server; null if the test
    /// hears them.
    pub opened: Value,
    pub(super) inbox: mpsc::UnboundedReceiver<Heard>,
    pub(super) out: Out,
    pub(super) last_id: AtomicU64,
    pub(super) tasks: Vec<AbortHandle>,
    /// Whether the other end has closed the connection.
    pub(super) gone: watch::Receiver<bool>,
}

/// Where the server says what answers nothing.
#[derive(Clone, Debug)]
pub(super) enum Out {
    Lines(mpsc::UnboundedSender<String>),
    Http(Arc<http::Streams>),
}

/// A message that the server heard, and where its answer goes.
#[derive(Debug)]
pub struct Heard {
    /// Its text, to the byte. Of an HTTP request without one: empty.
    pub text: String,
    /// The message.
    pub message: Value,
    /// The HTTP method; empty on a channel.
    pub verb: String,
    /// The HTTP headers; empty on a channel.
    pub headers: ::http::HeaderMap,
    pub(super) back: Back,
}

#[derive(Debug)]
pub(super) enum Back {
    Lines(mpsc::UnboundedSender<String>),
    Http(http::Exchange),
}

impl Peer {
    /// The next message, which must be a `method`: a request or a notification.
    ///
    /// # Panics
    /// When something else comes, or nothing.
    pub async fn hears(&mut self, method: &str) -> Heard {
        let heard = self.hears_any().await;
        assert_eq!(heard.message["method"], method, "the server hears another message: {}", heard.text);
        heard
    }

    /// The next message, which must answer the question `id`.
    ///
    /// # Panics
    /// When something else comes, or nothing.
    pub async fn hears_answer(&mut self, id: impl Into<Value>) -> Heard {
        let (heard, id) = (self.hears_any().await, id.into());
        let answers = heard.message.get("method").is_none() && heard.message["id"] == id;
        assert!(answers, "the server hears something else than an answer to {id}: {}", heard.text);
        heard
    }

    /// The next message.
    ///
    /// # Panics
    /// When none comes.
    pub async fn hears_any(&mut self) -> Heard {
        let heard = timeout(PATIENCE, self.inbox.recv()).await;
        heard.ok().flatten().unwrap_or_else(|| panic!("the server hears nothing more"))
    }

    /// That nothing has come.
    ///
    /// # Panics
    /// When something has.
    pub async fn hears_nothing(&mut self) {
        settle().await;
        if let Ok(heard) = self.inbox.try_recv() {
            panic!("the server hears more: {} {}", heard.verb, heard.text);
        }
    }

    /// Says a message on the channel; over HTTP on the GET stream that was opened last.
    ///
    /// # Panics
    /// When there is no such stream.
    pub fn says(&self, message: impl ToString) {
        match &self.out {
            Out::Lines(lines) => drop(lines.send(message.to_string())),
            Out::Http(streams) => streams.say(&message.to_string()),
        }
    }

    /// Asks a question there; returns its id.
    pub fn asks(&self, method: &str, params: impl ToString) -> u64 {
        let id = self.next_id();
        self.says(text::request(id, method, params));
        id
    }

    /// An id for a question.
    pub fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1000
    }

    /// Waits until the other end has closed the connection.
    ///
    /// # Panics
    /// When it stays open.
    pub async fn closes(&mut self) {
        let gone = timeout(PATIENCE, self.gone.wait_for(|gone| *gone)).await;
        assert!(gone.is_ok(), "the connection stays open");
    }

    /// Over HTTP: how many GET streams are open.
    pub fn streams(&self) -> usize {
        match &self.out {
            Out::Lines(_) => 0,
            Out::Http(streams) => streams.count(),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Heard {
    /// The text of its params, to the byte; empty if there are none.
    pub fn params(&self) -> &str {
        text::member(&self.text, "params")
    }

    /// Its params.
    pub fn param(&self, name: &str) -> &Value {
        &self.message["params"][name]
    }

    /// Its id; null for a notification.
    pub fn id(&self) -> &Value {
        &self.message["id"]
    }

    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Says a message on the way to the answer: on the response to this request over HTTP, else on the channel.
    pub fn tells(&self, message: impl ToString) {
        match &self.back {
            Back::Lines(lines) => drop(lines.send(message.to_string())),
            Back::Http(exchange) => exchange.tell(&message.to_string()),
        }
    }

    /// Asks a question on the way to the answer; returns its id.
    pub fn asks(&self, server: &Peer, method: &str, params: impl ToString) -> u64 {
        let id = server.next_id();
        self.tells(text::request(id, method, params));
        id
    }

    /// Answers with a result.
    pub fn answers(&self, result: impl ToString) {
        let answer = text::answer(self.id(), result);
        self.ends(&answer);
    }

    /// Answers with an error.
    pub fn fails(&self, code: i64, message: &str, data: Value) {
        let mut error = json!({"code": code, "message": message});
        if !data.is_null() {
            error["data"] = data;
        }
        let failure = text::failure(self.id(), error);
        self.ends(&failure);
    }

    /// Ends with this message as it is.
    pub fn ends(&self, message: &str) {
        match &self.back {
            Back::Lines(lines) => drop(lines.send(message.to_owned())),
            Back::Http(exchange) => exchange.end(message),
        }
    }

    /// The HTTP response to it, for what no message says: a status, the text of an event stream.
    ///
    /// # Panics
    /// When the server is on a channel.
    pub fn http(&self) -> &http::Exchange {
        match &self.back {
            Back::Http(exchange) => exchange,
            Back::Lines(_) => panic!("there is no HTTP on a channel"),
        }
    }

    /// Whether its answer is still waited for, as far as HTTP tells.
    pub fn is_waited_for(&self) -> bool {
        match &self.back {
            Back::Http(exchange) => exchange.is_open(),
            Back::Lines(lines) => !lines.is_closed(),
        }
    }

    /// Waits until the client has gone away from the response to this request.
    ///
    /// # Panics
    /// When it stays.
    pub async fn is_left(&self) {
        let left = timeout(PATIENCE, self.http().left()).await;
        assert!(left.is_ok(), "the client stays with its request");
    }
}

/// What the server answers to the messages that open a dialogue; `None` for all others.
pub(super) fn opening(setup: &Setup, message: &Value) -> Option<Opened> {
    let (id, info) = (&message["id"], json!({"name": "server", "version": "1"}));
    if !setup.opens {
        return None;
    }
    match message["method"].as_str()? {
        "server/discover" if setup.revision.is_stateless() => Some(Opened::Agreed(text::answer(
            id,
            json!({
                "resultType": "complete",
                "supportedVersions": [setup.revision.as_str()],
                "capabilities": setup.capabilities,
                "ttlMs": 0,
                "cacheScope": "private",
                "_meta": {"io.modelcontextprotocol/serverInfo": info},
            }),
        ))),
        "server/discover" => {
            Some(Opened::Answer(text::failure(id, json!({"code": -32601, "message": "Method not found"}))))
        }
        "initialize" if !setup.revision.is_stateless() => Some(Opened::Answer(text::answer(
            id,
            json!({
                "protocolVersion": setup.revision.as_str(),
                "capabilities": setup.capabilities,
                "serverInfo": info,
            }),
        ))),
        // 2026-07-28, versioning §Backward Compatibility with Initialization-Based Versions: "A server that supports only
        // modern versions SHOULD name the protocol versions it supports in any error it returns to an `initialize` request".
        "initialize" => Some(Opened::Answer(text::failure(
            id,
            json!({
                "code": -32022,
                "message": "Unsupported protocol version",
                "data": {"supported": [setup.revision.as_str()]},
            }),
        ))),
        "notifications/initialized" if !setup.revision.is_stateless() => Some(Opened::Done),
        _ => None,
    }
}

/// One step of opening.
pub(super) enum Opened {
    /// An answer, and more is to come.
    Answer(String),
    /// An answer that opens the dialogue.
    Agreed(String),
    /// Nothing is to be answered: the dialogue is open.
    Done,
}

impl Setup {
    /// Whether its server has sessions over HTTP.
    pub(super) fn has_sessions(&self) -> bool {
        !self.revision.is_stateless() && self.revision >= Revision::V2025_03_26
    }
}
