//! One server, behind as many connections as its callers need.

mod connecting;
mod idempotency;
mod key;
mod resubscribe;
mod retry;
mod slot;
mod table;
#[cfg(test)]
mod tests;
mod unsolicited;

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak, atomic::AtomicUsize},
    time::Duration,
};

use anyport_adapters::{
    LegacyClientAdapter, LegacyClientLimits, LegacyServerAdapter, ParkLimits, StateBinding, StateSealer,
};
use anyport_metrics::{Counter, Gauge, Metrics};
use anyport_protocol::{
    Error, Method, Raw, Revision,
    json::Splice,
    jsonrpc::{Reason, code},
};
use anyport_seal::Sealer;
use anyport_service::{Context, InputMode, Outcome, Reply, Request, Service};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::timeout,
};

use self::{
    connecting::ending,
    idempotency::IdempotentTools,
    key::{ConnectionKey, Share},
    retry::RetriableCall,
    slot::{CallGuard, Slot, State, Up},
    table::{Era, Table},
};
use crate::{Connector, deferred::deferred};

/// One server: it is connected when somebody calls it, and again when the connection was lost.
///
/// Of a modern server there is one connection, since each request says what its caller can do. A legacy server is told
/// that once per connection, so there is one for all callers that can do the same. Callers of either era are served: what
/// a server asks reaches each in the way in which it can be asked.
///
/// Clones are the same server.
#[derive(Clone)]
pub struct Upstream {
    pool: Pool,
    shim: Arc<LegacyClientAdapter<Pool>>,
    park: Option<Arc<LegacyServerAdapter<Pool>>>,
    bound: Option<Arc<StateBinding<Pool>>>,
}

/// What bounds the connections to one server; the names are the configuration's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Connections at once. Default 64; for a program that is started for each, 8 are many.
    pub connections: usize,
    /// Calls that may wait for a connection. Beyond that they are refused as `overloaded`. Default 256.
    pub waiting: usize,
    /// For how long such a call waits; then it is refused as `overloaded`. Connections may be held for as long as people
    /// take to answer questions, or never do. Default 30 s.
    pub connection_wait: Duration,
    /// For how long a connection that nobody uses stays open; the last one of a server always does, since what the
    /// server remembers would go with it. Default 10 minutes.
    pub idle: Duration,
    /// The longest time between two attempts to connect. Default 30 s.
    pub backoff: Duration,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            connections: 64,
            waiting: 256,
            connection_wait: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            backoff: Duration::from_secs(30),
        }
    }
}

impl UpstreamLimits {
    /// How many places for connections are remembered, whether in use or not: callers may say of themselves whatever they
    /// like, and each who says something new gets one.
    fn places(&self) -> usize {
        self.connections.saturating_mul(2)
    }
}

/// What a server was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// The revision that it speaks.
    pub revision: Revision,
    /// What it said of itself: a `DiscoverResult`.
    pub discovered: Raw,
}

