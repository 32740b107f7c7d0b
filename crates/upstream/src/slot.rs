//! A place for one connection.

use std::{
    collections::HashMap,
    sync::{
        Arc, MutexGuard, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
};

use anyport_protocol::{
    Error, Raw,
    failure::Failure,
    json::{Elements, Members},
    session::client::{Attribution, NegotiatedSession},
};
use anyport_service::{Context, Peer, PeerEvent, PeerEvents, Service, SessionId, WeakPeer, sync::Lock};
use lru::LruCache;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, watch},
    time::Instant,
};

use crate::{
    UpstreamLimits,
    era::Era,
    failure_count::FailureCount,
    isolation::{ConnectionKey, Share},
    limits::HEALTHY,
    subscriptions::{Listen, ListenStreams, Offers, StreamLink},
};

/// A place for one connection, and for those that come after it is lost.
pub(crate) struct Slot {
    pub(crate) key: ConnectionKey,
    pub(crate) state: watch::Sender<State>,
    pub(crate) listen: Listen,
    /// The streams of a modern server that the legacy sessions among the listeners share.
    pub(crate) streams: ListenStreams,
    /// Calls under way.
    pub(crate) calls: AtomicUsize,
    /// Those with an open server request.
    pub(crate) asked: AtomicUsize,
    /// The legacy sessions with calls here.
    sessions: Lock<HashMap<SessionId, WeakPeer>>,
    /// Whether calls came here of callers who cannot be reached outside them.
    strangers: AtomicBool,
    /// Which session was told of an elicitation by -32042, by the elicitation.
    elicitations: Lock<LruCache<String, WeakPeer>>,
    pub(crate) used: Lock<Instant>,
    /// How many connections in a row were outdated soon after they had begun.
    outdated_soon: AtomicU32,
    /// The calls that have failed since the server has last answered.
    pub(crate) failures: FailureCount,
}

/// How many elicitations are remembered until they are complete.
const ELICITATIONS: usize = 256;

#[derive(Clone)]
pub(crate) enum State {
    /// Not used yet, or not since it was lost.
    Idle,
    Connecting,
    Up(Arc<Up>),
    Down(Down),
    /// Connecting again, after failures.
    Reconnecting(Down),
    /// The server turned out to be of the other era: the connection is in another slot.
    Moved,
}

/// A connection that is there.
pub(crate) struct Up {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) session: Arc<NegotiatedSession>,
    pub(crate) peer: Peer,
    pub(crate) since: Instant,
    /// Attempts that failed one after the other before this connection.
    pub(crate) attempts: u32,
    /// Whose roots the server has: the connection is that caller's from then on.
    pub(crate) roots_of: OnceLock<Share>,
    /// Notified when we close it.
    pub(crate) closing: Notify,
    /// Notified when the server no longer speaks the revision of the connection.
    pub(crate) outdated: Arc<Notify>,
    /// Calls under way on this connection. Those of its slot may be on a later one.
    pub(crate) calls: AtomicUsize,
    /// Whether it takes no new calls, and is closed once its calls are over.
    pub(crate) is_retired: AtomicBool,
    /// Whether the server has answered a call on it.
    pub(crate) has_worked: AtomicBool,
    pub(crate) _room: OwnedSemaphorePermit,
}

impl Up {
    /// Notes a call on the connection. `None` if it is retired: it may be closed at any time.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<UpGuard> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        // From here on the connection stays open for this call, unless it was retired before.
        let guard = UpGuard(self.clone());
        (!self.is_retired.load(Ordering::SeqCst)).then_some(guard)
    }

    /// Notes that the server learns the roots of `caller`. Those of the first stay.
    pub(crate) fn learns_roots_of(&self, caller: Share) {
        let _ = self.roots_of.set(caller);
    }

    /// Whether the server has the roots of another caller than that of `context`.
    pub(crate) fn has_roots_of_another(&self, context: &Context) -> bool {
        self.roots_of.get().is_some_and(|whose| *whose != Share::own(context))
    }

    fn close_if_over(&self) {
        if self.is_retired.load(Ordering::SeqCst) && self.calls.load(Ordering::SeqCst) == 0 {
            self.closing.notify_one();
        }
    }
}

/// A call under way on a connection.
pub(crate) struct UpGuard(Arc<Up>);

impl UpGuard {
    pub(crate) fn up(&self) -> &Arc<Up> {
        &self.0
    }
}

impl Drop for UpGuard {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
        self.0.close_if_over();
    }
}

/// A server that cannot be reached.
#[derive(Clone)]
pub(crate) struct Down {
    pub(crate) failure: Failure,
    pub(crate) since: jiff::Timestamp,
    /// When the next attempt may be made; `None`: never.
    pub(crate) retry_at: Option<Instant>,
    /// Attempts that failed one after the other.
    pub(crate) attempts: u32,
}

impl Down {
    /// A state after which the next attempt may be made at once: none was made.
    pub(crate) fn now(failure: Failure) -> Self {
        Self { failure, since: jiff::Timestamp::now(), retry_at: Some(Instant::now()), attempts: 0 }
    }
}

