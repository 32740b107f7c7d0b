//! Writes a file in one step, with a backup of what it was.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use crate::{
    backup::back_up,
    error::{ConfigError, MAX_FILE_BYTES},
    lock::EditLock,
    replace::Replacement,
};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file, with symbolic links followed.
    pub path: PathBuf,
    /// The copy of what it was, if it was there.
    pub backup: Option<PathBuf>,
}

/// Writes configuration files, one process of a user at a time.
#[derive(Clone, Debug, Default)]
pub struct ConfigStore {
    state: Option<PathBuf>,
}

impl ConfigStore {
    /// A store with a folder for its lock, and for the backups of files in repositories.
    pub fn new(state: Option<PathBuf>) -> Self {
        Self { state }
    }

    /// Waits until no other process edits configuration files. The lock is to be held from before a file is read until after it is
    /// written.
    ///
    /// # Errors
    /// [`ConfigError::Locked`].
    pub fn lock(&self) -> Result<EditLock, ConfigError> {
        EditLock::take(self.state.as_deref())
    }

    /// Writes `text` to the file at `path`, which said `old` when it was read, or was not there.
    ///
    /// The text is written to a file beside it, which then takes its place: a reader sees the old text or the new one. The permissions
    /// stay, and a new file is readable by its owner alone, since values may be secret. What the file was is kept as `FILE.bak`, of a
    /// file in a repository below `backups` in the folder of the store.
    ///
    /// # Errors
    /// When the file was changed meanwhile, or cannot be written. Nothing is changed then.
    pub fn write(&self, path: &Path, old: Option<&str>, text: &str) -> Result<Written, ConfigError> {
        let path = target(path);
        let failed = |error| ConfigError::Unwritable(path.clone(), error);
        let unchanged = || match read(&path) {
            Ok(now) if now.as_deref() == old => Ok(()),
            Ok(_) => Err(ConfigError::Changed(path.clone())),
            Err(error) => Err(failed(error)),
        };
        unchanged()?;
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(failed)?;
        let replacement = Replacement::write(&path, text.as_bytes()).map_err(failed)?;
        let mut backup = None;
        if let Some(old) = old {
            let permissions = fs::metadata(&path).map_err(failed)?.permissions();
            replacement.set_permissions(permissions).map_err(failed)?;
            backup = back_up(&path, old, self.state.as_deref()).map_err(failed)?;
        }
        // Programs that do not know the lock write as well. What they write now is lost only if it falls into the next instant.
        if let Err(error) = unchanged() {
            if let Some(backup) = backup {
                let _ = fs::remove_file(backup);
            }
            return Err(error);
        }
        replacement.place().map_err(failed)?;
        Ok(Written { path, backup })
    }
}

/// What the file says; `None` if it is not there.
///
/// # Errors
/// When it cannot be read, or is larger than [`MAX_FILE_BYTES`], which is [`io::ErrorKind::FileTooLarge`].
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 > MAX_FILE_BYTES {
        true => Err(io::ErrorKind::FileTooLarge.into()),
        false => Ok(Some(text)),
    }
}

/// The file behind symbolic links. One that leads nowhere is followed, too: its file is made.
fn target(path: &Path) -> PathBuf {
    /// As many as Linux follows.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(next) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, old: Option<&str>, text: &str) -> Result<Written, ConfigError> {
        ConfigStore::default().write(path, old, text)
    }

    #[test]
    fn what_was_there_is_kept_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/mcp.json");
        let first = write(&path, None, "1").unwrap();
        assert_eq!(first, Written { path: path.clone(), backup: None });
        for (old, new, ending) in [("1", "2", "bak"), ("2", "3", "bak.2")] {
            let written = write(&path, Some(old), new).unwrap();
            let backup = written.backup.unwrap();
            assert!(backup.to_string_lossy().ends_with(&format!("mcp.json.{ending}")), "{backup:?}");
            assert_eq!(fs::read_to_string(backup).unwrap(), old);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "3");
        assert!(matches!(write(&path, Some("2"), "4"), Err(ConfigError::Changed(_))));
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_stay() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real.json"), folder.path().join("link.json"));
        write(&file, None, "{}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real.json", &link).unwrap();
        let written = write(&link, Some("{}"), "[]").unwrap();
        assert_eq!(written.path, file);
        assert_eq!((mode(&file), mode(&written.backup.unwrap())), (0o640, 0o640));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "[]");
    }

    #[test]
    fn a_folder_that_cannot_be_written_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "x").unwrap();
        let error = write(&folder.path().join("file/mcp.json"), None, "{}").unwrap_err();
        assert!(matches!(error, ConfigError::Unwritable(..)), "{error}");
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp.json");
        File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        let error = crate::ConfigFile::read(&path, folder.path()).unwrap_err();
        assert!(error.to_string().contains("larger than 16 MiB"), "{error}");
        assert!(write(&path, Some(""), "{}").is_err());
        fs::write(&path, format!("{{}}{}", " ".repeat(MAX_FILE_BYTES as usize - 2))).unwrap();
        assert!(crate::ConfigFile::read(&path, folder.path()).is_ok());
    }
}
