//! The pool of calls to servers over HTTP, which all connections of a program share.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use anyport_metrics::{Counter, Gauge, Held, Metrics};
use anyport_protocol::{failure::Failure, limits};
use anyport_service::sync::Lock;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use url::Url;

limits! {
    /// The limits of an [`HttpPool`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct HttpPoolLimits {
        /// The number of calls that are under way to all servers over HTTP.
        #[default(100)]
        #[limit(Count "http_pool", note = " calls to servers over HTTP, each on a connection of its own", beyond = "further calls wait")]
        pub total: usize,
        /// The number of these that are under way to one host: scheme, name and port.
        #[default(30)]
        #[limit(Count "http_pool_per_host", note = " of these to one scheme, host and port", beyond = "further calls to this host wait")]
        pub per_host: usize,
        /// The time that a call waits.
        #[default(30 s)]
        #[limit(Seconds "http_pool_timeout", beyond = "-32603 `overloaded`, 503; the call was not sent")]
        pub acquire_timeout: Duration,
    }
}

/// Bounds the calls that a program has under way to servers over HTTP (`http_pool`), and those to one host
/// (`http_pool_per_host`). Clones are the same pool; connections that are opened with it
/// ([`ConnectOptions::http_pool`](crate::client::ConnectOptions::http_pool)) share it.
///
/// Servers are spoken to in HTTP/1.1, where a request under way has a connection of its own: the bound of calls is one of
/// connections in use. Connections that nothing is asked on are kept for 30 s, and not counted.
///
/// A call takes a place before it is sent, and gives it back when its response has ended or is dropped. It waits for at most
/// `http_pool_timeout`; then it fails with [`Failure::Overloaded`], and was not sent. Of calls that wait, the first comes first.
///
/// What a call that holds a place may wait for never waits for one itself, so that calls cannot block each other:
/// - Answers to requests of servers, cancellations and other notifications, and the requests of a connection's own
///   (`initialize`, `server/discover`, `ping`, the rest of a stream that was cut) are sent although the pool is full.
/// - A call whose server asks its caller something gives its place back. People take minutes to answer, and a caller may need
///   further calls to the same host for its answer.
/// - Requests of a login (metadata, tokens) do not belong to the pool. A call that waits for a login gives its place back
///   until it is sent again.
///
/// Streams that stay open (`subscriptions/listen`, the GET of a session, that of HTTP+SSE) take no place.
#[derive(Clone)]
pub struct HttpPool(Arc<Shared>);

struct Shared {
    limits: HttpPoolLimits,
    calls: Arc<Semaphore>,
    /// By scheme, name and port, as long as there is a connection to it.
    hosts: Lock<HashMap<String, Weak<HostPool>>>,
    metrics: PoolMetrics,
}

struct PoolMetrics {
    in_use: Gauge,
    waiting: Gauge,
    messages: Gauge,
    streams: Gauge,
    late: Counter,
}

/// The places of one host. A connection looks for it once, when it is opened.
pub(crate) struct HostPool {
    /// Scheme, name and port.
    host: String,
    calls: Arc<Semaphore>,
    waiting: Gauge,
    pool: HttpPool,
}

/// How much of a limit is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolUse {
    /// The number of calls under way.
    pub in_use: usize,
    /// The number of calls that wait, with the one that gave up.
    pub waiting: usize,
    /// The limit.
    pub max: usize,
}

/// No place became free for a call, which was not sent.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "{host} is busy: the call was not sent, since it had no place within {:.1} s (http_pool_timeout). {host}: {}; all \
     hosts: {}. Try again later, or raise {}", waited.as_secs_f32(), of_host.words("http_pool_per_host"), total.words("http_pool"), self.reached()
)]
#[non_exhaustive]
pub struct PoolExhausted {
    /// The scheme, name and port of the server.
    pub host: String,
    /// How long the call has waited.
    pub waited: Duration,
    /// The use of this host (`http_pool_per_host`).
    pub of_host: PoolUse,
    /// The use of all hosts (`http_pool`).
    pub total: PoolUse,
}

/// The place of one request: none yet, or none at all by default. Clones are the same place.
#[derive(Clone, Default)]
pub(crate) struct Place(Option<Arc<RequestPlace>>);

struct RequestPlace {
    host: Arc<HostPool>,
    state: Lock<PlaceState>,
}

