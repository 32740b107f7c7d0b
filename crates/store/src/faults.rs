//! What back ends count of records and writes that fail for a reason with a name.

use anyport_metrics::{Counter, Metrics};

use crate::Error;

/// The counters of a store's faults, which all back ends have.
#[derive(Clone)]
pub(crate) struct FaultCounters {
    full: Counter,
    read_only: Counter,
    unreadable: Counter,
    newer: Counter,
}

impl FaultCounters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            full: metrics.refusals("store_bytes"),
            read_only: metrics.counter("anyport_store_read_only", "Writes that the store did not permit"),
            unreadable: metrics
                .counter("anyport_store_unreadable", "Records of the store that cannot be read"),
            newer: metrics
                .counter("anyport_store_newer", "Records and stores that a newer release has written"),
        }
    }

    /// Counts `error`, if it is one of them.
    pub(crate) fn count(&self, error: &Error) {
        match error {
            Error::Full => self.full.increment(),
            Error::ReadOnly(_) => self.read_only.increment(),
            Error::Unreadable => self.unreadable.increment(),
            Error::Newer { .. } => self.newer.increment(),
            _ => {}
        }
    }
}
