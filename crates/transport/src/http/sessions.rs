use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{Error, Id, jsonrpc::Reason, session::server::CallKind};
use anyport_service::{Overload, Presence, Principal, sync::Lock};
use foldhash::fast::RandomState;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{
    caller_key::{CallerKey, per_caller},
    config::{Config, Limits},
    replay_buffer::ReplayBuffer,
    sse_channel::Channel,
};
use crate::{
    dialogue::{InFlightRequest, LegacySession, random_id},
    refusals::Refusals,
};

/// The sessions of an endpoint: bound to who opened them, ended by DELETE, by being idle, or to make room.
pub(super) struct Sessions {
    limits: Limits,
    overload: Overload,
    refusals: Refusals,
    open: Lock<Open>,
    /// How many calls of sessions run, and streams of HTTP+SSE.
    in_flight: watch::Sender<usize>,
    /// No more are opened.
    closing: watch::Sender<bool>,
}

#[derive(Default)]
struct Open {
    by_id: HashMap<String, Arc<HttpSession>, RandomState>,
    /// Those of HTTP+SSE, which live as long as their streams and look after themselves.
    channels: HashMap<String, Arc<Channel>>,
    /// A task looks for idle ones.
    sweeping: bool,
}

/// A session, and what is under way in it.
pub(super) struct HttpSession {
    pub(super) dialogue: Arc<LegacySession>,
    caller: CallerKey,
    in_flight: watch::Sender<usize>,
    logs: Lock<ReplayBuffers>,
    last_stream: AtomicU64,
    /// The number of the newest stream for what belongs to no call.
    last_pushes: AtomicU64,
    last_activity: Lock<Instant>,
    /// Responses that the client waits for or reads. A call whose client is gone keeps no session alive.
    responses: AtomicUsize,
}

/// What was said on the streams of a session, by the stream's number.
#[derive(Default)]
struct ReplayBuffers {
    by_stream: HashMap<u64, ReplayBuffer>,
    /// Streams that have ended, oldest first, and the bytes that each keeps.
    ended: VecDeque<(u64, usize)>,
    /// The bytes of all of these.
    bytes: usize,
}

/// Streams of one session that are kept after their end, however little was said on them.
const MAX_ENDED: usize = 64;

impl Sessions {
    pub(super) fn new(config: &Config) -> Arc<Self> {
        let (limits, overload) = (config.limits.clone(), config.overload.clone());
        let refusals = config.buffers.refusals().clone();
        let (in_flight, closing) = (watch::Sender::new(0), watch::Sender::new(false));
        Arc::new(Self { limits, overload, refusals, open: Lock::default(), in_flight, closing })
    }

    /// Adds a session under an identifier of its own.
    ///
    /// # Errors
    /// When there are `max_sessions` and none of them is idle, and when the endpoint is closing.
    pub(super) fn add(
        self: &Arc<Self>,
        dialogue: Arc<LegacySession>,
        caller: CallerKey,
    ) -> Result<(String, Arc<HttpSession>), Error> {
        let id = random_id()?;
        let mut open = self.open.lock();
        let oldest = self.make_room(&mut open, &caller)?;
        let session = Arc::new(HttpSession {
            dialogue,
            caller,
            in_flight: self.in_flight.clone(),
            logs: Lock::default(),
            last_stream: AtomicU64::new(0),
            last_pushes: AtomicU64::new(0),
            last_activity: Lock::new(Instant::now()),
            responses: AtomicUsize::new(0),
        });
        open.by_id.insert(id.clone(), session.clone());
        if !std::mem::replace(&mut open.sweeping, true) {
            let every = SWEEP.min(self.limits.session_idle.max(Duration::from_millis(1)));
            tokio::spawn(sweep(Arc::downgrade(self), every));
        }
        drop(open);
        if let Some(oldest) = oldest {
            oldest.end();
        }
        Ok((id, session))
    }

    /// Adds a session of HTTP+SSE under an identifier of its own, for as long as what is returned lives.
    ///
    /// # Errors
    /// As of [`Sessions::add`].
    pub(super) fn register(self: &Arc<Self>, channel: Arc<Channel>) -> Result<Registered, Error> {
        let id = random_id()?;
        let mut open = self.open.lock();
        let oldest = self.make_room(&mut open, &channel.caller)?;
        open.channels.insert(id.clone(), channel);
        drop(open);
        if let Some(oldest) = oldest {
            oldest.end();
        }
        Ok(Registered { _in_flight: InFlightGuard::begin(&self.in_flight), sessions: self.clone(), id })
    }

    /// The session `id` of HTTP+SSE, if `principal` opened it.
    pub(super) fn channel(&self, id: &str, principal: &Principal) -> Option<Arc<Channel>> {
        self.open.lock().channels.get(id).filter(|channel| channel.principal() == principal).cloned()
    }

    /// The session `id`, if `principal` opened it. To anyone else it does not exist.
    pub(super) fn get(&self, id: &str, principal: &Principal) -> Option<Arc<HttpSession>> {
        let session = self
            .open
            .lock()
            .by_id
            .get(id)
            .filter(|session| session.dialogue.principal() == principal)?
            .clone();
        *session.last_activity.lock() = Instant::now();
        Some(session)
    }

