use std::time::Duration;

/// How long a client may be silent: until its first message, and while none of its requests runs.
///
/// `now` is the time since any fixed moment, the same one for all calls.
#[derive(Clone, Debug)]
pub struct IdleTimeout {
    first_message: Option<Duration>,
    idle: Option<Duration>,
    /// Whether the first message has come.
    heard: bool,
    /// When something happened last.
    last: Duration,
}

/// The limit that a silent client has exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// No first message within this time (`first_message`).
    FirstMessage(Duration),
    /// No message and no request in flight for this time (`connection_idle`).
    Idle(Duration),
}

impl IdleTimeout {
    /// The limits of a connection that opens at `now`; `None` is no limit.
    pub fn new(first_message: Option<Duration>, idle: Option<Duration>, now: Duration) -> Self {
        Self { first_message, idle, heard: false, last: now }
    }

    /// The moment of the next [`check`](Self::check), or `None` if no limit applies.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let limit = if self.heard { self.idle } else { self.first_message.or(self.idle) };
        // A moment beyond the clock never comes.
        limit.and_then(|limit| self.last.checked_add(limit))
    }

    /// Whether the client has sent a message.
    pub fn has_received(&self) -> bool {
        self.heard
    }

    /// The client has sent a message.
    pub fn received(&mut self, now: Duration) {
        (self.heard, self.last) = (true, now);
    }

    /// A request has ended, from which moment on the client is idle.
    pub fn finished(&mut self, now: Duration) {
        // The time for the first message does not begin anew.
        if self.heard || self.first_message.is_none() {
            self.last = now;
        }
    }

    /// Whether a limit is exceeded at `now`. A connection on which something is in flight (`is_busy`) is not idle.
    pub fn check(&mut self, now: Duration, is_busy: bool) -> Option<Silence> {
        if now < self.poll_timeout()? {
            return None;
        }
        if let (Some(limit), false) = (self.first_message, self.heard) {
            return Some(Silence::FirstMessage(limit));
        }
        if is_busy {
            self.last = now;
            return None;
        }
        self.idle.map(Silence::Idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_client_that_never_speaks_is_silent_whatever_ends_meanwhile() {
        let mut silent = IdleTimeout::new(Some(seconds(10)), Some(seconds(60)), seconds(0));
        silent.finished(seconds(9));
        assert_eq!(silent.poll_timeout(), Some(seconds(10)));
        assert_eq!(silent.check(seconds(10), true), Some(Silence::FirstMessage(seconds(10))));
    }

    #[test]
    fn a_client_is_idle_from_its_last_message_or_the_end_of_its_last_request() {
        let mut idle = IdleTimeout::new(Some(seconds(10)), Some(seconds(60)), seconds(0));
        idle.received(seconds(5));
        assert_eq!(idle.poll_timeout(), Some(seconds(65)));
        assert_eq!(idle.check(seconds(65), true), None);
        idle.finished(seconds(70));
        assert_eq!(idle.check(seconds(129), false), None);
        assert_eq!(idle.check(seconds(130), false), Some(Silence::Idle(seconds(60))));
    }

    #[test]
    fn without_limits_nothing_is_ever_due() {
        let mut endless = IdleTimeout::new(None, None, seconds(0));
        assert_eq!((endless.poll_timeout(), endless.check(Duration::MAX, false)), (None, None));
        endless = IdleTimeout::new(None, Some(Duration::MAX), seconds(1));
        assert_eq!(endless.poll_timeout(), None);
    }
}
