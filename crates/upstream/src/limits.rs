use std::time::Duration;

use anyport_service::Backoff;

/// The limits of the connections to one server; the names are those of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Connections at once. Default 64; for a program that is started for each, 8 are many.
    pub connections: usize,
    /// Calls that may wait for a connection. Beyond that they are refused as `overloaded`. Default 256.
    pub waiting: usize,
    /// For how long such a call waits; then it is refused as `overloaded`. Connections may be held for as long as people
    /// take to answer questions, or never do. Default 30 s.
    pub connection_wait: Duration,
    /// How long an idle connection stays open; the last one of a server always stays, since the server's memory would
    /// go with it. Default 10 minutes.
    pub idle: Duration,
    /// The time before the second attempt to connect; it doubles with each that fails. Default 250 ms.
    pub first_backoff: Duration,
    /// The longest time between two attempts to connect. Default 30 s.
    pub backoff: Duration,
    /// What a call does that comes before the next attempt is due. Default [`WhenDown::Fail`].
    pub when_down: WhenDown,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            connections: 64,
            waiting: 256,
            connection_wait: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            first_backoff: Duration::from_millis(250),
            backoff: Duration::from_secs(30),
            when_down: WhenDown::Fail,
        }
    }
}

impl UpstreamLimits {
    /// The limits of a client: one connection that stays open, and calls that wait for the next attempt to connect.
    pub fn single() -> Self {
        Self {
            connections: 1,
            first_backoff: Duration::from_millis(100),
            when_down: WhenDown::Wait,
            ..Self::default()
        }
    }

    /// The time before attempt number `attempts + 1`.
    pub(crate) fn backoff_after(&self, attempts: u32) -> Duration {
        Backoff { first: self.first_backoff, most: self.backoff }.after(attempts.saturating_sub(1))
    }

    /// How many places for connections are remembered, whether in use or not: callers may say of themselves whatever they
    /// like, and each who says something new gets one.
    pub(crate) fn places(&self) -> usize {
        self.connections.saturating_mul(2)
    }
}

/// What a call does that comes while the server cannot be reached, before the next attempt to connect is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenDown {
    /// It fails at once, and says when the next attempt is.
    Fail,
    /// It waits for the next attempt, and fails if that fails.
    Wait,
}
