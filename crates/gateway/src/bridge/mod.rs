//! One server as if it were reached directly, by clients of any revision.

mod catalog_cache;
mod catalog_record;
mod idle_stop;
mod list_versions;
mod listener_state;
mod tasks;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use anyport_protocol::{
    Method, Raw, Revision, failure::Failure, json::Splice, meta::key::PROGRESS_TOKEN,
    session::client::ServerIdentity,
};
use anyport_service::{Context, Emitter, Event, Notification, Outcome, Reply, Request, Service, emit};
use anyport_upstream::{ServerInfo, Upstream, pages};
use tokio::time::{Instant, timeout};

pub use self::catalog_record::{CATALOGS, CatalogRecord};
use self::{
    catalog_cache::CatalogCache,
    idle_stop::IdleStop,
    list_versions::{ListVersions, key},
    listener_state::ListenerState,
    tasks::without_tasks,
};

/// Passes everything on to one server, under its own names.
///
/// The server's description and its lists are cached. While the server starts, or is away, requests are answered from
/// the cache, so that a client that looks only once sees the tools. The first time, all clients wait. A server that speaks
/// both eras may describe itself differently in each, so clients of each have descriptions and lists of their own.
///
/// Clones are the same bridge.
#[derive(Clone)]
pub struct Bridge {
    upstream: Upstream,
    supported: Arc<[Revision]>,
    cache: CatalogCache,
    versions: ListVersions,
    /// Ends a server that is not used, if that is wanted.
    idle_stop: Option<Arc<IdleStop>>,
}

impl Bridge {
    /// Makes a bridge in front of `upstream` for clients of the revisions `supported`, newest first. The server's lists
    /// are cached in `catalog`, which is read in the background: what needs it waits for it.
    ///
    /// Must be called inside a tokio runtime.
    pub fn new(upstream: Upstream, supported: Arc<[Revision]>, catalog: Option<CatalogRecord>) -> Self {
        let cache = CatalogCache::new(catalog);
        if !cache.is_loaded() {
            let (loading, upstream) = (cache.clone(), upstream.clone());
            tokio::spawn(async move {
                loading.load().await;
                loading.tools().iter().for_each(|list| upstream.tools().restore(list));
            });
        }
        tokio::spawn(cache.written());
        let (mut info, updated) = (upstream.server_info(), cache.clone());
        tokio::spawn(async move {
            while info.changed().await.is_ok() {
                let known = info.borrow_and_update().clone();
                for revision in [Revision::NEWEST, Revision::NEWEST_LEGACY] {
                    if let Some(info) = known.for_callers_of(revision) {
                        updated.set_discovered(revision, info.discovered.clone());
                    }
                }
            }
        });
        Self { upstream, supported, cache, versions: ListVersions::default(), idle_stop: None }
    }

    /// Closes the connections to the server, and so ends a program, once nothing has used it for `after`: no call and no
    /// subscription to a resource is in flight, and no session has a connection of its own. Lists are answered from the cache then, and
    /// the next call connects it again.
    ///
    /// Must be called inside a tokio runtime.
    #[must_use]
    pub fn idle_stop(self, after: Duration) -> Self {
        Self { idle_stop: Some(IdleStop::new(self.upstream.clone(), after)), ..self }
    }

    /// Whether the server was ended for want of use, and nothing has needed it since.
    pub fn is_stopped(&self) -> bool {
        self.idle_stop.as_ref().is_some_and(|idle_stop| idle_stop.is_stopped())
    }

    /// Closes the connections, each after its last call in flight, and forgets what the server has listed: its next answers are those
    /// to somebody else.
    pub fn forget(&self) {
        self.upstream.close_unused();
        self.cache.clear();
    }

    /// The server.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// What the server was last found to be for clients of `revision`.
    fn server_info(&self, revision: Revision) -> Option<Arc<ServerInfo>> {
        self.upstream.server_info().borrow().for_callers_of(revision).cloned()
    }

