//! What waits to be indexed, and the thread that does it.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use super::{Change, Shared};
use crate::{document::Document, path::DocumentPath};

/// Something to do to the index, in order.
#[derive(Debug)]
enum Job {
    Put(Arc<Document>),
    Remove(DocumentPath),
    /// Tell of a change once what came before it can be found.
    Tell(Arc<Change>),
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
}

/// A queue, and who works it off.
pub(super) fn queue(shared: &Arc<Shared>) -> (Queue, Indexer) {
    let (sender, jobs) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let queue = Queue { jobs: sender, waiting: waiting.clone(), shared: shared.clone() };
    (queue, Indexer { jobs, waiting, shared: shared.clone(), paths: HashSet::new() })
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

    /// Tells of a change once what was queued before can be found.
    pub(super) fn tell(&self, change: Change) {
        if change != Change::default() {
            self.push(Job::Tell(Arc::new(change)));
        }
    }

    fn push(&self, job: Job) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.shared.progress.send_if_modified(|progress| !std::mem::replace(&mut progress.indexing, true));
        // It ends only with the program.
        let _ = self.jobs.send(job);
    }
}

impl Indexer {
    /// Works until there is nobody who could queue more.
    pub(super) fn run(mut self) {
        let mut told = Vec::new();
        while let Ok(job) = self.jobs.recv() {
            let mut done = 1;
            self.carry_out(job, &mut told);
            while let Ok(job) = self.jobs.try_recv() {
                self.carry_out(job, &mut told);
                done += 1;
            }
            let left = self.waiting.fetch_sub(done, Ordering::SeqCst) - done;
            for change in told.drain(..) {
                // Nobody may be listening.
                let _ = self.shared.changes.send(change);
            }
            let _ = left;
            self.shared.progress.send_modify(|progress| {
                progress.indexed = self.paths.len();
                progress.indexing = self.waiting.load(Ordering::SeqCst) > 0;
            });
        }
    }

    fn carry_out(&mut self, job: Job, told: &mut Vec<Arc<Change>>) {
        match job {
            Job::Put(document) => {
                self.paths.insert(document.path.clone());
            }
            Job::Remove(path) => {
                self.paths.remove(&path);
            }
            Job::Tell(change) => told.push(change),
        }
    }
}
