use anyport_metrics::{Gauge, Held, Metrics};

use super::limits::ParkLimits;

/// What is counted of parked calls: what their limits refuse, and how many there are.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    metrics: Metrics,
    parked: Gauge,
}

impl Counters {
    /// Counts in `metrics`, where every limit that the configuration has begins with 0.
    pub(super) fn new(metrics: &Metrics) -> Self {
        for limit in ParkLimits::default().limits_mut() {
            metrics.refusals(limit.spec.name);
        }
        let parked = metrics.gauge("anyport_parked_calls", "Calls that wait for their caller's retry");
        Self { metrics: metrics.clone(), parked }
    }

    /// Counts a refusal under the name of its limit.
    pub(super) fn refused(&self, limit: &'static str) {
        self.metrics.refusals(limit).increment();
    }

    /// Counts a parked call until the guard is dropped.
    pub(super) fn parked(&self) -> Held {
        self.parked.hold()
    }
}
