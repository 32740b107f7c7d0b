//! The thread that reads the folders, and again what changes in them.

use std::{
    collections::HashSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use super::{
    Shared,
    catalog::{Catalog, Found, Key},
    indexing::Queue,
    mailbox::{Mailbox, PendingChanges, Woken},
    reading::{Reader, ToRead},
    watching::{POLL, Watch},
};
use crate::{
    folder::{Entry, FolderError, Folders, Scan, is_document, is_ignored},
    path::{DocumentPath, check_segment},
    warning::{Problem, Warning},
};

/// The interval of checks that the folders are still the watched ones: a folder may be deleted and created again, or be
/// a link with a new target, which the system does not report.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The interval of full scans although the system reports changes, in case it misses one.
const LOOK_ANYWAY: Duration = Duration::from_secs(60);
/// The share of the time that looking through the folders may take: one part in so many.
const SHARE_POLLING: u32 = 20;
const SHARE_ANYWAY: u32 = 200;
/// How many documents are read before the first of them are served, when there are many.
const FIRST_LIBRARY: usize = 256;

/// Reads, watches and reads again.
#[derive(Debug)]
pub(super) struct Synchronizer {
    folders: Folders,
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    watch: Watch,
    reader: Reader,
    catalog: Catalog,
    queue: Queue,
    /// The identity of each folder at its last scan.
    identities: Vec<Option<Identity>>,
    /// Whether there are links, which give a file further names.
    links: bool,
    /// Whether there are more documents than may be read.
    limited: bool,
    /// The warnings of the last scan.
    warnings: HashSet<Warning>,
    /// When that was, and how long it took.
    looked: Instant,
    took: Duration,
}

/// The next work.
#[derive(Debug, Default)]
pub(super) struct Work {
    read: Vec<ToRead>,
    remove: Vec<Key>,
}

/// The folder that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    real: PathBuf,
    /// Where the system numbers them: a folder that was made anew has another number.
    number: (u64, u64),
}

/// Something may have changed that only a walk through all folders finds.
struct LookThrough;

impl Synchronizer {
    /// Lists the folders, and begins to watch them.
    ///
    /// # Errors
    /// When one of them cannot be listed.
    pub(super) fn new(
        folders: Folders,
        max_held_bytes: u64,
        shared: Arc<Shared>,
        mailbox: Arc<Mailbox>,
        queue: Queue,
    ) -> Result<(Self, Work), FolderError> {
        let mut synchronizer = Self {
            watch: Watch::new(&mailbox),
            reader: Reader::new(folders.max_document_bytes, max_held_bytes),
            folders,
            shared,
            mailbox,
            catalog: Catalog::default(),
            queue,
            identities: Vec::new(),
            links: false,
            limited: false,
            warnings: HashSet::new(),
            looked: Instant::now(),
            took: Duration::ZERO,
        };
        let mut scan = synchronizer.scan();
        if let Some(at) = scan.roots.iter().position(Result::is_err) {
            scan.roots.swap_remove(at)?;
        }
        let work = synchronizer.compare(scan);
        Ok((synchronizer, work))
    }

    /// Reads all documents, signals `ready` when they can be searched, and keeps them up to date until the mailbox is
    /// stopped.
    pub(super) fn run(mut self, first: Work, ready: mpsc::Sender<()>) {
        self.tell_state();
        self.carry_out(first);
        self.queue.when_found(ready);
        loop {
            match self.mailbox.wait(HEARTBEAT) {
                Woken::Stopped => return,
                Woken::Changed(changes) => self.look_at(changes),
                Woken::Nothing => {}
            }
            let (least, share) =
                if self.watch.polls() { (POLL, SHARE_POLLING) } else { (LOOK_ANYWAY, SHARE_ANYWAY) };
            let is_due = self.looked.elapsed() >= least.max(self.took.saturating_mul(share));
            if is_due || self.identities != identities(&self.folders) {
                self.look_through();
            }
            self.tell_state();
        }
    }

    fn tell_state(&self) {
        self.shared.kept.found(self.identities.iter().any(Option::is_none), self.watch.polls());
    }

