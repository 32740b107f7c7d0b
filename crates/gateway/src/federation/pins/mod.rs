//! Definition pinning: what an upstream was first seen to offer is remembered, and what differs from it is reported or held back.
//!
//! A server can show a harmless tool until people trust it, and another one later ("rug pull"). Clients ask for approval once, if at
//! all.
//!
//! # Layout
//! - [`Pins`]: the pins of one upstream of a running gateway; `state`: what its clones share.
//! - [`PinnedList`], [`Pin`], [`Definition`]: what is pinned. `observation`: what was listed.
//! - [`PinRecords`]: where it outlives the process; `stored`: how the pins and the records are kept alike.

mod definition;
mod list;
mod observation;
mod records;
mod state;
mod stored;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use anyport_metrics::Metrics;
use anyport_protocol::Raw;
use tokio::sync::watch;

pub(super) use self::observation::{Caller, Era};
pub use self::{
    definition::Definition,
    list::{AcceptedDefinition, Pin, PinnedList},
    records::{PINS, PinRecords},
};
use self::{
    list::{Findings, MAX_PINS},
    observation::Observation,
    state::{Inner, Record},
};
use super::{
    list_kind::ListKind,
    member_list::{ListEntry, Verdict},
};

/// What becomes of a definition that is not the accepted one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PinMode {
    /// It is reported and served.
    #[default]
    Report,
    /// It is reported and quarantined: clients neither see the item nor can use it. A new tool, prompt or template is as well.
    Strict,
}

/// The pins of one upstream. Clones are the same pins. A [`Member`](super::Member) of one federation has them.
#[derive(Clone)]
pub struct Pins(Arc<Inner>);

/// A definition that is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingDefinition {
    /// The list of the item: `tools`, `prompts`, `resources` or `resourceTemplates`.
    pub list: &'static str,
    /// The name, URI or URI template of the item.
    pub name: String,
    /// Whether the item itself is new.
    pub is_new: bool,
}

/// The most changes of one list that are written to the log each on a line of its own.
const LINES: usize = 10;

impl Pins {
    /// The pins of the upstream `upstream` of the file `file`, which are stored in `records`; in memory alone without that. Refusals
    /// and changes are counted in `metrics`.
    pub fn new(
        upstream: &str,
        mode: PinMode,
        (records, file): (Option<PinRecords>, &str),
        metrics: &Metrics,
    ) -> Self {
        let record = records.map(|records| Record { records, file: file.into() });
        let is_strict = mode == PinMode::Strict;
        let lists = ListKind::ALL.map(|kind| PinnedList::new(file, upstream, kind));
        Self(Arc::new(Inner::new(upstream, is_strict, record, lists, metrics)))
    }

    /// Sets what becomes of a definition that is not the accepted one.
    pub fn set_mode(&self, mode: PinMode) {
        let is_strict = mode == PinMode::Strict;
        if self.0.is_strict.swap(is_strict, Ordering::Relaxed) != is_strict {
            self.0.bump();
        }
    }

    /// The definitions that are not accepted.
    pub fn pending(&self) -> Vec<PendingDefinition> {
        let of_list = |kind: ListKind| {
            let list = self.0.lists[kind as usize].lock();
            let pending = list.pins.items.iter().filter(|(_, pin)| !pin.pending.is_empty());
            let named = pending.map(|(name, pin)| PendingDefinition {
                list: kind.entries(),
                name: name.clone(),
                is_new: pin.accepted.is_empty(),
            });
            named.collect::<Vec<_>>()
        };
        ListKind::ALL.into_iter().flat_map(of_list).collect()
    }

    /// Why an item is held back from all callers together; `None` for one that is served. The pins must be
    /// [`loaded`](Self::loaded).
    pub(super) fn held(&self, kind: ListKind, name: &str) -> Option<Verdict> {
        if !self.is_strict() {
            return None;
        }
        match self.0.lists[kind as usize].lock().pins.verdict_by_name(kind, name) {
            Verdict::Accepted => None,
            verdict => Some(verdict),
        }
    }

