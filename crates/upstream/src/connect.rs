//! How connections are opened, with backoff.

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicBool, AtomicUsize},
};

use anyport_protocol::{failure::Failure, session::client::ServerIdentity};
use anyport_service::{Context, Principal};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    task::JoinHandle,
    time::{Instant, sleep_until},
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

impl Pool {
    /// The connection for calls such as `context`'s that prefer the era `preferred`, once it is there.
    pub(crate) async fn up(
        &self,
        context: &Context,
        preferred: Era,
    ) -> Result<(Arc<Slot>, Arc<Up>), Failure> {
        let hold = self.hold(context, preferred, false);
        let (hold, up) = self.up_for(hold, context, preferred, false).await?;
        let slot = hold.slot().clone();
        // Another connection of the server may have been replaced since this one was opened, and the eras forgotten with it.
        self.lock().eras.learn(slot.key.preferred(), Era::of(up.session.revision()));
        Ok((slot, up))
    }

    /// The connection for a call that holds a place, once it is there; the place may be another one then.
    pub(crate) async fn up_for(
        &self,
        mut hold: CallGuard,
        context: &Context,
        preferred: Era,
        asks: bool,
    ) -> Result<(CallGuard, Arc<Up>), Failure> {
        loop {
            if self.0.limits.when_down == WhenDown::Wait {
                self.due(hold.slot()).await;
            }
            self.begin(hold.slot(), context);
            let limits = &self.0.limits;
            // Then there is a task that tries again, and each call would wait for as long as connecting may take.
            let at_most = limits.background_probes.then_some(limits.breaker_failures);
            match hold.slot().settled_for_call(at_most).await {
                State::Up(up) => return Ok((hold, up)),
                State::Down(down) | State::Reconnecting(down) => return Err(self.down(&down)),
                // It is gone already, or somewhere else now.
                State::Idle | State::Connecting | State::Moved => {}
            }
            tokio::task::yield_now().await;
            hold = self.hold(context, preferred, asks);
        }
    }

