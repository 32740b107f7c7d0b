//! Documents that change while they are served.

mod catalog;
mod change;
mod indexing;
mod mailbox;
mod progress;
mod reading;
mod shared;
mod state;
mod synchronizer;
mod watching;

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::Ordering, mpsc},
    time::Duration,
};

use anyport_protocol::settings;
use anyport_service::sync::Lock;
use tokio::sync::broadcast;

pub use self::{change::Change, progress::Progress, state::State};
use self::{
    mailbox::Mailbox,
    shared::{Shared, start},
    synchronizer::Synchronizer,
};
use crate::{
    folder::{FolderError, Folders},
    index::{Hits, IndexError, SearchQuery, Storage},
    library::Library,
};

/// How many bytes of text are held in memory, unless [`Settings::max_held_bytes`] says otherwise.
pub const MAX_HELD_BYTES: u64 = 64 << 20;

/// How long [`Knowledge::open`] waits for all documents to be read and indexed.
const OPENING: Duration = Duration::from_secs(1);
/// How long [`Knowledge::close`] waits for what is being written.
const CLOSING: Duration = Duration::from_secs(1);
/// Documents that change while they are served.
///
/// Cheap to clone; all clones are the same documents.
#[derive(Clone)]
pub struct Knowledge(Arc<Handle>);

impl fmt::Debug for Knowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Knowledge").field(&self.progress()).finish()
    }
}

/// The state that ends with the last clone.
struct Handle {
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    /// Fails when the thread that indexes has ended.
    ended: Lock<mpsc::Receiver<()>>,
}

impl Handle {
    fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.mailbox.stop();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop();
    }
}

settings! {
    /// The settings of documents.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Settings {
        /// The folder below which the index of this process is.
        #[default("none: the index is in memory" = None)]
        #[set(into)]
        pub index_dir: Option<PathBuf>,
        /// The size in bytes of the text that is held in memory. Texts beyond it are read from their files.
        #[default("[`MAX_HELD_BYTES`]" = MAX_HELD_BYTES)]
        pub max_held_bytes: u64,
    }
}

impl Knowledge {
    /// Documents that never change.
    pub fn of(library: Library) -> Self {
        let documents = library.len();
        let progress = Progress { documents, read: documents, ..Progress::default() };
        let shared = Shared::new(library, progress, Storage::Memory);
        let (queue, indexer) = indexing::queue(&shared);
        for document in shared.library.load().iter() {
            queue.put(document.clone());
        }
        // Without a thread it can be read, but not searched.
        let (ending, ended) = mpsc::channel();
        if let Err(error) = start("anyport-index", || indexer.run(ending)) {
            tracing::error!(%error, "cannot start the thread that indexes documents");
        }
        Self(Arc::new(Handle { shared, mailbox: Arc::default(), ended: Lock::new(ended) }))
    }

    /// The documents in `folders`. They are read, indexed and watched in the background; few are read when this returns.
    ///
    /// It waits a second at most, for the documents to be read and indexed. Threads of its own do the work, and end with the
    /// last clone.
    ///
    /// # Errors
    /// When a folder that was named cannot be listed. What cannot be read within it is logged as a warning, once.
    pub fn open(folders: Folders, settings: Settings) -> Result<Self, FolderError> {
        let folder = folders.roots.first().cloned().unwrap_or_default();
        let failed = |cause| FolderError { folder, cause };
        let storage = settings.index_dir.map_or(Storage::Memory, Storage::Folder);
        // From now on: a request before the first file is read must not find an empty library.
        let progress = Progress { reading: true, ..Progress::default() };
        let shared = Shared::new(Library::default(), progress, storage);
        let mailbox = Arc::new(Mailbox::default());
        let (queue, indexer) = indexing::queue(&shared);
        let (ending, ended) = mpsc::channel();
        let (shared_too, mailbox_too) = (shared.clone(), mailbox.clone());
        let handle = Handle { shared: shared_too, mailbox: mailbox_too, ended: Lock::new(ended) };
        let (synchronizer, first) =
            Synchronizer::new(folders, settings.max_held_bytes, shared, mailbox, queue)?;
        let (ready, read) = mpsc::channel();
        let started = start("anyport-index", || indexer.gathering().run(ending));
        let started =
            started.and_then(|()| start("anyport-documents", move || synchronizer.run(first, ready)));
        started.map_err(failed)?;
        // Documents that are not ready by then are served later.
        let _ = read.recv_timeout(OPENING);
        Ok(Self(Arc::new(handle)))
    }

    /// Returns the current library. It is immutable; a change makes the next one.
    pub fn library(&self) -> Arc<Library> {
        self.0.shared.library.load_full()
    }

    /// Whether documents are up to date, and can be searched.
    pub fn state(&self) -> State {
        let shared = &self.0.shared;
        shared.kept.state(shared.index.load().is_some())
    }

    /// How far reading and indexing are.
    pub fn progress(&self) -> Progress {
        *self.0.shared.progress.borrow()
    }

    /// Finds documents among those that are indexed so far, the best first. It takes some milliseconds, on this thread.
    ///
    /// A document that is found may have left the [`library`](Self::library) since, or not have arrived in it.
    ///
    /// # Errors
    /// The index cannot be read. Nothing that a query says is an error.
    pub fn search(&self, query: &SearchQuery) -> Result<Hits, IndexError> {
        match &*self.0.shared.index.load() {
            Some(index) => index.search(query),
            None => Err(IndexError::Engine("there is none; the log says why".into())),
        }
    }

    /// Subscribes to the changes of the documents, in batches. A slow subscriber receives
    /// [`broadcast::error::RecvError::Lagged`].
    pub fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        self.0.shared.changes.subscribe()
    }

    /// Completes when all that was known is read and indexed.
    pub async fn settled(&self) {
        let mut progress = self.0.shared.progress.subscribe();
        // It fails only without a sender, and we hold one.
        let _ = progress.wait_for(|progress| !progress.reading && !progress.indexing).await;
    }

    /// Ends watching and searching, and removes the index from its folder; so does dropping the last clone, a moment
    /// later. What is in memory can still be read. For who is about to end the process: it waits a second at most for what
    /// is being written, and what it cannot remove then, the next process does.
    pub fn close(&self) {
        self.0.stop();
        let ended = self.0.ended.lock().recv_timeout(CLOSING);
        debug_assert!(ended.is_err(), "nothing is ever sent");
        self.0.shared.index.store(None);
    }
}

#[cfg(test)]
mod tests;
