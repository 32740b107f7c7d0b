//! Full-text search over documents.
//!
//! An [`Index`] takes documents, and finds them by their words, best first: by BM25, where a word weighs more in a title,
//! tag, path, heading or among the first words than in the text. It holds no text, only which words stand where.
//!
//! # Layout
//! - `stemming`: the words of a text, which `anyport-ranking` finds.
//! - `schema`: what is indexed of a document; `gist`: headings, first words and identity of its text.
//! - `query`: what somebody asks for.
//! - `search`: how it is found, in passes from strict to lenient; `query_term`: by which terms; `union_query`: by any of them; `similar`:
//!   mistyped words; `ranking`: which of them fits best; `copies`: documents with the same text; `secondary`: documents about others.
//! - `queue`: what waits to be indexed; `storage`: where the index lies; `private_directory`: its files; `merging`: when its parts become one.

use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use anyport_service::sync::Lock;
use foldhash::fast::FixedState;
use tantivy::{IndexReader, IndexWriter, ReloadPolicy, Term};

use crate::{document::Document, path::DocumentPath};
use queue::{Queue, Waiting};
use schema::{Fields, path_key};

mod copies;
mod error;
mod gist;
mod hits;
mod merging;
mod private_directory;
mod query;
mod query_term;
mod queue;
mod ranking;
mod schema;
mod search;
mod secondary;
mod similar;
pub(crate) mod stemming;
mod storage;
mod union_query;

pub use error::IndexError;
pub(crate) use hits::Word;
pub use hits::{Hit, Hits, MAX_COPIES, Words};
pub use merging::Merging;
pub use query::{MAX_QUERY_CHARS, MAX_QUERY_WORDS, SearchQuery};
pub use storage::Storage;

/// Threads that write. More would take the cores from those who ask.
const WRITER_THREADS: usize = 2;
/// The memory of each indexing thread before it writes a segment, in bytes. They use it only while there is something
/// to write. Less memory makes more segments, which take longer to write, to merge and to search; more memory is not
/// returned soon.
const WRITER_BYTES: usize = 64 << 20;

/// A full-text index of documents.
///
/// All functions may be called at the same time from several threads. They block: a search for some milliseconds of
/// work, the others for as long as the index is busy.
pub struct Index {
    fields: Fields,
    writer: RwLock<IndexWriter<Waiting>>,
    queue: Arc<Queue>,
    reader: IndexReader,
    /// Whether more is to come before parts are worth merging.
    gathering: Arc<AtomicBool>,
    /// Hashes of the paths that may be in the index: what is new need not be removed first.
    known: Lock<HashSet<u64, FixedState>>,
    /// Dropped last, since it removes the files.
    _storage: storage::Opened,
}

impl Index {
    /// An empty index.
    ///
    /// # Errors
    /// The folder cannot be used, or no thread can be started.
    pub fn new(storage: Storage) -> Result<Self, IndexError> {
        let (schema, fields) = schema::schema();
        let storage = storage.open()?;
        let index = storage.create(schema)?;
        let writer = index.writer_with_num_threads(WRITER_THREADS, WRITER_THREADS * WRITER_BYTES)?;
        let gathering = Arc::default();
        writer.set_merge_policy(Box::new(merging::Sparing::new(&gathering)));
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let queue = Arc::default();
        Ok(Self {
            fields,
            writer: RwLock::new(writer),
            queue,
            reader,
            gathering,
            known: Lock::default(),
            _storage: storage,
        })
    }

    /// Takes in a document in place of the one at its path, if there is one. It is found after [`Index::commit`].
    ///
    /// `text` is what stands in the document, without front matter.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn put(&self, document: &Document, text: &str) -> Result<(), IndexError> {
        let entry = self.queue.admit(self.fields.entry(document, text), text.len());
        let writer = self.writer.read().unwrap_or_else(PoisonError::into_inner);
        // Held until it is in: two that put the same document at the same time would leave two of it.
        let mut known = self.known();
        if !known.insert(path_key(&document.path)) {
            writer.delete_term(self.path_term(&document.path));
        }
        writer.add_document(entry)?;
        Ok(())
    }

    /// Forgets the document at `path`, if there is one. It is found until [`Index::commit`].
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn remove(&self, path: &DocumentPath) -> Result<(), IndexError> {
        let writer = self.writer.read().unwrap_or_else(PoisonError::into_inner);
        // The hash stays: another path might have it too.
        if self.known().contains(&path_key(path)) {
            writer.delete_term(self.path_term(path));
        }
        Ok(())
    }

    /// Makes everything that was put and removed until now count for the searches that begin from now on.
    ///
    /// Among 100,000 documents this takes some tens of milliseconds, however little was changed, and `put` waits meanwhile.
    /// So put what is there, and then commit once.
    ///
    /// # Errors
    /// The index cannot be written.
    pub fn commit(&self) -> Result<(), IndexError> {
        self.writer.write().unwrap_or_else(PoisonError::into_inner).commit()?;
        self.reload()
    }

    /// Much is about to be put: until [`Index::merge`] is called, the parts that documents are written to are left as they
    /// are, which takes less work, and makes searches a little longer.
    pub fn gather(&self) {
        self.gathering.store(true, Ordering::Relaxed);
    }

    /// After gathering: begins to make one part of some that are committed and small; `None` if that is not worth it any
    /// more, which ends gathering. To be called until then, each time after the merge before it is done and
    /// [reloaded](Index::reload): each takes a second or two of a core, and what was merged is held until it is.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn merge(&self) -> Result<Option<Merging>, IndexError> {
        let mut writer = self.writer.write().unwrap_or_else(PoisonError::into_inner);
        let small = merging::small(writer.index().searchable_segment_metas()?);
        let merging = (small.len() > 1).then(|| Merging(writer.merge(&small)));
        if merging.is_none() {
            self.gathered();
        }
        Ok(merging)
    }

    /// Nothing is gathered any more: parts are merged as they come.
    pub(crate) fn gathered(&self) {
        self.gathering.store(false, Ordering::Relaxed);
    }

    /// Lets the searches that begin from now on use what was merged. It finds nothing that was not committed.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn reload(&self) -> Result<(), IndexError> {
        Ok(self.reader.reload()?)
    }

    /// Finds documents, the best first.
    ///
    /// # Errors
    /// The index cannot be read. Nothing that a query says is an error.
    pub fn search(&self, query: &SearchQuery) -> Result<Hits, IndexError> {
        search::search(&self.reader.searcher(), self.fields, query)
    }

    /// Of how many parts it is for a search that begins now.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> usize {
        self.reader.searcher().segment_readers().len()
    }

    fn known(&self) -> MutexGuard<'_, HashSet<u64, FixedState>> {
        self.known.lock()
    }

    fn path_term(&self, path: &DocumentPath) -> Term {
        Term::from_field_u64(self.fields.path_key, path_key(path))
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("documents", &self.reader.searcher().num_docs()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