enum PlaceState {
    Free,
    Taken(#[expect(dead_code, reason = "is given back when it is dropped")] Permit),
    /// The request stays open, and is counted among the streams.
    Stream(#[expect(dead_code, reason = "counts until it is dropped")] Held),
}

/// A place in the pool, until it is dropped.
struct Permit {
    _of_host: OwnedSemaphorePermit,
    _total: OwnedSemaphorePermit,
    _in_use: Held,
}

impl HttpPool {
    /// Makes a pool. What is in use is counted in `metrics`, and so are refusals, as `http_pool_timeout`.
    pub fn new(limits: HttpPoolLimits, metrics: &Metrics) -> Self {
        let count = |places: usize| places.clamp(1, Semaphore::MAX_PERMITS);
        let (total, per_host) = (count(limits.total), count(limits.per_host));
        let limits = HttpPoolLimits { total, per_host, ..limits };
        let metrics = PoolMetrics {
            in_use: metrics.gauge("anyport_http_pool_in_use", "Calls to servers over HTTP that have a place"),
            waiting: metrics
                .gauge("anyport_http_pool_waiting", "Calls to servers over HTTP that wait for a place"),
            messages: metrics.gauge(
                "anyport_http_pool_messages",
                "Messages to servers over HTTP that are being sent and need no place",
            ),
            streams: metrics.gauge(
                "anyport_http_pool_streams",
                "Streams of servers over HTTP that stay open and need no place",
            ),
            late: metrics.refusals("http_pool_timeout"),
        };
        let calls = Arc::new(Semaphore::new(total));
        Self(Arc::new(Shared { limits, calls, hosts: Lock::default(), metrics }))
    }

    /// The places of the host of `url`.
    pub(crate) fn host(&self, url: &Url) -> Arc<HostPool> {
        let host = url.origin().ascii_serialization();
        let mut hosts = self.0.hosts.lock();
        if let Some(known) = hosts.get(&host).and_then(Weak::upgrade) {
            return known;
        }
        // What nothing is connected to any more leaves nothing behind.
        hosts.retain(|_, known| known.strong_count() > 0);
        let calls = Arc::new(Semaphore::new(self.0.limits.per_host));
        let (waiting, pool) = (Gauge::default(), self.clone());
        let made = Arc::new(HostPool { host: host.clone(), calls, waiting, pool });
        hosts.insert(host, Arc::downgrade(&made));
        made
    }
}

impl fmt::Debug for HttpPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpPool").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl HostPool {
    /// Counts a stream that stays open.
    pub(crate) fn stream(&self) -> Held {
        self.pool.0.metrics.streams.hold()
    }

    /// Counts a message that needs no place.
    pub(crate) fn message(&self) -> Held {
        self.pool.0.metrics.messages.hold()
    }

    /// A place, if one is free and no call waits for it.
    fn try_take(&self) -> Option<Permit> {
        let of_host = self.calls.clone().try_acquire_owned().ok()?;
        let total = self.pool.0.calls.clone().try_acquire_owned().ok()?;
        Some(self.permit(of_host, total))
    }

    /// Waits for a place.
    async fn take(self: Arc<Self>) -> Result<Permit, PoolExhausted> {
        let (shared, began) = (&self.pool.0, Instant::now());
        let _waiting = (self.waiting.hold(), shared.metrics.waiting.hold());
        let places = async {
            // That of the host comes first: a call that waits for its host keeps no place from calls to others.
            let of_host = self.calls.clone().acquire_owned().await.ok()?;
            let total = shared.calls.clone().acquire_owned().await.ok()?;
            Some(self.permit(of_host, total))
        };
        let deadline = began + shared.limits.acquire_timeout;
        // The semaphores are never closed.
        timeout_at(deadline, places).await.ok().flatten().ok_or_else(|| {
            shared.metrics.late.increment();
            self.exhausted(began.elapsed())
        })
    }

    fn permit(&self, of_host: OwnedSemaphorePermit, total: OwnedSemaphorePermit) -> Permit {
        let in_use = self.pool.0.metrics.in_use.hold();
        Permit { _of_host: of_host, _total: total, _in_use: in_use }
    }

    fn exhausted(&self, waited: Duration) -> PoolExhausted {
        let Shared { limits, calls, metrics, .. } = &*self.pool.0;
        let of = |calls: &Semaphore, waiting: &Gauge, max: usize| PoolUse {
            in_use: max - calls.available_permits(),
            waiting: usize::try_from(waiting.value()).unwrap_or(0),
            max,
        };
        let of_host = of(&self.calls, &self.waiting, limits.per_host);
        let total = of(calls, &metrics.waiting, limits.total);
        PoolExhausted { host: self.host.clone(), waited, of_host, total }
    }
}

impl PoolUse {
    fn words(self, limit: &str) -> String {
        let Self { in_use, waiting, max } = self;
        format!("{in_use} of {max} in use ({limit}), {waiting} waiting")
    }
}

impl PoolExhausted {
    /// The name of the limit that was reached.
    fn reached(&self) -> &'static str {
        match self.total.in_use >= self.total.max {
            true => "http_pool",
            false => "http_pool_per_host",
        }
    }
}

impl From<PoolExhausted> for Failure {
    fn from(exhausted: PoolExhausted) -> Self {
        Self::Overloaded { limit: "http_pool_timeout", why: exhausted.to_string() }
    }
}

impl Place {
    /// A place in `host`, for a request that needs one.
    pub(crate) fn wanted(host: &Arc<HostPool>) -> Self {
        Self::of(host, PlaceState::Free)
    }

    /// The place of a request whose response stays open: it takes none from others.
    pub(crate) fn stream(host: &Arc<HostPool>) -> Self {
        Self::of(host, PlaceState::Stream(host.stream()))
    }

    fn of(host: &Arc<HostPool>, state: PlaceState) -> Self {
        Self(Some(Arc::new(RequestPlace { host: host.clone(), state: Lock::new(state) })))
    }

    /// Takes the place, once one is free.
    ///
    /// # Errors
    /// If none became free in time.
    pub(crate) async fn take(&self) -> Result<(), PoolExhausted> {
        let Some(place) = &self.0 else { return Ok(()) };
        if !matches!(*place.state.lock(), PlaceState::Free) {
            return Ok(());
        }
        let permit = match place.host.try_take() {
            Some(permit) => permit,
            // Most calls have no room for this.
            None => Box::pin(place.host.clone().take()).await?,
        };
        *place.state.lock() = PlaceState::Taken(permit);
        Ok(())
    }

    /// Gives the place back, until it is taken again.
    pub(crate) fn give_back(&self) {
        self.leave(|_| PlaceState::Free);
    }

    /// Gives the place back for good: what it was taken for stays open.
    pub(crate) fn becomes_stream(&self) {
        self.leave(|host| PlaceState::Stream(host.stream()));
    }

    fn leave(&self, next: impl FnOnce(&HostPool) -> PlaceState) {
        let Some(place) = &self.0 else { return };
        let mut state = place.state.lock();
        if let PlaceState::Taken(_) = *state {
            *state = next(&place.host);
        }
    }
}