impl Upstream {
    /// The server that `connect` connects to. `name` is what people call it, in errors and logs.
    pub fn new(name: impl Into<String>, connect: impl Connector, limits: UpstreamLimits) -> Self {
        let pool = Pool(Arc::new(Inner {
            name: name.into(),
            connect: Box::new(connect),
            limits,
            table: Mutex::default(),
            room: Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS))),
            freed: Arc::default(),
            waiting: AtomicUsize::new(0),
            first: tokio::sync::Mutex::default(),
            idempotent: IdempotentTools::default(),
            parked: OnceLock::new(),
            server_info: watch::Sender::new(None),
            closed: watch::Sender::new(false),
            over: watch::Sender::new(false),
            numbers: OnceLock::new(),
        }));
        Self {
            shim: Arc::new(LegacyClientAdapter::new(pool.clone(), LegacyClientLimits::default())),
            pool,
            park: None,
            bound: None,
        }
    }

    /// Counts in `metrics`, and bounds dialogues by `limits`. Before the first call.
    #[must_use]
    pub fn bounded(mut self, limits: LegacyClientLimits, metrics: &Metrics) -> Self {
        // It was counted in others before: then it goes on so.
        self.pool.0.numbers.get_or_init(|| UpstreamMetrics::of(metrics));
        self.shim = Arc::new(LegacyClientAdapter::new(self.pool.clone(), limits).metrics(metrics));
        self
    }

    /// Lets callers that retry be asked by a legacy server too: their calls stay open while they are asked, and find
    /// their way back by a state under `sealer`, which also binds the states of a modern server to whom they are given.
    /// Without this such a server is told that they cannot be asked. After
    /// [`Upstream::bounded`], and before the first call.
    #[must_use]
    pub fn parking(mut self, sealer: Sealer, limits: ParkLimits, metrics: &Metrics) -> Self {
        let seals = StateSealer::new(sealer, NODE, self.name());
        let bound = Arc::new(StateBinding::new(self.pool.clone(), seals.clone()));
        let park = Arc::new(LegacyServerAdapter::new(self.pool.clone(), seals, limits).metrics(metrics));
        // The park holds the pool, so the pool must not hold the park.
        let _ = self.pool.0.parked.set(Arc::downgrade(&park));
        self.park = Some(park);
        self.bound = Some(bound);
        self
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.pool.0.name
    }

    /// What the server was last found to be; changes with every connection. `None` before the first.
    pub fn server_info(&self) -> watch::Receiver<Option<Arc<ServerInfo>>> {
        self.pool.0.server_info.subscribe()
    }

    /// Connects for calls such as `context`'s, unless that is done already, and says what the server is.
    ///
    /// # Errors
    /// -32603 `upstream_down` or `overloaded`.
    pub async fn connected(&self, context: &Context) -> Result<ServerInfo, Error> {
        let (_, up) = self.pool.up(context).await?;
        Ok(ServerInfo { revision: up.revision, discovered: up.discovered.clone() })
    }

    /// What distinguishes callers to whom a server may show other lists.
    pub(crate) fn profile(context: &Context) -> Raw {
        ConnectionKey::legacy(context.capabilities(), context.changes_roots(), Share::All)
            .client(context)
            .capabilities
    }

    /// Whether a call such as `context`'s would go out at once.
    pub fn is_connected(&self, context: &Context) -> bool {
        self.pool.slot(context).up().is_some()
    }

    /// Takes no more calls, closes every connection, and waits until nothing of them is left: no process, no
    /// descriptor. Calls under way are cut.
    pub async fn shut_down(&self) {
        self.close();
        self.pool.0.over.send_replace(true);
        let all = u32::try_from(self.pool.0.limits.connections.clamp(1, Semaphore::MAX_PERMITS));
        let gone = self.pool.0.room.acquire_many(all.unwrap_or(u32::MAX));
        if timeout(SHUT_DOWN, gone).await.is_err() {
            tracing::warn!(upstream = self.name(), "a connection did not close in time");
        }
    }

    /// Ends every listen stream and takes no more calls; those under way go on.
    pub fn close(&self) {
        self.pool.0.closed.send_replace(true);
        if let Some(park) = &self.park {
            park.drain();
        }
        for slot in self.pool.slots() {
            slot.listen.end();
        }
    }
}

impl Service for Upstream {
    fn call(&self, request: Request, context: Context) -> Reply {
        match (self.pool.era(), context.input_mode()) {
            // A modern server asks by result: whoever is asked live is served by the shim.
            (Some(Era::Modern), InputMode::Inline) => self.shim.call(request, context),
            // It sees us alone: what it gives to one of our callers is bound to that one.
            (Some(Era::Modern), InputMode::InputRequired) => match &self.bound {
                Some(bound) => bound.call(request, context),
                None => self.pool.call(request, context),
            },
            // A legacy server asks live: its questions are kept for a caller that retries.
            (Some(Era::Legacy), InputMode::InputRequired) => match &self.park {
                Some(park) => park.call(request, context),
                // Extensions are not asked anything by.
                None => {
                    let (info, all) = (context.client_info().cloned(), context.capabilities());
                    let extensions = Splice::retain(all, |key| key == "extensions").finish();
                    self.pool.call(request, context.with_client(extensions, info))
                }
            },
            (Some(_), _) => self.pool.call(request, context),
            (None, _) => {
                let upstream = self.clone();
                deferred(async move {
                    match upstream.pool.up(&context).await {
                        Ok(_) => upstream.call(request, context),
                        Err(error) => Reply::error(error),
                    }
                })
            }
        }
    }
}

