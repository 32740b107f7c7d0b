use std::time::Duration;

use anyport_protocol::limits;
use anyport_service::Backoff;

limits! {
    /// The limits of the connections to one server; the names are those of the configuration.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct UpstreamLimits {
        /// The number of connections; for a program that is started for each, 8 are many.
        #[default(64)]
        pub connections: usize,
        /// The number of calls that may wait for a connection. Further calls are refused as `overloaded`.
        #[default(256)]
        pub waiting: usize,
        /// The time that such a call waits before it is refused as `overloaded`. A server request can occupy a connection for
        /// as long as a person takes to answer.
        #[default(30 s)]
        #[limit(
            Seconds "connection_wait",
            beyond = "-32603 `overloaded`: a server request can occupy a connection for as long as a person takes to answer"
        )]
        pub connection_wait: Duration,
        /// The time after which an idle connection is closed. The last one of a server stays open, because the server's memory
        /// would go with it.
        #[default(10 minutes)]
        #[limit(
            Seconds "upstream_idle",
            beyond = "an unused connection to the server is closed, unless it is the last one"
        )]
        pub idle: Duration,
        /// The time before the second attempt to connect; it doubles with each attempt that fails.
        #[default(250 ms)]
        pub first_backoff: Duration,
        /// The longest time between two attempts to connect.
        #[default(30 s)]
        pub backoff: Duration,
        /// The time in which the server must send something of a call, once the call was sent: a notification, a request or the
        /// response. The time in which a connection is made does not count.
        #[default("none: `call_timeout` alone bounds it" = None)]
        #[limit(
            Seconds "first_byte_timeout", note = "none",
            beyond = "-32603 `timeout`, and the server receives a cancellation"
        )]
        #[set(into)]
        pub first_byte_timeout: Option<Duration>,
        /// The number of failures in a row after which the circuit breaker opens: calls fail at once until the server was
        /// connected anew. Failures are lost connections, messages that break the protocol, and calls of which nothing came
        /// until their deadline.
        #[default(5)]
        #[limit(
            Count "breaker_failures", note = " in a row",
            beyond = "-32603 `upstream_down` at once, until the server was connected anew; that is tried with backoff"
        )]
        pub breaker_failures: u32,
        /// The time within which these failures must have come.
        #[default(60 s)]
        #[limit(Seconds "breaker_window", beyond = "earlier failures are forgotten")]
        pub breaker_window: Duration,
        /// Whether a server that cannot be reached is connected in the background, although nobody calls.
        #[default(false)]
        pub background_probes: bool,
        /// What a call does if it comes before the next attempt to connect is due.
        #[default(WhenDown::Fail)]
        pub when_down: WhenDown,
    }
}

impl UpstreamLimits {
    /// The limits of a client: one connection that stays open, a second one if a server of both eras can ask about some calls
    /// in the other one alone, and calls that wait for the next attempt to connect.
    pub fn single() -> Self {
        Self {
            connections: 2,
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

/// A connection that lived shorter than this counts as failed: the server gets time to recover.
pub(crate) const HEALTHY: Duration = Duration::from_secs(10);
