//! What the clones of the pins of an upstream share.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use anyport_metrics::{Counter, Metrics};
use anyport_service::sync::Lock;
use tokio::sync::{Notify, watch};

use super::{list::PinnedList, observation::Observation, records::PinRecords};

/// The pins of one upstream, and what comes of them.
pub(super) struct Inner {
    pub(super) upstream: Arc<str>,
    pub(super) is_strict: AtomicBool,
    pub(super) record: Option<Record>,
    pub(super) lists: [Lock<List>; 4],
    /// The number of changes of the pins.
    pub(super) version: AtomicU64,
    /// Is notified of each of them.
    pub(super) changes: Lock<Option<watch::Sender<u64>>>,
    pub(super) is_started: AtomicBool,
    /// Whether the record was read, or cannot be.
    pub(super) loaded: watch::Sender<bool>,
    /// There is something to save, or the last clone is gone.
    pub(super) wake: Arc<Notify>,
    pub(super) changed: Counter,
    pub(super) refused: Counter,
    pub(super) over: Counter,
}

/// Where the pins are stored.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) records: PinRecords,
    pub(super) file: Arc<str>,
}

/// The pins of one list.
pub(super) struct List {
    pub(super) pins: PinnedList,
    /// What was observed and is not stored yet.
    pub(super) unsaved: Vec<Observation>,
}

impl Inner {
    pub(super) fn new(
        upstream: &str,
        is_strict: bool,
        record: Option<Record>,
        lists: [PinnedList; 4],
        metrics: &Metrics,
    ) -> Self {
        let changed = "Definitions of upstreams that differ from the pinned ones";
        let refused = "Requests for items whose definitions are quarantined";
        Self {
            upstream: upstream.into(),
            is_strict: AtomicBool::new(is_strict),
            loaded: watch::Sender::new(record.is_none()),
            record,
            lists: lists.map(|pins| Lock::new(List { pins, unsaved: Vec::new() })),
            version: AtomicU64::new(0),
            changes: Lock::default(),
            is_started: AtomicBool::new(false),
            wake: Arc::default(),
            changed: metrics.counter("anyport_definitions_changed", changed),
            refused: metrics.counter("anyport_quarantine_refusals", refused),
            over: metrics.refusals("max_pins"),
        }
    }

    /// Notes a change of the pins.
    pub(super) fn bump(&self) {
        self.version.fetch_add(1, Ordering::Release);
        if let Some(changes) = &*self.changes.lock() {
            changes.send_modify(|changes| *changes += 1);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.wake.notify_one();
    }
}
