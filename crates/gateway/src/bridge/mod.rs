//! One server as if it were reached directly, by clients of any revision.

mod catalog_cache;
mod list_versions;
mod listener_state;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyport_protocol::{
    Method, Raw, Revision, failure::Failure, json::Splice, meta::key::PROGRESS_TOKEN,
    session::client::ServerIdentity,
};
use anyport_service::{Context, Emitter, Event, Notification, Outcome, Reply, Request, Service, emit};
use anyport_upstream::{Upstream, pages};
use tokio::time::{Instant, sleep};

use self::{
    catalog_cache::CatalogCache,
    list_versions::{ListVersions, key},
    listener_state::ListenerState,
};

/// Passes everything on to one server, under its own names.
///
/// The server's description and its lists are cached. While the server starts, or is away, requests are answered from
/// the cache, so that a client that looks only once sees the tools. The first time, all clients wait.
///
/// Clones are the same bridge.
#[derive(Clone)]
pub struct Bridge {
    upstream: Upstream,
    supported: Arc<[Revision]>,
    kept: CatalogCache,
    views: ListVersions,
}

impl Bridge {
    /// Makes a bridge in front of `upstream` for clients of the revisions `supported`, newest first. The server's lists
    /// are cached at `path`.
    ///
    /// Must be called inside a tokio runtime.
    pub fn new(upstream: Upstream, supported: Arc<[Revision]>, path: Option<PathBuf>) -> Self {
        let kept = CatalogCache::open(path);
        kept.tools().iter().for_each(|list| _ = upstream.tools().learn(list));
        tokio::spawn(kept.written());
        let mut learned = upstream.server_info();
        let keeping = kept.clone();
        tokio::spawn(async move {
            while learned.changed().await.is_ok() {
                if let Some(learned) = learned.borrow_and_update().clone() {
                    keeping.set_discovered(learned.discovered.clone());
                }
            }
        });
        Self { upstream, supported, kept, views: ListVersions::default() }
    }

