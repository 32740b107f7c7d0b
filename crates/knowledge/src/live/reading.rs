//! How files become documents, several at a time.

use std::{
    fs,
    hash::BuildHasher,
    num::NonZero,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::SystemTime,
};

use foldhash::quality::RandomState;

use crate::{
    document::Document,
    folder::{Entry, FileRead, Refusal, Stamp, read_text},
    text::{Text, TextFile},
    warning::{Problem, Warning},
};

/// How many files a thread takes at a time.
const CHUNK: usize = 64;
/// More threads do not help: the files come from one disk, and the processors are needed to answer.
const MAX_THREADS: usize = 4;

/// A file to read, and the number of the folder that it is in.
#[derive(Clone, Debug)]
pub(super) struct ToRead {
    pub(super) root: usize,
    pub(super) entry: Entry,
}

/// The result.
pub(super) struct Outcome {
    pub(super) root: usize,
    pub(super) entry: Entry,
    pub(super) stamp: Option<Stamp>,
    /// Whether the file was changed so long ago that another change would show in the stamp.
    pub(super) settled: bool,
    /// Of all its text.
    pub(super) hash: u64,
    pub(super) document: Option<Document>,
    pub(super) warnings: Vec<Warning>,
}

/// Reads files.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    /// The folders, links resolved and as they were named.
    pub(super) roots: Vec<Option<(Arc<Path>, PathBuf)>>,
    max_document_bytes: u64,
    max_held_bytes: u64,
    /// How many bytes of text are in memory.
    held: Arc<AtomicU64>,
    hasher: RandomState,
}

impl Reader {
    pub(super) fn new(max_document_bytes: u64, max_held_bytes: u64) -> Self {
        let (roots, held, hasher) = Default::default();
        Self { roots, max_document_bytes, max_held_bytes, held, hasher }
    }

    /// Reads all of these in any order, and gives what comes of each to `take` until that returns `false`.
    pub(super) fn read_all(&self, files: &[ToRead], mut take: impl FnMut(Outcome) -> bool) {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = processors.min(MAX_THREADS).min(files.len() / CHUNK);
        let next = AtomicUsize::new(0);
        // Bounded: what is read waits here with its text.
        let (sender, outcomes) = mpsc::sync_channel(CHUNK);
        let read = |sender: mpsc::SyncSender<Outcome>| {
            loop {
                let at = next.fetch_add(CHUNK, Ordering::Relaxed).min(files.len());
                let chunk = &files[at..files.len().min(at + CHUNK)];
                if chunk.is_empty() || !chunk.iter().all(|file| sender.send(self.read(file)).is_ok()) {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            let mut started = 0;
            for number in 0..threads {
                let sender = sender.clone();
                let named = thread::Builder::new().name(format!("anyport-read-{number}"));
                started += usize::from(named.spawn_scoped(scope, || read(sender)).is_ok());
            }
            drop(sender);
            if started == 0 {
                // Few, or the system has no threads left.
                let _ = files.iter().all(|file| take(self.read(file)));
                return;
            }
            let _ = outcomes.iter().all(take);
            // Senders find out that the receiver is gone.
            drop(outcomes);
        });
    }

    /// So many bytes of memory are no longer set aside for texts.
    pub(super) fn release(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn read(&self, file: &ToRead) -> Outcome {
        let ToRead { root, entry } = file.clone();
        let Some((real, shown)) = self.roots.get(root).and_then(Option::as_ref) else {
            let (stamp, document, warnings) = Default::default();
            return Outcome { root, entry, stamp, settled: false, hash: 0, document, warnings };
        };
        let begun = SystemTime::now();
        let mut warnings = Vec::new();
        let mut warn = |line, problem| {
            // It is gone again, which the watcher reports as well.
            if problem != Problem::Vanished {
                warnings.push(Warning { file: shown.join(entry.path.as_str()), line, problem });
            }
        };
        let (stamp, hash, document) = match read_text(real, entry.file(), self.max_document_bytes) {
            Ok(FileRead { text, times, stamp }) => {
                let keep = |content: &str| self.keep(real, &entry, content);
                let (document, faults) = Document::describe(entry.path.clone(), &text, times, keep);
                for fault in faults {
                    warn(Some(fault.line), Problem::FrontMatter(fault.reason));
                }
                (Some(stamp), self.hasher.hash_one(&text), Some(document))
            }
            Err(Refusal { line, problem }) => {
                warn(line, problem);
                let metadata = fs::symlink_metadata(real.join(entry.file()));
                (metadata.ok().map(|metadata| Stamp::of(&metadata)), 0, None)
            }
        };
        let settled = stamp.is_some_and(|stamp| stamp.is_older_than(begun));
        Outcome { root, entry, stamp, settled, hash, document, warnings }
    }

    /// The text itself while there is room for it, else where it is.
    fn keep(&self, root: &Arc<Path>, entry: &Entry, content: &str) -> Text {
        let bytes = content.len() as u64;
        let room = |held: u64| held.checked_add(bytes).filter(|held| *held <= self.max_held_bytes);
        if self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok() {
            return Text::Held(content.into());
        }
        let (root, file) = (root.clone(), entry.file.clone());
        Text::File(TextFile { root, file, limit: self.max_document_bytes, bytes })
    }
}
