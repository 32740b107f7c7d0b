use std::{
    fmt,
    sync::MutexGuard,
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
    attached_request::Command,
    elicitations::Elicitations,
    limits::ParkLimits,
    state_sealer::{Binding, Opened, StateSealer},
};
use anyport_service::{Clock, Principal, sync::Lock};

/// The shared state of all parked calls.
pub(super) struct ParkedCalls {
    pub(super) seals: StateSealer,
    pub(super) limits: ParkLimits,
    pub(super) elicitations: Elicitations,
    /// The server's identity, once it is known.
    identity: Lock<Option<ServerIdentity>>,
    clock: Clock,
    /// The time of day at which the clock began, in milliseconds since 1970. All times of day follow from the one clock, so
    /// that the two cannot disagree while the process runs.
    began: u64,
    lot: Lock<Lot<Principal, Handle>>,
}

/// Leads to the task of a parked call.
pub(super) type Handle = mpsc::UnboundedSender<Command>;

impl ParkedCalls {
    pub(super) fn new(seals: StateSealer, limits: ParkLimits) -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let lot = Lot::new(limits.parked_per_principal, limits.parked_total);
        Self {
            seals,
            limits,
            elicitations: Elicitations::default(),
            identity: Lock::default(),
            clock: Clock::new(),
            began: millis(began),
            lot: Lock::new(lot),
        }
    }

    pub(super) fn identify(&self, identity: Option<ServerIdentity>) {
        *self.identity.lock() = identity;
    }

    /// A result that is made here in the server's stead, as one of the server's.
    pub(super) fn signed(&self, result: Raw) -> Raw {
        match &*self.identity.lock() {
            Some(identity) => identity.sign(result),
            None => result,
        }
    }

    pub(super) fn lot(&self) -> MutexGuard<'_, Lot<Principal, Handle>> {
        self.lot.lock()
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// The time of day until which a state is good that is given out now.
    pub(super) fn expiry(&self) -> u64 {
        self.time_of_day(self.now().saturating_add(self.limits.park_ttl))
    }

    /// The moment `at`; `None` beyond the clock, which is never.
    pub(super) fn instant(&self, at: Duration) -> Option<Instant> {
        self.clock.instant(at)
    }

    fn time_of_day(&self, at: Duration) -> u64 {
        self.began.saturating_add(millis(at))
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
                let late = opened.expires <= self.time_of_day(now) && self.seals.is_here(&opened.node);
                let reason = if late { Reason::Expired } else { Reason::Lost };
                Some(CallRecord::Abandoned(reason).answer(now, round, digest, &binding.name))
            }
        }
    }

    /// Whether a state is past its time.
    pub(super) fn is_late(&self, opened: &Opened) -> bool {
        opened.expires <= self.time_of_day(self.now())
    }
}

impl fmt::Debug for ParkedCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParkedCalls").field("limits", &self.limits).finish_non_exhaustive()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