/// The connections, without regard to how callers are asked.
#[derive(Clone)]
struct Pool(Arc<Inner>);

struct Inner {
    name: String,
    connect: Box<dyn Connector>,
    limits: UpstreamLimits,
    table: Mutex<Table>,
    room: Arc<Semaphore>,
    /// A connection may have become free.
    freed: Arc<Notify>,
    waiting: AtomicUsize,
    /// Held until it is known of which era the server is: a modern one needs no second connection.
    first: tokio::sync::Mutex<()>,
    idempotent: IdempotentTools,
    /// Who waits for what the server says of elicitations.
    parked: OnceLock<Weak<LegacyServerAdapter<Pool>>>,
    server_info: watch::Sender<Option<Arc<ServerInfo>>>,
    /// Nothing new begins.
    closed: watch::Sender<bool>,
    /// Nothing is left: connections are closed, and those that come to be are not waited for.
    over: watch::Sender<bool>,
    numbers: OnceLock<UpstreamMetrics>,
}

/// What is counted.
#[derive(Clone, Debug, Default)]
struct UpstreamMetrics {
    refused: Counter,
    reissued: Counter,
    lost: Counter,
    open: Gauge,
}

impl UpstreamMetrics {
    fn of(metrics: &Metrics) -> Self {
        Self {
            refused: metrics.refusals("connections"),
            reissued: metrics
                .counter("anyport_upstream_reissued", "Calls made again after their connection was lost"),
            lost: metrics.counter("anyport_upstream_lost", "Connections to servers that were lost"),
            open: metrics.gauge("anyport_upstream_connections", "Connections to servers"),
        }
    }
}

impl Service for Pool {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.attempt(request, context, 0)
    }
}

/// Who parks: there is one process, so far, that a state can lead to.
const NODE: &str = "here";
/// How long connections may take to close. A program is told to end, and then killed, sooner.
const SHUT_DOWN: Duration = Duration::from_secs(10);
/// How often a call is made again at most.
const REISSUES: u32 = 2;
/// How long it may take until a connection is known to be gone once a call has lost it.
const BREATH: Duration = Duration::from_millis(100);

impl Pool {
    /// Calls on the connection that is there, or once it is.
    fn attempt(&self, request: Request, context: Context, reissues: u32) -> Reply {
        if *self.0.closed.borrow() {
            return Reply::error(ending());
        }
        let asks = request.known().is_some_and(Method::may_ask);
        let hold = self.hold(&context, asks);
        if let Some(up) = hold.slot().up() {
            return self.through(hold, &up, request, context, reissues);
        }
        let pool = self.clone();
        deferred(async move {
            match pool.up_for(hold, &context, asks).await {
                Ok((hold, up)) => pool.through(hold, &up, request, context, reissues),
                Err(error) => Reply::error(error),
            }
        })
    }

    fn through(&self, hold: CallGuard, up: &Up, request: Request, context: Context, reissues: u32) -> Reply {
        let slot = hold.slot();
        if request.is_listen() {
            return match Era::of(up.revision) {
                Era::Modern => resubscribe::listen(self.clone(), request, context),
                Era::Legacy => slot.listen.open(&request.params),
            };
        }
        let reply = up.service.call(request.clone(), context.clone());
        match reply.into_ready() {
            Ok(outcome) => self.settle(slot, outcome, request, context, Told { reissues, ..Told::default() }),
            Err(reply) => {
                let told = Told { reissues, ..Told::default() };
                Reply::pending(RetriableCall::new(self.clone(), request, context, reply, hold, told))
            }
        }
    }

