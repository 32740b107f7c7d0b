//! Whether documents are up to date, and can be searched.

use std::sync::atomic::{AtomicBool, Ordering};

/// The dependencies of served documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// Whether every folder that was named can be listed.
    pub folders: bool,
    /// Whether there is an index, so that documents can be searched.
    pub index: bool,
    /// Whether the system reports changes in the folders. If not, they are scanned every few seconds. `None` for
    /// documents that never change.
    pub watcher: Option<bool>,
}

/// The findings of the thread that keeps documents up to date.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Whether there is such a thread.
    keeps: AtomicBool,
    missing: AtomicBool,
    polls: AtomicBool,
}

impl Kept {
    /// `missing`: whether a folder cannot be listed. `polls`: whether the system does not tell of changes.
    pub(super) fn found(&self, missing: bool, polls: bool) {
        self.missing.store(missing, Ordering::Relaxed);
        self.polls.store(polls, Ordering::Relaxed);
        self.keeps.store(true, Ordering::Relaxed);
    }
}

impl Kept {
    /// The findings of the thread, together with whether there is an index.
    pub(super) fn state(&self, index: bool) -> State {
        State {
            folders: !self.missing.load(Ordering::Relaxed),
            index,
            watcher: self.keeps.load(Ordering::Relaxed).then(|| !self.polls.load(Ordering::Relaxed)),
        }
    }
}
