//! A service whose calls a test can watch and steer.

use std::{sync::Arc, time::Duration};

use anyport_protocol::{Error, Method, Raw, jsonrpc::Reason};
use anyport_service::{
    Context, Emitter, Event, Notification, Outcome, Reply, Request, ServerRequest, Service, emit,
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, broadcast, watch};

use super::within;

/// Answers `tools/call` by the tool's name; see [`Fake::run`].
#[derive(Clone)]
pub(crate) struct Fake {
    counts: watch::Sender<Counts>,
    /// Each permit lets one waiting call go on.
    gate: Arc<Semaphore>,
    /// What listen streams are told.
    changes: broadcast::Sender<Change>,
    closed: watch::Sender<bool>,
}

/// What is going on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Calls that run now.
    pub(crate) running: usize,
    /// Calls that were dropped before their end.
    pub(crate) cancelled: usize,
    /// Calls that came to their end.
    pub(crate) finished: usize,
    /// Listen streams that are open now.
    pub(crate) listening: usize,
    /// Notifications that calls have said.
    pub(crate) said: usize,
}

#[derive(Clone, Debug)]
enum Change {
    Tools,
    Updated(String),
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            counts: watch::Sender::new(Counts::default()),
            gate: Arc::new(Semaphore::new(0)),
            changes: broadcast::Sender::new(64),
            closed: watch::Sender::new(false),
        }
    }
}

impl Fake {
    /// Waits until what is going on satisfies `enough`.
    pub(crate) async fn until(&self, enough: impl FnMut(&Counts) -> bool) -> Counts {
        *within(self.counts.subscribe().wait_for(enough)).await.unwrap()
    }

    pub(crate) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Lets so many waiting calls go on.
    pub(crate) fn release(&self, calls: usize) {
        self.gate.add_permits(calls);
    }

    pub(crate) fn reset_said(&self) {
        self.counts.send_modify(|counts| counts.said = 0);
    }

    pub(crate) fn tools_changed(&self) {
        let _ = self.changes.send(Change::Tools);
    }

    pub(crate) fn updated(&self, uri: &str) {
        let _ = self.changes.send(Change::Updated(uri.into()));
    }

    /// Ends all listen streams.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    async fn pass(&self) {
        self.gate.acquire().await.unwrap().forget();
    }

    fn guard(&self, pick: fn(&mut Counts) -> &mut usize) -> Guard {
        self.counts.send_modify(|counts| *pick(counts) += 1);
        Guard { counts: self.counts.clone(), pick, finished: false }
    }

    async fn run(self, tool: String, arguments: Value, context: Context, emitter: Emitter) -> Outcome {
        let guard = self.guard(|counts| &mut counts.running);
        let number = |name: &str| arguments[name].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
        let text = match &*tool {
            "echo" => arguments["text"].as_str().unwrap_or_default().to_owned(),
            "big" => "x".repeat(number("bytes")),
            // Says nothing before its answer, and waits.
            "wait" => {
                self.pass().await;
                "waited".into()
            }
            // Says so many things, waits, and answers.
            "say" => {
                let size = arguments["bytes"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                for index in 0..number("count") {
                    emitter.emit(said(index, size)).await;
                    self.counts.send_modify(|counts| counts.said += 1);
                }
                if arguments["wait"] != false {
                    self.pass().await;
                }
                "said".into()
            }
            // Waits, says something, and answers.
            "late" => {
                self.pass().await;
                emitter.emit(said(0, 0)).await;
                "late".into()
            }
            "ask" => ask(number("questions"), &emitter).await,
            "hangup" => {
                emitter.emit(Event::Disconnect { retry: Duration::from_millis(5) }).await;
                self.pass().await;
                "back".into()
            }
            "fail" => {
                if arguments["later"] == true {
                    self.pass().await;
                }
                guard.finish();
                return Outcome::Error(failure(&arguments));
            }
            "panic" => {
                self.pass().await;
                panic!("the tool panics");
            }
            "who" => {
                let headers = context.param_headers().cloned().unwrap_or_default();
                let region = headers.get("region").map(String::from_utf8_lossy).collect::<Vec<_>>().join(",");
                format!("{} {region}", context.principal())
            }
            // Needs all of these scopes.
            "need" => {
                let scopes: Vec<&str> =
                    arguments["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                if !scopes.iter().all(|scope| context.authorization().allows(scope)) {
                    guard.finish();
                    return Outcome::Error(Error::insufficient_scope(scopes));
                }
                "has them".into()
            }
            _ => {
                guard.finish();
                return Outcome::Error(Error::invalid_params(format!("no tool {tool}")));
            }
        };
        guard.finish();
        Outcome::Result(json!({"resultType": "complete", "content": [{"type": "text", "text": text}]}).into())
    }

    /// Refuses `test://no`, and acknowledges `test://slow` only when a call is let go on.
    fn listen(&self, params: &Raw) -> Reply {
        let fake = self.clone();
        let mut changes = self.changes.subscribe();
        let mut closed = self.closed.subscribe();
        let filter: Value =
            params.member("notifications").and_then(|raw| raw.decode().ok()).unwrap_or_default();
        let guard = self.guard(|counts| &mut counts.listening);
        emit::reply(|emitter| async move {
            let wants = |uri: &str| {
                filter["resourceSubscriptions"].as_array().is_some_and(|uris| uris.contains(&json!(uri)))
            };
            if wants("test://no") {
                guard.finish();
                return Outcome::Error(Error::invalid_params("no such resource"));
            }
            if wants("test://slow") {
                fake.pass().await;
            }
            let say =
                |method, params: Value| Event::Notification(Notification { method, params: params.into() });
            emitter.emit(say(Method::Acknowledged, json!({"notifications": filter}))).await;
            loop {
                let change = tokio::select! {
                    biased;
                    Ok(change) = changes.recv() => change,
                    _ = closed.wait_for(|closed| *closed) => break,
                };
                match change {
                    Change::Tools if filter["toolsListChanged"] == true => {
                        emitter.emit(say(Method::ToolsChanged, json!({}))).await;
                    }
                    Change::Updated(uri) if wants(&uri) => {
                        emitter.emit(say(Method::ResourceUpdated, json!({"uri": uri}))).await;
                    }
                    _ => {}
                }
            }
            guard.finish();
            Outcome::Result(json!({"resultType": "complete"}).into())
        })
    }
}