    /// Completes when the next attempt to connect may be made, or was made by another call.
    async fn due(&self, slot: &Slot) {
        let retry_at = match &*slot.state.borrow() {
            State::Down(down) => match down.retry_at {
                Some(retry_at) => retry_at,
                None => return,
            },
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
                State::Down(down) => down.retry_at.is_some_and(|retry_at| retry_at <= Instant::now()),
                State::Connecting | State::Reconnecting(_) | State::Up(_) | State::Moved => false,
            };
            if may && let State::Down(down) = std::mem::replace(state, State::Connecting) {
                if down.attempts > 0 {
                    *state = State::Reconnecting(down.clone());
                }
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
        tracing::error!(upstream = self.0.name, error = %panicked, "what connects has panicked");
        self.panicked(&slot);
    }

    /// Counts the attempt to connect in this place as failed, after a panic. Returns whether one was under way.
    fn panicked(&self, slot: &Slot) -> bool {
        let why =
            ConnectError::new("connecting failed in a way that it should not, which is a fault to report");
        slot.state.send_if_modified(|state| {
            let connects = matches!(state, State::Connecting | State::Reconnecting(_));
            if connects {
                *state = State::Down(self.unreachable(&why, None, 1));
            }
            connects
        })
    }

    /// The failure for a call that comes while the server is down.
    fn down(&self, down: &Down) -> Failure {
        match down.failure.clone() {
            Failure::Unavailable { since, why, .. } => {
                let until = |at: Instant| at.saturating_duration_since(Instant::now());
                let retry_in = down.retry_at.map(until);
                Failure::Unavailable { since, why, retry_in }.of_upstream(&*self.0.name)
            }
            failure => failure,
        }
    }

    /// Connects once, in a task of its own: a first caller that leaves does not affect the others.
    async fn connect(self, slot: Arc<Slot>, client: OpenRequest, failed: Option<Down>) {
        let preferred = slot.key.preferred();
        let known = self.eras().has(preferred);
        let first = match known {
            None => Some(self.0.first.lock().await),
            Some(_) => None,
        };
        if first.is_some() && self.is_obsolete(&slot) {
            self.moved(&slot);
            return;
        }
        let room = match self.room(&slot).await {
            Ok(room) => room,
            Err(failure) => {
                slot.state.send_replace(State::Down(Down::now(failure)));
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
                self.probe(&slot, &client);
            }
            None => {
                slot.state.send_replace(State::Down(Down::now(Failure::ShuttingDown)));
            }
        }
        drop(first);
    }

    /// Whether calls that would come to this place go elsewhere, by what is known of the server by now.
    fn is_obsolete(&self, slot: &Slot) -> bool {
        let known = self.eras().has(slot.key.preferred());
        match slot.key.era {
            None => known.is_some(),
            Some(_) => known == Some(false),
        }
    }

    pub(crate) fn unreachable(
        &self,
        why: &ConnectError,
        since: Option<jiff::Timestamp>,
        attempts: u32,
    ) -> Down {
        let name = &self.0.name;
        let since = since.unwrap_or_else(jiff::Timestamp::now);
        tracing::warn!(upstream = name, attempts, "not connected: {why}");
        let failure = Failure::Unavailable { since, why: why.to_string(), retry_in: None };
        let retry_at = (!why.is_final()).then(|| Instant::now() + self.0.limits.backoff_after(attempts));
        Down { failure, since, retry_at, attempts }
    }

    /// Closes a connection that is not needed now, unless a call has come to it meanwhile: then once that is over.
    pub(crate) fn give_up(&self, slot: &Slot) {
        if let Some(up) = slot.up() {
            slot.retire(&up);
        }
    }

    /// Removes a slot whose connection now belongs to another slot. Its listeners go on there.
    fn moved(&self, slot: &Arc<Slot>) {
        self.lock().slots.retain(|_, other| !Arc::ptr_eq(other, slot));
        slot.state.send_replace(State::Moved);
        slot.listen.moved();
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
            roots_of: OnceLock::new(),
            service,
            session: session.clone(),
            peer,
            since: Instant::now(),
            attempts,
            closing: Notify::new(),
            outdated: Arc::default(),
            calls: AtomicUsize::new(0),
            is_retired: AtomicBool::new(false),
            has_worked: AtomicBool::new(false),
            _room: room,
        });
        let place = {
            let mut table = self.lock();
            table.eras.learn(slot.key.preferred(), Era::of(revision));
            let key = match (Era::of(revision), slot.key.era) {
                (Era::Modern, _) => ConnectionKey::modern(),
                (Era::Legacy, Some(Era::Modern)) => {
                    ConnectionKey::legacy(&client.capabilities, false, Share::All)
                }
                (Era::Legacy, _) => slot.key.found_legacy(),
            };
            table.slots.entry(key).or_insert_with_key(|key| Slot::new(key.clone(), self.0.limits)).clone()
        };
        tracing::debug!(upstream = self.0.name, revision = revision.as_str(), "connected");
        let (info, eras) = (Arc::new(ServerInfo::of(&session)), self.eras());
        self.0.server_info.send_modify(|known| known.found(info, eras));
        if let Some(park) = self.0.parked.get().and_then(Weak::upgrade) {
            park.identify(ServerIdentity::of(session.discovered()));
        }
        if !Arc::ptr_eq(&place, &slot) {
            // A slot that is connecting keeps its connection.
            let taken = place.state.send_if_modified(|state| {
                let free = matches!(state, State::Idle | State::Down(_));
                if free {
                    // Until its listeners have the connection.
                    *state = State::Connecting;
                }
                free
            });
            self.moved(&slot);
            if !taken {
                tokio::spawn(close);
                return;
            }
        }
        let context = Context::new(Principal::local(), revision);
        let context = match Era::of(revision) {
            Era::Modern => context,
            Era::Legacy => context.with_client(client.capabilities.clone(), client.info.clone()),
        };
        place.failures.clear();
        let linking = LinkGuard { pool: self, slot: &place, client };
        let links = place.link(&up, context, Offers::of(session.discovered()));
        place.state.send_replace(State::Up(up.clone()));
        drop(linking);
        if attempts > 0 {
            self.recovered(&place);
        }
        tokio::spawn(self.clone().watch((place, links), up, client.clone(), events, close));
    }
}

/// A place whose listeners are about to be served by a connection. Waking them runs foreign code: after a panic the place must
/// not stay in the state of connecting, which its callers wait for.
struct LinkGuard<'a> {
    pool: &'a Pool,
    slot: &'a Arc<Slot>,
    client: &'a OpenRequest,
}

impl Drop for LinkGuard<'_> {
    fn drop(&mut self) {
        if self.pool.panicked(self.slot) {
            self.slot.unlink_last();
            tokio::spawn(self.pool.clone().reconnect(self.slot.clone(), self.client.clone()));
        }
    }
}
