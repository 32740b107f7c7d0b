//! The circuit breaker of a place for a connection.
//!
//! The circuit is closed while the place is idle, connecting or up, and open while it is down. It opens when connecting fails,
//! when a connection is lost soon after its begin, and when `breaker_failures` calls in a row have failed on a connection
//! that seems to be whole: a server that hangs or answers nonsense. It is half open during each attempt to connect and until the
//! server has answered on the new connection: one failure opens it again, with a longer backoff.

use std::sync::{Arc, atomic::Ordering};

use anyport_protocol::{
    Revision,
    failure::{CloseReason, Failure},
};
use anyport_service::{Context, Principal};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    ConnectError, OpenRequest,
    isolation::Share,
    pool::Pool,
    slot::{Down, Slot, State, Up},
    watch::DISCONNECT_GRACE,
};

/// Whether `failure` says that the server, or the way to it, does not work. Errors that the server answers with, cancelled calls,
/// limits of ours, and connections that were closed from our side or are gone as a whole do not: of the last, those who watch
/// the connection know.
pub(crate) fn counts(failure: &Failure) -> bool {
    match failure.root() {
        Failure::NotSent(reason) | Failure::Disconnected(reason) | Failure::OutcomeUnknown(reason) => {
            matches!(reason, CloseReason::Lost(_))
        }
        Failure::InvalidPeer(_) | Failure::NoFirstByte { .. } => true,
        _ => false,
    }
}

impl Pool {
    /// Counts a call of the caller of `context` that failed on the connection `up`, if the connection is there after all: one
    /// that is lost is not counted here.
    pub(crate) fn call_failed(&self, slot: &Arc<Slot>, up: &Arc<Up>, context: &Context, failure: &Failure) {
        let why = failure.to_error().message.into_owned();
        if !failure.is_lost_connection() {
            return self.count_failure(slot, up, context, &why);
        }
        let (pool, slot, up, context) = (self.clone(), slot.clone(), up.clone(), context.clone());
        tokio::spawn(async move {
            sleep(DISCONNECT_GRACE).await;
            pool.count_failure(&slot, &up, &context, &why);
        });
    }

    /// Counts a failure on the connection `up`, and opens the circuit if there were too many.
    pub(crate) fn count_failure(&self, slot: &Arc<Slot>, up: &Arc<Up>, context: &Context, why: &str) {
        if !slot.up().is_some_and(|there| Arc::ptr_eq(&there, up)) {
            return;
        }
        let limits = &self.0.limits;
        let failures = slot.failures.add(limits.breaker_window);
        let has_worked = up.has_worked.load(Ordering::Relaxed);
        let is_half_open = up.attempts > 0 && !has_worked;
        if failures < limits.breaker_failures && !is_half_open {
            return;
        }
        slot.failures.clear();
        let attempts = if has_worked { 1 } else { up.attempts + 1 };
        let why = match failures {
            1 => why.to_owned(),
            _ => format!("{failures} calls in a row have failed, the last one so: {why}"),
        };
        let down = self.unreachable(&ConnectError::new(why), None, attempts);
        // Calls that are under way on the connection may still end.
        if slot.retire_as(up, State::Down(down)) {
            self.0.metrics.opened.increment();
            self.probe(slot, &slot.key.client(context));
        }
    }

    /// Notes that a call of the caller of `context`, which began at `began`, was ended without a sign of the server.
    pub(crate) fn was_silent(&self, context: &Context, began: Instant) {
        let slot = self.slot(context);
        // A connection that began later was not waited for.
        if let Some(up) = slot.up().filter(|up| up.since <= began) {
            self.count_failure(&slot, &up, context, "nothing of it came until its deadline (call_timeout)");
        }
    }

    /// Connects the place in the background until the server is there, if that is wanted. One place of a server is enough: see
    /// [`Pool::recovered`]. The place of a single caller is connected by its next call: the caller may be gone.
    pub(crate) fn probe(&self, slot: &Arc<Slot>, client: &OpenRequest) {
        let inner = &self.0;
        if inner.limits.background_probes
            && slot.key.share == Share::All
            && !*inner.closed.borrow()
            && !inner.probing.swap(true, Ordering::AcqRel)
        {
            tokio::spawn(self.clone().connect_again(slot.clone(), client.clone()));
        }
    }

    async fn connect_again(self, slot: Arc<Slot>, client: OpenRequest) {
        let _probing = Probing(self.clone());
        let context =
            Context::new(Principal::local(), Revision::NEWEST).with_client(client.capabilities, client.info);
        let (mut state, mut closed) = (slot.state.subscribe(), self.0.closed.subscribe());
        loop {
            let due = match &*state.borrow_and_update() {
                State::Down(Down { attempts: 1.., retry_at: Some(retry_at), .. }) => Some(*retry_at),
                State::Connecting | State::Reconnecting(_) => None,
                State::Down(_) | State::Idle | State::Up(_) | State::Moved => return,
            };
            let due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.begin(&slot, &context),
                // The sender is the place.
                _ = state.changed() => {}
                _ = closed.wait_for(|closed| *closed) => return,
            }
        }
    }

    /// Lets every other place connect now: the server is there again.
    pub(crate) fn recovered(&self, than: &Slot) {
        for slot in self.slots().iter().filter(|slot| !std::ptr::eq(&***slot, than)) {
            slot.state.send_if_modified(|state| match state {
                State::Down(down) if down.retry_at.is_some() => {
                    down.retry_at = Some(Instant::now());
                    true
                }
                _ => false,
            });
        }
    }
}

/// The one task that connects a server in the background.
struct Probing(Pool);

impl Drop for Probing {
    fn drop(&mut self) {
        self.0.0.probing.store(false, Ordering::Release);
    }
}
