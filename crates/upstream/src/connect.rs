//! How connections come to be, and end.

use std::{
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{Method, Revision, failure::Failure, session::client::ServerIdentity};
use anyport_service::{Context, Notification, PeerEvent, PeerEvents, Principal};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    task::JoinHandle,
    time::{Instant, interval_at, sleep_until, timeout},
};

use crate::{
    ConnectError, Connected, OpenRequest, ServerInfo, WhenDown,
    call::CallGuard,
    era::Era,
    isolation::{ConnectionKey, Share},
    pool::Pool,
    slot::{Down, Slot, State, Up},
    subscriptions::Offers,
};

/// Longer than this no connection is idle, so that the clock can tell when it has been.
const LONGEST_IDLE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long it may take until a connection is known to be gone once a call has lost it.
pub(crate) const BREATH: Duration = Duration::from_millis(100);
/// A connection that lived shorter than this counts as failed: the server gets time to recover.
pub(crate) const HEALTHY: Duration = Duration::from_secs(10);

impl Pool {
    /// The connection for calls such as `context`'s, once it is there.
    pub(crate) async fn up(&self, context: &Context) -> Result<(Arc<Slot>, Arc<Up>), Failure> {
        let (hold, up) = self.up_for(self.hold(context, false), context, false).await?;
        Ok((hold.slot().clone(), up))
    }