    fn discover(&self, context: Context) -> Reply {
        let revision = context.revision();
        let current = self.server_info(revision).map(|info| info.discovered.clone());
        if let Some(discovered) = current.or_else(|| self.cache.discovered(revision)) {
            if !self.is_stopped() {
                self.connect(context);
            }
            return Reply::ready(Ok(self.discover_result(&discovered)));
        }
        let bridge = self.clone();
        Reply::future(async move {
            if let Some(idle_stop) = &bridge.idle_stop {
                idle_stop.wake();
            }
            let discovered = match bridge.upstream.connected(&context).await {
                Ok(info) => info.discovered,
                // What is known of the other era is better than nothing.
                Err(failure) => match bridge.cache.any_discovered() {
                    Some(discovered) => discovered,
                    None => return failure.into(),
                },
            };
            Outcome::Result(bridge.discover_result(&discovered))
        })
    }

    /// Answers `request` once the cache is loaded.
    fn once_loaded(&self, request: Request, context: Context) -> Reply {
        let bridge = self.clone();
        emit::reply(|emitter| async move {
            bridge.cache.loaded().await;
            emitter.relay(bridge.call(request, context)).await
        })
    }

    /// Connects while the client reads the cached description: its first call comes soon.
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
    fn discover_result(&self, discovered: &Raw) -> Raw {
        let names: Vec<&str> = self.supported.iter().map(|revision| revision.as_str()).collect();
        let ours = ["resultType", "supportedVersions", "ttlMs", "cacheScope"];
        let cut = discovered.member("capabilities").as_ref().and_then(without_tasks);
        let stays = |key: &str| !ours.contains(&key) && (cut.is_none() || key != "capabilities");
        let mut result = Splice::retain(discovered, stays);
        if let Some(capabilities) = &cut {
            result = result.with("capabilities", capabilities);
        }
        result
            .with("resultType", &Raw::string("complete"))
            .with("supportedVersions", &Raw::from(serde_json::Value::from(names)))
            .with("ttlMs", &Raw::from(serde_json::Value::from(60_000)))
            .with("cacheScope", &Raw::string("private"))
            .finish()
    }

    /// Answers a list from the cache if the server is not connected; otherwise requests it.
    fn list(&self, method: Method, request: Request, context: Context) -> Reply {
        if let Some(cursor) = request.params.member("cursor").filter(|cursor| !cursor.is_null()) {
            return self.page(method, cursor, request, context);
        }
        if !is_plain(&request) {
            return self.request_list(method, request, context);
        }
        let key = key(method, &context);
        if self.upstream.is_connected(&context) {
            return self.request_and_cache(method, key, request, context);
        }
        let Some(list) = self.cache.list(&key) else {
            return self.request_and_cache(method, key, request, context);
        };
        if !self.is_stopped() {
            let bridge = self.clone();
            tokio::spawn(
                async move { bridge.request_and_cache(method, key, request, context).outcome().await },
            );
        }
        // 2026-07-28, caching: it may be stale before it arrives, and it is private.
        let list = Splice::retain(&list, |key| key != "ttlMs" && key != "cacheScope")
            .with("ttlMs", &Raw::from(serde_json::Value::from(0)))
            .with("cacheScope", &Raw::string("private"));
        Reply::ready(Ok(list.finish()))
    }

    /// Requests a further page. A page that leads to itself would be requested without end.
    fn page(&self, method: Method, cursor: Raw, request: Request, context: Context) -> Reply {
        self.upstream.call(request, context).map(move |outcome| match outcome {
            Outcome::Result(page) if pages::next(&page).as_ref() == Some(&cursor) => {
                Outcome::from(pages::looping(method, &cursor))
            }
            outcome => outcome,
        })
    }

    /// Requests a list and caches it.
    fn request_and_cache(&self, method: Method, key: String, request: Request, context: Context) -> Reply {
        let bridge = self.clone();
        self.request_list(method, request, context).map(move |outcome| {
            bridge.update_cache(&key, &outcome);
            outcome
        })
    }

    /// Requests a list. A legacy session gets all of it in one page.
    fn request_list(&self, method: Method, request: Request, context: Context) -> Reply {
        // Only to read a list again, it stays in use no longer than before.
        if let Some(idle_stop) = self.idle_stop.as_ref().filter(|idle_stop| idle_stop.is_stopped()) {
            idle_stop.wake();
        }
        if context.revision().is_stateless() {
            self.upstream.call(request, context)
        } else {
            pages::whole(&self.upstream, method, request, context)
        }
    }

