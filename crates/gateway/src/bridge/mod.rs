//! One server as if it were reached directly, by clients of any revision.

mod kept;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyport_protocol::{
    Method, Raw, Revision,
    json::{Members, Splice},
    jsonrpc::Reason,
};
use anyport_service::{Context, Emitter, Event, Notification, Outcome, Reply, Request, Service, emit};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use self::kept::Kept;
use crate::Upstream;

/// Passes everything on to one server, under its own names.
///
/// What a server says of itself, and its lists, are kept. While it starts, or is away, they are answered from what was
/// last known, so that a client that looks only once sees the tools. The first time, everyone waits.
///
/// Clones are the same bridge.
#[derive(Clone)]
pub struct Bridge {
    upstream: Upstream,
    supported: Arc<[Revision]>,
    kept: Kept,
    /// When each kind of list was found to be other than what was answered.
    changed: watch::Sender<Changed>,
}

/// By the index of [`KINDS`].
type Changed = [Option<Instant>; 3];

const KINDS: [(&str, Method); 3] = [
    ("toolsListChanged", Method::ToolsChanged),
    ("promptsListChanged", Method::PromptsChanged),
    ("resourcesListChanged", Method::ResourcesChanged),
];

/// Who begins to listen is told of what changed so recently: it may have asked for the list before.
const RECENTLY: Duration = Duration::from_secs(60);

impl Bridge {
    /// Stands in front of `upstream` and speaks `supported`, newest first. What the server offers is kept at `path`.
    ///
    /// Must be called inside a tokio runtime.
    pub fn new(upstream: Upstream, supported: Arc<[Revision]>, path: Option<PathBuf>) -> Self {
        let kept = Kept::open(path);
        tokio::spawn(kept.clone().write());
        let mut learned = upstream.learned();
        let keeping = kept.clone();
        tokio::spawn(async move {
            while learned.changed().await.is_ok() {
                if let Some(learned) = learned.borrow_and_update().clone() {
                    keeping.set_discovered(learned.discovered.clone());
                }
            }
        });
        Self { upstream, supported, kept, changed: watch::Sender::new(Changed::default()) }
    }

