use std::time::Duration;

/// What bounds the connections to one server; the names are the configuration's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Connections at once. Default 64; for a program that is started for each, 8 are many.
    pub connections: usize,
    /// Calls that may wait for a connection. Beyond that they are refused as `overloaded`. Default 256.
    pub waiting: usize,
    /// For how long such a call waits; then it is refused as `overloaded`. Connections may be held for as long as people
    /// take to answer questions, or never do. Default 30 s.
    pub connection_wait: Duration,
    /// For how long a connection that nobody uses stays open; the last one of a server always does, since what the
    /// server remembers would go with it. Default 10 minutes.
    pub idle: Duration,
    /// The longest time between two attempts to connect. Default 30 s.
    pub backoff: Duration,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self {
            connections: 64,
            waiting: 256,
            connection_wait: Duration::from_secs(30),
            idle: Duration::from_secs(600),
            backoff: Duration::from_secs(30),
        }
    }
}

impl UpstreamLimits {
    /// How many places for connections are remembered, whether in use or not: callers may say of themselves whatever they
    /// like, and each who says something new gets one.
    pub(crate) fn places(&self) -> usize {
        self.connections.saturating_mul(2)
    }
}