    fn update_cache(&self, key: &str, outcome: &Outcome) {
        let Outcome::Result(list) = outcome else { return };
        if pages::next(list).is_some() {
            // A page is not a whole list, and clients that follow its cursor ask the server. A stored whole list was a
            // different one.
            if self.cache.drop_list(key) {
                self.versions.changed(key);
            }
            return;
        }
        if self.cache.set_list(key.to_owned(), list.clone()) {
            self.versions.changed(key);
        }
    }

    /// Reads the caller's cached lists again after a list-changed notification of the server. Listeners are notified once a
    /// list differs. Returns `false` if no list of this kind is cached for the caller, which must be notified then.
    fn reread(&self, change: Method, context: &Context) -> bool {
        let lists = list_versions::lists(change).iter().map(|method| (*method, key(*method, context)));
        let cached: Vec<_> = lists.filter(|(_, key)| self.cache.list(key).is_some()).collect();
        for (method, key) in &cached {
            if self.versions.begin(key) {
                tokio::spawn(self.clone().read_again(*method, key.clone(), context.clone()));
            }
        }
        !cached.is_empty()
    }

    async fn read_again(self, method: Method, key: String, context: Context) {
        loop {
            let request = Request::new(method, Raw::EMPTY_OBJECT);
            let outcome = pages::whole(&self.upstream, method, request, context.clone()).outcome().await;
            match &outcome {
                Outcome::Result(_) => self.update_cache(&key, &outcome),
                // Unknown, so all listeners are notified.
                _ => self.versions.changed(&key),
            }
            if !self.versions.again(&key) {
                return;
            }
        }
    }

    /// Listens to the server, and reports lists that differ from those that the bridge answered.
    fn listen(&self, request: Request, context: Context) -> Reply {
        let bridge = self.clone();
        emit::reply(|emitter| async move {
            let mut listener = ListenerState::of(&request);
            let mut connections = bridge.upstream.server_info();
            let idle_stop = bridge.idle_stop.clone();
            // Changes of lists are no reason to run; those of a resource are.
            let _in_use = idle_stop.as_ref().filter(|_| listener.wants_resources()).map(IdleStop::begin);
            loop {
                if let Some(idle_stop) = idle_stop.as_ref().filter(|idle_stop| idle_stop.is_stopped()) {
                    if !std::mem::replace(&mut listener.acknowledged, true) {
                        emitter.emit(Event::Notification(listener.acknowledgement())).await;
                    }
                    idle_stop.becomes(false).await;
                }
                let begun = Instant::now();
                connections.mark_unchanged();
                let reply = bridge.upstream.call(request.clone(), context.clone());
                let outcome = tokio::select! {
                    outcome = bridge.forward_changes(reply, &context, &mut listener, &emitter) => outcome,
                    () = bridge.stopped() => continue,
                };
                let waits = match &outcome {
                    Outcome::Error(_) => false,
                    Outcome::Failed(failure) => match failure.root() {
                        Failure::Unavailable { .. }
                        | Failure::NotSent(_)
                        | Failure::Disconnected(_)
                        | Failure::OutcomeUnknown(_) => listener.acknowledged || !listener.wants_resources(),
                        Failure::Overloaded { .. } => listener.acknowledged,
                        _ => false,
                    },
                    // One of its resources is gone; it still listens to the rest.
                    _ => listener.acknowledged,
                };
                // A legacy session has one stream and does not request it again.
                if !waits || context.revision().has_listen() {
                    return bridge.signed(outcome, context.revision());
                }
                // It waits for the acknowledgement.
                if !std::mem::replace(&mut listener.acknowledged, true) {
                    emitter.emit(Event::Notification(listener.acknowledgement())).await;
                }
                if begun.elapsed() < AGAIN {
                    // A new connection says that the server is there again.
                    let _ = timeout(AGAIN, connections.changed()).await;
                }
            }
        })
    }

    /// Completes when the server is about to be ended for want of use.
    async fn stopped(&self) {
        match &self.idle_stop {
            Some(idle_stop) => idle_stop.becomes(true).await,
            None => std::future::pending().await,
        }
    }