/// The numbers of a connection among those that the listeners of its place had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    listen: u64,
    /// Among those of the listen streams; `None` for a legacy server, which has none.
    streams: Option<u64>,
}

impl Slot {
    pub(crate) fn new(key: ConnectionKey, limits: UpstreamLimits) -> Arc<Self> {
        Arc::new(Self {
            key,
            state: watch::Sender::new(State::Idle),
            listen: Listen::new(),
            streams: ListenStreams::new(limits),
            calls: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            sessions: Lock::default(),
            strangers: AtomicBool::new(false),
            elicitations: Lock::new(LruCache::unbounded()),
            used: Lock::new(Instant::now()),
            outdated_soon: AtomicU32::new(0),
            failures: FailureCount::default(),
        })
    }

    /// Whether the connection is, or will be, one of the legacy era: the server keeps there what it learns of a caller.
    pub(crate) fn is_legacy(&self) -> bool {
        self.key.era == Some(Era::Legacy)
    }

    /// The connection, if it is there.
    pub(crate) fn up(&self) -> Option<Arc<Up>> {
        match &*self.state.borrow() {
            State::Up(up) => Some(up.clone()),
            _ => None,
        }
    }

    /// Whether the connection that is there has the roots of another caller; see [`Up::has_roots_of_another`].
    pub(crate) fn has_roots_of_another(&self, context: &Context) -> bool {
        self.up().is_some_and(|up| up.has_roots_of_another(context))
    }

    /// How the calls of the server's requests were found so far, on the connection that is there.
    pub(crate) fn attribution(&self) -> Option<Attribution> {
        self.up()?.peer.attribution()
    }

    /// The connection `up` is no more: in its place it is as `now` says, unless another has come there since. Returns whether
    /// that is so.
    pub(crate) fn left(&self, up: &Up, now: State) -> bool {
        self.state.send_if_modified(|state| {
            let is_it = matches!(state, State::Up(there) if std::ptr::eq(&**there, up));
            if is_it {
                *state = now;
            }
            is_it
        })
    }

    /// Completes when the connection `up` is not in this place any more: it is lost, or retired.
    pub(crate) async fn without(&self, up: &Arc<Up>) {
        let mut state = self.state.subscribe();
        // The sender is this place.
        let _ = state.wait_for(|state| !matches!(state, State::Up(there) if Arc::ptr_eq(there, up))).await;
    }

    /// Retires the connection `up`: it takes no new calls, and is closed once those under way are over. Returns whether it
    /// took calls until now.
    pub(crate) fn retire(&self, up: &Up) -> bool {
        self.retire_as(up, State::Idle)
    }

    /// The same; the place is as `now` says from then on.
    pub(crate) fn retire_as(&self, up: &Up, now: State) -> bool {
        let was_taking = self.left(up, now);
        up.is_retired.store(true, Ordering::SeqCst);
        up.close_if_over();
        was_taking
    }

    /// Notes that a connection which began at `since` is outdated; returns how many before it were so soon after their begin.
    pub(crate) fn was_outdated(&self, since: Instant) -> u32 {
        if since.elapsed() < HEALTHY {
            return self.outdated_soon.fetch_add(1, Ordering::Relaxed);
        }
        self.outdated_soon.store(0, Ordering::Relaxed);
        0
    }

    /// Serves the listeners of the place from the connection `up`: requests on their behalf are calls with `context`.
    pub(crate) fn link(&self, up: &Up, context: Context, offers: Offers) -> Links {
        let service = up.service.clone();
        if !up.session.revision().has_listen() {
            let links = Links { listen: self.listen.linked(service, context, offers), streams: None };
            if up.peer.is_silent() {
                self.listen.silent();
            }
            return links;
        }
        // Before the requests of the listeners, which go there.
        let lists = offers.lists.clone();
        let link = StreamLink {
            service,
            context: context.clone(),
            lists,
            listen: self.listen.clone(),
            outdated: up.outdated.clone(),
        };
        let streams = Some(self.streams.linked(link));
        let listen = self.listen.linked_by(Arc::new(self.streams.clone()), context, offers);
        Links { listen, streams }
    }

    /// No connection serves the listeners of the place: the one that was to has failed before it had numbers.
    pub(crate) fn unlink_last(&self) {
        self.listen.lost_last();
        self.streams.lost_last();
    }

    /// The connection with the numbers `links` is gone. Nothing happens where another one is in its place already.
    pub(crate) fn unlink(&self, links: Links) {
        self.listen.lost(links.listen);
        if let Some(streams) = links.streams {
            self.streams.lost(streams);
        }
    }

    /// Whether something would be lost with this place: a connection, those who listen to it, or how long to wait for
    /// the next attempt.
    pub(crate) fn is_needed(&self) -> bool {
        let state = self.state.borrow();
        let open = match &*state {
            State::Idle | State::Moved => false,
            State::Connecting | State::Reconnecting(_) | State::Up(_) => true,
            State::Down(down) => down.retry_at.is_none_or(|retry_at| retry_at > Instant::now()),
        };
        open || self.listen.is_heard()
    }

