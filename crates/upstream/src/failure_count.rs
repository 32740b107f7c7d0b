//! Failures of calls in a row, for the circuit breaker.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyport_service::sync::Lock;
use tokio::time::Instant;

/// Counts the failures of calls since the server has last answered.
#[derive(Default)]
pub(crate) struct FailureCount {
    /// Whether there are any: an answer seldom finds some.
    any: AtomicBool,
    run: Lock<Option<Run>>,
}

/// Failures in a row.
struct Run {
    count: u32,
    first: Instant,
    last: Instant,
}

impl FailureCount {
    /// Forgets the failures: the server has sent something.
    pub(crate) fn clear(&self) {
        if self.any.load(Ordering::Relaxed) {
            *self.run.lock() = None;
            self.any.store(false, Ordering::Relaxed);
        }
    }

    /// Counts a failure. Returns how many there are in a row, of which the first came within `window`. Calls that fail at the same
    /// time fail for one reason, and count as one.
    pub(crate) fn add(&self, window: Duration) -> u32 {
        let now = Instant::now();
        self.any.store(true, Ordering::Relaxed);
        let mut run = self.run.lock();
        let run = match &mut *run {
            Some(run) if now - run.first <= window => {
                if now - run.last >= AT_ONCE {
                    (run.count, run.last) = (run.count + 1, now);
                }
                run
            }
            run => run.insert(Run { count: 1, first: now, last: now }),
        };
        run.count
    }
}

/// Failures within this time are one.
const AT_ONCE: Duration = Duration::from_millis(100);
