//! Where an index lies.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use tantivy::{IndexSettings, schema::Schema};
use tempfile::TempDir;

use super::{
    IndexError,
    private_directory::{PrivateDirectory, private_file, private_folder},
    schema::analyzers,
};

/// The name of index folders; other folders are not touched.
const PREFIX: &str = "anyport-index-";
/// The file in each of them that its process holds locked for as long as it lives.
const LOCK: &str = "lock";

/// Where an index lies.
///
/// An index is made anew by each process and never taken over from another one, which may have ended at any moment. It is
/// removed with the [`Index`](super::Index).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Storage {
    /// In memory.
    #[default]
    Memory,
    /// In a folder of its own below this one, which is made if it is not there. What processes that are no longer
    /// alive left there is removed.
    Folder(PathBuf),
}

/// A place that is ours.
pub(super) struct Opened {
    own: Option<Own>,
}

/// A folder of this process.
struct Own {
    folder: TempDir,
    /// Locked; a process that can lock it knows that this process has ended.
    _lock: File,
}

impl Storage {
    pub(super) fn open(self) -> Result<Opened, IndexError> {
        let Self::Folder(folder) = self else { return Ok(Opened { own: None }) };
        match Own::open(&folder) {
            Ok(own) => Ok(Opened { own: Some(own) }),
            Err(cause) => Err(IndexError::Folder { folder, cause }),
        }
    }
}

impl Opened {
    /// An empty index in this place.
    pub(super) fn create(&self, schema: Schema) -> Result<tantivy::Index, IndexError> {
        // All that is stored are paths: not worth a thread.
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let index = tantivy::Index::builder().schema(schema).settings(settings).tokenizers(analyzers());
        let Some(own) = &self.own else { return Ok(index.create_in_ram()?) };
        Ok(index.open_or_create(PrivateDirectory::open(own.folder.path())?)?)
    }
}

impl Own {
    fn open(folder: &Path) -> io::Result<Self> {
        private_folder(folder)?;
        // Held while folders are created and removed, so that no process takes a new folder for an abandoned one.
        let changing = File::options().create(true).truncate(false).write(true).open(folder.join(LOCK))?;
        private_file(&folder.join(LOCK))?;
        changing.lock()?;
        remove_dead(folder)?;
        let own = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder)?;
        private_folder(own.path())?;
        let lock = File::create_new(own.path().join(LOCK))?;
        private_file(&own.path().join(LOCK))?;
        lock.lock()?;
        Ok(Self { folder: own, _lock: lock })
    }
}

/// Removes the folders of ended processes below `folder`.
fn remove_dead(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A link is not followed: we create no links.
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if !ours || !entry.file_type()?.is_dir() || is_alive(&entry.path()) {
            continue;
        }
        if let Err(error) = fs::remove_dir_all(entry.path()) {
            tracing::warn!(folder = %entry.path().display(), %error, "cannot remove an index that was left behind");
        }
    }
    Ok(())
}

/// Whether some process holds the folder. Where that cannot be known, it is left alone.
fn is_alive(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)).map(|lock| lock.try_lock()) {
        // Its process ended before it had made the file.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(Ok(())) => false,
        Ok(Err(TryLockError::WouldBlock | TryLockError::Error(_))) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{Index, SearchQuery};

    fn folders(below: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(below).unwrap().map(|entry| entry.unwrap());
        entries.filter(|entry| entry.file_type().unwrap().is_dir()).map(|entry| entry.path()).collect()
    }

    #[test]
    fn an_index_in_a_folder_takes_nothing_over_and_leaves_nothing_behind() {
        let temporary = tempfile::tempdir().unwrap();
        let below = temporary.path().join("made/for/it");
        let storage = || Storage::Folder(below.clone());
        let first = Index::new(storage()).unwrap();
        let second = Index::new(storage()).unwrap();
        assert_eq!(folders(&below).len(), 2);

        let document = crate::Document::parse(
            crate::DocumentPath::new("a.md").unwrap(),
            "words",
            crate::FileTimes::default(),
        );
        first.put(&document.0, "words").unwrap();
        first.commit().unwrap();
        assert_eq!(first.search(&SearchQuery::new("words")).unwrap().total, 1);
        assert_eq!(second.search(&SearchQuery::new("words")).unwrap().total, 0);
        drop((first, second));
        assert!(folders(&below).is_empty());
    }

    #[test]
    fn what_dead_processes_left_is_removed_and_nothing_else() {
        let below = tempfile::tempdir().unwrap();
        let folder = |name: &str, file: &str| {
            let folder = below.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(file), "x").unwrap();
            folder
        };
        // One that ended with its index written, one that ended before it had a lock, and one of somebody else.
        let dead = [folder("anyport-index-a", LOCK), folder("anyport-index-b", "meta.json")];
        let others = folder("notes", LOCK);
        let alive = Index::new(Storage::Folder(below.path().to_owned())).unwrap();
        assert!(dead.iter().all(|folder| !folder.exists()));
        assert!(others.exists());
        let of_alive: Vec<_> = folders(below.path()).into_iter().filter(|folder| *folder != others).collect();
        let _other = Index::new(Storage::Folder(below.path().to_owned())).unwrap();
        assert!(of_alive[0].exists());
        drop(alive);
        assert!(!of_alive[0].exists());
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_an_index() {
        use std::os::unix::fs::PermissionsExt;
        let temporary = tempfile::tempdir().unwrap();
        // One that an older version has made.
        let below = temporary.path().join("index");
        fs::create_dir(&below).unwrap();
        fs::set_permissions(&below, PermissionsExt::from_mode(0o755)).unwrap();
        let index = Index::new(Storage::Folder(below.clone())).unwrap();
        for number in 0..3 {
            let path = crate::DocumentPath::new(format!("{number}.md")).unwrap();
            let document = crate::Document::parse(path, "words", crate::FileTimes::default());
            index.put(&document.0, "words").unwrap();
            index.commit().unwrap();
        }
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let (mut waiting, mut files) = (vec![below], 0);
        while let Some(folder) = waiting.pop() {
            assert_eq!(mode(&folder), 0o700, "{}", folder.display());
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    files += 1;
                    assert_eq!(mode(&path), 0o600, "{}", path.display());
                }
            }
        }
        assert!(files > 5, "{files}");
    }

    #[test]
    fn a_folder_that_cannot_be_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Index::new(Storage::Folder(file.path().join("index"))).unwrap_err().to_string();
        assert!(
            error.contains(&file.path().display().to_string()) && error.contains("can be written"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_the_folder_is_left_alone() {
        let (below, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join(LOCK), "x").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), below.path().join("anyport-index-link")).unwrap();
        Index::new(Storage::Folder(below.path().to_owned())).unwrap();
        assert!(elsewhere.path().join(LOCK).exists());
    }
}