    /// Ends the session `id`, if `principal` opened it.
    pub(super) fn remove(&self, id: &str, principal: &Principal) -> bool {
        let mut open = self.open.lock();
        if open.by_id.get(id).is_none_or(|session| session.dialogue.principal() != principal) {
            return false;
        }
        let session = open.by_id.remove(id);
        drop(open);
        if let Some(session) = session {
            session.end();
        }
        true
    }

    /// Ends what has been idle for too long: sessions, and logs of streams that have ended. Returns whether there is
    /// anything left to look after; if not, the next session says so.
    fn sweep(&self) -> bool {
        let now = Instant::now();
        let mut idle = Vec::new();
        let mut open = self.open.lock();
        open.by_id.retain(|_, session| {
            let stays = session.responses.load(Ordering::Relaxed) > 0
                || now.duration_since(*session.last_activity.lock()) < self.limits.session_idle;
            if stays {
                session.logs.lock().forget(|log| {
                    log.ended().is_some_and(|ended| now.duration_since(ended) >= self.limits.sse_log_ttl)
                });
            } else {
                idle.push(session.clone());
            }
            stays
        });
        open.sweeping = !open.by_id.is_empty();
        let sweeping = open.sweeping;
        drop(open);
        for session in idle {
            session.end();
        }
        sweeping
    }

    /// Opens no more, and ends the streams for what belongs to no call, which have no end of their own.
    pub(super) fn begin_close(&self) {
        let open = self.open.lock();
        // Under the lock: whoever is added has come before, and is told.
        self.closing.send_replace(true);
        open.by_id.values().for_each(|session| session.dialogue.end_pushes());
    }

    /// Whether no more are opened.
    pub(super) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Completes when no call of a session runs, and no stream of HTTP+SSE is open.
    pub(super) async fn idle(&self) {
        // The sender is ours.
        let _ = self.in_flight.subscribe().wait_for(|running| *running == 0).await;
    }

    /// Ends all sessions.
    pub(super) fn close(&self) {
        let mut open = self.open.lock();
        let (sessions, channels) = (std::mem::take(&mut open.by_id), std::mem::take(&mut open.channels));
        drop(open);
        sessions.values().for_each(|session| session.end());
        channels.values().for_each(|channel| channel.end());
    }

    /// Makes room for one more of `caller`, if need be in the place of the session that has been idle for longest: beyond
    /// `max_sessions_per_caller`, of its own.
    fn make_room(&self, open: &mut Open, caller: &CallerKey) -> Result<Option<Arc<HttpSession>>, Error> {
        if self.is_closing() {
            let error = Error::internal("the server is being stopped; try again later");
            return Err(error.with_reason(Reason::ShuttingDown));
        }
        if let Some(cause) = self.overload.cause() {
            return Err(self.refusals.overloaded(&cause));
        }
        let count = open.by_id.len() + open.channels.len();
        let overloaded = |message: String| Error::internal(message).with_reason(Reason::Overloaded);
        let max = per_caller(self.limits.max_sessions, self.limits.max_sessions_per_caller);
        // Counted only where the limit can be reached at all.
        if max < self.limits.max_sessions && count >= max && open.count_of(caller) >= max {
            return open.end_longest_idle(Some(caller)).map(Some).ok_or_else(|| {
                self.refusals.sessions_per_caller.increment();
                overloaded(format!(
                    "{max} sessions of one caller are busy (max_sessions_per_caller); try again later"
                ))
            });
        }
        if count < self.limits.max_sessions {
            return Ok(None);
        }
        open.end_longest_idle(None).map(Some).ok_or_else(|| {
            self.refusals.sessions.increment();
            overloaded(format!("{count} sessions are busy (max_sessions); try again later"))
        })
    }
}

impl Open {
    fn count_of(&self, caller: &CallerKey) -> usize {
        let channels = self.channels.values().filter(|channel| channel.caller == *caller).count();
        self.by_id.values().filter(|session| session.caller == *caller).count() + channels
    }

    /// Takes out the session, of `caller` if one is given, that has been idle for longest. `None` if all are busy.
    fn end_longest_idle(&mut self, caller: Option<&CallerKey>) -> Option<Arc<HttpSession>> {
        let idle = self.by_id.iter().filter(|(_, session)| {
            session.responses.load(Ordering::Relaxed) == 0
                && caller.is_none_or(|caller| session.caller == *caller)
        });
        let longest = idle.min_by_key(|(_, session)| *session.last_activity.lock()).map(|(id, _)| id.clone());
        longest.and_then(|id| self.by_id.remove(&id))
    }
}

/// A session of HTTP+SSE that can be found. Dropping this ends that.
pub(super) struct Registered {
    _in_flight: InFlightGuard,
    sessions: Arc<Sessions>,
    id: String,
}