    /// The server.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    fn discover(&self, context: Context) -> Reply {
        let learned = self.upstream.server_info().borrow().as_ref().map(|learned| learned.discovered.clone());
        let known = learned.or_else(|| self.kept.discovered());
        if let Some(known) = known {
            self.connect(context);
            return Reply::ready(Ok(self.told(&known)));
        }
        let bridge = self.clone();
        Reply::future(async move {
            let connected = bridge.upstream.connected(&context).await;
            connected.map_or_else(Outcome::from, |learned| Outcome::Result(bridge.told(&learned.discovered)))
        })
    }

    /// Connects while the client reads what was known: it is about to call.
    fn connect(&self, context: Context) {
        if self.upstream.is_connected(&context) {
            return;
        }
        let upstream = self.upstream.clone();
        tokio::spawn(async move {
            // The next caller receives the reason.
            let _ = upstream.connected(&context).await;
        });
    }

    /// The server's `DiscoverResult` for this endpoint: with the revisions of the bridge.
    fn told(&self, discovered: &Raw) -> Raw {
        let names: Vec<&str> = self.supported.iter().map(|revision| revision.as_str()).collect();
        let ours = ["resultType", "supportedVersions", "ttlMs", "cacheScope"];
        let cut = discovered.member("capabilities").as_ref().and_then(without_tasks);
        let stays = |key: &str| !ours.contains(&key) && (cut.is_none() || key != "capabilities");
        let mut told = Splice::retain(discovered, stays);
        if let Some(capabilities) = &cut {
            told = told.with("capabilities", capabilities);
        }
        told.with("resultType", &Raw::string("complete"))
            .with("supportedVersions", &Raw::from(serde_json::Value::from(names)))
            .with("ttlMs", &Raw::from(serde_json::Value::from(60_000)))
            .with("cacheScope", &Raw::string("private"))
            .finish()
    }

    /// Answers a list at once if it is known and the server is not there; else asks for it.
    fn list(&self, method: Method, request: Request, context: Context) -> Reply {
        if let Some(cursor) = request.params.member("cursor").filter(|cursor| !cursor.is_null()) {
            return self.page(method, cursor, request, context);
        }
        if !is_plain(&request) {
            return self.asked(method, request, context);
        }
        let key = key(method, &context);
        if self.upstream.is_connected(&context) {
            return self.listed(method, key, request, context);
        }
        let Some(known) = self.kept.list(&key) else { return self.listed(method, key, request, context) };
        let bridge = self.clone();
        tokio::spawn(async move { bridge.listed(method, key, request, context).outcome().await });
        // 2026-07-28, caching: it may be stale before it arrives, and it is private.
        let known = Splice::retain(&known, |key| key != "ttlMs" && key != "cacheScope")
            .with("ttlMs", &Raw::from(serde_json::Value::from(0)))
            .with("cacheScope", &Raw::string("private"));
        Reply::ready(Ok(known.finish()))
    }

    /// Requests a further page. A page that leads to itself would be requested without end.
    fn page(&self, method: Method, cursor: Raw, request: Request, context: Context) -> Reply {
        self.upstream.call(request, context).map(move |outcome| match outcome {
            Outcome::Result(page) if pages::next(&page).as_ref() == Some(&cursor) => {
                Outcome::Error(pages::looping(method, &cursor))
            }
            outcome => outcome,
        })
    }

    /// Asks for a list, and keeps it.
    fn listed(&self, method: Method, key: String, request: Request, context: Context) -> Reply {
        let bridge = self.clone();
        self.asked(method, request, context).map(move |outcome| {
            bridge.keep(&key, &outcome);
            outcome
        })
    }

    /// Asks for a list. A legacy session gets all of it in one page.
    fn asked(&self, method: Method, request: Request, context: Context) -> Reply {
        if context.revision().is_stateless() {
            self.upstream.call(request, context)
        } else {
            pages::whole(&self.upstream, method, request, context)
        }
    }

    fn keep(&self, key: &str, outcome: &Outcome) {
        let Outcome::Result(list) = outcome else { return };
        if pages::next(list).is_some() {
            // A page is not a whole list, and clients that follow its cursor ask the server. A stored whole list was a
            // different one.
            if self.kept.drop_list(key) {
                self.views.changed(key);
            }
            return;
        }
        if self.kept.set_list(key.to_owned(), list.clone()) {
            self.views.changed(key);
        }
    }

    /// The server says that lists of one kind changed. Whoever may see another list than before is told, once that is known:
    /// of what is kept, the caller's view is read again. `false`: what this caller last saw is not kept, so it must be told.
    fn reread(&self, change: Method, context: &Context) -> bool {
        let lists = list_versions::lists(change).iter().map(|method| (*method, key(*method, context)));
        let kept: Vec<_> = lists.filter(|(_, key)| self.kept.list(key).is_some()).collect();
        for (method, key) in &kept {
            if self.views.begin(key) {
                tokio::spawn(self.clone().read_again(*method, key.clone(), context.clone()));
            }
        }
        !kept.is_empty()
    }

    async fn read_again(self, method: Method, key: String, context: Context) {
        loop {
            let request = Request::new(method, Raw::EMPTY_OBJECT);
            let outcome = pages::whole(&self.upstream, method, request, context.clone()).outcome().await;
            match &outcome {
                Outcome::Result(_) => self.keep(&key, &outcome),
                // Unknown, so all listeners are notified.
                _ => self.views.changed(&key),
            }
            if !self.views.again(&key) {
                return;
            }
        }
    }

    /// Listens to the server, and to what is found here to be another list than was answered.
    fn listen(&self, request: Request, context: Context) -> Reply {
        let bridge = self.clone();
        emit::reply(|emitter| async move {
            let mut news = ListenerState::of(&request);
            loop {
                let begun = Instant::now();
                let reply = bridge.upstream.call(request.clone(), context.clone());
                let outcome = bridge.hear(reply, &context, &mut news, &emitter).await;
                let waits = match &outcome {
                    Outcome::Error(_) => false,
                    Outcome::Failed(failure) => match failure.root() {
                        Failure::Unavailable { .. } => news.acknowledged || !news.wants_resources(),
                        Failure::NotSent(_) | Failure::Disconnected(_) | Failure::Overloaded { .. } => {
                            news.acknowledged
                        }
                        _ => false,
                    },
                    // One of its resources is not there any more; of the rest it still wants to hear.
                    _ => news.acknowledged,
                };
                // A legacy session has but one stream, and does not ask for it again.
                if !waits || context.revision().has_listen() {
                    return bridge.signed(outcome);
                }
                // Nor does it go on before it has its answer.
                if !std::mem::replace(&mut news.acknowledged, true) {
                    emitter.emit(Event::Notification(news.acknowledgement())).await;
                }
                // While it waits it hears nothing.
                if begun.elapsed() < AGAIN {
                    sleep(AGAIN).await;
                }
            }
        })
    }

    /// The end of a stream that an older server knows nothing of, as one of that server's results.
    fn signed(&self, outcome: Outcome) -> Outcome {
        let learned = self.upstream.server_info().borrow().clone();
        let older = learned.filter(|learned| !learned.revision.has_identity_in_results());
        match (outcome, older.and_then(|learned| ServerIdentity::of(&learned.discovered))) {
            (Outcome::Result(end), Some(identity)) => Outcome::Result(identity.sign(end)),
            (outcome, _) => outcome,
        }
    }

    async fn hear(
        &self,
        mut reply: Reply,
        context: &Context,
        news: &mut ListenerState,
        emitter: &Emitter,
    ) -> Outcome {
        let mut changed = self.views.watch();
        loop {
            if news.acknowledged {
                let found = news.among(&changed.borrow_and_update(), context);
                for method in found {
                    let change = Notification { method, params: Raw::EMPTY_OBJECT };
                    emitter.emit(Event::Notification(change)).await;
                }
            }
            tokio::select! {
                event = reply.next() => match event {
                    Event::Outcome(outcome) => return outcome,
                    Event::Notification(change) if self.reread(change.method, context) => {}
                    // The server is back, or here for the first time.
                    Event::Notification(told) if told.method == Method::Acknowledged && news.acknowledged => {
                        self.may_differ(news, context, emitter).await;
                    }
                    event => {
                        news.acknowledged = true;
                        emitter.emit(event).await;
                    }
                },
                Ok(()) = changed.changed(), if news.acknowledged => {}
            }
        }
    }

    /// What was known of the lists may be out of date: whoever has seen another one is told, as by the server itself.
    async fn may_differ(&self, news: &ListenerState, context: &Context, emitter: &Emitter) {
        for change in news.lists() {
            if !self.reread(change, context) {
                let change = Notification { method: change, params: Raw::EMPTY_OBJECT };
                emitter.emit(Event::Notification(change)).await;
            }
        }
    }
}

