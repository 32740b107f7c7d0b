//! The state of every file, and the differences.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use foldhash::fast::RandomState;

use super::{
    Change,
    reading::{Outcome, ToRead},
};
use crate::{
    document::Document,
    folder::{Entry, Root, Stamp},
    library::Library,
    path::DocumentPath,
    warning::Warning,
};

/// The files of all folders: in the order of the folders, and in each by path, as a library has them.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    files: BTreeMap<Key, Known>,
    /// Files that are called something else than where they are, by where they are.
    linked: HashMap<(usize, PathBuf), Vec<DocumentPath>>,
    /// Of each path that was touched since the last library: what it said then.
    touched: HashMap<DocumentPath, Option<u64>, RandomState>,
    /// Whether the last library is no longer true.
    stale: bool,
}

/// The number of the folder, and the path in it.
pub(super) type Key = (usize, DocumentPath);

#[derive(Debug)]
struct Known {
    entry: Entry,
    /// The folder that it was read in.
    root: Arc<Path>,
    stamp: Option<Stamp>,
    settled: bool,
    hash: u64,
    document: Option<Arc<Document>>,
    /// Bytes of memory that are set aside for its text.
    reserved: u64,
    warnings: Vec<Warning>,
}

/// The result of reading a file.
pub(super) enum Found {
    /// As before.
    Same,
    /// A document that is new, or says something else than before.
    Document(Arc<Document>),
    /// No document any more.
    Nothing,
}

