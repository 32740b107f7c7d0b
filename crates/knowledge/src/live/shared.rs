//! The shared state of the threads of one [`Knowledge`](super::Knowledge).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{broadcast, watch};

use super::{change::Change, progress::Progress, state};
use crate::{
    index::{Index, Storage},
    library::Library,
};

/// How many changes wait for one who listens to them; see [`Knowledge::changes`].
const CHANGES_WAITING: usize = 64;

/// The shared state of the threads of one [`Knowledge`].
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) library: ArcSwap<Library>,
    /// None if it failed for good.
    pub(super) index: ArcSwapOption<Index>,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) changes: broadcast::Sender<Arc<Change>>,
    pub(super) stopped: AtomicBool,
    pub(super) kept: state::Kept,
}

impl Shared {
    pub(super) fn new(library: Library, progress: Progress, storage: Storage) -> Arc<Self> {
        let index = Index::new(storage).or_else(|error| {
            tracing::warn!(%error, "the search index is in memory");
            Index::new(Storage::Memory)
        });
        let index = index.map_err(|error| tracing::error!(%error, "documents cannot be searched"));
        Arc::new(Self {
            library: ArcSwap::from_pointee(library),
            index: ArcSwapOption::new(index.ok().map(Arc::new)),
            progress: watch::Sender::new(progress),
            changes: broadcast::Sender::new(CHANGES_WAITING),
            stopped: AtomicBool::new(false),
            kept: state::Kept::default(),
        })
    }

    /// Whether it is no longer in use.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}
