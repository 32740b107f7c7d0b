//! Whether documents are kept true, and can be searched.

use std::sync::atomic::{AtomicBool, Ordering};

/// What documents that are served depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// Whether every folder that was named can be listed.
    pub folders: bool,
    /// Whether there is an index, so that documents can be searched.
    pub index: bool,
    /// Whether the system tells of what changes in the folders. If not, they are looked through every few seconds.
    /// `None` for documents that never change.
    pub watcher: Option<bool>,
}

/// What the thread that keeps documents true has found out.
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
    /// What the thread has found out, together with whether there is an index.
    pub(super) fn state(&self, index: bool) -> State {
        State {
            folders: !self.missing.load(Ordering::Relaxed),
            index,
            watcher: self.keeps.load(Ordering::Relaxed).then(|| !self.polls.load(Ordering::Relaxed)),
        }
    }
}