impl Catalog {
    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether a file is known, be it a document or not.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.files.contains_key(key)
    }

    /// Takes the listing of a folder: which files are to be read, and which are no longer there.
    pub(super) fn compare(&self, number: usize, root: &Root) -> (Vec<ToRead>, Vec<Key>) {
        let changed = |entry: &&Entry| {
            let Some(known) = self.files.get(&(number, entry.path.clone())) else { return true };
            let same = known.entry == **entry && known.root == root.real && known.settled;
            let stamp = || fs::symlink_metadata(root.real.join(entry.file())).ok();
            !same || stamp().map(|metadata| Stamp::of(&metadata)) != known.stamp
        };
        let to_read = root.files.iter().filter(changed);
        let to_read = to_read.map(|entry| ToRead { root: number, entry: entry.clone() }).collect();
        let listed: HashSet<&DocumentPath> = root.files.iter().map(|entry| &entry.path).collect();
        let gone = self.of_root(number).filter(|path| !listed.contains(path));
        (to_read, gone.map(|path| (number, path.clone())).collect())
    }

    /// The paths in a folder.
    pub(super) fn of_root(&self, number: usize) -> impl Iterator<Item = &DocumentPath> {
        let keys = self.files.keys().skip_while(move |(root, _)| *root < number);
        keys.take_while(move |(root, _)| *root == number).map(|(_, path)| path)
    }

    /// The paths of the file `file` in a folder: its own, and those through links.
    pub(super) fn names(&self, number: usize, file: &Path) -> Vec<Entry> {
        let itself = file.to_str().and_then(|path| DocumentPath::new(path).ok());
        let linked = self.linked.get(&(number, file.to_owned())).into_iter().flatten().cloned();
        let entries = itself.into_iter().chain(linked).filter_map(|path| self.files.get(&(number, path)));
        entries.map(|known| known.entry.clone()).collect()
    }

    /// Takes what a file turned out to be. What is wrong with it is logged, unless it was wrong before.
    ///
    /// Returns how many bytes of memory are no longer set aside, too.
    pub(super) fn take(&mut self, outcome: Outcome, root: Arc<Path>) -> (Found, u64) {
        let Outcome { root: number, entry, stamp, settled, hash, document, warnings } = outcome;
        let (path, key) = (entry.path.clone(), (number, entry.path.clone()));
        self.touch(&path);
        let old = self.files.remove(&key);
        let known = old.as_ref().map(|known| &*known.warnings).unwrap_or_default();
        for warning in warnings.iter().filter(|warning| !known.contains(warning)) {
            tracing::warn!("{warning}");
        }
        let released = old.as_ref().map_or(0, |known| known.reserved);
        let reserved = document.as_ref().map_or(0, held);
        let before = old.as_ref().and_then(|known| known.document.as_ref().map(|_| known.hash));
        let old = old.and_then(|known| {
            self.unlink(number, &known.entry);
            known.document
        });
        let document = match (document, &old) {
            // Reading alone is not a change.
            (Some(document), Some(old)) if document == **old => Some(old.clone()),
            (document, old) => {
                self.stale |= document.is_some() || old.is_some();
                document.map(Arc::new)
            }
        };
        let found = match &document {
            Some(_) if before == Some(hash) => Found::Same,
            Some(document) => Found::Document(document.clone()),
            None if before.is_none() => Found::Same,
            None => Found::Nothing,
        };
        if let Some(file) = &entry.file {
            let names = self.linked.entry((number, file.to_path_buf())).or_default();
            names.push(path);
        }
        self.files.insert(key, Known { entry, root, stamp, settled, hash, document, reserved, warnings });
        (found, released)
    }

    /// Forgets a file. Returns whether it was a document, and how many bytes of memory are no longer set aside.
    pub(super) fn remove(&mut self, (number, path): Key) -> (bool, u64) {
        self.touch(&path);
        let Some(known) = self.files.remove(&(number, path)) else { return (false, 0) };
        self.unlink(number, &known.entry);
        self.stale |= known.document.is_some();
        (known.document.is_some(), known.reserved)
    }

    /// A file is about to be read again: the bytes of memory that were set aside for it may be used for that.
    pub(super) fn release(&mut self, key: &Key) -> u64 {
        self.files.get_mut(key).map_or(0, |known| std::mem::take(&mut known.reserved))
    }

    /// All documents and what became different, if anything is no longer as in the last library.
    pub(super) fn publish(&mut self) -> Option<(Library, Change)> {
        let touched = std::mem::take(&mut self.touched);
        if !std::mem::take(&mut self.stale) {
            return None;
        }
        let mut change = Change::default();
        for (path, before) in touched {
            match (before, self.hash(&path)) {
                (None, Some(_)) => change.added.push(path),
                (Some(_), None) => change.removed.push(path),
                (before, after) if before != after => change.changed.push(path),
                _ => {}
            }
        }
        for paths in [&mut change.added, &mut change.changed, &mut change.removed] {
            paths.sort_unstable();
        }
        // Gathered first, so that the library knows how many there are.
        let documents = self.files.values().filter_map(|known| known.document.clone());
        Some((Library::new(documents.collect::<Vec<_>>()), change))
    }

    /// Notes what a path says before it is touched.
    fn touch(&mut self, path: &DocumentPath) {
        if !self.touched.contains_key(path) {
            let hash = self.hash(path);
            self.touched.insert(path.clone(), hash);
        }
    }

    /// The document at `path`, in whichever folder it is.
    fn hash(&self, path: &DocumentPath) -> Option<u64> {
        let last = self.files.last_key_value().map_or(0, |((number, _), _)| *number);
        (0..=last)
            .filter_map(|number| self.files.get(&(number, path.clone())))
            .find_map(|known| known.document.as_ref().map(|_| known.hash))
    }

    fn unlink(&mut self, number: usize, entry: &Entry) {
        let Some(file) = &entry.file else { return };
        let key = (number, file.to_path_buf());
        if let Some(names) = self.linked.get_mut(&key) {
            names.retain(|name| *name != entry.path);
            if names.is_empty() {
                self.linked.remove(&key);
            }
        }
    }
}

/// Bytes of text that a document has in memory.
fn held(document: &Document) -> u64 {
    document.held().map_or(0, |text| text.len() as u64)
}
