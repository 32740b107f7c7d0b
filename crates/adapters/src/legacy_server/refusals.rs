use std::sync::Arc;

use anyport_metrics::{Counter, Metrics};

/// Counters of what the limits of parked calls refuse.
#[derive(Clone, Debug, Default)]
pub(super) struct Refusals(Arc<[(&'static str, Counter)]>);

/// Every limit that refuses something.
const LIMITS: &[&str] = &[
    "parked_per_principal",
    "parked_total",
    "parked_bytes",
    "parked_log_bytes",
    "park_ttl",
    "questions",
    "rounds",
    "max_reprompts",
    "state_bytes",
    "call_timeout",
];

impl Refusals {
    /// Counters in `metrics`, one for each limit.
    pub(super) fn in_metrics(metrics: &Metrics) -> Self {
        Self(LIMITS.iter().map(|limit| (*limit, metrics.refusals(limit))).collect())
    }

    /// Counts a refusal under the name of its limit.
    pub(super) fn count(&self, limit: &str) {
        if let Some((_, counter)) = self.0.iter().find(|(name, _)| *name == limit) {
            counter.increment();
        }
    }
}
