use std::time::Duration;

use tokio::time::Instant;

/// A clock that begins when it is made: state machines count the time since then, timers need the moment itself.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn new() -> Self {
        Self { began: Instant::now() }
    }

    /// The time since it began.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// The moment `at` after it began. `None` beyond what the system's clock can express: such a moment never comes.
    pub fn instant(&self, at: Duration) -> Option<Instant> {
        self.began.checked_add(at)
    }

    /// The time from its beginning to `instant`; zero for an earlier one.
    pub fn since(&self, instant: Instant) -> Duration {
        instant.saturating_duration_since(self.began)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn times_and_moments_are_the_same_and_beyond_the_clock_is_never() {
        let clock = Clock::new();
        let second = Duration::from_secs(1);
        let moment = clock.instant(second).unwrap();
        tokio::time::sleep_until(moment).await;
        assert_eq!((clock.now(), clock.since(moment)), (second, second));
        assert_eq!(clock.instant(Duration::MAX), None);
    }
}
