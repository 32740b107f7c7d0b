use std::time::Duration;

use anyport_protocol::{limits, session::parked::Limits};

limits! {
    /// The limits of parked calls; the names are those of the configuration.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ParkLimits {
        /// The time in which further server requests are collected before the caller receives them.
        #[default(20 ms)]
        pub batch_window: Duration,
        /// The time that a parked call waits for its caller's retry.
        #[default(10 minutes)]
        #[limit(Seconds "park_ttl", beyond = "the call is cancelled; a retry gets -32602 `expired`")]
        pub park_ttl: Duration,
        /// The number of parked calls of one principal.
        #[default(32)]
        #[limit(
            Count "parked_per_principal",
            beyond = "the call that would be parked is cancelled: -32603 `overloaded`"
        )]
        pub parked_per_principal: usize,
        /// The number of parked calls in all. As many ended ones are remembered.
        #[default(1_024)]
        #[limit(Count "parked_total", beyond = "the same")]
        pub parked_total: usize,
        /// The size in bytes of the server requests, and of the waiting outcome, of one parked call.
        #[default(1 MiB)]
        #[limit(
            Bytes "parked_bytes", note = " a call",
            beyond = "a server request is refused; an outcome is dropped, and the retry gets -32603 `too_large`"
        )]
        pub parked_bytes: usize,
        /// The number of server requests that are open at once.
        #[default(16)]
        #[limit(Count "questions", note = " a round", beyond = "the server's request gets -32603")]
        pub questions: usize,
        /// The number of rounds of server requests in one call.
        #[default(10)]
        #[limit(Count "rounds", beyond = "the server's request gets -32603")]
        pub rounds: u32,
        /// How often a server request is repeated if its answer is missing or does not fit.
        #[default(3)]
        #[limit(Count "max_reprompts", beyond = "-32602 `malformed`; a valid answer is still accepted")]
        pub max_reprompts: u32,
        /// The time in which the same retry gets the same outcome once more.
        #[default(30 s)]
        #[limit(Seconds "replay", note = ", outcomes up to 64 KiB", beyond = "-32602 `consumed`")]
        pub replay: Duration,
        /// The size of a `requestState` in bytes.
        #[default(64 KiB)]
        #[limit(Bytes "state_bytes", beyond = "-32602 `tampered`")]
        pub state_bytes: usize,
        /// The time that a call may run. The time in which it is parked does not count.
        #[default("none: as long as its caller waits" = None)]
        #[set(into)]
        pub call_timeout_max: Option<Duration>,
        /// The time that a call which needs URLs to be visited waits for the server's report of the visit.
        #[default(30 s)]
        #[limit(
            Seconds "elicitation_wait",
            beyond = "the call is made although the server has not reported that the URL was visited"
        )]
        pub elicitation_wait: Duration,
    }
}

impl ParkLimits {
    /// The limits of one call.
    pub(super) fn call(&self) -> Limits {
        let Self {
            batch_window,
            park_ttl,
            parked_bytes,
            questions,
            rounds,
            max_reprompts,
            replay,
            call_timeout_max,
            ..
        } = *self;
        Limits {
            batch_window,
            park_ttl,
            parked_bytes,
            questions,
            rounds,
            max_reprompts,
            replay,
            call_timeout_max,
        }
    }
}
