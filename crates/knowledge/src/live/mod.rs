//! Documents that change while they are served.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::{broadcast, watch};

use crate::{
    folder::{FolderError, Folders},
    library::Library,
    path::DocumentPath,
};

/// How many bytes of text are held in memory, unless [`Settings::max_held_bytes`] says otherwise.
pub const MAX_HELD_BYTES: u64 = 64 << 20;

/// How many changes wait for one who listens to them; see [`Knowledge::changes`].
const CHANGES_WAITING: usize = 64;

/// Documents that change while they are served.
///
/// Cheap to clone; all clones are the same documents.
#[derive(Clone, Debug)]
pub struct Knowledge(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    library: ArcSwap<Library>,
    progress: watch::Sender<Progress>,
    changes: broadcast::Sender<Arc<Change>>,
}

/// How documents are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder below which the index of this process is. Without one it is in memory.
    pub index_dir: Option<PathBuf>,
    /// How many bytes of text are held in memory; texts beyond are read from their files. Default [`MAX_HELD_BYTES`].
    pub max_held_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { index_dir: None, max_held_bytes: MAX_HELD_BYTES }
    }
}

/// How far reading and indexing are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many files were found that may be documents.
    pub documents: usize,
    /// How many of them have been read.
    pub read: usize,
    /// How many documents can be found by searching.
    pub indexed: usize,
    /// Whether there are files yet to be read.
    pub reading: bool,
    /// Whether there are documents yet to be indexed.
    pub indexing: bool,
}

/// What became different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Documents that there were not before.
    pub added: Vec<DocumentPath>,
    /// Documents that say something else than before.
    pub changed: Vec<DocumentPath>,
    /// Documents that there are no longer.
    pub removed: Vec<DocumentPath>,
}

impl Knowledge {
    /// Documents that never change.
    pub fn of(library: Library) -> Self {
        let documents = library.len();
        let progress = Progress { documents, read: documents, ..Progress::default() };
        Self(Arc::new(Shared {
            library: ArcSwap::from_pointee(library),
            progress: watch::Sender::new(progress),
            changes: broadcast::Sender::new(CHANGES_WAITING),
        }))
    }

    /// The documents in `folders`.
    ///
    /// # Errors
    /// When a folder that was named cannot be listed.
    pub fn open(folders: Folders, settings: Settings) -> Result<Self, FolderError> {
        let _ = settings;
        let loaded = folders.load()?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        Ok(Self::of(Library::new(loaded.documents)))
    }

    /// What there is now. It never changes; a change makes the next one.
    pub fn library(&self) -> Arc<Library> {
        self.0.library.load_full()
    }

    /// How far reading and indexing are.
    pub fn progress(&self) -> Progress {
        *self.0.progress.borrow()
    }

    /// Tells of every change of the set of documents, batched. Who reads too slowly is told that it missed some
    /// ([`broadcast::error::RecvError::Lagged`]).
    pub fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        self.0.changes.subscribe()
    }

    /// Completes when all that was known is read and indexed.
    pub async fn settled(&self) {
        let mut progress = self.0.progress.subscribe();
        // It fails only if there is nobody who could change it, and we are here.
        let _ = progress.wait_for(|progress| !progress.reading && !progress.indexing).await;
    }
}
