use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyport_protocol::{
    Raw,
    jsonrpc::{Reason, RpcResult},
    session::{
        client::ServerIdentity,
        parked::{CallRecord, Lot, Slot},
    },
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    ParkLimits, StateSealer,
    attached_request::Command,
    state_sealer::{Binding, Opened},
    urls::Elicited,
};
use anyport_service::Principal;

/// The shared state of all parked calls.
pub(super) struct ParkedCalls {
    pub(super) seals: StateSealer,
    pub(super) limits: ParkLimits,
    pub(super) elicited: Elicited,
    /// The server's identity, once it is known.
    identity: Mutex<Option<ServerIdentity>>,
    clock: Clock,
    lot: Mutex<Lot<Principal, Handle>>,
}

/// Leads to the task of a parked call.
pub(super) type Handle = mpsc::UnboundedSender<Command>;

impl ParkedCalls {
    pub(super) fn new(seals: StateSealer, limits: ParkLimits) -> Self {
        let lot = Lot::new(limits.parked_per_principal, limits.parked_total);
        Self {
            seals,
            limits,
            elicited: Elicited::default(),
            identity: Mutex::default(),
            clock: Clock::new(),
            lot: Mutex::new(lot),
        }
    }

    pub(super) fn identify(&self, identity: Option<ServerIdentity>) {
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// A result that is made here in the server's stead, as one of the server's.
    pub(super) fn signed(&self, result: Raw) -> Raw {
        match &*self.identity.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(identity) => identity.sign(result),
            None => result,
        }
    }

    pub(super) fn lot(&self) -> MutexGuard<'_, Lot<Principal, Handle>> {
        self.lot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// The time of day until which a state is good that is given out now.
    pub(super) fn expiry(&self) -> u64 {
        self.clock.wall(self.now().saturating_add(self.limits.park_ttl))
    }

    /// When it is `at`; `None` for a time that the clock cannot tell.
    pub(super) fn instant(&self, at: Duration) -> Option<Instant> {
        self.clock.begun.checked_add(at)
    }

    /// Sends `command` to the call of a state. Returns the outcome for the retry if that call is over or unknown.
    pub(super) fn send(
        &self,
        call: u128,
        opened: &Opened,
        binding: &Binding,
        command: Command,
    ) -> Option<RpcResult> {
        let lot = self.lot();
        let now = self.now();
        let (round, digest) = command.retry();
        match lot.find(call) {
            // A task takes what it was sent before it is over.
            Some(Slot::Open(handle)) if handle.send(command).is_ok() => None,
            Some(Slot::CallRecord(ended)) => Some(ended.answer(now, round, digest, &binding.name)),
            _ => {
                // Of a call that another process holds, or one before this: in any case not known here.
                let late = opened.expires <= self.clock.wall(now) && self.seals.is_here(&opened.node);
                let reason = if late { Reason::Expired } else { Reason::Lost };
                Some(CallRecord::Abandoned(reason).answer(now, round, digest, &binding.name))
            }
        }
    }

    /// Whether a state is past its time.
    pub(super) fn is_late(&self, opened: &Opened) -> bool {
        opened.expires <= self.clock.wall(self.now())
    }
}

/// The time since the park began, and the time of day that follows from it: one clock, so that the two cannot disagree
/// while the process runs.
struct Clock {
    begun: Instant,
    /// Milliseconds since 1970.
    wall: u64,
}

impl Clock {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { begun: Instant::now(), wall: millis(since) }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn wall(&self, at: Duration) -> u64 {
        self.wall.saturating_add(millis(at))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