    /// Notes the use of the server by `reply`, until it is over.
    fn in_use(&self, reply: impl FnOnce() -> Reply) -> Reply {
        match &self.idle_stop {
            Some(idle_stop) => {
                // Before the call looks for a connection.
                let in_use = idle_stop.begin();
                reply().relay(in_use)
            }
            None => reply(),
        }
    }

    /// Adds the server's identity to the end of a stream that a legacy server does not have.
    fn signed(&self, outcome: Outcome, client: Revision) -> Outcome {
        let info = self.server_info(client);
        let legacy = info.filter(|info| !info.revision.has_identity_in_results());
        match (outcome, legacy.and_then(|info| ServerIdentity::of(&info.discovered))) {
            (Outcome::Result(end), Some(identity)) => Outcome::Result(identity.sign(end)),
            (outcome, _) => outcome,
        }
    }

    async fn forward_changes(
        &self,
        mut reply: Reply,
        context: &Context,
        listener: &mut ListenerState,
        emitter: &Emitter,
    ) -> Outcome {
        let mut changed = self.versions.watch();
        loop {
            if listener.acknowledged {
                let changes = listener.pending(&changed.borrow_and_update(), context);
                for method in changes {
                    let change = Notification { method, params: Raw::EMPTY_OBJECT };
                    emitter.emit(Event::Notification(change)).await;
                }
            }
            tokio::select! {
                event = reply.next() => match event {
                    Event::Outcome(outcome) => return outcome,
                    Event::Notification(change) if self.reread(change.method, context) => {}
                    // The server is connected, again or for the first time.
                    Event::Notification(notification) if notification.method == Method::Acknowledged && listener.acknowledged => {
                        self.reread_all(listener, context, emitter).await;
                    }
                    event => {
                        listener.acknowledged = true;
                        emitter.emit(event).await;
                    }
                },
                Ok(()) = changed.changed(), if listener.acknowledged => {}
            }
        }
    }

    /// Reads all lists of a listener again, since they may have changed while there was no connection.
    async fn reread_all(&self, listener: &ListenerState, context: &Context, emitter: &Emitter) {
        for change in listener.lists() {
            if !self.reread(change, context) {
                let change = Notification { method: change, params: Raw::EMPTY_OBJECT };
                emitter.emit(Event::Notification(change)).await;
            }
        }
    }
}

/// Whether a list request has no members but the protocol's own. With others the server may answer another list, which must
/// not be cached for all.
fn is_plain(request: &Request) -> bool {
    const OF_A_CALL: [&str; 4] = [PROGRESS_TOKEN, "traceparent", "tracestate", "baggage"];
    let of_a_call = |name: &str| name.starts_with("io.modelcontextprotocol/") || OF_A_CALL.contains(&name);
    request.params.members().all(|member| match &*member.key() {
        "cursor" => true,
        "_meta" => request.params.raw().slice(member.value).members().all(|member| of_a_call(&member.key())),
        _ => false,
    })
}

/// The pause before a legacy session listens again to a server that is away or that ended the stream.
const AGAIN: Duration = Duration::from_secs(5);

impl Service for Bridge {
    fn call(&self, request: Request, mut context: Context) -> Reply {
        if let Some(capabilities) = without_tasks(context.capabilities()) {
            let info = context.client_info().cloned();
            context = context.with_client(capabilities, info);
        }
        let method = request.known();
        match method {
            Some(
                Method::Discover
                | Method::ToolsList
                | Method::PromptsList
                | Method::ResourcesList
                | Method::TemplatesList
                | Method::Listen,
            ) if !self.cache.is_loaded() => self.once_loaded(request, context),
            Some(Method::Discover) => self.discover(context),
            Some(
                method @ (Method::ToolsList
                | Method::PromptsList
                | Method::ResourcesList
                | Method::TemplatesList),
            ) => self.list(method, request, context),
            Some(Method::Listen) => self.listen(request, context),
            Some(Method::ToolsCall) => self.in_use(|| self.upstream.call_tool(request, context)),
            _ => self.in_use(|| self.upstream.call(request, context)),
        }
    }
}
