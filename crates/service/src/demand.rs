use std::sync::{
    Arc, Weak,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{sync::watch, time::Instant};

use crate::sync::Lock;

/// How much clients want of what is requested for them without a request of theirs, such as lists that are cached and followed for
/// changes.
///
/// Who makes such requests notes each use by a client. Who answers them may pause them where there is no place for all, and they stay
/// paused until a client comes again. Clones are the same demand.
#[derive(Clone, Debug)]
pub struct Demand(Arc<State>);

/// A demand that may be gone, see [`Demand::downgrade`].
#[derive(Clone, Debug)]
pub struct WeakDemand(Weak<State>);

#[derive(Debug)]
struct State {
    used: Lock<Instant>,
    listeners: AtomicUsize,
    is_paused: watch::Sender<bool>,
}

impl Demand {
    /// A demand that begins with a use by a client.
    pub fn new() -> Self {
        let (used, listeners, is_paused) =
            (Lock::new(Instant::now()), AtomicUsize::new(0), watch::Sender::new(false));
        Self(Arc::new(State { used, listeners, is_paused }))
    }

    /// Notes a use by a client. What was paused goes on.
    pub fn note_use(&self) {
        *self.0.used.lock() = Instant::now();
        self.resume();
    }

    /// The time of the last use by a client.
    pub fn last_use(&self) -> Instant {
        *self.0.used.lock()
    }

    /// Notes a client that wants to be notified of changes, until the guard is dropped.
    pub fn listen(&self) -> DemandGuard {
        self.0.listeners.fetch_add(1, Ordering::Relaxed);
        self.note_use();
        DemandGuard(self.clone())
    }

    /// Whether a client wants to be notified of changes.
    pub fn has_listeners(&self) -> bool {
        self.0.listeners.load(Ordering::Relaxed) > 0
    }

    /// Asks for no more requests, and for the end of those that are open, until a client comes again.
    pub fn pause(&self) {
        self.set_paused(true);
    }

    /// Lets requests be made again.
    pub fn resume(&self) {
        self.set_paused(false);
    }

    /// Whether no requests are to be made.
    pub fn is_paused(&self) -> bool {
        *self.0.is_paused.borrow()
    }

    /// Completes when no requests are to be made.
    pub async fn paused(&self) {
        self.until(true).await;
    }

    /// Completes when requests may be made again.
    pub async fn resumed(&self) {
        self.until(false).await;
    }

    /// Whether both are the same demand.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The same, without keeping it.
    pub fn downgrade(&self) -> WeakDemand {
        WeakDemand(Arc::downgrade(&self.0))
    }

    fn set_paused(&self, is_paused: bool) {
        if self.is_paused() != is_paused {
            self.0.is_paused.send_replace(is_paused);
        }
    }

    async fn until(&self, is_paused: bool) {
        // The sender is held here.
        let _ = self.0.is_paused.subscribe().wait_for(|now| *now == is_paused).await;
    }
}

impl Default for Demand {
    fn default() -> Self {
        Self::new()
    }
}

impl WeakDemand {
    /// The demand, if there is still one.
    pub fn upgrade(&self) -> Option<Demand> {
        self.0.upgrade().map(Demand)
    }
}

/// A client that wants to be notified of changes, see [`Demand::listen`].
#[derive(Debug)]
pub struct DemandGuard(Demand);

impl Drop for DemandGuard {
    fn drop(&mut self) {
        self.0.0.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_paused_goes_on_with_the_next_use() {
        let demand = Demand::new();
        let begun = demand.last_use();
        demand.pause();
        demand.paused().await;
        tokio::time::advance(Duration::from_secs(5)).await;
        let listener = demand.listen();
        demand.resumed().await;
        assert!(!demand.is_paused() && demand.has_listeners());
        assert_eq!(demand.last_use() - begun, Duration::from_secs(5));
        drop(listener);
        assert!(!demand.has_listeners());
        let weak = demand.downgrade();
        assert!(weak.upgrade().is_some_and(|same| same.is(&demand)));
        drop(demand);
        assert!(weak.upgrade().is_none());
    }
}
