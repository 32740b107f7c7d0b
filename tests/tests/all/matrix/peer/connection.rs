use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport::Revision;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, split},
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::sleep,
};

use super::{Call, Line, Peer, error};

/// One connection, from the server's side. Clones are the same.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Inside>);

struct Inside {
    out: Line,
    /// Known since the first request.
    revision: OnceLock<Revision>,
    /// What the client declared in `initialize`.
    declared: Mutex<Value>,
    /// The least severe log message that is wanted; an older server says all before it is told.
    level: Mutex<String>,
    running: Mutex<HashMap<String, AbortHandle>>,
    asked: Mutex<HashMap<String, oneshot::Sender<Result<Value, Value>>>>,
    questions: AtomicU64,
    /// The listen requests of a modern client: their ids, and what they want to hear.
    listening: Mutex<Vec<(Value, Value)>>,
}

impl Connection {
    pub(super) fn serve(peer: Peer, stream: DuplexStream) -> Self {
        let (read, mut write) = split(stream);
        let (out, mut lines) = mpsc::unbounded_channel::<Value>();
        tokio::spawn(async move {
            while let Some(message) = lines.recv().await {
                if write.write_all(format!("{message}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        });
        let connection = Self(Arc::new(Inside {
            out,
            revision: OnceLock::new(),
            declared: Mutex::default(),
            level: Mutex::new("debug".into()),
            running: Mutex::default(),
            asked: Mutex::default(),
            questions: AtomicU64::new(0),
            listening: Mutex::default(),
        }));
        let reading = connection.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let message: Value = serde_json::from_str(&line).unwrap();
                peer.0.heard.send_modify(|heard| heard.push(message.clone()));
                reading.received(&peer, message);
            }
        });
        connection
    }

    pub(super) fn revision(&self, peer: &Peer) -> Revision {
        self.0.revision.get().copied().unwrap_or(peer.0.revision)
    }

    fn received(&self, peer: &Peer, message: Value) {
        let method = message["method"].as_str().map(str::to_owned);
        match (method, message.get("id").cloned()) {
            (Some(method), Some(id)) => self.request(peer.clone(), id, method, message),
            (Some(method), None) if method == "notifications/cancelled" => {
                let running =
                    self.0.running.lock().unwrap().remove(&message["params"]["requestId"].to_string());
                if let Some(running) = running {
                    running.abort();
                }
            }
            (Some(_), None) => {}
            (None, id) => {
                let asked = self.0.asked.lock().unwrap().remove(&id.unwrap_or_default().to_string());
                let Some(asked) = asked else { return };
                let _ = asked.send(match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].clone()),
                });
            }
        }
    }

    fn request(&self, peer: Peer, id: Value, method: String, message: Value) {
        self.0.revision.get_or_init(|| peer.revision_for(&method));
        let connection = self.clone();
        let key = id.to_string();
        let running = tokio::spawn(async move {
            let outcome = connection.outcome(&peer, &id, &method, &message["params"]).await;
            connection.0.running.lock().unwrap().remove(&id.to_string());
            let Some(outcome) = outcome else { return };
            connection.say(match outcome {
                Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
                Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
            });
        });
        self.0.running.lock().unwrap().insert(key, running.abort_handle());
    }

    /// `None`: the request stays open.
    async fn outcome(
        &self,
        peer: &Peer,
        id: &Value,
        method: &str,
        params: &Value,
    ) -> Option<Result<Value, Value>> {
        let modern = self.revision(peer).is_stateless();
        let version = &params["_meta"]["io.modelcontextprotocol/protocolVersion"];
        if modern && (method == "initialize" || version.is_null()) {
            return Some(Err(error(-32602, "every request says its version")));
        }
        match method {
            "initialize" => *self.0.declared.lock().unwrap() = params["capabilities"].clone(),
            "logging/setLevel" if !modern => {
                *self.0.level.lock().unwrap() = params["level"].as_str()?.to_owned();
                return Some(Ok(json!({})));
            }
            "subscriptions/listen" if modern => {
                self.0.listening.lock().unwrap().push((id.clone(), params["notifications"].clone()));
                self.say(
                    json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {
                        "notifications": params["notifications"],
                        "_meta": {"io.modelcontextprotocol/subscriptionId": id},
                    }}),
                );
                return None;
            }
            _ => {}
        }
        let (declared, level) = if modern {
            let of = |key: &str| params["_meta"][format!("io.modelcontextprotocol/{key}")].clone();
            (of("clientCapabilities"), of("logLevel").as_str().map(str::to_owned))
        } else {
            (self.0.declared.lock().unwrap().clone(), Some(self.0.level.lock().unwrap().clone()))
        };
        let (method, params) = (method.to_owned(), params.clone());
        let call = Call::new(peer.clone(), self.clone(), method, params, declared, level);
        Some(call.outcome().await)
    }

    pub(super) fn say(&self, message: Value) {
        // Who has gone hears nothing.
        let _ = self.0.out.send(message);
    }

    /// Asks as older servers do.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Result<Value, Value> {
        let id = json!(format!("ask-{}", self.0.questions.fetch_add(1, Ordering::SeqCst)));
        let (told, answer) = oneshot::channel();
        self.0.asked.lock().unwrap().insert(id.to_string(), told);
        self.say(request(&id, method, params));
        answer.await.unwrap_or_else(|_| Err(error(-1, "the connection is gone")))
    }

    /// Asks, and takes the question back.
    pub(super) async fn ask_and_withdraw(&self, method: &str, params: Value, after: Duration) {
        let id = format!("ask-{}", self.0.questions.fetch_add(1, Ordering::SeqCst));
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        sleep(after).await;
        let cancelled = json!({"requestId": id, "reason": "no longer needed"});
        self.say(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}));
        sleep(after).await;
    }

    pub(super) fn changed(&self, revision: Revision, method: &str, params: &Value) {
        let told = |params: Value| {
            let mut message = json!({"jsonrpc": "2.0", "method": method});
            if params != json!({}) {
                message["params"] = params;
            }
            self.say(message);
        };
        if !revision.is_stateless() {
            return told(params.clone());
        }
        for (id, wanted) in self.0.listening.lock().unwrap().iter() {
            let wants = match method {
                "notifications/tools/list_changed" => wanted["toolsListChanged"] == true,
                "notifications/prompts/list_changed" => wanted["promptsListChanged"] == true,
                "notifications/resources/list_changed" => wanted["resourcesListChanged"] == true,
                _ => wanted["resourceSubscriptions"]
                    .as_array()
                    .is_some_and(|uris| uris.contains(&params["uri"])),
            };
            if wants {
                let mut params = params.clone();
                params["_meta"] = json!({"io.modelcontextprotocol/subscriptionId": id});
                told(params);
            }
        }
    }
}

/// A request; params that are null are left out.
fn request(id: &Value, method: &str, params: Value) -> Value {
    let mut request = json!({"jsonrpc": "2.0", "id": id, "method": method});
    if !params.is_null() {
        request["params"] = params;
    }
    request
}
