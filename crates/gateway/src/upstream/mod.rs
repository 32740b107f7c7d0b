//! One server, behind as many connections as its callers need.

mod beside;
mod flight;
mod key;
mod relisten;
mod safe;
mod slot;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{
    Error, Method, Raw, Revision,
    json::Splice,
    jsonrpc::{Reason, code},
};
use anyport_service::{
    Asking, Context, Notification, Outcome, Principal, Reply, Request, Service,
    bridge::{Bound, Park, ParkLimits, Seals, Shim, ShimLimits},
    metrics::{Counter, Gauge, Metrics},
    seal::Sealer,
};
use futures_core::Stream;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use self::{
    beside::Beside,
    flight::Flight,
    key::{Key, Whom},
    safe::Safe,
    slot::{Down, Hold, Slot, State, Up, backoff},
};
use crate::{Client, Connect, Live, Spoken, Unreachable, deferred::deferred, listen::Offers};

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
    shim: Arc<Shim<Pool>>,
    park: Option<Arc<Park<Pool>>>,
    bound: Option<Arc<Bound<Pool>>>,
}

/// What bounds the connections to one server; the names are the configuration's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Connections at once. Default 64; for a program that is started for each, 8 are many.
    pub connections: usize,
    /// Calls that may wait for a connection. Beyond that they are refused as `overloaded`. Default 256.
    pub waiting: usize,
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
pub struct Learned {
    /// The revision that it speaks.
    pub revision: Revision,
    /// What it said of itself: a `DiscoverResult`.
    pub discovered: Raw,
}

