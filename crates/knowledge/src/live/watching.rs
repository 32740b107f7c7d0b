//! Watches folders for changes, with scans where the system does not report them.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{
    Config, Error, ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};

use super::mailbox::Mailbox;

/// Whether each folder is watched by itself. Other systems watch everything below a folder as cheaply; this one would
/// need a watch for each folder in `node_modules` and `.git`, and watches are limited.
const EACH_FOLDER: bool = !cfg!(any(target_os = "macos", target_os = "windows"));

/// The interval of scans where the system does not report changes, unless a scan takes long.
pub(super) const POLL: Duration = Duration::from_secs(3);

/// The folders that are watched.
pub(super) struct Watch {
    mailbox: Arc<Mailbox>,
    watcher: Option<RecommendedWatcher>,
    /// Those of now.
    folders: HashSet<PathBuf>,
    /// Those that have been entered since [`Watch::begin`].
    entered: HashSet<PathBuf>,
    /// Whether the system does not tell of all changes.
    polls: bool,
}

impl Watch {
    /// Asks the system to tell `mailbox`.
    pub(super) fn new(mailbox: &Arc<Mailbox>) -> Self {
        let told = mailbox.clone();
        // Links are followed by the walk, and only where they may lead.
        let config = Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(move |event| tell(&told, event), config);
        let (folders, entered) = Default::default();
        let mut watch = Self { mailbox: mailbox.clone(), watcher: None, folders, entered, polls: false };
        match watcher {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.give_up(&error),
        }
        watch
    }

    /// Whether the folders must be scanned because the system does not report all changes.
    pub(super) fn polls(&self) -> bool {
        self.polls
    }

    /// Whether `folder` has been walked through.
    pub(super) fn knows(&self, folder: &Path) -> bool {
        self.folders.contains(folder)
    }

    /// All folders are about to be walked through.
    pub(super) fn begin(&mut self) {
        self.entered.clear();
    }

    /// Watches a folder before it is listed, so that changes after the listing are reported. `root`: whether it is a
    /// configured folder.
    pub(super) fn enter(&mut self, folder: &Path, root: bool) {
        self.entered.insert(folder.to_owned());
        if root && !self.polls {
            self.check_file_system(folder);
        }
        let mode = if EACH_FOLDER { RecursiveMode::NonRecursive } else { RecursiveMode::Recursive };
        if !EACH_FOLDER && (!root || self.folders.contains(folder)) {
            return;
        }
        // A watched folder is watched again: the watch of a moved folder is bound to its old name, and the call is
        // cheap.
        let Some(watcher) = &mut self.watcher else { return };
        match watcher.watch(folder, mode) {
            Ok(()) => {}
            // It vanished, or may not be read; the walk says so.
            Err(Error { kind: ErrorKind::PathNotFound, .. }) => {}
            Err(Error { kind: ErrorKind::Io(error), .. }) if !is_exhausted(&error) => {}
            Err(error) => self.give_up(&error),
        }
    }

    /// All folders have been walked through: the others are watched no longer.
    pub(super) fn end(&mut self) {
        if let Some(watcher) = &mut self.watcher {
            for folder in self.folders.difference(&self.entered) {
                // Most are gone, and their watches with them.
                let _ = watcher.unwatch(folder);
            }
        }
        self.folders = std::mem::take(&mut self.entered);
    }

    /// Ends watching: the folders are looked through from now on.
    pub(super) fn give_up(&mut self, error: &Error) {
        self.watcher = None;
        self.polls = true;
        let help = match &error.kind {
            ErrorKind::MaxFilesWatch => "raise fs.inotify.max_user_watches (sysctl)",
            ErrorKind::Io(_) => "raise fs.inotify.max_user_instances (sysctl), or the limit of open files",
            _ => "changes are seen a little later",
        };
        tracing::warn!(%error, help, "the system does not tell of changes: the folders are looked through every few seconds");
    }

    /// Network file systems tell only of changes that this machine makes.
    #[cfg(target_os = "linux")]
    fn check_file_system(&mut self, folder: &Path) {
        /// NFS, SMB 1 to 3, CIFS, 9p, FUSE, AFS, Ceph, Lustre: `linux/magic.h` and `statfs(2)`.
        const REMOTE: &[u32] = &[
            0x6969,
            0x517b,
            0xfe53_4d42,
            0xff53_4d42,
            0x0102_1997,
            0x6573_5546,
            0x5346_414f,
            0x00c3_6400,
            0x0bd0_0bd0,
        ];
        let Ok(statistics) = rustix::fs::statfs(folder) else { return };
        // The last 32 bits are what the constants are; the type of the field differs between machines.
        if REMOTE.contains(&(statistics.f_type as u32)) {
            self.polls = true;
            tracing::warn!(
                folder = %folder.display(),
                "a network or shared file system does not tell of all changes: the folders are also looked through every \
                 few seconds; copy them to a local disk to see changes at once"
            );
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn check_file_system(&mut self, _: &Path) {}
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("folders", &self.folders.len()).field("polls", &self.polls).finish()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Further reports of the system are useless.
        self.mailbox.stop();
    }
}

/// Whether more watches would need a higher limit.
fn is_exhausted(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;

        let exhausted = [Errno::NOSPC, Errno::MFILE, Errno::NFILE, Errno::NOMEM];
        Errno::from_io_error(error).is_some_and(|error| exhausted.contains(&error))
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        true
    }
}

fn tell(mailbox: &Mailbox, event: Result<Event, Error>) {
    let event = match event {
        Ok(event) => event,
        // One that concerns a single folder: the walk finds out.
        Err(Error { kind: ErrorKind::PathNotFound | ErrorKind::WatchNotFound, .. }) => {
            return mailbox.missed();
        }
        Err(error) => return mailbox.failed(error),
    };
    if event.need_rescan() {
        return mailbox.missed();
    }
    let gone = match event.kind {
        // Our own reads would otherwise be reported, too.
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => return,
        // Files that are written aside and moved into place are most of these.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return mailbox.moved(event.paths),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => EACH_FOLDER,
        _ => false,
    };
    mailbox.changed(event.paths, gone);
}
