//! Copies of what files were before they were changed: a few for each, and none in a repository.

use std::{
    fs,
    io::{self, Write as _},
    path::{Component, Path, PathBuf},
};

use crate::private::{private_file, private_folder};

/// The largest number of backups of a file: what it was at first, and before each of the latest changes.
const MAX_BACKUPS: usize = 5;

/// Folders that make the folder they are in a repository.
const REPOSITORIES: [&str; 4] = [".git", ".hg", ".jj", ".svn"];

/// Keeps `text`, which the file at `path` has said so far.
///
/// The backup is `FILE.bak` beside the file, with its permissions. A file in a repository has it in the same folders below `backups`
/// in the `state` folder: beside the file, it would be committed one day, with what it holds. Without a state folder there is none.
/// The second is `FILE.bak.2` and so on. From the sixth on, the first stays, and the oldest of the others goes.
pub(crate) fn back_up(path: &Path, text: &str, state: Option<&Path>) -> io::Result<Option<PathBuf>> {
    let path = std::path::absolute(path)?;
    let base = match (is_in_repository(&path), state) {
        (false, _) => path.clone(),
        (true, Some(state)) => below(&state.join("backups"), &path),
        (true, None) => return Ok(None),
    };
    if let Some(folder) = base.parent().filter(|folder| !folder.exists()) {
        private_folder(folder)?;
    }
    let free = (1..=MAX_BACKUPS).map(|number| numbered(&base, number)).find(|path| !path.exists());
    let backup = free.map_or_else(|| make_room(&base), Ok)?;
    private_file(&backup)?.write_all(text.as_bytes())?;
    fs::set_permissions(&backup, fs::metadata(&path)?.permissions())?;
    Ok(Some(backup))
}

/// Removes the second backup, and moves each later one forward.
fn make_room(base: &Path) -> io::Result<PathBuf> {
    for number in 3..=MAX_BACKUPS {
        fs::rename(numbered(base, number), numbered(base, number - 1))?;
    }
    Ok(numbered(base, MAX_BACKUPS))
}

fn numbered(base: &Path, number: usize) -> PathBuf {
    let name = base.file_name().unwrap_or_default().to_string_lossy();
    base.with_file_name(match number {
        1 => format!("{name}.bak"),
        number => format!("{name}.bak.{number}"),
    })
}

fn is_in_repository(path: &Path) -> bool {
    let mut folders = path.ancestors().skip(1);
    folders.any(|folder| REPOSITORIES.iter().any(|name| folder.join(name).exists()))
}

/// An absolute path, below another folder.
fn below(folder: &Path, path: &Path) -> PathBuf {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        // `C:` cannot be the name of a folder.
        Component::Prefix(prefix) => Some(prefix.as_os_str().to_string_lossy().replace([':', '\\', '?'], "")),
        _ => None,
    });
    parts.fold(folder.to_owned(), |folder, part| folder.join(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_first_and_the_latest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mcp.json");
        fs::write(&path, "now").unwrap();
        for number in 1..=9 {
            back_up(&path, &number.to_string(), None).unwrap();
        }
        let text = |number| fs::read_to_string(numbered(&path, number)).unwrap();
        assert_eq!([1, 2, 3, 4, 5].map(text), ["1", "6", "7", "8", "9"]);
        assert_eq!(names(folder.path()).len(), MAX_BACKUPS + 1);
    }

    #[test]
    fn a_repository_has_no_backups() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        fs::create_dir_all(project.join("inner")).unwrap();
        fs::create_dir(project.join(".git")).unwrap();
        let path = project.join("inner/.mcp.json");
        fs::write(&path, "now").unwrap();
        assert_eq!(back_up(&path, "old", None).unwrap(), None);
        let state = folder.path().join("state");
        let backup = back_up(&path, "old", Some(&state)).unwrap().unwrap();
        assert!(backup.starts_with(state.join("backups")) && backup.ends_with("project/inner/.mcp.json.bak"));
        assert_eq!(fs::read_to_string(backup).unwrap(), "old");
        assert_eq!(names(&project.join("inner")), [".mcp.json"]);
    }
}