    /// What becomes of a call that ended with `outcome`.
    fn settle(
        &self,
        slot: &Arc<Slot>,
        outcome: Outcome,
        request: Request,
        context: Context,
        told: Told,
    ) -> Reply {
        let lost = match &outcome {
            Outcome::Error(error)
                if matches!(error.reason, Some(Reason::UpstreamLost | Reason::OutcomeUnknown)) =>
            {
                error
            }
            Outcome::Error(error) if error.code == code::URL_ELICITATION_REQUIRED => {
                slot.sent_to_urls(&context, error);
                return Reply::ready(outcome);
            }
            Outcome::Error(error)
                if told.reissues < REISSUES
                    && slot.key == ConnectionKey::Modern
                    && is_other_revision(error) =>
            {
                // It was refused before anything was done.
                self.numbers().reissued.increment();
                self.forget_era();
                self.give_up(slot);
                return self.attempt(request, context, REISSUES);
            }
            Outcome::Result(page) if request.known() == Some(Method::ToolsList) => {
                self.0.idempotent.listed(page);
                return Reply::ready(outcome);
            }
            _ => return Reply::ready(outcome),
        };
        if told.reissues < REISSUES && !told.asked && (never_sent(lost) || self.0.idempotent.twice(&request))
        {
            self.numbers().reissued.increment();
            tracing::debug!(upstream = self.0.name, method = %request.method, "a call is made again");
            let (pool, mut state) = (self.clone(), slot.state.subscribe());
            return deferred(async move {
                // The connection may be whole, and only this call's stream cut.
                let gone = async { drop(state.wait_for(|state| !matches!(state, State::Up(_))).await) };
                let _ = timeout(BREATH, gone).await;
                pool.attempt(request, context, told.reissues + 1)
            });
        }
        Reply::error(self.lost(lost, &request, told.asked))
    }

    /// The error of a call whose connection was lost.
    fn lost(&self, error: &Error, request: &Request, asked: bool) -> Error {
        // A call that waited for an answer, or that cannot have done anything, did not get to its end.
        let unfinished = asked || never_sent(error) || self.0.idempotent.twice(request);
        let name = &self.0.name;
        // Which connection it was is said here.
        let why =
            error.message.strip_prefix("the connection to the server is lost: ").unwrap_or(&error.message);
        let reason = if unfinished { Reason::UpstreamLost } else { Reason::OutcomeUnknown };
        let message = if unfinished || error.reason == Some(Reason::OutcomeUnknown) {
            format!("the connection to {name} was lost: {why}")
        } else {
            format!(
                "the connection to {name} was lost before the answer came ({why}), so it is unknown whether this was \
                 done; find out before you try again"
            )
        };
        let data = Splice::new().with("upstream", &Raw::string(name)).finish();
        Error::internal(message).with_data(data).with_reason(reason)
    }

    fn numbers(&self) -> &UpstreamMetrics {
        self.0.numbers.get_or_init(UpstreamMetrics::default)
    }

    /// The server is not what it was.
    fn forget_era(&self) {
        self.lock().era = None;
    }

    fn era(&self) -> Option<Era> {
        self.lock().era
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slots(&self) -> Vec<Arc<Slot>> {
        self.lock().slots.values().cloned().collect()
    }

    /// Where calls such as `context`'s go that ask nothing.
    fn slot(&self, context: &Context) -> Arc<Slot> {
        self.lock().slot(context, false, &self.0.limits)
    }

    /// A place among the calls of the connection where such a call goes; `asks`: whether its caller may be asked.
    fn hold(&self, context: &Context, asks: bool) -> CallGuard {
        let mut table = self.lock();
        let slot = table.slot(context, asks, &self.0.limits);
        if table.era != Some(Era::Modern) {
            slot.used_by(context);
        }
        // Before anyone else looks for a connection that nobody uses.
        CallGuard::of(&slot, &self.0.freed)
    }

    /// Every caller has a connection of its own from now on.
    fn isolate(&self) {
        let first = !std::mem::replace(&mut self.lock().isolated, true);
        if first {
            let name = &self.0.name;
            tracing::info!(
                upstream = name,
                "it asks without saying whom: each caller gets a connection of its own"
            );
        }
    }
}

/// What a call's caller was told so far.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    /// How often the call was made again.
    reissues: u32,
    /// Whether the caller was asked something.
    asked: bool,
}

/// Whether a server that was modern does not speak our revision any more: it answered -32022.
fn is_other_revision(error: &Error) -> bool {
    let code = error.data.as_ref().and_then(|data| data.member("upstreamCode"));
    code.is_some_and(|old| old.as_str().parse() == Ok(code::UNSUPPORTED_PROTOCOL_VERSION))
}

/// Whether the server cannot have seen the call: `data.sent` is `false`.
fn never_sent(error: &Error) -> bool {
    error.data.as_ref().and_then(|data| data.member("sent")).is_some_and(|sent| sent.as_str() == "false")
}
