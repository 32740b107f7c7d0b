//! Writes a file in one step, with a backup of what it was.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::error::ConfigError;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file, with symbolic links followed.
    pub path: PathBuf,
    /// The copy of what it was, if it was there.
    pub backup: Option<PathBuf>,
}

/// Writes `text` to the file at `path`, which said `old` when it was read, or was not there.
///
/// The text is written to a file beside it, which then takes its place: a reader sees the old text or the new one. The permissions
/// stay, and a new file is readable by its owner alone, since values may be secret. What the file was is copied to `FILE.bak`, or
/// `FILE.bak.2` and so on if there is one.
///
/// # Errors
/// When the file was changed meanwhile, or cannot be written. Nothing is changed then.
pub fn write(path: &Path, old: Option<&str>, text: &str) -> Result<Written, ConfigError> {
    let path = target(path);
    let failed = |error| ConfigError::Unwritable(path.clone(), error);
    if read(&path).map_err(failed)?.as_deref() != old {
        return Err(ConfigError::Changed(path));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let _ = fs::remove_file(&beside);
    let placed = place(&path, &beside, text);
    if placed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    let backup = placed.map_err(failed)?;
    Ok(Written { path, backup })
}

/// What the file says; `None` if it is not there.
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
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

fn place(path: &Path, beside: &Path, text: &str) -> io::Result<Option<PathBuf>> {
    let mut file = private().open(beside)?;
    file.write_all(text.as_bytes())?;
    let backup = match fs::metadata(path) {
        Ok(metadata) => {
            file.set_permissions(metadata.permissions())?;
            Some(back_up(path)?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    file.sync_all()?;
    drop(file);
    fs::rename(beside, path)?;
    Ok(backup)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Copies the file, with its permissions, to a name that is free.
fn back_up(path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 1.. {
        let ending = if number == 1 { ".bak".to_owned() } else { format!(".bak.{number}") };
        let backup = path.with_file_name(format!("{name}{ending}"));
        // Made by us and nobody else, and readable by nobody else before it has its permissions.
        match private().open(&backup) {
            Ok(_) => {
                fs::copy(path, &backup)?;
                return Ok(backup);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
