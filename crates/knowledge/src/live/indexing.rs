//! The queue of the index, and the thread that works on it.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, TryRecvError},
    },
    time::{Duration, Instant},
};

use super::{Change, Shared, start};
use crate::{
    document::Document,
    index::{Index, IndexError, Storage},
    path::DocumentPath,
};

/// How long documents wait at first to be found while others are indexed; each wait is four times as long as the one before,
/// up to the last. What is committed often is indexed and searched slowly.
const FIRST_COMMIT: Duration = Duration::from_millis(500);
const LAST_COMMIT: Duration = Duration::from_secs(16);

/// Most merges once all is found that was there at first; a handful is usual.
const MOST_MERGES: usize = 64;

/// Something to do to the index, in order.
#[derive(Debug)]
enum Job {
    Put(Arc<Document>),
    Remove(DocumentPath),
    /// Tell of a change once what came before it can be found.
    Tell(Arc<Change>),
    /// Tell somebody once what came before it can be found.
    Ready(mpsc::Sender<()>),
}

/// Where documents wait to be indexed.
#[derive(Debug)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Job>,
    waiting: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

/// Takes what waits, and indexes it.
#[derive(Debug)]
pub(super) struct Indexer {
    jobs: mpsc::Receiver<Job>,
    waiting: Arc<AtomicUsize>,
    shared: Arc<Shared>,
    /// The documents in the index.
    paths: HashSet<DocumentPath>,
    /// Added and removed documents that the index may not have yet: they are notified after the commit.
    unpublished: HashMap<DocumentPath, Option<Arc<Document>>>,
    /// The changes that are notified with the next commit.
    changes: Vec<Arc<Change>>,
    /// The tasks that await the next commit.
    ready: Option<mpsc::Sender<()>>,
    /// Jobs that are carried out, but not committed.
    done: usize,
    committed: Instant,
    next_commit: Duration,
    /// Whether the documents that were there at first are yet to be indexed.
    gathering: bool,
    /// Whether the index failed before.
    failed: bool,
}

/// A queue, and who works it off.
pub(super) fn queue(shared: &Arc<Shared>) -> (Queue, Indexer) {
    let (sender, jobs) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let queue = Queue { jobs: sender, waiting: waiting.clone(), shared: shared.clone() };
    let indexer = Indexer {
        jobs,
        waiting,
        shared: shared.clone(),
        paths: HashSet::new(),
        unpublished: HashMap::new(),
        changes: Vec::new(),
        ready: None,
        done: 0,
        committed: Instant::now(),
        next_commit: FIRST_COMMIT,
        gathering: false,
        failed: false,
    };
    (queue, indexer)
}

impl Queue {
    /// The document is new, or says something else than before.
    pub(super) fn put(&self, document: Arc<Document>) {
        self.push(Job::Put(document));
    }

    /// There is no such document any more.
    pub(super) fn remove(&self, path: DocumentPath) {
        self.push(Job::Remove(path));
    }

    /// Notifies a change once everything queued before it can be searched.
    pub(super) fn tell(&self, change: Change) {
        if change != Change::default() {
            self.push(Job::Tell(Arc::new(change)));
        }
    }

    /// Signals `ready` once everything queued before can be searched.
    pub(super) fn when_found(&self, ready: mpsc::Sender<()>) {
        self.push(Job::Ready(ready));
    }

    fn push(&self, job: Job) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.shared.progress.send_if_modified(|progress| !std::mem::replace(&mut progress.indexing, true));
        // It ends only when all does.
        let _ = self.jobs.send(job);
    }
}

impl Indexer {
    /// For callers that add many documents, and need to know when they can be searched.
    pub(super) fn gathering(mut self) -> Self {
        self.gathering = true;
        if let Some(index) = &*self.shared.index.load() {
            index.gather();
        }
        self
    }

    /// Works until the last sender is gone, then drops `ending`.
    pub(super) fn run(mut self, ending: mpsc::Sender<()>) {
        self.work();
        drop(ending);
    }

    fn work(&mut self) {
        while !self.shared.is_stopped() {
            let job = match self.jobs.try_recv() {
                Ok(job) => job,
                Err(TryRecvError::Empty) => {
                    self.commit();
                    self.next_commit = FIRST_COMMIT;
                    let Ok(job) = self.jobs.recv() else { return };
                    self.committed = Instant::now();
                    job
                }
                Err(TryRecvError::Disconnected) => return self.commit(),
            };
            if let Err(error) = self.carry_out(job) {
                self.renew(&error);
            }
            self.done += 1;
            if self.committed.elapsed() >= self.next_commit {
                self.commit();
                self.next_commit = (self.next_commit * 4).min(LAST_COMMIT);
            }
        }
    }

    fn carry_out(&mut self, job: Job) -> Result<(), IndexError> {
        let index = self.shared.index.load();
        match job {
            Job::Put(document) => {
                self.unpublished.insert(document.path.clone(), Some(document.clone()));
                // Held, or read again: it would take memory to keep all texts until it is their turn. One that cannot be
                // read has changed since, and comes again.
                let Ok(text) = document.read_blocking() else { return Ok(()) };
                let Some(index) = &*index else { return Ok(()) };
                self.paths.insert(document.path.clone());
                index.put(&document, &text)
            }
            Job::Remove(path) => {
                self.paths.remove(&path);
                let removed = index.as_ref().map_or(Ok(()), |index| index.remove(&path));
                self.unpublished.insert(path, None);
                removed
            }
            Job::Tell(change) => {
                self.unpublished.clear();
                self.changes.push(change);
                Ok(())
            }
            Job::Ready(ready) => {
                self.ready = Some(ready);
                Ok(())
            }
        }
    }