/// A log message that is `size` bytes long and more.
fn said(index: usize, size: usize) -> Event {
    let data = json!({"index": index, "filler": "y".repeat(size)});
    Event::Notification(Notification {
        method: Method::LogMessage,
        params: json!({"level": "info", "data": data}).into(),
    })
}

/// Asks so many questions at once, and answers with what came of them.
async fn ask(questions: usize, emitter: &Emitter) -> String {
    let mut answers = Vec::new();
    for _ in 0..questions {
        let (question, answer) = ServerRequest::new(Method::ListRoots, Raw::EMPTY_OBJECT);
        emitter.emit(Event::ServerRequest(question)).await;
        answers.push(answer);
    }
    let mut texts = Vec::new();
    for answer in answers {
        texts.push(match answer.await {
            Ok(Ok(answer)) => answer.to_string(),
            Ok(Err(error)) => format!("error {}", error.code),
            Err(_) => "nobody".into(),
        });
    }
    texts.join(";")
}

fn failure(arguments: &Value) -> Error {
    let error = Error::new(arguments["code"].as_i64().unwrap_or(-32603), "it fails");
    match arguments["reason"].as_str() {
        Some("overloaded") => error.with_reason(Reason::Overloaded),
        Some("rate_limited") => error.with_reason(Reason::RateLimited),
        Some("shutting_down") => error.with_reason(Reason::ShuttingDown),
        _ => error,
    }
}

impl Service for Fake {
    fn call(&self, request: Request, context: Context) -> Reply {
        match request.known() {
            Some(Method::Discover) => Reply::ready(Outcome::Result(discovered())),
            Some(Method::Listen) => self.listen(request.params.raw()),
            Some(Method::ToolsList) => Reply::ready(Outcome::Result(
                json!({"resultType": "complete", "tools": [], "ttlMs": 0, "cacheScope": "private"}).into(),
            )),
            Some(Method::ResourcesRead) => {
                Reply::error(Error::resource_not_found(&request.name().unwrap_or_default()))
            }
            Some(Method::ToolsCall) => {
                let Some(tool) = request.name() else {
                    return Reply::error(Error::invalid_params("params.name must be a string"));
                };
                let arguments = request.params.member("arguments").and_then(|raw| raw.decode().ok());
                let fake = self.clone();
                emit::reply(|emitter| {
                    fake.run(tool.to_string(), arguments.unwrap_or_default(), context, emitter)
                })
            }
            _ => Reply::error(Error::method_not_found(&request.method)),
        }
    }
}

fn discovered() -> Raw {
    json!({
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": {
            "tools": {"listChanged": true},
            "resources": {"subscribe": true},
            "logging": {},
        },
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "fake", "version": "1"}},
    })
    .into()
}

/// Tells of the end of a call or stream.
struct Guard {
    counts: watch::Sender<Counts>,
    pick: fn(&mut Counts) -> &mut usize,
    finished: bool,
}

impl Guard {
    fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Self { pick, finished, .. } = *self;
        self.counts.send_modify(|counts| {
            *pick(counts) -= 1;
            *if finished { &mut counts.finished } else { &mut counts.cancelled } += 1;
        });
    }
}
