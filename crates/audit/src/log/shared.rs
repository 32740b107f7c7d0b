use std::sync::atomic::{AtomicU64, Ordering};

use anyport_metrics::{Counter, Metrics};
use tokio::sync::oneshot;

use super::{
    options::Options,
    queue::{Queue, Written},
    refusals::RefusalCounts,
};
use crate::{Event, Record, Refusals, line::Line};

/// What the log and its writer share.
pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) queue: Queue,
    pub(super) refusals: RefusalCounts,
    calls: AtomicU64,
    pub(super) counters: Counters,
}

pub(super) struct Counters {
    pub(super) records: Counter,
    pub(super) blocks: Counter,
    pub(super) failed: Counter,
    pub(super) file_failed: Counter,
    lost: Counter,
    pub(super) waited: Counter,
    pub(super) omitted: Counter,
    pub(super) summarized: Counter,
}

impl Shared {
    /// Nothing is recorded yet.
    pub(super) fn new(options: Options) -> Self {
        Self {
            queue: Queue::new(options.limits.queue),
            refusals: RefusalCounts::new(options.limits.refusals_per_second),
            calls: AtomicU64::new(0),
            counters: Counters::of(&options.metrics),
            options,
        }
    }

    /// The number of the next call.
    pub(super) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Has the record of a call written; `done` is told once it is durable.
    pub(super) fn enqueue(&self, line: &Line<'_>, done: Option<oneshot::Sender<Written>>) {
        let is_kept = line.with_json(|json| self.queue.push(line.at, json, done));
        if !is_kept {
            self.counters.lost.increment();
        }
    }

    /// Has the refusals recorded that have no records of their own.
    pub(super) fn summarize(&self) {
        for record in self.summaries() {
            // JSON of our own types does not fail.
            let Ok(json) = serde_json::to_string(&record) else { continue };
            if !self.queue.push(record.at, &json, None) {
                self.counters.lost.increment();
            }
        }
    }

    /// One record for those refusals of each caller.
    pub(super) fn summaries(&self) -> impl Iterator<Item = Record> {
        let counted = self.refusals.take().into_iter();
        counted.map(|(caller, count, refused_by)| {
            Record::now(Event::Refusals(Refusals { caller, count, refused_by }))
        })
    }
}

impl Counters {
    fn of(metrics: &Metrics) -> Self {
        Self {
            records: metrics.counter("anyport_audit_records", "Records of the audit log that were written"),
            blocks: metrics.counter("anyport_audit_blocks", "Blocks of the audit log that were written"),
            failed: metrics.counter(
                "anyport_audit_failed_writes",
                "Writes of the audit log that failed and are repeated",
            ),
            file_failed: metrics.counter(
                "anyport_audit_file_failures",
                "Blocks of the audit log that could not be appended to its file",
            ),
            lost: metrics.refusals("audit_queue"),
            waited: metrics.refusals("audit_wait"),
            omitted: metrics.refusals("audit_arguments"),
            summarized: metrics.refusals("refusals_per_second"),
        }
    }
}