/// Whether a list is asked for without anything that the server may make another list of: such a one is not what everybody
/// gets.
fn is_plain(request: &Request) -> bool {
    const OF_A_CALL: [&str; 4] = [PROGRESS_TOKEN, "traceparent", "tracestate", "baggage"];
    let of_a_call = |name: &str| name.starts_with("io.modelcontextprotocol/") || OF_A_CALL.contains(&name);
    request.params.members().all(|member| match &*member.key() {
        "cursor" => true,
        "_meta" => request.params.raw().slice(member.value).members().all(|member| of_a_call(&member.key())),
        _ => false,
    })
}

/// How long a session waits before it asks again to hear of a server that is away, or that ended its stream.
const AGAIN: Duration = Duration::from_secs(5);

/// The extension of tasks, which 2025-11-25 has in its core; inside, both are the extension.
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Capabilities without tasks; `None` where there are none. Their requests are not carried, so neither side is told that the
/// other could: each call is answered by its result.
fn without_tasks(capabilities: &Raw) -> Option<Raw> {
    if !capabilities.as_str().contains(TASKS) {
        return None;
    }
    let extensions = capabilities.member("extensions").filter(Raw::is_object)?;
    let rest = Splice::retain(&extensions, |name| name != TASKS).finish();
    let capabilities = Splice::retain(capabilities, |name| name != "extensions");
    let some = rest.as_str() != "{}";
    Some(if some { capabilities.with("extensions", &rest) } else { capabilities }.finish())
}

impl Service for Bridge {
    fn call(&self, request: Request, mut context: Context) -> Reply {
        if let Some(capabilities) = without_tasks(context.capabilities()) {
            let info = context.client_info().cloned();
            context = context.with_client(capabilities, info);
        }
        match request.known() {
            Some(Method::Discover) => self.discover(context),
            Some(
                method @ (Method::ToolsList
                | Method::PromptsList
                | Method::ResourcesList
                | Method::TemplatesList),
            ) => self.list(method, request, context),
            Some(Method::Listen) => self.listen(request, context),
            // Here, since the server may be asked with other headers, or be of a transport without them.
            Some(Method::ToolsCall) => match self.upstream.tools().check_headers(&request, &context) {
                Ok(()) => self.upstream.call(request, context),
                Err(error) => Reply::error(error),
            },
            _ => self.upstream.call(request, context),
        }
    }
}