    /// How an attempt to connect ended, when one is under way; else how things are.
    pub(crate) async fn settled(&self) -> State {
        let mut state = self.state.subscribe();
        let settled =
            state.wait_for(|state| !matches!(state, State::Connecting | State::Reconnecting(_))).await;
        settled.map_or(State::Moved, |state| state.clone())
    }

    /// The same for a call. With `at_most`, it does not wait after so many failures in a row.
    pub(crate) async fn settled_for_call(&self, at_most: Option<u32>) -> State {
        let mut state = self.state.subscribe();
        let is_settled = |state: &State| match state {
            State::Connecting => false,
            State::Reconnecting(down) => at_most.is_some_and(|most| down.attempts >= most),
            _ => true,
        };
        let settled = state.wait_for(is_settled).await;
        settled.map_or(State::Moved, |state| state.clone())
    }

    /// Notes that calls of this caller come here.
    pub(crate) fn used_by(self: &Arc<Self>, context: &Context) {
        let Some(peer) = context.peer() else {
            self.strangers.store(true, Ordering::Relaxed);
            return;
        };
        let mut sessions = self.sessions();
        if sessions.contains_key(&peer.id()) {
            return;
        }
        // Sessions that are over make room before more is taken: each of them is looked at once for each that comes.
        if sessions.len() == sessions.capacity() {
            sessions.retain(|_, peer| !peer.is_gone());
        }
        sessions.insert(peer.id(), peer.downgrade());
        drop(sessions);
        tokio::spawn(forward(Arc::downgrade(self), peer.id(), peer.subscribe()));
    }

    /// The number of legacy sessions on the connection, and the session that has it to itself, if there is one. Work of
    /// another caller may continue after its call, and must not reach the session.
    pub(crate) fn sharers(&self) -> (usize, Option<Peer>) {
        let sessions = self.living();
        let sole = sessions.values().next().filter(|_| self.is_own(&sessions));
        (sessions.len(), sole.and_then(WeakPeer::upgrade))
    }

    /// Whether `sessions`, those that live, are one, and nobody else calls here.
    fn is_own(&self, sessions: &HashMap<SessionId, WeakPeer>) -> bool {
        sessions.len() == 1 && !self.strangers.load(Ordering::Relaxed)
    }

    /// Whether the connection is the own one of a session that lives.
    pub(crate) fn is_of_living_session(&self) -> bool {
        matches!(self.key.share, Share::Session(_)) && !self.living().is_empty() && self.up().is_some()
    }

    fn living(&self) -> MutexGuard<'_, HashMap<SessionId, WeakPeer>> {
        let mut sessions = self.sessions();
        sessions.retain(|_, peer| !peer.is_gone());
        sessions
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, WeakPeer>> {
        self.sessions.lock()
    }

    /// Notes whom `error`, a -32042, sends to URLs.
    pub(crate) fn sent_to_urls(&self, context: &Context, error: &Error) {
        let (Some(peer), Some(data)) = (context.peer(), &error.data) else { return };
        let Some(all) = data.member("elicitations").filter(Raw::is_array) else { return };
        let mut elicitations = self.elicitations.lock();
        for elicitation in Elements::of(all.as_str()) {
            let id = Members::find(elicitation, "elicitationId").and_then(|id| all.slice(id).as_string());
            if let Some(id) = id {
                elicitations.put(id.to_string(), peer.downgrade());
            }
        }
        while elicitations.len() > ELICITATIONS {
            elicitations.pop_lru();
        }
    }

    /// The session that was sent to the URL of an elicitation that is complete.
    pub(crate) fn was_sent(&self, elicitation: &str) -> Option<Peer> {
        self.elicitations.lock().pop(elicitation)?.upgrade()
    }

    /// Whether the connection is this session's own.
    fn is_of(&self, session: SessionId) -> bool {
        let sessions = self.living();
        self.is_own(&sessions) && sessions.contains_key(&session)
    }

    /// Whether a call is under way, or waits for the connection.
    pub(crate) fn is_taken(&self) -> bool {
        self.calls.load(Ordering::Acquire) > 0
    }

    /// Whether a call with a server request is in flight; its duration is unknown.
    pub(crate) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire) > 0
    }

    /// Whether the connection is idle, and since when.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let unused = self.calls.load(Ordering::Acquire) == 0 && self.listen.is_idle();
        unused.then(|| *self.used.lock())
    }
}

/// Forwards what a session's client says outside its calls, while the connection is the session's own. Where several share
/// one, the server would take it for all of them.
async fn forward(slot: Weak<Slot>, session: SessionId, mut events: PeerEvents) {
    while let Some(event) = events.next().await {
        let Some(slot) = slot.upgrade() else { return };
        if let PeerEvent::Notification(method, params) = event
            && let Some(up) = slot.up().filter(|_| slot.is_of(session))
        {
            up.peer.notify(method, params);
        }
    }
}