impl Upstream {
    /// The server that `connect` connects to. `name` is what people call it, in errors and logs.
    pub fn new(name: impl Into<String>, connect: impl Connect, limits: UpstreamLimits) -> Self {
        let pool = Pool(Arc::new(Inner {
            name: name.into(),
            connect: Box::new(connect),
            limits,
            table: Mutex::default(),
            room: Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS))),
            freed: Arc::default(),
            waiting: AtomicUsize::new(0),
            first: tokio::sync::Mutex::default(),
            safe: Safe::default(),
            parked: OnceLock::new(),
            learned: watch::Sender::new(None),
            closed: watch::Sender::new(false),
            numbers: OnceLock::new(),
        }));
        Self { shim: Arc::new(Shim::new(pool.clone(), ShimLimits::default())), pool, park: None, bound: None }
    }

    /// Counts in `metrics`, and bounds dialogues by `limits`. Before the first call.
    #[must_use]
    pub fn bounded(mut self, limits: ShimLimits, metrics: &Metrics) -> Self {
        // It was counted in others before: then it goes on so.
        self.pool.0.numbers.get_or_init(|| Numbers::of(metrics));
        self.shim = Arc::new(Shim::new(self.pool.clone(), limits).metrics(metrics));
        self
    }

    /// Lets callers that retry be asked by a legacy server too: their calls stay open while they are asked, and find
    /// their way back by a state under `sealer`, which also binds the states of a modern server to whom they are given.
    /// Without this such a server is told that they cannot be asked. After
    /// [`Upstream::bounded`], and before the first call.
    #[must_use]
    pub fn parking(mut self, sealer: Sealer, limits: ParkLimits, metrics: &Metrics) -> Self {
        let seals = Seals::new(sealer, NODE, self.name());
        let bound = Arc::new(Bound::new(self.pool.clone(), seals.clone()));
        let park = Arc::new(Park::new(self.pool.clone(), seals, limits).metrics(metrics));
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
    pub fn learned(&self) -> watch::Receiver<Option<Arc<Learned>>> {
        self.pool.0.learned.subscribe()
    }

    /// Connects for calls such as `context`'s, unless that is done already, and says what the server is.
    ///
    /// # Errors
    /// -32603 `upstream_down` or `overloaded`.
    pub async fn connected(&self, context: &Context) -> Result<Learned, Error> {
        let (_, up) = self.pool.up(context).await?;
        Ok(Learned { revision: up.revision, discovered: up.discovered.clone() })
    }

    /// What distinguishes callers to whom a server may show other lists.
    pub(crate) fn profile(context: &Context) -> Raw {
        Key::legacy(context.capabilities(), context.changes_roots(), Whom::All).client(context).capabilities
    }

    /// Whether a call such as `context`'s would go out at once.
    pub fn is_connected(&self, context: &Context) -> bool {
        self.pool.slot(context).up().is_some()
    }

    /// Takes no more calls, closes every connection, and waits until nothing of them is left: no process, no
    /// descriptor. Calls under way are cut.
    pub async fn shut_down(&self) {
        self.close();
        for slot in self.pool.slots() {
            self.pool.give_up(&slot);
        }
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
        match (self.pool.era(), context.asking()) {
            // A modern server asks by result: whoever is asked live is served by the shim.
            (Some(Era::Modern), Asking::Live) => self.shim.call(request, context),
            // It sees us alone: what it gives to one of our callers is bound to that one.
            (Some(Era::Modern), Asking::Retry) => match &self.bound {
                Some(bound) => bound.call(request, context),
                None => self.pool.call(request, context),
            },
            // A legacy server asks live: its questions are kept for a caller that retries.
            (Some(Era::Legacy), Asking::Retry) => match &self.park {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Era {
    Modern,
    Legacy,
}

impl Era {
    fn of(revision: Revision) -> Self {
        if revision.is_modern() { Self::Modern } else { Self::Legacy }
    }
}

/// The connections, without regard to how callers are asked.
#[derive(Clone)]
struct Pool(Arc<Inner>);

struct Inner {
    name: String,
    connect: Box<dyn Connect>,
    limits: UpstreamLimits,
    table: Mutex<Table>,
    room: Arc<Semaphore>,
    /// A connection may have become free.
    freed: Arc<Notify>,
    waiting: AtomicUsize,
    /// Held until it is known of which era the server is: a modern one needs no second connection.
    first: tokio::sync::Mutex<()>,
    safe: Safe,
    /// Who waits for what the server says of elicitations.
    parked: OnceLock<Weak<Park<Pool>>>,
    learned: watch::Sender<Option<Arc<Learned>>>,
    closed: watch::Sender<bool>,
    numbers: OnceLock<Numbers>,
}

#[derive(Default)]
struct Table {
    era: Option<Era>,
    /// The server asks without saying whom, and was refused: from then on each caller has a connection of its own.
    apart: bool,
    /// The server asks without saying whom: a connection that carries a question is no place for another call that may be
    /// asked something.
    unnamed: bool,
    slots: HashMap<Key, Arc<Slot>>,
}

impl Table {
    /// Where a call goes; `asks`: whether its caller may be asked. Beyond what `limits` allow, places that nobody needs are
    /// forgotten.
    fn slot(&mut self, context: &Context, asks: bool, limits: &UpstreamLimits) -> Arc<Slot> {
        let key = match self.era {
            Some(Era::Modern) => Key::Modern,
            _ => {
                let whom = self.whom(context, asks, limits.connections);
                Key::legacy(context.capabilities(), context.changes_roots(), whom)
            }
        };
        if self.slots.len() >= limits.places() && !self.slots.contains_key(&key) {
            self.slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.is_needed());
        }
        self.slots.entry(key).or_insert_with_key(|key| Slot::new(key.clone())).clone()
    }

    /// Nothing is guessed of whom a server means that asks without saying so: then each caller has a connection of its
    /// own, and so has each call of callers that nothing tells apart. Those share one until it carries a question that
    /// may be open for long.
    fn whom(&self, context: &Context, asks: bool, connections: usize) -> Whom {
        if !self.apart && !self.unnamed {
            return Whom::All;
        }
        let caller = context.caller();
        if !caller.is_apart() {
            return if self.apart { Whom::Caller(caller) } else { Whom::All };
        }
        let place = |whom: &Whom| {
            let key = Key::legacy(context.capabilities(), context.changes_roots(), whom.clone());
            self.slots.get(&key)
        };
        let asked = || place(&Whom::All).is_some_and(|slot| slot.has_asked());
        if !asks || !(self.apart || asked()) {
            return Whom::All;
        }
        let lanes = || (0..=self.slots.len()).map(Whom::Lane);
        let free = lanes().find(|lane| place(lane).is_none_or(|slot| !slot.is_taken()));
        if self.slots.values().filter(|slot| slot.is_taken()).count() < connections {
            return free.unwrap_or(Whom::All);
        }
        // A connection gets free when somebody has answered a question, or nobody ever will. Most calls ask nothing, and
        // need not wait for that; one that does is refused its question.
        let mut all = std::iter::once(Whom::All).chain(lanes());
        let shared = all.find(|whom| place(whom).is_some_and(|slot| slot.up().is_some()));
        shared.or(free).unwrap_or(Whom::All)
    }
}

/// What is counted.
#[derive(Clone, Debug, Default)]
struct Numbers {
    refused: Counter,
    reissued: Counter,
    lost: Counter,
    open: Gauge,
}

impl Numbers {
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
/// A connection that lived shorter than this was none: what is behind it gets time to recover.
const HEALTHY: Duration = Duration::from_secs(10);

impl Pool {
    /// Calls on the connection that is there, or once it is.
    fn attempt(&self, request: Request, context: Context, reissues: u32) -> Reply {
        if *self.0.closed.borrow() {
            return Reply::error(Error::internal("shutting down").with_reason(Reason::ShuttingDown));
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

    fn through(&self, hold: Hold, up: &Up, request: Request, context: Context, reissues: u32) -> Reply {
        let slot = hold.slot();
        if request.is_listen() {
            return match Era::of(up.revision) {
                Era::Modern => relisten::listen(self.clone(), request, context),
                Era::Legacy => slot.listen.open(&request.params),
            };
        }
        let reply = up.service.call(request.clone(), context.clone());
        match reply.into_ready() {
            Ok(outcome) => self.settle(slot, outcome, request, context, Told { reissues, ..Told::default() }),
            Err(reply) => {
                let told = Told { reissues, ..Told::default() };
                Reply::pending(Flight::new(self.clone(), request, context, reply, hold, told))
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
                if told.reissues < REISSUES && slot.key == Key::Modern && is_other_revision(error) =>
            {
                // It was refused before anything was done.
                self.numbers().reissued.increment();
                self.forget_era();
                self.give_up(slot);
                return self.attempt(request, context, REISSUES);
            }
            Outcome::Result(page) if request.known() == Some(Method::ToolsList) => {
                self.0.safe.listed(page);
                return Reply::ready(outcome);
            }
            _ => return Reply::ready(outcome),
        };
        if told.reissues < REISSUES && !told.asked && (never_sent(lost) || self.0.safe.twice(&request)) {
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
        let unfinished = asked || never_sent(error) || self.0.safe.twice(request);
        let name = &self.0.name;
        let (reason, message) = if unfinished {
            (Reason::UpstreamLost, format!("the connection to {name} was lost: {}", error.message))
        } else {
            let message = format!(
                "the connection to {name} was lost before the answer came, so it is unknown whether this was done; \
                 find out before you try again"
            );
            (Reason::OutcomeUnknown, message)
        };
        let data = Splice::new().with("upstream", &Raw::string(name)).finish();
        Error::internal(message).with_data(data).with_reason(reason)
    }

    fn numbers(&self) -> &Numbers {
        self.0.numbers.get_or_init(Numbers::default)
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
    fn hold(&self, context: &Context, asks: bool) -> Hold {
        let mut table = self.lock();
        let slot = table.slot(context, asks, &self.0.limits);
        if table.era != Some(Era::Modern) {
            slot.used_by(context);
        }
        // Before anyone else looks for a connection that nobody uses.
        Hold::of(&slot, &self.0.freed)
    }

    /// Every caller has a connection of its own from now on.
    fn set_apart(&self) {
        let first = !std::mem::replace(&mut self.lock().apart, true);
        if first {
            let name = &self.0.name;
            tracing::info!(
                upstream = name,
                "it asks without saying whom: each caller gets a connection of its own"
            );
        }
    }

    /// The connection for calls such as `context`'s, once it is there.
    async fn up(&self, context: &Context) -> Result<(Arc<Slot>, Arc<Up>), Error> {
        let (hold, up) = self.up_for(self.hold(context, false), context, false).await?;
        Ok((hold.slot().clone(), up))
    }

    /// The connection for a call that holds a place, once it is there; the place may be another one then.
    async fn up_for(&self, mut hold: Hold, context: &Context, asks: bool) -> Result<(Hold, Arc<Up>), Error> {
        loop {
            self.begin(hold.slot(), context);
            match hold.slot().settled().await {
                State::Up(up) => return Ok((hold, up)),
                State::Down(down) => return Err(self.down(&down)),
                // It is gone already, or somewhere else now.
                State::Idle | State::Connecting | State::Moved => {}
            }
            tokio::task::yield_now().await;
            hold = self.hold(context, asks);
        }
    }

    /// Begins to connect unless that has begun, or it is too early after it failed.
    fn begin(&self, slot: &Arc<Slot>, context: &Context) {
        let mut failed = None;
        let begun = slot.state.send_if_modified(|state| {
            let may = match state {
                State::Idle => true,
                State::Down(down) => down.retry_at <= Instant::now(),
                State::Connecting | State::Up(_) | State::Moved => false,
            };
            if may && let State::Down(down) = std::mem::replace(state, State::Connecting) {
                failed = Some(down);
            }
            may
        });
        if begun {
            let client = slot.key.client(context);
            tokio::spawn(self.clone().connect(slot.clone(), client, failed));
        }
    }

    fn down(&self, down: &Down) -> Error {
        let mut error = down.error.clone();
        if error.reason == Some(Reason::UpstreamDown) {
            let wait = down.retry_at.saturating_duration_since(Instant::now());
            let message = format!("{}; the next attempt is in {} s", error.message, wait.as_secs() + 1);
            error.message = message.into();
        }
        error
    }

    /// Connects once, in a task of its own: that whoever called first leaves is nothing to the others.
    async fn connect(self, slot: Arc<Slot>, client: Client, failed: Option<Down>) {
        let first = match self.era() {
            None => Some(self.0.first.lock().await),
            Some(_) => None,
        };
        if first.is_some() && self.era() == Some(Era::Modern) && slot.key != Key::Modern {
            self.moved(&slot);
            return;
        }
        let room = match self.room(&slot).await {
            Ok(room) => room,
            Err(error) => {
                let (since, retry_at) = (jiff::Timestamp::now(), Instant::now());
                slot.state.send_replace(State::Down(Down { error, since, retry_at, attempts: 0 }));
                return;
            }
        };
        match self.0.connect.connect(client.clone()).await {
            Ok(live) => self.established(slot, &client, live, room),
            Err(why) => {
                let attempts = failed.as_ref().map_or(0, |failed| failed.attempts);
                let since = failed.filter(|failed| failed.attempts > 0).map(|failed| failed.since);
                self.unreachable(&slot, &why, since, attempts + 1);
            }
        }
        drop(first);
    }

    fn unreachable(&self, slot: &Slot, why: &Unreachable, since: Option<jiff::Timestamp>, attempts: u32) {
        let name = &self.0.name;
        let since = since.unwrap_or_else(jiff::Timestamp::now);
        tracing::warn!(upstream = name, attempts, "not connected: {why}");
        let data = Splice::new()
            .with("upstream", &Raw::string(name))
            .with("since", &Raw::string(&since.to_string()))
            .with("why", &Raw::string(&why.0));
        let message = format!("{name} cannot be reached since {since:.0}: {why}");
        let error = Error::internal(message).with_data(data.finish()).with_reason(Reason::UpstreamDown);
        let retry_at = Instant::now() + backoff(attempts, self.0.limits.backoff);
        slot.state.send_replace(State::Down(Down { error, since, retry_at, attempts }));
    }

    /// Waits for room for one more connection, and makes some where nobody would miss it.
    async fn room(&self, slot: &Slot) -> Result<OwnedSemaphorePermit, Error> {
        let inner = &self.0;
        if let Ok(room) = inner.room.clone().try_acquire_owned() {
            return Ok(room);
        }
        if inner.waiting.fetch_add(1, Ordering::AcqRel) >= inner.limits.waiting {
            inner.waiting.fetch_sub(1, Ordering::AcqRel);
            self.numbers().refused.increment();
            let message = format!(
                "{} has {} connections, all in use (connections); try again later",
                inner.name, inner.limits.connections
            );
            return Err(Error::internal(message).with_reason(Reason::Overloaded));
        }
        let _waiting = Waiting(&inner.waiting);
        loop {
            let freed = inner.freed.notified();
            tokio::pin!(freed);
            // From here on it is heard, however early it comes.
            freed.as_mut().enable();
            self.close_idlest(slot);
            tokio::select! {
                room = inner.room.clone().acquire_owned() => {
                    return room.map_err(|_| Error::internal("shutting down").with_reason(Reason::ShuttingDown));
                }
                () = freed => {}
            }
        }
    }

    /// Closes the connection that nobody has used for the longest time, if there is one.
    fn close_idlest(&self, but: &Slot) {
        let slots = self.slots();
        let idle = slots.iter().filter(|slot| !std::ptr::eq(&***slot, but) && slot.up().is_some());
        let idlest = idle.filter_map(|slot| Some((slot.idle_since()?, slot))).min_by_key(|(since, _)| *since);
        if let Some((_, slot)) = idlest {
            self.give_up(slot);
        }
    }

    /// Closes a connection that is not needed now.
    fn give_up(&self, slot: &Slot) {
        slot.state.send_if_modified(|state| {
            let State::Up(up) = state else { return false };
            up.closing.notify_one();
            *state = State::Idle;
            true
        });
    }

    fn moved(&self, slot: &Arc<Slot>) {
        self.lock().slots.retain(|_, other| !Arc::ptr_eq(other, slot));
        slot.state.send_replace(State::Moved);
    }

    /// A connection is there: it is put where calls will look for it.
    fn established(&self, slot: Arc<Slot>, client: &Client, live: Live, room: OwnedSemaphorePermit) {
        let Live { service, revision, discovered, spoken, asides, tell, closed, close } = live;
        let up = Arc::new(Up {
            service: service.clone(),
            revision,
            discovered: discovered.clone(),
            tell,
            since: Instant::now(),
            closing: Notify::new(),
            _room: room,
        });
        let place = {
            let mut table = self.lock();
            table.era = Some(Era::of(revision));
            let key = match Era::of(revision) {
                Era::Modern => Key::Modern,
                Era::Legacy if slot.key == Key::Modern => Key::legacy(&client.capabilities, false, Whom::All),
                Era::Legacy => slot.key.clone(),
            };
            table.slots.entry(key).or_insert_with_key(|key| Slot::new(key.clone())).clone()
        };
        tracing::debug!(upstream = self.0.name, revision = revision.as_str(), "connected");
        self.0.learned.send_replace(Some(Arc::new(Learned { revision, discovered: discovered.clone() })));
        if !Arc::ptr_eq(&place, &slot) {
            // Whoever is connecting there keeps what it makes.
            let taken = place.state.send_if_modified(|state| {
                let free = matches!(state, State::Idle | State::Down(_));
                if free {
                    *state = State::Up(up.clone());
                }
                free
            });
            self.moved(&slot);
            if !taken {
                tokio::spawn(close);
                return;
            }
        }
        if !revision.is_modern() {
            let info = client.info.clone();
            let context =
                Context::new(Principal::local(), revision).with_client(client.capabilities.clone(), info);
            place.listen.linked(service, context, Offers::of(&discovered));
            asides(Beside::of(self, &place));
        }
        place.state.send_replace(State::Up(up.clone()));
        tokio::spawn(self.clone().watch(place, up, client.clone(), Ends { spoken, closed, close }));
    }

    /// Stays with a connection until it is gone.
    async fn watch(self, slot: Arc<Slot>, up: Arc<Up>, client: Client, ends: Ends) {
        let Ends { mut spoken, mut closed, close } = ends;
        let _open = self.numbers().open.hold();
        let mut silent = false;
        let why = loop {
            let said = std::future::poll_fn(|task| spoken.as_mut().poll_next(task));
            tokio::select! {
                why = &mut closed => break Some(why),
                () = up.closing.notified() => break None,
                said = said, if !silent => match said {
                    Some(Spoken::Notification(notification)) => {
                        self.elicited(&slot, &notification);
                        slot.listen.said(&notification);
                    }
                    Some(Spoken::Missed) => slot.listen.missed(),
                    None => silent = true,
                },
                () = sleep(self.0.limits.idle.max(Duration::from_secs(1))) => self.close_if_idle(&slot),
            }
        };
        let since = up.since;
        slot.listen.lost();
        let Some(why) = why else {
            close.await;
            // There is room for another connection only now.
            drop(up);
            if slot.key.is_apart() && !slot.is_taken() {
                // Its caller may be gone for good.
                self.moved(&slot);
            }
            return;
        };
        drop((up, close));
        self.numbers().lost.increment();
        tracing::warn!(upstream = self.0.name, "the connection was lost: {why}");
        if since.elapsed() < HEALTHY {
            self.unreachable(&slot, &Unreachable(why), None, 1);
        } else {
            slot.state.send_replace(State::Idle);
        }
        self.reconnect(&slot, client).await;
    }

    /// 2025-11-25, elicitation §Completion Notifications: the server tells "when an out-of-band interaction started by
    /// URL mode elicitation is completed". Nothing of a modern wire says so; a parked call may wait for it.
    fn elicited(&self, slot: &Slot, notification: &Notification) {
        if notification.method != Method::ElicitationComplete {
            return;
        }
        let Some(id) = notification.params.member("elicitationId").and_then(|id| id.as_string()) else {
            return;
        };
        // Whoever was told of it by -32042 knows it by this id.
        if let Some(line) = slot.was_sent(&id) {
            line.tell(notification.clone());
        }
        if let Some(park) = self.0.parked.get().and_then(Weak::upgrade) {
            park.completed(&id);
        }
    }

    /// Connects again while somebody listens; for calls alone the next one is early enough.
    async fn reconnect(&self, slot: &Arc<Slot>, client: Client) {
        let context =
            Context::new(Principal::local(), Revision::NEWEST).with_client(client.capabilities, client.info);
        while slot.listen.is_heard() && !*self.0.closed.borrow() {
            self.begin(slot, &context);
            match slot.settled().await {
                // Overloaded is told without a time to wait.
                State::Down(down) => sleep_until(down.retry_at.max(Instant::now() + BREATH)).await,
                State::Idle => tokio::task::yield_now().await,
                State::Up(_) | State::Connecting | State::Moved => return,
            }
        }
    }

    /// Closes a connection that nobody has used for long, unless it is the only one.
    fn close_if_idle(&self, slot: &Slot) {
        let open = self.slots().iter().filter(|slot| slot.up().is_some()).count();
        let unused = slot.idle_since().is_some_and(|since| since.elapsed() >= self.0.limits.idle);
        if unused && open > 1 {
            self.give_up(slot);
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

/// What tells of a connection, and ends it.
struct Ends {
    spoken: Pin<Box<dyn Stream<Item = Spoken> + Send>>,
    closed: Pin<Box<dyn Future<Output = String> + Send>>,
    close: Pin<Box<dyn Future<Output = ()> + Send>>,
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
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