    /// The server.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    fn discover(&self, context: Context) -> Reply {
        let learned = self.upstream.learned().borrow().as_ref().map(|learned| learned.discovered.clone());
        let known = learned.or_else(|| self.kept.discovered());
        if let Some(known) = known {
            self.connect(context);
            return Reply::ready(Ok(self.told(&known)));
        }
        let bridge = self.clone();
        Reply::future(async move {
            let connected = bridge.upstream.connected(&context).await;
            connected.map(|learned| bridge.told(&learned.discovered)).into()
        })
    }

    /// Connects while the client reads what was known: it is about to call.
    fn connect(&self, context: Context) {
        if self.upstream.is_connected(&context) {
            return;
        }
        let upstream = self.upstream.clone();
        tokio::spawn(async move {
            // Whoever calls next is told why.
            let _ = upstream.connected(&context).await;
        });
    }

    /// What the server said of itself, as this endpoint says it: with the revisions that are spoken here.
    fn told(&self, discovered: &Raw) -> Raw {
        let names: Vec<&str> = self.supported.iter().map(|revision| revision.as_str()).collect();
        let ours = ["resultType", "supportedVersions", "ttlMs", "cacheScope"];
        Splice::retain(discovered, |key| !ours.contains(&key))
            .with("resultType", &Raw::string("complete"))
            .with("supportedVersions", &Raw::from(serde_json::Value::from(names)))
            .with("ttlMs", &Raw::from(serde_json::Value::from(60_000)))
            .with("cacheScope", &Raw::string("private"))
            .finish()
    }

    /// Answers a list at once if it is known and the server is not there; else asks for it.
    fn list(&self, method: Method, request: Request, context: Context) -> Reply {
        let key = format!("{} {}", method.as_str(), Upstream::profile(&context));
        if request.params.member("cursor").is_some() {
            return self.upstream.call(request, context);
        }
        if self.upstream.is_connected(&context) {
            return self.listed(method, key, request, context);
        }
        let Some(known) = self.kept.list(&key) else { return self.listed(method, key, request, context) };
        let bridge = self.clone();
        tokio::spawn(async move { bridge.listed(method, key, request, context).outcome().await });
        // 2026-07-28, caching: it may be stale before it arrives, and nobody else may see it.
        let known = Splice::retain(&known, |key| key != "ttlMs" && key != "cacheScope")
            .with("ttlMs", &Raw::from(serde_json::Value::from(0)))
            .with("cacheScope", &Raw::string("private"));
        Reply::ready(Ok(known.finish()))
    }

    /// Asks for a list, and keeps it.
    fn listed(&self, method: Method, key: String, request: Request, context: Context) -> Reply {
        match self.upstream.call(request, context).into_ready() {
            Ok(outcome) => {
                self.keep(method, key, &outcome);
                Reply::ready(outcome)
            }
            Err(mut reply) => {
                let bridge = self.clone();
                emit::reply(|emitter| async move {
                    loop {
                        match reply.next().await {
                            Event::Outcome(outcome) => {
                                bridge.keep(method, key, &outcome);
                                return outcome;
                            }
                            event => emitter.emit(event).await,
                        }
                    }
                })
            }
        }
    }

    fn keep(&self, method: Method, key: String, outcome: &Outcome) {
        let Outcome::Result(list) = outcome else { return };
        if Members::find(list.as_str(), "nextCursor").is_some() {
            // A page is no list, and whoever follows its cursor asks the server.
            self.kept.drop_list(&key);
            return;
        }
        if self.kept.set_list(key, list.clone()) {
            let kind = match method {
                Method::ToolsList => 0,
                Method::PromptsList => 1,
                _ => 2,
            };
            self.changed.send_modify(|changed| changed[kind] = Some(Instant::now()));
        }
    }

    /// Listens to the server, and to what is found here to be another list than was answered.
    fn listen(&self, request: Request, context: Context) -> Reply {
        let bridge = self.clone();
        emit::reply(|emitter| async move {
            let filter = request.params.member("notifications").unwrap_or(Raw::EMPTY_OBJECT);
            let asked =
                KINDS.map(|(name, _)| filter.member(name).is_some_and(|flag| flag.as_str() == "true"));
            loop {
                let reply = bridge.upstream.call(request.clone(), context.clone());
                let outcome = bridge.hear(reply, asked, &emitter).await;
                let waits =
                    matches!(&outcome, Outcome::Error(error) if error.reason == Some(Reason::UpstreamDown));
                // A legacy session has but one stream, and does not ask for it again.
                if !waits || context.revision().is_modern() {
                    return outcome;
                }
                sleep(AGAIN).await;
            }
        })
    }

    async fn hear(&self, mut reply: Reply, asked: [bool; 3], emitter: &Emitter) -> Outcome {
        let mut changed = self.changed.subscribe();
        let mut told = Changed::default();
        let mut acknowledged = false;
        loop {
            if acknowledged {
                let now = *changed.borrow_and_update();
                for (kind, (_, method)) in KINDS.iter().enumerate() {
                    let news = now[kind].filter(|at| told[kind] != Some(*at) && at.elapsed() <= RECENTLY);
                    if asked[kind] && news.is_some() {
                        told[kind] = news;
                        let change = Notification { method: *method, params: Raw::EMPTY_OBJECT };
                        emitter.emit(Event::Notification(change)).await;
                    }
                }
            }
            tokio::select! {
                event = reply.next() => match event {
                    Event::Outcome(outcome) => return outcome,
                    event => {
                        acknowledged = true;
                        emitter.emit(event).await;
                    }
                },
                Ok(()) = changed.changed(), if acknowledged => {}
            }
        }
    }
}

/// How long a session waits before it asks again to hear of a server that is away.
const AGAIN: Duration = Duration::from_secs(5);

impl Service for Bridge {
    fn call(&self, request: Request, context: Context) -> Reply {
        match request.known() {
            Some(Method::Discover) => self.discover(context),
            Some(
                method @ (Method::ToolsList
                | Method::PromptsList
                | Method::ResourcesList
                | Method::TemplatesList),
            ) => self.list(method, request, context),
            Some(Method::Listen) => self.listen(request, context),
            _ => self.upstream.call(request, context),
        }
    }
}