    /// Whether items are held back until they are accepted.
    pub fn is_strict(&self) -> bool {
        self.0.is_strict.load(Ordering::Relaxed)
    }

    /// The number of changes of the pins.
    pub(super) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    /// Sets what is notified of changes.
    pub(super) fn notify(&self, changes: &watch::Sender<u64>) {
        *self.0.changes.lock() = Some(changes.clone());
    }

    /// The hash of a definition.
    pub(super) fn hash(kind: ListKind, text: &Raw) -> Arc<str> {
        definition::hash(kind, text).into()
    }

    /// Waits until the stored pins were read, or cannot be.
    pub(super) async fn loaded(&self) {
        if let Some(record) =
            self.0.record.as_ref().filter(|_| !self.0.is_started.swap(true, Ordering::Relaxed))
        {
            tokio::spawn(stored::run(Arc::downgrade(&self.0), record.clone(), self.0.wake.clone()));
        }
        // The sender is in this value.
        let _ = self.0.loaded.subscribe().wait_for(|&loaded| loaded).await;
    }

    /// Compares a list with the pins, and pins what is new. The pins must be [`loaded`](Self::loaded).
    pub(super) fn observe(&self, kind: ListKind, caller: &Caller, entries: &[ListEntry], is_whole: bool) {
        let entries = Observation::entries_of(entries);
        let is_strict = self.is_strict();
        let seen = Observation { kind, caller: caller.clone(), entries, is_whole, is_strict };
        let mut list = self.0.lists[kind as usize].lock();
        let findings = list.pins.observe(&seen);
        if findings.is_changed {
            if self.0.record.is_some() {
                list.unsaved.push(seen);
                self.0.wake.notify_one();
            }
            drop(list);
            self.0.bump();
        }
        self.report(kind, &findings, is_strict);
    }

    /// Marks the entries of a list that are held back.
    pub(super) fn mark(&self, kind: ListKind, entries: &mut [ListEntry]) {
        let list = self.0.lists[kind as usize].lock();
        for entry in entries {
            let Some(hash) = entry.hash.as_ref().filter(|_| entry.held != Some(Verdict::Suspicious)) else {
                continue;
            };
            entry.held = match list.pins.verdict(&entry.key, hash) {
                Verdict::Accepted => None,
                // There was no room for its pin.
                Verdict::New if kind == ListKind::Resources => None,
                verdict => Some(verdict),
            };
        }
    }

    /// Counts a request for an item that is quarantined.
    pub(super) fn count_refusal(&self) {
        self.0.refused.increment();
    }

    fn report(&self, kind: ListKind, findings: &Findings, is_strict: bool) {
        let (upstream, noun) = (&*self.0.upstream, kind.noun());
        let next = if is_strict { "; it is quarantined" } else { "" };
        for (name, is_new) in findings.pending.iter().take(LINES) {
            let what = if *is_new { "is new" } else { "has another definition than it was pinned with" };
            tracing::warn!(
                upstream,
                "the {noun} {name:.128?} of {upstream} {what}{next}: see `anyport pins diff {upstream}`"
            );
        }
        findings.pending.iter().for_each(|_| self.0.changed.increment());
        if let Some(more) = findings.pending.len().checked_sub(LINES).filter(|more| *more > 0) {
            tracing::warn!(upstream, "and {more} more of {upstream}: see `anyport pins diff {upstream}`");
        }
        if findings.over > 0 {
            self.0.over.increment();
            let over = findings.over;
            tracing::warn!(
                upstream,
                "{over} of {} are not pinned: {MAX_PINS} are (max_pins)",
                kind.entries()
            );
        }
    }
}

impl PartialEq for Pins {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Pins {}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pins").field("upstream", &self.0.upstream).finish_non_exhaustive()
    }
}