impl Registered {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Completes when the endpoint begins to close.
    pub(super) fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closing = self.sessions.closing.subscribe();
        async move { drop(closing.wait_for(|closing| *closing).await) }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.sessions.open.lock().channels.remove(&self.id);
    }
}

/// How often idle sessions are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// Looks for idle sessions for as long as there are any.
async fn sweep(sessions: Weak<Sessions>, every: Duration) {
    loop {
        sleep(every).await;
        if !sessions.upgrade().is_some_and(|sessions| sessions.sweep()) {
            return;
        }
    }
}

impl HttpSession {
    /// Puts a request in flight.
    ///
    /// # Errors
    /// The id is in use, or too many requests are in flight. A call here outlives the connection that it came on, so the
    /// limit of connections does not limit calls.
    pub(super) fn begin(&self, id: &Id) -> Result<Running, Error> {
        let request = InFlightRequest::begin(&self.dialogue, id, CallKind::Finite)?;
        Ok(Running { request, _in_flight: InFlightGuard::begin(&self.in_flight) })
    }

    /// A stream of its own number and log, for a call of the client with `presence`.
    pub(super) fn stream(self: &Arc<Self>, config: &Config, presence: Presence) -> StreamWriter {
        let number = self.last_stream.fetch_add(1, Ordering::Relaxed);
        let limit = config.limits.sse_log;
        let log = ReplayBuffer::new(number, limit, config.buffers.clone(), presence);
        self.logs.lock().by_stream.insert(number, log.clone());
        StreamWriter { session: self.clone(), log, number, limit }
    }

    /// The log of a stream that is still kept.
    pub(super) fn log(&self, stream: u64) -> Option<ReplayBuffer> {
        self.logs.lock().by_stream.get(&stream).cloned()
    }

    /// Puts a new stream in the place of the one for what belongs to no call, and returns its number.
    pub(super) fn open_pushes(&self) -> u64 {
        let number = self.last_pushes.fetch_add(1, Ordering::Relaxed) + 1;
        // The old stream is woken by this and finds itself replaced.
        self.dialogue.wake_pushes();
        number
    }

    /// The number of the stream that is in place.
    pub(super) fn pushes(&self) -> u64 {
        self.last_pushes.load(Ordering::Relaxed)
    }

    /// Keeps the session from being idle for as long as the guard lives.
    pub(super) fn activity(self: &Arc<Self>) -> ActivityGuard {
        self.responses.fetch_add(1, Ordering::Relaxed);
        ActivityGuard(self.clone())
    }

    /// Cancels what runs and ends what is open.
    fn end(&self) {
        let logs = std::mem::take(&mut *self.logs.lock());
        self.dialogue.close();
        logs.by_stream.values().for_each(ReplayBuffer::end);
    }
}

impl ReplayBuffers {
    /// A stream has ended. The oldest that have make room for what it keeps.
    fn ended(&mut self, number: u64, bytes: usize, limit: usize) {
        if !self.by_stream.contains_key(&number) {
            return;
        }
        self.ended.push_back((number, bytes));
        self.bytes += bytes;
        while self.bytes > limit || self.ended.len() > MAX_ENDED {
            self.forget_oldest();
        }
    }

    /// Forgets ended streams, oldest first, while `old` says so.
    fn forget(&mut self, old: impl Fn(&ReplayBuffer) -> bool) {
        while let Some((number, _)) = self.ended.front()
            && self.by_stream.get(number).is_none_or(&old)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((number, bytes)) = self.ended.pop_front() {
            self.bytes -= bytes;
            self.by_stream.remove(&number);
        }
    }
}

/// A request of a session in flight. Its id is free again when this is dropped.
pub(super) struct Running {
    request: InFlightRequest,
    _in_flight: InFlightGuard,
}

impl Running {
    /// Completes when the request is cancelled, by its client or with its session.
    pub(super) async fn cancelled(&mut self) {
        self.request.cancelled().await;
    }
}

/// A call of a session that runs, counted.
struct InFlightGuard(watch::Sender<usize>);

impl InFlightGuard {
    fn begin(in_flight: &watch::Sender<usize>) -> Self {
        // Nobody waits for one more.
        in_flight.send_if_modified(|running| {
            *running += 1;
            false
        });
        Self(in_flight.clone())
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.send_if_modified(|running| {
            *running -= 1;
            *running == 0
        });
    }
}

/// The writing end of a stream of a session. The stream ends when this is dropped, however its writer ends.
pub(super) struct StreamWriter {
    session: Arc<HttpSession>,
    /// The buffer that the stream is written to and read from.
    pub(super) log: ReplayBuffer,
    number: u64,
    limit: usize,
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.log.end();
        // What is beyond the limit is not kept once it is read.
        let bytes = self.log.bytes().min(self.limit);
        self.session.logs.lock().ended(self.number, bytes, self.limit);
    }
}

/// See [`HttpSession::activity`].
pub(super) struct ActivityGuard(Arc<HttpSession>);

impl Drop for ActivityGuard {
    fn drop(&mut self) {
        *self.0.last_activity.lock() = Instant::now();
        self.0.responses.fetch_sub(1, Ordering::Relaxed);
    }
}
