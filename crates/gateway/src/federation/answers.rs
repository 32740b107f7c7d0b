//! The state of a member that its answers are of.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyport_protocol::Revision;
use anyport_service::sync::Lock;
use anyport_upstream::KnownServer;
use tokio::sync::watch;

/// The number of the state of a member, with which kept answers are found. Whatever may have changed the answers gives it another one,
/// which no member ever had.
pub(super) struct Answers {
    number: AtomicU64,
    /// The number of answers that were given from memory.
    given: AtomicU64,
    connections: Option<Lock<Connections>>,
    watches: Lock<Watches>,
}

/// What hears of the changes of the member.
#[derive(Default)]
struct Watches {
    /// The watchers that open streams.
    watchers: usize,
    /// The streams that are open.
    streams: usize,
    /// Whether there was a stream before.
    was_open: bool,
}

/// A watcher that hears of the changes of a member as long as it lives, with interruptions.
pub(super) struct Watcher(Arc<Answers>);

impl Watcher {
    pub(super) fn begin(answers: &Arc<Answers>) -> Self {
        answers.watches.lock().watchers += 1;
        Self(answers.clone())
    }
}

impl Drop for Watcher {
    /// No notification comes any more without a watcher, so that nothing may be kept.
    fn drop(&mut self) {
        let mut watches = self.0.watches.lock();
        watches.watchers -= 1;
        if watches.watchers == 0 {
            self.0.forget();
        }
    }
}

/// A stream by which a member notifies of changes.
pub(super) struct ChangeStream(Arc<Answers>);

impl ChangeStream {
    /// Begins when the member has acknowledged the stream. What was kept while there was none may have changed.
    pub(super) fn begin(answers: &Arc<Answers>) -> Self {
        let mut watches = answers.watches.lock();
        watches.streams += 1;
        let was_open = std::mem::replace(&mut watches.was_open, true);
        if watches.streams == 1 && was_open {
            answers.forget();
        }
        drop(watches);
        Self(answers.clone())
    }
}

impl Drop for ChangeStream {
    fn drop(&mut self) {
        self.0.watches.lock().streams -= 1;
    }
}

/// The connections of the server of a member.
struct Connections {
    changes: watch::Receiver<KnownServer>,
    /// Whether there was one before.
    are_known: bool,
}

/// The last number that was given.
static LAST: AtomicU64 = AtomicU64::new(0);

impl Answers {
    pub(super) fn new(connections: Option<watch::Receiver<KnownServer>>) -> Self {
        let connections = connections.map(|changes| {
            let eras = [Revision::NEWEST, Revision::NEWEST_LEGACY];
            let are_known = eras.iter().any(|era| changes.borrow().for_callers_of(*era).is_some());
            Lock::new(Connections { changes, are_known })
        });
        Self {
            number: AtomicU64::new(next()),
            given: AtomicU64::new(0),
            connections,
            watches: Lock::default(),
        }
    }

    /// The number of now. A new connection of the server, which may have been started anew, is a new state.
    pub(super) fn number(&self) -> u64 {
        self.note_connections();
        self.number.load(Ordering::Acquire)
    }

    /// Notes whether the server was connected anew. It is to be called when a call ends: before the first connection, there was nothing
    /// that could be forgotten.
    pub(super) fn note_connections(&self) {
        let Some(connections) = &self.connections else { return };
        let mut connections = connections.lock();
        if connections.changes.has_changed().unwrap_or_default() {
            connections.changes.mark_unchanged();
            if std::mem::replace(&mut connections.are_known, true) {
                self.forget();
            }
        }
    }

    /// Forgets all answers, those of calls under way included.
    pub(super) fn forget(&self) {
        self.number.store(next(), Ordering::Release);
    }

    /// Counts an answer from memory.
    pub(super) fn count(&self) {
        self.given.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of answers from memory.
    pub(super) fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }
}

fn next() -> u64 {
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}