    /// The connection for a call that holds a place, once it is there; the place may be another one then.
    pub(crate) async fn up_for(
        &self,
        mut hold: CallGuard,
        context: &Context,
        asks: bool,
    ) -> Result<(CallGuard, Arc<Up>), Failure> {
        loop {
            if self.0.limits.when_down == WhenDown::Wait {
                self.due(hold.slot()).await;
            }
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

    /// Completes when the next attempt to connect may be made, or was made by another call.
    async fn due(&self, slot: &Slot) {
        let retry_at = match &*slot.state.borrow() {
            State::Down(down) => down.retry_at,
            _ => return,
        };
        let mut state = slot.state.subscribe();
        let mut closed = self.0.closed.subscribe();
        tokio::select! {
            () = sleep_until(retry_at) => {}
            _ = state.wait_for(|state| !matches!(state, State::Down(_))) => {}
            _ = closed.wait_for(|closed| *closed) => {}
        }
    }

    /// Begins to connect unless that has begun, or it is too early after it failed.
    pub(crate) fn begin(&self, slot: &Arc<Slot>, context: &Context) {
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
            let connecting = tokio::spawn(self.clone().connect(slot.clone(), client, failed));
            tokio::spawn(self.clone().connected(slot.clone(), connecting));
        }
    }

    /// The connector is foreign code: after a panic the slot must not stay in the state of connecting.
    async fn connected(self, slot: Arc<Slot>, connecting: JoinHandle<()>) {
        let Err(panicked) = connecting.await else { return };
        let why =
            ConnectError("connecting failed in a way that it should not, which is a fault to report".into());
        tracing::error!(upstream = self.0.name, error = %panicked, "what connects has panicked");
        slot.state.send_if_modified(|state| {
            let connects = matches!(state, State::Connecting);
            if connects {
                *state = State::Down(self.unreachable(&why, None, 1));
            }
            connects
        });
    }

    /// The failure for a call that comes while the server is down.
    fn down(&self, down: &Down) -> Failure {
        match down.failure.clone() {
            Failure::Unavailable { since, why, .. } => {
                let retry_in = down.retry_at.saturating_duration_since(Instant::now());
                Failure::Unavailable { since, why, retry_in }.of_upstream(&*self.0.name)
            }
            failure => failure,
        }
    }

    /// Connects once, in a task of its own: a first caller that leaves does not affect the others.
    async fn connect(self, slot: Arc<Slot>, client: OpenRequest, failed: Option<Down>) {
        let first = match self.era() {
            None => Some(self.0.first.lock().await),
            Some(_) => None,
        };
        if first.is_some() && self.era() == Some(Era::Modern) && slot.key.era != Era::Modern {
            self.moved(&slot);
            return;
        }
        let room = match self.room(&slot).await {
            Ok(room) => room,
            Err(failure) => {
                let (since, retry_at) = (jiff::Timestamp::now(), Instant::now());
                slot.state.send_replace(State::Down(Down { failure, since, retry_at, attempts: 0 }));
                return;
            }
        };
        let mut over = self.0.over.subscribe();
        let connected = tokio::select! {
            biased;
            // Dropping it leaves no process behind.
            _ = over.wait_for(|over| *over) => None,
            connected = self.0.connector.connect(client.clone()) => Some(connected),
        };
        match connected {
            Some(Ok(live)) => {
                let attempts = failed.as_ref().map_or(0, |failed| failed.attempts);
                self.established(slot, &client, live, room, attempts);
            }
            Some(Err(why)) => {
                let attempts = failed.as_ref().map_or(0, |failed| failed.attempts);
                let since = failed.filter(|failed| failed.attempts > 0).map(|failed| failed.since);
                slot.state.send_replace(State::Down(self.unreachable(&why, since, attempts + 1)));
            }
            None => {
                let (since, retry_at) = (jiff::Timestamp::now(), Instant::now());
                let failure = Failure::ShuttingDown;
                slot.state.send_replace(State::Down(Down { failure, since, retry_at, attempts: 0 }));
            }
        }
        drop(first);
    }

    fn unreachable(&self, why: &ConnectError, since: Option<jiff::Timestamp>, attempts: u32) -> Down {
        let name = &self.0.name;
        let since = since.unwrap_or_else(jiff::Timestamp::now);
        tracing::warn!(upstream = name, attempts, "not connected: {why}");
        let failure = Failure::Unavailable { since, why: why.0.clone(), retry_in: Duration::ZERO };
        let retry_at = Instant::now() + self.0.limits.backoff_after(attempts);
        Down { failure, since, retry_at, attempts }
    }

    /// Waits for room for one more connection, and closes an idle one if there is one. Not for ever: calls that wait
    /// for answers occupy their connections for an unknown time.
    async fn room(&self, slot: &Slot) -> Result<OwnedSemaphorePermit, Failure> {
        let inner = &self.0;
        if let Ok(room) = inner.room.clone().try_acquire_owned() {
            return Ok(room);
        }
        if inner.waiting.fetch_add(1, Ordering::AcqRel) >= inner.limits.waiting {
            inner.waiting.fetch_sub(1, Ordering::AcqRel);
            return Err(self.overloaded(""));
        }
        let _waiting = Waiting(&inner.waiting);
        let freed = async {
            // Asked for once: who came first is served first.
            let room = inner.room.clone().acquire_owned();
            tokio::pin!(room);
            loop {
                let freed = inner.freed.notified();
                tokio::pin!(freed);
                // From here on it is heard, however early it comes.
                freed.as_mut().enable();
                self.close_idlest(slot);
                tokio::select! {
                    room = &mut room => return room.map_err(|_| Failure::ShuttingDown),
                    () = freed => {}
                }
            }
        };
        let wait = inner.limits.connection_wait;
        timeout(wait, freed).await.unwrap_or_else(|_| {
            let asked = self.slots().iter().filter(|slot| slot.has_asked()).count();
            let asked = match asked {
                0 => String::new(),
                asked => format!(", {asked} of them by calls that wait for somebody's answer"),
            };
            Err(self
                .overloaded(&format!("{asked}, and none got free in {} s (connection_wait)", wait.as_secs())))
        })
    }

    /// There is no room for a further connection.
    fn overloaded(&self, how: &str) -> Failure {
        self.0.metrics.refused.increment();
        let why = format!(
            "{} has {} connections, all in use (connections){how}; try again later",
            self.0.name, self.0.limits.connections
        );
        Failure::Overloaded { limit: "connections", why }
    }

    /// Closes the connection that has been idle longest, if there is one.
    fn close_idlest(&self, but: &Slot) {
        let slots = self.slots();
        let idle = slots.iter().filter(|slot| !std::ptr::eq(&***slot, but) && slot.up().is_some());
        let idlest = idle.filter_map(|slot| Some((slot.idle_since()?, slot))).min_by_key(|(since, _)| *since);
        if let Some((_, slot)) = idlest {
            self.give_up(slot);
        }
    }

    /// Closes a connection that is not needed now.
    pub(crate) fn give_up(&self, slot: &Slot) {
        slot.state.send_if_modified(|state| {
            let State::Up(up) = state else { return false };
            up.closing.notify_one();
            *state = State::Idle;
            true
        });
    }

    /// Forgets a place whose connection is in another one. Who listens here hears the end, and comes back there.
    fn moved(&self, slot: &Arc<Slot>) {
        self.lock().slots.retain(|_, other| !Arc::ptr_eq(other, slot));
        slot.state.send_replace(State::Moved);
        slot.listen.end();
    }

    /// A connection is there: it is put where calls will look for it.
    fn established(
        &self,
        slot: Arc<Slot>,
        client: &OpenRequest,
        live: Connected,
        room: OwnedSemaphorePermit,
        attempts: u32,
    ) {
        let Connected { service, session, peer, close } = live;
        let (revision, events) = (session.revision(), peer.subscribe());
        let up = Arc::new(Up {
            service: service.clone(),
            session: session.clone(),
            peer,
            since: Instant::now(),
            attempts,
            closing: Notify::new(),
            _room: room,
        });
        let place = {
            let mut table = self.lock();
            table.era = Some(Era::of(revision));
            let key = match Era::of(revision) {
                Era::Modern => ConnectionKey::modern(),
                Era::Legacy if slot.key.era == Era::Modern => {
                    ConnectionKey::legacy(&client.capabilities, false, Share::All)
                }
                Era::Legacy => slot.key.clone(),
            };
            table.slots.entry(key).or_insert_with_key(|key| Slot::new(key.clone())).clone()
        };
        tracing::debug!(upstream = self.0.name, revision = revision.as_str(), "connected");
        self.0.server_info.send_replace(Some(Arc::new(ServerInfo::of(&session))));
        if let Some(park) = self.0.parked.get().and_then(Weak::upgrade) {
            park.identify(ServerIdentity::of(session.discovered()));
        }
        if !Arc::ptr_eq(&place, &slot) {
            // A slot that is connecting keeps its connection.
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
        if !revision.has_listen() {
            let info = client.info.clone();
            let context =
                Context::new(Principal::local(), revision).with_client(client.capabilities.clone(), info);
            place.listen.linked(service, context, Offers::of(session.discovered()));
        }
        place.state.send_replace(State::Up(up.clone()));
        tokio::spawn(self.clone().watch(place, up, client.clone(), events, close));
    }

    /// Stays with a connection until it is gone.
    async fn watch(
        self,
        slot: Arc<Slot>,
        up: Arc<Up>,
        client: OpenRequest,
        mut events: PeerEvents,
        close: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) {
        let _open = self.0.metrics.open.hold();
        let mut over = self.0.over.subscribe();
        // However much the server says meanwhile.
        let idle = self.0.limits.idle.clamp(Duration::from_secs(1), LONGEST_IDLE);
        let mut looks = interval_at(Instant::now() + idle, idle);
        let closed = up.peer.closed();
        tokio::pin!(closed);
        let why = loop {
            tokio::select! {
                reason = &mut closed => break Some(reason.to_string()),
                () = up.closing.notified() => break None,
                _ = over.wait_for(|over| *over) => break None,
                Some(event) = events.next() => self.heard(&slot, event),
                _ = looks.tick() => self.close_if_idle(&slot),
            }
        };
        self.attributed(&mut self.lock(), up.peer.attribution());
        // Nothing of a connection that is over is claimed any more.
        drop(events);
        let (since, attempts) = (up.since, up.attempts);
        slot.listen.lost();
        let Some(why) = why else {
            slot.left(&up, State::Idle);
            close.await;
            // There is room for another connection only now.
            drop(up);
            self.forget_unshared(&slot);
            return;
        };
        self.0.metrics.lost.increment();
        tracing::warn!(upstream = self.0.name, "the connection was lost: {why}");
        // Calls that fail while a server is down are to find one that has worked back soon. Calls that wait are in no hurry,
        // and each of them would start the server of a client anew.
        let lost_soon = match self.0.limits.when_down {
            WhenDown::Fail => 1,
            WhenDown::Wait => attempts + 1,
        };
        let now = match since.elapsed() < HEALTHY {
            true => State::Down(self.unreachable(&ConnectError(why), None, lost_soon)),
            false => State::Idle,
        };
        let left = slot.left(&up, now);
        drop((up, close));
        if left {
            self.reconnect(&slot, client).await;
        }
    }

    /// Forgets a place that was one caller's alone, unless it is in use again: its caller may be gone for good.
    fn forget_unshared(&self, slot: &Arc<Slot>) {
        if slot.key.share == Share::All {
            return;
        }
        // While the table is locked, no new caller comes to the slot.
        let mut table = self.lock();
        let unused = !slot.is_taken() && matches!(&*slot.state.borrow(), State::Idle);
        if unused {
            table.slots.retain(|_, other| !Arc::ptr_eq(other, slot));
            drop(table);
            slot.state.send_replace(State::Moved);
        }
    }

    /// Takes what the server says outside any call.
    fn heard(&self, slot: &Slot, event: PeerEvent) {
        self.0.events.send(event.clone());
        match event {
            PeerEvent::Request(request) => self.unsolicited(slot, &request),
            PeerEvent::Lagged(_) => slot.listen.missed(),
            event @ PeerEvent::Notification(..) => {
                if let Some(notification) = event.into_notification() {
                    self.elicited(slot, &notification);
                    slot.listen.said(&notification);
                }
            }
        }
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
        if let Some(peer) = slot.was_sent(&id) {
            peer.notify(notification.method.as_str(), notification.params.clone());
        }
        if let Some(park) = self.0.parked.get().and_then(Weak::upgrade) {
            park.completed(&id);
        }
    }

    /// Connects again while somebody listens; for calls alone the next one is early enough.
    async fn reconnect(&self, slot: &Arc<Slot>, client: OpenRequest) {
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

    /// Closes a connection that has been idle for long, unless it is the only one.
    fn close_if_idle(&self, slot: &Slot) {
        let open = self.slots().iter().filter(|slot| slot.up().is_some()).count();
        let unused = slot.idle_since().is_some_and(|since| since.elapsed() >= self.0.limits.idle);
        if unused && open > 1 {
            self.give_up(slot);
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
