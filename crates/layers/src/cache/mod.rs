//! The answer cache: stores results of read-only tools for a while.
//!
//! - [`Cache`]: the layer; [`CacheHandle`]: what empties it.
//! - [`CacheRule`]: how one answer is kept.
//! - [`key`]: when two calls are one question.
//! - [`store`]: stored results, and running calls.

mod key;
mod limits;
mod rule;
mod store;

use std::{
    fmt,
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use anyport_protocol::Method;
use tower_layer::Layer;

use self::{
    key::Key,
    store::{Found, Leader, Store, Told, Waiting},
};
pub use self::{limits::CacheLimits, rule::CacheRule};
use anyport_metrics::Metrics;
use anyport_service::{Context, Event, Outcome, Principal, Relay, Reply, Request, Service, emit};

/// Keeps the results of tools that only read, so that equal calls of one caller are answered from memory for a while.
///
/// Two calls are equal if the same principal calls the same tool with arguments of the same meaning: the order of
/// members, white space, escapes and the spelling of numbers (`1`, `1.0`, `10e-1`) do not matter, and numbers that
/// differ in any digit are different. The key also has everything else that a handler may depend on: the revision, the
/// client's capabilities, the log level, `Mcp-Param-*` headers. Further `_meta` is not part of the key: a tool that
/// depends on metadata of the request must not be cached.
///
/// Equal calls at the same time run once, and all get the first one's result; if the first one is cancelled, another
/// one runs. A call with notifications or server requests is not shared: the calls that waited for it run by
/// themselves. Only results are cached, no errors and no results with `isError`.
///
/// A call is answered from memory only if `which` says so at that moment, so a caller who may no longer see a tool gets
/// what the service itself says to that. Whatever else the service does at each call, middleware of a server included, is
/// left out for calls that are answered from memory.
///
/// The cache is the innermost layer: rate limits and timeouts apply to cached answers as to others. Calls that are not
/// cacheable leave no trace, and without the cache nothing costs anything.
///
/// # Example
/// ```
/// use anyport_service::Service;
/// use anyport_layers::{Cache, CacheLimits};
///
/// # fn around(service: impl Service) -> impl Service {
/// // The one tool whose answers may be kept, in its only version.
/// let cache = Cache::new(service, CacheLimits::default(), |tool, _caller| (tool == "look_up").then_some(1));
/// let clear = cache.handle();
/// // When what the answers were made of has changed:
/// clear.clear();
/// # cache
/// # }
/// ```
pub struct Cache<S> {
    inner: Arc<S>,
    store: Arc<Store>,
    which: Arc<Which>,
}

type Which = dyn Fn(&str, &Principal) -> Option<u64> + Send + Sync;

/// Caches the results of tools that only read: makes [`Cache`]s, which share what is kept.
#[derive(Clone)]
pub struct CacheLayer {
    store: Arc<Store>,
    which: Arc<Which>,
}

impl CacheLayer {
    /// Keeps results of those tools for which `which` returns something; see [`Cache::new`].
    pub fn new(
        limits: CacheLimits,
        which: impl Fn(&str, &Principal) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        Self { store: Arc::new(Store::new(limits)), which: Arc::new(which) }
    }

    /// Counts in `metrics`; see [`Cache::metrics`].
    #[must_use]
    pub fn metrics(self, metrics: &Metrics) -> Self {
        self.store.count(metrics);
        self
    }

    /// The handle that empties the cache.
    pub fn handle(&self) -> CacheHandle {
        CacheHandle(self.store.clone())
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = Cache<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Cache { inner: Arc::new(inner), store: self.store.clone(), which: self.which.clone() }
    }
}

impl fmt::Debug for CacheLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Empties a [`Cache`]. Clones empty the same.
#[derive(Clone, Debug)]
pub struct CacheHandle(Arc<Store>);

impl CacheHandle {
    /// Clears the cache. Running calls are answered, but not stored, and no later call waits for them: they may have
    /// read old data.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// The number of stored results.
    pub fn len(&self) -> usize {
        self.0.size().0
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes they take.
    pub fn bytes(&self) -> usize {
        self.0.size().1
    }
}

impl<S: Service> Cache<S> {
    /// Keeps results of `inner`, of those tools for which `which` returns something.
    ///
    /// The function receives the tool's name and the caller at every call of a tool. It must be fast, and return `None`
    /// for callers that may not see the tool. Its number identifies the current version of the tool: if the tool is
    /// replaced by another of its name, it must return another number.
    pub fn new(
        inner: S,
        limits: CacheLimits,
        which: impl Fn(&str, &Principal) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        Self { inner: Arc::new(inner), store: Arc::new(Store::new(limits)), which: Arc::new(which) }
    }

    /// Counts in `metrics`: answers from memory (`anyport_cache_hits`), calls that ran (`anyport_cache_misses`), calls that
    /// shared the answer of another (`anyport_cache_shared`), results that had to go (`anyport_cache_evictions`), and, as
    /// refused by `cache_bytes`, results that were too large.
    #[must_use]
    pub fn metrics(self, metrics: &Metrics) -> Self {
        self.store.count(metrics);
        self
    }

    /// Returns the handle that clears it.
    pub fn handle(&self) -> CacheHandle {
        CacheHandle(self.store.clone())
    }

    /// How the answer of a call is kept, if it is.
    fn rule(&self, request: &Request, context: &Context) -> Option<CacheRule> {
        if &*request.method != Method::ToolsCall.as_str() {
            return None;
        }
        let name = request.params.member("name")?.as_string()?;
        let version = (self.which)(&name, context.principal())?;
        Some(CacheRule::new(version, self.store.ttl()))
    }
}

impl<S: Service> Service for Cache<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        match self.rule(&request, &context) {
            Some(rule) => answer(&self.store, rule, self.inner.clone(), request, context),
            None => self.inner.call(request, context),
        }
    }
}