    /// Processes the reports, or scans everything if they do not suffice.
    pub(super) fn look_at(&mut self, changes: PendingChanges) {
        if let Some(failure) = &changes.failure {
            self.watch.give_up(failure);
        }
        let mut work = Work::default();
        let told =
            changes.paths.iter().try_for_each(|(path, gone)| self.look_at_path(path, *gone, &mut work));
        match told {
            Ok(()) if !changes.anything => self.carry_out(work),
            _ => self.look_through(),
        }
    }

    fn look_at_path(&self, path: &Path, gone: bool, work: &mut Work) -> Result<(), LookThrough> {
        let mut anywhere = false;
        for (number, root) in self.reader.roots.iter().enumerate() {
            let Some((real, _)) = root else { continue };
            let Ok(file) = path.strip_prefix(real) else { continue };
            anywhere = true;
            if !file.iter().any(is_ignored) {
                self.look_at_file(number, path, file, gone, work)?;
            }
        }
        if anywhere { Ok(()) } else { Err(LookThrough) }
    }

    /// Looks at one file. What could be a folder or a link, or show or hide something elsewhere, needs more than that.
    fn look_at_file(
        &self,
        number: usize,
        path: &Path,
        file: &Path,
        gone: bool,
        work: &mut Work,
    ) -> Result<(), LookThrough> {
        if self.watch.knows(path) {
            return Err(LookThrough);
        }
        let names = self.catalog.names(number, file);
        // A link of this name is known by where it leads.
        if names.iter().any(|entry| entry.file.is_some() && Path::new(entry.path.as_str()) == file) {
            return Err(LookThrough);
        }
        let is_alone = !self.links && !self.limited && self.folders.roots.len() == 1;
        let there = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => true,
            Ok(_) => return Err(LookThrough),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(_) => return Err(LookThrough),
        };
        match (there, names.is_empty()) {
            (true, false) => {
                work.read.extend(names.into_iter().map(|entry| ToRead { root: number, entry }));
            }
            (false, false) if is_alone => {
                work.remove.extend(names.into_iter().map(|entry| (number, entry.path)));
            }
            // A folder that we never saw under this name may be elsewhere now, and its watch gone with the old name.
            (false, true) if is_alone && !gone => {}
            (true, true) if is_alone => {
                if is_document(file, &self.folders.extensions) {
                    let entry = self.new_entry(path, file).ok_or(LookThrough)?;
                    work.read.push(ToRead { root: number, entry });
                }
            }
            _ => return Err(LookThrough),
        }
        Ok(())
    }

    /// A file that was not there before, in a folder that was, if its name will do.
    fn new_entry(&self, path: &Path, file: &Path) -> Option<Entry> {
        self.watch.knows(path.parent()?).then_some(())?;
        let segments: Option<Vec<&str>> = file.iter().map(|name| name.to_str()).collect();
        let segments = segments?;
        segments.iter().all(|segment| check_segment(segment).is_ok()).then_some(())?;
        (self.catalog.len() < self.folders.max_documents).then_some(())?;
        Some(Entry { path: DocumentPath::new(segments.join("/")).ok()?, file: None })
    }

    /// Walks through all folders, and reads what is not as it was.
    pub(super) fn look_through(&mut self) {
        let scan = self.scan();
        let work = self.compare(scan);
        self.carry_out(work);
        // Whatever happens in the folders meanwhile, most of the time is left to others.
        self.mailbox.pause(self.took);
    }

    fn scan(&mut self) -> Scan {
        self.looked = Instant::now();
        // Before the walk: what changes meanwhile differs the next time.
        self.identities = identities(&self.folders);
        let watch = &mut self.watch;
        watch.begin();
        let mut last = None;
        let scan = self.folders.scan(&mut |number, folder| {
            watch.enter(folder, last.replace(number) != Some(number));
        });
        watch.end();
        scan
    }

    fn compare(&mut self, scan: Scan) -> Work {
        let Scan { roots, links, limited, mut warnings } = scan;
        (self.links, self.limited) = (links, limited);
        let mut work = Work::default();
        for (number, root) in roots.iter().enumerate() {
            let place = match root {
                Ok(root) => {
                    let (read, remove) = self.catalog.compare(number, root);
                    work.read.extend(read);
                    work.remove.extend(remove);
                    Some((root.real.clone(), root.shown.clone()))
                }
                Err(FolderError { folder, cause }) => {
                    // A disk that does not answer may come back as it was; what was deleted will not.
                    let kept = !matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
                    if !kept {
                        let gone = self.catalog.of_root(number).cloned();
                        work.remove.extend(gone.map(|path| (number, path)));
                    }
                    let problem = Problem::Gone { cause: cause.to_string(), kept };
                    warnings.push(Warning { file: folder.clone(), line: None, problem });
                    None
                }
            };
            match self.reader.roots.get_mut(number) {
                Some(known) => *known = place,
                None => self.reader.roots.push(place),
            }
        }
        for warning in warnings.iter().filter(|warning| !self.warnings.contains(*warning)) {
            tracing::warn!("{warning}");
        }
        self.warnings = warnings.into_iter().collect();
        self.took = self.looked.elapsed();
        work
    }

    pub(super) fn carry_out(&mut self, work: Work) {
        let Work { read, remove } = work;
        for key in remove {
            let path = key.1.clone();
            let (was_document, released) = self.catalog.remove(key);
            self.reader.release(released);
            if was_document {
                self.queue.remove(path);
            }
        }
        for file in &read {
            let released = self.catalog.release(&(file.root, file.entry.path.clone()));
            self.reader.release(released);
        }
        let known = self.catalog.len();
        let total = read.iter().filter(|file| !self.knows(file)).count() + known;
        let begun = total - read.len().min(total);
        self.progress(total, begun, !read.is_empty());
        let reader = self.reader.clone();
        let (mut taken, mut published) = (0, self.shared.library.load().len());
        let mut last = Instant::now();
        reader.read_all(&read, |outcome| {
            let Some(Some((real, _))) = reader.roots.get(outcome.root) else { return true };
            let path = outcome.entry.path.clone();
            let (found, released) = self.catalog.take(outcome, real.clone());
            reader.release(released);
            match found {
                Found::Document(document) => self.queue.put(document),
                Found::Nothing => self.queue.remove(path),
                Found::Same => {}
            }
            taken += 1;
            if taken % 64 == 0 {
                self.progress(total, begun + taken, true);
                // Each library costs as much as it has documents: growing steps keep the sum small.
                let since = taken.saturating_sub(published);
                let slow = last.elapsed() >= Duration::from_secs(1) && since >= published / 10;
                if since >= published.max(FIRST_LIBRARY) || slow {
                    self.publish();
                    (published, last) = (taken, Instant::now());
                }
                return !self.mailbox.is_stopped();
            }
            true
        });
        self.publish();
        self.progress(self.catalog.len(), self.catalog.len(), false);
    }

    fn knows(&self, file: &ToRead) -> bool {
        self.catalog.contains(&(file.root, file.entry.path.clone()))
    }

    fn publish(&mut self) {
        if let Some((library, change)) = self.catalog.publish() {
            self.shared.library.store(Arc::new(library));
            // After those before it in the queue: who hears of a change finds it by searching, too.
            self.queue.tell(change);
        }
    }

    fn progress(&self, documents: usize, read: usize, reading: bool) {
        self.shared.progress.send_if_modified(|progress| {
            let before = *progress;
            (progress.documents, progress.read, progress.reading) = (documents, read, reading);
            before != *progress
        });
    }
}

fn identities(folders: &Folders) -> Vec<Option<Identity>> {
    folders.roots.iter().map(|root| identity(root).ok()).collect()
}

fn identity(root: &Path) -> std::io::Result<Identity> {
    let real = fs::canonicalize(root)?;
    let metadata = fs::metadata(&real)?;
    #[cfg(unix)]
    let number = {
        use std::os::unix::fs::MetadataExt;

        (metadata.dev(), metadata.ino())
    };
    #[cfg(not(unix))]
    let number = (0, u64::from(metadata.is_dir()));
    Ok(Identity { real, number })
}
