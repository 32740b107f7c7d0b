//! Changes that the system has reported, until they are processed.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long nothing must happen before a change is looked at. Programs write files in several steps.
const QUIET: Duration = Duration::from_millis(100);
/// How long a change waits at most for quiet.
const PATIENCE: Duration = Duration::from_millis(500);
/// More paths than this are not stored one by one: a scan of the whole folder is not slower then.
const MAX_PATHS: usize = 10_000;

/// The watcher's mailbox.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    changes: PendingChanges,
    first: Option<Instant>,
    last: Option<Instant>,
    stopped: bool,
}

/// The possible changes.
#[derive(Debug, Default)]
pub(super) struct PendingChanges {
    /// Files and folders, and whether they were moved to an unknown path.
    pub(super) paths: HashMap<PathBuf, bool>,
    /// Anything: something was missed.
    pub(super) anything: bool,
    /// Why there will be no more reports.
    pub(super) failure: Option<notify::Error>,
}

/// Why a wait ended.
pub(super) enum Woken {
    Stopped,
    Changed(PendingChanges),
    /// Nothing happened for the time that was given.
    Nothing,
}

impl Mailbox {
    /// Something happened at these paths; `gone` if what was there is now somewhere else, perhaps.
    pub(super) fn changed(&self, paths: Vec<PathBuf>, gone: bool) {
        self.leave(|changes| {
            for path in paths {
                *changes.paths.entry(path).or_default() |= gone;
            }
            if changes.paths.len() > MAX_PATHS {
                changes.paths.clear();
                changes.anything = true;
            }
        });
    }

    /// Moved from the first path to the second.
    pub(super) fn moved(&self, paths: Vec<PathBuf>) {
        self.leave(|changes| changes.paths.extend(paths.into_iter().map(|path| (path, false))));
    }

    /// Anything may have happened.
    pub(super) fn missed(&self) {
        self.leave(|changes| changes.anything = true);
    }

    /// There will be no more reports.
    pub(super) fn failed(&self, failure: notify::Error) {
        self.leave(|changes| {
            changes.anything = true;
            changes.failure = Some(failure);
        });
    }

    /// Ends all waiting, now and later.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.arrived.notify_all();
    }

    /// Whether it has been stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Waits for changes, and then until nothing more comes for a moment; at most so long for the first.
    pub(super) fn wait(&self, most: Duration) -> Woken {
        let begun = Instant::now();
        let mut inside = self.lock();
        loop {
            if inside.stopped {
                return Woken::Stopped;
            }
            let now = Instant::now();
            let due = match (inside.first, inside.last) {
                (Some(first), Some(last)) => (first + PATIENCE).min(last + QUIET),
                _ => begun + most,
            };
            let Some(left) = due.checked_duration_since(now).filter(|left| !left.is_zero()) else { break };
            inside = match self.arrived.wait_timeout(inside, left) {
                Ok((inside, _)) => inside,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        if inside.first.take().is_none() {
            return Woken::Nothing;
        }
        inside.last = None;
        Woken::Changed(std::mem::take(&mut inside.changes))
    }

    /// Waits so long, or until it is stopped.
    pub(super) fn pause(&self, time: Duration) {
        let wait = self.arrived.wait_timeout_while(self.lock(), time, |inside| !inside.stopped);
        drop(wait);
    }

    fn leave(&self, leave: impl FnOnce(&mut PendingChanges)) {
        let mut inside = self.lock();
        leave(&mut inside.changes);
        let now = Instant::now();
        inside.last = Some(now);
        // The waiting thread need not be woken for each of many: it checks again when the first is due.
        if inside.first.is_none() {
            inside.first = Some(now);
            self.arrived.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