/// Answers of several services, kept within common limits: for callers that know at each call how its answer is kept, where a
/// [`Cache`] knows its tools.
#[derive(Clone, Debug)]
pub struct AnswerCache(Arc<Store>);

impl AnswerCache {
    /// An empty cache. Its rules say how long answers are kept, whatever `ttl` is.
    pub fn new(limits: CacheLimits) -> Self {
        Self(Arc::new(Store::new(limits)))
    }

    /// Counts in `metrics`; see [`Cache::metrics`].
    #[must_use]
    pub fn metrics(self, metrics: &Metrics) -> Self {
        self.0.count(metrics);
        self
    }

    /// The handle that clears it.
    pub fn handle(&self) -> CacheHandle {
        CacheHandle(self.0.clone())
    }

    /// Answers `request` from memory, or by `inner`, whose answer is kept as `rule` says. Methods other than `tools/call`,
    /// `prompts/get` and `resources/read` always go to `inner`, and so do retries with answers.
    pub fn answer<S: Service>(
        &self,
        rule: CacheRule,
        inner: Arc<S>,
        request: Request,
        context: Context,
    ) -> Reply {
        answer(&self.0, rule, inner, request, context)
    }
}

fn answer<S: Service>(
    store: &Arc<Store>,
    rule: CacheRule,
    inner: Arc<S>,
    request: Request,
    context: Context,
) -> Reply {
    let Some(key) = Key::of(&rule, &request, &context) else { return inner.call(request, context) };
    match store.enter(&key, &rule) {
        Found::Kept(result) => {
            tracing::debug!("kept");
            Reply::ready(Outcome::Result(result))
        }
        Found::Leader(lead) => lead_on(lead, inner.call(request, context)),
        Found::Follower(waiting) => {
            let store = store.clone();
            emit::reply(|emitter| async move {
                match follow(&store, (&key, &rule), waiting).await {
                    Followed::Told(outcome) => outcome,
                    Followed::Leader(lead) => {
                        emitter.relay(lead_on(lead, inner.call(request, context))).await
                    }
                    Followed::Alone => emitter.relay(inner.call(request, context)).await,
                }
            })
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Cache<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("inner", &self.inner)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// Answers with `reply`, and lets others have the answer too.
fn lead_on(lead: Leader, reply: Reply) -> Reply {
    reply.relay(Leading { lead: Some(lead) })
}

/// Passes a call's outcome to those that wait for it.
struct Leading {
    /// `None` once it is known that no other call gets the outcome.
    lead: Option<Leader>,
}

impl Relay for Leading {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        if let Some(lead) = self.lead.take() {
            lead.end(&outcome);
        }
        outcome
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        Poll::Ready(match ready!(reply.poll_event(task)) {
            Event::Outcome(outcome) => Event::Outcome(self.outcome(outcome)),
            // Those who wait would miss this event, and cannot answer a server request.
            event => {
                if let Some(lead) = self.lead.take() {
                    lead.part();
                }
                event
            }
        })
    }
}

/// The outcome for a call that waited for another.
enum Followed {
    Told(Outcome),
    /// The other is gone, and this one goes on in its place.
    Leader(Leader),
    /// The other is its own.
    Alone,
}

async fn follow(store: &Arc<Store>, (key, rule): (&Key, &CacheRule), mut waiting: Waiting) -> Followed {
    loop {
        match waiting.told().await {
            Some(Told::Ended(outcome)) => return Followed::Told(outcome),
            Some(Told::Uncacheable) => return Followed::Alone,
            None => match store.enter(key, rule) {
                Found::Kept(result) => return Followed::Told(Outcome::Result(result)),
                Found::Leader(lead) => return Followed::Leader(lead),
                Found::Follower(next) => waiting = next,
            },
        }
    }
}

#[cfg(test)]
mod tests;
