//! How long the last calls of a member took.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

/// The most calls that count.
const COUNTED: usize = 256;

/// The time that each of a member's last calls took. Noting one costs two atomic operations.
pub(super) struct RecentCalls {
    /// In nanoseconds, at least one; zero where no call was noted yet.
    times: Box<[AtomicU64; COUNTED]>,
    next: AtomicUsize,
}

/// How long the last calls of a member took, of which at most 256 count. The time in which a person answers a server request
/// counts if the call is open meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// Half of the calls took at most this long (p50).
    pub median: Duration,
    /// 99 of 100 calls took at most this long (p99).
    pub p99: Duration,
}

impl RecentCalls {
    /// Notes that a call took `time`.
    pub(super) fn note(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
        let place = self.next.fetch_add(1, Ordering::Relaxed) % COUNTED;
        self.times[place].store(nanoseconds, Ordering::Relaxed);
    }

    /// How long they took; `None` if no call has ended.
    pub(super) fn latency(&self) -> Option<Latency> {
        let times = self.times.iter().map(|time| time.load(Ordering::Relaxed));
        let mut times: Vec<u64> = times.filter(|time| *time > 0).collect();
        times.sort_unstable();
        // The nearest rank: the smallest value that is at least as large as `percent` of all.
        let percentile = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100);
            times.get(rank.checked_sub(1)?).map(|time| Duration::from_nanos(*time))
        };
        Some(Latency { median: percentile(50)?, p99: percentile(99)? })
    }
}

impl Default for RecentCalls {
    fn default() -> Self {
        Self { times: Box::new([const { AtomicU64::new(0) }; COUNTED]), next: AtomicUsize::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_calls_count() {
        let calls = RecentCalls::default();
        assert_eq!(calls.latency(), None);
        let milliseconds = Duration::from_millis;
        calls.note(milliseconds(7));
        assert_eq!(calls.latency(), Some(Latency { median: milliseconds(7), p99: milliseconds(7) }));
        (1..=100).for_each(|time| calls.note(milliseconds(time)));
        assert_eq!(calls.latency(), Some(Latency { median: milliseconds(50), p99: milliseconds(99) }));
        (0..COUNTED).for_each(|_| calls.note(Duration::ZERO));
        let least = Duration::from_nanos(1);
        assert_eq!(calls.latency(), Some(Latency { median: least, p99: least }), "older calls do not count");
    }
}
