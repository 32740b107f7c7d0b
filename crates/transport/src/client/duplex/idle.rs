use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::Duplex;
use crate::client::CloseReason;

/// When something was said last on a channel, and how long it may be idle. The time is read with every message; the timer
/// is set anew only when it fires.
pub(crate) struct Idle {
    limit: Duration,
    begun: Instant,
    /// Microseconds after `begun`.
    last: AtomicU64,
}

impl Idle {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit: limit.max(LEAST), begun: Instant::now(), last: AtomicU64::new(0) }
    }

    /// Something was said, by either side.
    pub(crate) fn renew(&self) {
        let elapsed = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last.store(elapsed, Ordering::Relaxed);
    }

    /// Completes, with the reason, once the channel was idle for long enough. No call can begin on it any more then.
    pub(crate) async fn over(&self, connection: &Duplex) -> String {
        loop {
            let last = self.begun + Duration::from_micros(self.last.load(Ordering::Relaxed));
            // For longer than any clock runs.
            let Some(end) = last.checked_add(self.limit) else { return std::future::pending().await };
            if Instant::now() < end {
                sleep_until(end).await;
                continue;
            }
            let why = format!("nothing said and nothing open for {:?} (connection_idle)", self.limit);
            if connection.end_unused(CloseReason::lost(why.as_str())) {
                return why;
            }
            // Whatever it is used for begins the time anew.
            self.renew();
        }
    }
}

/// So that looking costs nothing, whatever is set.
const LEAST: Duration = Duration::from_millis(1);
