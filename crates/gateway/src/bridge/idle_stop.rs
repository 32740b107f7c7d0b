//! A server that is ended while it is not used: its lists are answered from the cache, and the next call connects it again.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyport_service::{Relay, sync::Lock};
use anyport_upstream::Upstream;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

/// Ends the connections of a server that is not used.
pub(super) struct IdleStop {
    upstream: Upstream,
    /// The time without use after which they are closed.
    after: Duration,
    is_stopped: watch::Sender<bool>,
    /// The number of calls and subscriptions in flight.
    in_use: AtomicUsize,
    state: Lock<State>,
}

struct State {
    /// The end of the last use.
    used: Instant,
    /// Whether a connection was open at the last look.
    was_open: bool,
}

/// The time in which listeners leave a connection that is about to be closed.
const LEAVE: Duration = Duration::from_millis(100);

impl IdleStop {
    /// Ends the connections of `upstream` once nothing has used it for `after`.
    pub(super) fn new(upstream: Upstream, after: Duration) -> Arc<Self> {
        let idle_stop = Arc::new(Self {
            upstream,
            after: after.max(LEAVE),
            is_stopped: watch::Sender::new(false),
            in_use: AtomicUsize::new(0),
            state: Lock::new(State { used: Instant::now(), was_open: false }),
        });
        tokio::spawn(run(Arc::downgrade(&idle_stop)));
        idle_stop
    }

    /// Whether the server was ended for want of use, and nothing has needed it since.
    pub(super) fn is_stopped(&self) -> bool {
        *self.is_stopped.borrow()
    }

    /// Completes when the server is stopped, or is not, as `is_stopped` says.
    pub(super) async fn becomes(&self, is_stopped: bool) {
        // The sender is in this value.
        let _ = self.is_stopped.subscribe().wait_for(|now| *now == is_stopped).await;
    }

    /// Notes a use that lasts until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InUse {
        self.in_use.fetch_add(1, Ordering::SeqCst);
        self.wake();
        InUse(self.clone())
    }

    /// The server is needed: its listeners return to it.
    pub(super) fn wake(&self) {
        self.state.lock().used = Instant::now();
        self.is_stopped.send_if_modified(|is_stopped| std::mem::replace(is_stopped, false));
    }

    /// Closes the connections if that is due. Returns when to look again.
    async fn look(&self) -> Instant {
        let now = Instant::now();
        let is_open = self.upstream.is_open();
        let due = {
            let mut state = self.state.lock();
            // Whatever has opened it, such as a list that was not known, it had a reason.
            if is_open && !std::mem::replace(&mut state.was_open, is_open) {
                state.used = now;
            }
            state.was_open = is_open;
            state.used + self.after
        };
        let is_used = self.in_use.load(Ordering::SeqCst) > 0 || self.upstream.is_in_use();
        if !is_open || is_used || self.is_stopped() {
            return now + self.after;
        }
        if now < due {
            return due;
        }
        self.is_stopped.send_replace(true);
        sleep(LEAVE).await;
        // A call may have come meanwhile. One that comes from now on opens a connection of its own.
        if self.is_stopped() {
            tracing::info!(upstream = self.upstream.name(), "not used, and ended (idle_stop)");
            self.upstream.close_unused();
            self.state.lock().was_open = false;
        }
        Instant::now() + self.after
    }
}

async fn run(idle_stop: Weak<IdleStop>) {
    loop {
        // Between two looks it can be dropped.
        let next = match idle_stop.upgrade() {
            Some(idle_stop) => idle_stop.look().await,
            None => return,
        };
        sleep_until(next).await;
    }
}

/// A use of the server.
pub(super) struct InUse(Arc<IdleStop>);

impl Drop for InUse {
    fn drop(&mut self) {
        self.0.state.lock().used = Instant::now();
        self.0.in_use.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Relay for InUse {}
