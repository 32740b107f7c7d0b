//! A client of a session (2025-03-26 to 2025-11-25, transports §Streamable HTTP).

use anyport_protocol::Revision;
use serde_json::{Value, json};

use crate::common::{
    Server,
    client::{Connection, Verb, post},
};

/// The revisions that have sessions over Streamable HTTP.
pub(crate) const LEGACY: [Revision; 3] =
    [Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25];

/// What a client of an older revision knows.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) revision: Revision,
    pub(crate) token: Option<&'static str>,
}

pub(crate) fn initialize(revision: Revision) -> Verb {
    let params = json!({"protocolVersion": revision.as_str(), "capabilities": {"roots": {}},
        "clientInfo": {"name": "old", "version": "1"}});
    post(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string())
}

impl Session {
    /// Opens a session whose client is not ready yet.
    pub(crate) async fn open(server: &Server, revision: Revision, token: Option<&'static str>) -> Self {
        let answer = server.ask(&authorized(initialize(revision), token)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["result"]["protocolVersion"], revision.as_str());
        let id = answer.header("mcp-session-id").unwrap().to_owned();
        Self { id, revision, token }
    }

    /// Opens a session.
    pub(crate) async fn new(server: &Server, revision: Revision) -> Self {
        let session = Self::open(server, revision, None).await;
        session.initialized(server).await;
        session
    }

    pub(crate) async fn initialized(&self, server: &Server) {
        let answer = server.ask(&self.notification("notifications/initialized", json!({}))).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{answer:?}");
    }

    /// Adds the headers of a request within the session.
    pub(crate) fn within(&self, verb: Verb) -> Verb {
        let verb = authorized(verb.add("Mcp-Session-Id", &self.id), self.token);
        // The header came with 2025-06-18.
        if self.revision < Revision::V2025_06_18 {
            return verb;
        }
        verb.add("MCP-Protocol-Version", self.revision.as_str())
    }

    pub(crate) fn post(&self, body: &Value) -> Verb {
        self.within(post(body.to_string()))
    }

    pub(crate) fn request(&self, id: impl Into<Value>, method: &str, params: Value) -> Verb {
        self.post(&json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params}))
    }

    pub(crate) fn call(&self, id: impl Into<Value>, tool: &str, arguments: Value) -> Verb {
        self.request(id, "tools/call", json!({"name": tool, "arguments": arguments}))
    }

    pub(crate) fn notification(&self, method: &str, params: Value) -> Verb {
        self.post(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    pub(crate) fn cancel(&self, id: impl Into<Value>) -> Verb {
        self.notification("notifications/cancelled", json!({"requestId": id.into()}))
    }

    pub(crate) fn get(&self) -> Verb {
        self.within(Verb::new("GET", "/mcp").add("Accept", "text/event-stream"))
    }

    pub(crate) fn resume(&self, event: &str) -> Verb {
        self.get().add("Last-Event-ID", event)
    }

    pub(crate) fn delete(&self) -> Verb {
        self.within(Verb::new("DELETE", "/mcp"))
    }

    /// Whether the server still knows it.
    pub(crate) async fn status(&self, server: &Server) -> u16 {
        server.ask(&self.request(99, "ping", json!({}))).await.status
    }

    /// Opens an event stream, and reads the priming event of a POST.
    pub(crate) async fn stream(&self, server: &Server, verb: &Verb) -> Connection {
        let mut connection = server.connect().await;
        let head = connection.begin(verb).await;
        assert!(head.is_stream() && head.status == 200, "{head:?}");
        if verb.method == "POST" && self.revision >= Revision::V2025_11_25 {
            let primed = connection.event().await.unwrap();
            assert!(primed.id.is_some() && primed.data.is_empty(), "{primed:?}");
        }
        connection
    }

    /// Answers a question of the server's.
    pub(crate) async fn answer(&self, server: &Server, question: &Value, roots: Value) {
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": roots}});
        let taken = server.ask(&self.post(&answer)).await;
        assert_eq!((taken.status, taken.body.len()), (202, 0), "{taken:?}");
    }
}

fn authorized(verb: Verb, token: Option<&'static str>) -> Verb {
    match token {
        Some(token) => verb.set("Authorization", &format!("Bearer {token}")),
        None => verb,
    }
}

pub(crate) fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}
