//! The limits of one server: those that its file has for it, else those of `[limits]`, else the defaults.

use std::{num::NonZeroU32, time::Duration};

use anyport_config::gateway::UpstreamConfig;

use crate::{listen::Limits, target};

/// The deadlines of the calls of a server. The time in which somebody answers a question counts for none of them.
#[derive(Clone, Copy)]
pub(crate) struct CallDeadlines {
    /// The time until something of the call must have come; that of `[limits]` if there is none.
    pub(crate) first_byte: Option<Duration>,
    /// The time that a call may take without progress.
    pub(crate) silent: Duration,
    /// The time that a call may take in all; that of `[limits]` if there is none.
    pub(crate) max: Option<Duration>,
}

impl CallDeadlines {
    /// The deadlines of an upstream; `silent` is the time without progress of those that do not say.
    pub(crate) fn of(config: &UpstreamConfig, silent: Duration) -> Self {
        Self {
            first_byte: config.first_byte_timeout.map(seconds),
            silent: config.call_timeout.map_or(silent, seconds),
            max: config.call_timeout_max.map(seconds),
        }
    }
}

/// The places and the queue of one server, where they are not those of `[limits]`.
#[derive(Clone, Copy, Default)]
pub(crate) struct BulkheadOptions {
    max_calls: Option<usize>,
    max_queued: Option<usize>,
    queue_timeout: Option<Duration>,
}

impl BulkheadOptions {
    /// Those of an upstream.
    pub(crate) fn of(config: &UpstreamConfig) -> Self {
        Self {
            max_calls: config.max_concurrent_calls.map(|calls| calls.get() as usize),
            max_queued: config.max_queued_calls.map(|calls| calls as usize),
            queue_timeout: config.queue_timeout.map(seconds),
        }
    }
}

/// The places and the queue of one server.
pub(crate) struct Places {
    /// The number of calls that run at once.
    pub(crate) calls: usize,
    /// The number of calls beyond these that wait.
    pub(crate) queued: usize,
    /// The time that such a call waits.
    pub(crate) wait: Duration,
}

/// The time in which an upstream must be connected, and a revision agreed.
pub(crate) fn open_timeout(config: &UpstreamConfig) -> Duration {
    config.open_timeout.map_or(target::TIMEOUT, seconds)
}

impl Limits {
    /// The number of connections to a server, for which `given` may say another one.
    pub(crate) fn connections_to(&self, is_program: bool, given: Option<usize>) -> usize {
        // Each program is a process of its own.
        let usual = if is_program { 8 } else { self.upstream.connections };
        given.or(self.bridge.connections).unwrap_or(usual)
    }

    /// The time until something of a call must have come, if there is such a limit.
    pub(crate) fn first_byte(&self, deadlines: CallDeadlines) -> Option<Duration> {
        deadlines.first_byte.or(self.upstream.first_byte_timeout)
    }

    /// The time that a call may take in all. A server that reports progress may take longer than one that is silent.
    pub(crate) fn longest(&self, deadlines: CallDeadlines) -> Duration {
        deadlines.max.unwrap_or(self.bridge.call_timeout_max).max(deadlines.silent)
    }

    /// The places and the queue of a server.
    pub(crate) fn places(&self, options: BulkheadOptions) -> Places {
        let Self { bulkhead, edge, .. } = self;
        // One server that hangs leaves places to the others, and so does one caller who calls it.
        let half = || (edge.max_concurrent_calls / 2).max(1);
        Places {
            calls: options.max_calls.or(bulkhead.max_calls).unwrap_or_else(half),
            queued: options.max_queued.unwrap_or(bulkhead.max_queued),
            wait: options.queue_timeout.unwrap_or(bulkhead.queue_timeout),
        }
    }
}

fn seconds(number: NonZeroU32) -> Duration {
    Duration::from_secs(number.get().into())
}
