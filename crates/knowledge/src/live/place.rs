//! Where the index of this process is on disk.
//!
//! Each process has a folder of its own, and locks a file in it for as long as it runs. The system gives the lock back
//! however the process ends, so a folder whose lock is free is a dead one's: it is removed, and never read.

use std::{
    fs::{self, DirEntry, File},
    io,
    path::Path,
};

use tempfile::TempDir;

/// What the folders are called, each with something random behind it.
const PREFIX: &str = "index-";
/// The file in each that its process has locked; and the one beside them that whoever makes or removes one has locked.
const LOCK: &str = "lock";

/// A folder that is ours until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// Before the lock: who waits for it finds nothing any more.
    folder: TempDir,
    _lock: File,
}

impl Place {
    /// Makes a folder below `parent`, and removes those that dead processes left there.
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        fs::create_dir_all(parent)?;
        // Nobody sees a folder that has no lock yet.
        let everybody = open(&parent.join(LOCK))?;
        everybody.lock()?;
        for entry in fs::read_dir(parent)? {
            // What cannot be removed now is tried again next time.
            let _ = entry.and_then(|entry| remove_dead(&entry));
        }
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
        let lock = open(&folder.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self { folder, _lock: lock })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

fn remove_dead(entry: &DirEntry) -> io::Result<()> {
    let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX) && entry.file_type()?.is_dir();
    if !is_ours {
        return Ok(());
    }
    let lock = open(&entry.path().join(LOCK))?;
    if lock.try_lock().is_ok() {
        fs::remove_dir_all(entry.path())?;
    }
    Ok(())
}

fn open(lock: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dead_processes_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let of_somebody = parent.path().join("notes");
        fs::create_dir(&of_somebody).unwrap();
        let dead = Place::new(parent.path()).unwrap();
        fs::write(dead.folder().join("segment"), "words").unwrap();
        let left = dead.folder.keep();
        drop(dead._lock);
        let (one, other) = (Place::new(parent.path()).unwrap(), Place::new(parent.path()).unwrap());
        assert!(!left.exists());
        assert!(one.folder().is_dir() && other.folder().is_dir() && of_somebody.is_dir());
        let gone = one.folder().to_owned();
        drop(one);
        assert!(!gone.exists() && other.folder().is_dir());
    }
}