    /// Commits the work, and notifies it.
    fn commit(&mut self) {
        self.committed = Instant::now();
        if self.done == 0 {
            return;
        }
        let committed = self.shared.index.load().as_ref().map_or(Ok(()), |index| index.commit());
        if let Err(error) = committed {
            self.renew(&error);
        }
        self.waiting.fetch_sub(std::mem::take(&mut self.done), Ordering::SeqCst);
        for change in self.changes.drain(..) {
            // There may be no subscriber.
            let _ = self.shared.changes.send(change);
        }
        self.shared.progress.send_modify(|progress| {
            progress.indexed = self.paths.len();
            progress.indexing = self.waiting.load(Ordering::SeqCst) > 0;
        });
        if let Some(ready) = self.ready.take() {
            // The waiting task may be gone.
            let _ = ready.send(());
            if std::mem::take(&mut self.gathering) {
                self.merge();
            }
        }
    }

    /// Merges segments for faster searches, while no other work waits.
    fn merge(&self) {
        let Some(index) = self.shared.index.load_full() else { return };
        // Not held meanwhile, so that a shutdown need not wait for it.
        let weak = Arc::downgrade(&index);
        let merge = move || {
            if let Err(error) = merge_parts(&weak) {
                tracing::debug!(%error, "the index is not merged");
            }
            // However that ended, what comes from now on is merged as it comes.
            if let Some(index) = weak.upgrade() {
                index.gathered();
            }
        };
        if let Err(error) = start("anyport-merge", merge) {
            tracing::debug!(%error, "the index is not merged");
            index.gathered();
        }
    }

    /// The index failed, for want of disk most likely: what there is goes into another one, in memory.
    fn renew(&mut self, error: &IndexError) {
        if self.shared.is_stopped() {
            return;
        }
        if std::mem::replace(&mut self.failed, true) {
            // That did not help, and need not be said for every document.
            self.shared.index.store(None);
            self.paths.clear();
            return tracing::error!(%error, "documents can no longer be searched until the program is restarted");
        }
        tracing::warn!(%error, "the search index is made anew in memory");
        let renewed = Index::new(Storage::Memory).and_then(|index| {
            self.paths.clear();
            let library = self.shared.library.load();
            let published = library.iter().filter(|document| !self.unpublished.contains_key(&document.path));
            for document in published.chain(self.unpublished.values().flatten()) {
                if let Ok(text) = document.read_blocking() {
                    index.put(document, &text)?;
                    self.paths.insert(document.path.clone());
                }
            }
            index.commit()?;
            Ok(index)
        });
        match renewed {
            Ok(index) => self.shared.index.store(Some(Arc::new(index))),
            Err(error) => self.renew(&error),
        }
    }
}

/// Merges what is small until that is not worth it any more, or the index is gone.
fn merge_parts(index: &Weak<Index>) -> Result<(), IndexError> {
    for _ in 0..MOST_MERGES {
        let Some(merging) = index.upgrade().map_or(Ok(None), |index| index.merge())? else { break };
        merging.wait()?;
        let Some(index) = index.upgrade() else { break };
        index.reload()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{file_times::FileTimes, index::SearchQuery, library::Library, live::Progress};

    fn document(path: &str, text: &str) -> Arc<Document> {
        Arc::new(Document::parse(DocumentPath::new(path).unwrap(), text, FileTimes::default()).0)
    }

    #[test]
    fn an_index_that_is_made_anew_has_all_that_the_one_before_had() {
        let library = Library::new([document("a.md", "apple"), document("b.md", "banana")]);
        let shared = Shared::new(library, Progress::default(), Storage::Memory);
        let (_queue, mut indexer) = queue(&shared);
        // Much is read before the library that has it is served.
        indexer.carry_out(Job::Put(document("b.md", "blackberry"))).unwrap();
        indexer.carry_out(Job::Put(document("c.md", "cherry"))).unwrap();
        indexer.carry_out(Job::Remove(DocumentPath::new("a.md").unwrap())).unwrap();
        let full = || IndexError::Engine("no space left on device".into());
        indexer.renew(&full());
        let total = |word: &str| {
            shared.index.load().as_ref().map(|index| index.search(&SearchQuery::new(word)).unwrap().total)
        };
        let found = ["apple", "banana", "blackberry", "cherry"].map(|word| total(word).unwrap());
        assert_eq!((found, indexer.paths.len()), ([0, 0, 1, 1], 2));

        // Without any index nothing counts as indexed.
        indexer.renew(&full());
        indexer.carry_out(Job::Put(document("d.md", "damson"))).unwrap();
        assert_eq!((total("damson"), indexer.paths.len()), (None, 0));
    }

    #[test]
    fn what_was_there_at_first_becomes_one_part_once_all_of_it_is_found() {
        let shared = Shared::new(Library::default(), Progress::default(), Storage::Memory);
        let (_queue, indexer) = queue(&shared);
        let mut indexer = indexer.gathering();
        let parts = || shared.index.load().as_ref().unwrap().parts();
        for path in ["a.md", "b.md", "c.md"] {
            indexer.carry_out(Job::Put(document(path, "apple"))).unwrap();
            indexer.done += 1;
            indexer.commit();
        }
        assert_eq!(parts(), 3);
        let (ready, told) = mpsc::channel();
        indexer.carry_out(Job::Ready(ready)).unwrap();
        indexer.done += 1;
        indexer.commit();
        told.try_recv().unwrap();
        // A thread of its own merges, and lets the searches have it.
        let start = Instant::now();
        while parts() > 1 && start.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        assert_eq!(parts(), 1);
    }
}
