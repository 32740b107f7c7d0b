//! Whether a file that a folder of a project has may be used: what it says is started, and receives variables and tokens.
//!
//! The nearest files are found by walking up from the working folder, which may lie below a folder of other users, such as `/tmp`.
//! Git refuses repositories of other users for the same reason (`safe.directory`), and ssh files that others can write.

use std::path::{Path, PathBuf};

use crate::variables::Surroundings;

/// Why a file of a project is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Another user owns the file or a folder that it is in.
    #[error("{} belongs to another user, of the number {owner}", path.display())]
    Owner {
        /// The file or the folder.
        path: PathBuf,
        /// The number of the user.
        owner: u32,
    },
    /// Every user can write the file, or replace it.
    #[error("every user can write to {}", .0.display())]
    Writable(PathBuf),
}

impl Distrust {
    /// What a user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Owner { .. } => {
                "read the file; then name it as FILE#NAME, take it over with chown, or name its folder in ANYPORT_TRUSTED_FOLDERS"
            }
            Self::Writable(_) => {
                "take that right away with: chmod o-w PATH; or read the file, and name it as FILE#NAME or its folder in \
                 ANYPORT_TRUSTED_FOLDERS"
            }
        }
    }
}

/// The variable with folders whose files are used whoever owns them, separated as in `PATH`.
const TRUSTED_FOLDERS: &str = "ANYPORT_TRUSTED_FOLDERS";

/// Checks the `file` of a project in the folder `workspace`: this user or the administrator must own it and the folders from there to
/// it, and nobody else may write them. A folder such as `/tmp`, in which nobody can replace files of others, passes as a folder.
///
/// On Windows, where files of others are not found above the folders of a user, every file passes.
///
/// # Errors
/// The first that is wrong.
pub fn check_trust(file: &Path, workspace: &Path, surroundings: &Surroundings) -> Result<(), Distrust> {
    let trusted = surroundings.variable(TRUSTED_FOLDERS).unwrap_or_default();
    let mut trusted = std::env::split_paths(trusted).filter(|folder| folder.is_absolute());
    match trusted.any(|folder| workspace.starts_with(folder)) {
        true => Ok(()),
        false => check(file, workspace),
    }
}

#[cfg(not(unix))]
fn check(_: &Path, _: &Path) -> Result<(), Distrust> {
    Ok(())
}

#[cfg(unix)]
fn check(file: &Path, workspace: &Path) -> Result<(), Distrust> {
    let folders = file.ancestors().skip(1).take_while(|folder| folder.starts_with(workspace));
    folders.chain([file]).try_for_each(check_one)?;
    // A link leads to a file that may lie elsewhere.
    match file.canonicalize() {
        Ok(target) if target != file => target.parent().into_iter().chain([&*target]).try_for_each(check_one),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn check_one(path: &Path) -> Result<(), Distrust> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(metadata) = path.symlink_metadata() else { return Ok(()) };
    // A link has the permissions of what it leads to, which is checked by itself.
    let mode = if metadata.is_symlink() { 0 } else { metadata.mode() };
    judge(path, metadata.uid(), mode, metadata.is_dir())
}

#[cfg(unix)]
fn judge(path: &Path, owner: u32, mode: u32, is_folder: bool) -> Result<(), Distrust> {
    /// In a folder with this bit, only its owner can replace a file.
    const STICKY: u32 = 0o1000;
    const WRITABLE_BY_ALL: u32 = 0o002;
    let is_shared = is_folder && mode & STICKY != 0;
    match () {
        () if owner != 0 && !is_ours(owner) && !is_shared => {
            Err(Distrust::Owner { path: path.to_owned(), owner })
        }
        () if mode & WRITABLE_BY_ALL != 0 && !is_shared => Err(Distrust::Writable(path.to_owned())),
        () => Ok(()),
    }
}

/// Whether a number is that of this user, or of the user that became the administrator for this command.
#[cfg(unix)]
fn is_ours(owner: u32) -> bool {
    let own = rustix::process::geteuid();
    let before = || std::env::var("SUDO_UID").ok().and_then(|number| number.parse().ok());
    owner == own.as_raw() || (own.is_root() && before() == Some(owner))
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn a_file_of_another_user_is_not_trusted() {
        let path = Path::new("/tmp/.mcp.json");
        let own = rustix::process::geteuid().as_raw();
        let other = own + 4242;
        assert_eq!(judge(path, own, 0o644, false), Ok(()));
        assert_eq!(judge(path, 0, 0o644, false), Ok(()));
        assert!(matches!(judge(path, other, 0o600, false), Err(Distrust::Owner { .. })));
        assert!(matches!(judge(path, other, 0o755, true), Err(Distrust::Owner { .. })));
        assert!(matches!(judge(path, own, 0o646, false), Err(Distrust::Writable(_))));
        assert!(matches!(judge(path, own, 0o777, true), Err(Distrust::Writable(_))));
        assert_eq!(judge(path, own, 0o664, false), Ok(()), "a group may work on a project together");
        // In a folder such as /tmp, files of others stay what they are; and a file has no such bit.
        assert_eq!(judge(path, other, 0o1777, true), Ok(()));
        assert!(judge(path, own, 0o1666, false).is_err());
    }

    #[test]
    fn a_file_is_as_good_as_the_folders_and_links_that_lead_to_it() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (project, file) = (root.join("project"), root.join("project/.vscode/mcp.json"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "{}").unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let mut surroundings = Surroundings::default();
        assert_eq!(check_trust(&file, &project, &surroundings), Ok(()));
        for path in [&file, &project.join(".vscode"), &project] {
            mode(path, 0o777);
            assert_eq!(check_trust(&file, &project, &surroundings), Err(Distrust::Writable(path.clone())));
            surroundings.variables = [(TRUSTED_FOLDERS.to_owned(), root.display().to_string())].into();
            assert_eq!(check_trust(&file, &project, &surroundings), Ok(()));
            surroundings.variables.clear();
            mode(path, 0o755);
        }
        fs::write(root.join("elsewhere.json"), "{}").unwrap();
        mode(&root.join("elsewhere.json"), 0o666);
        let link = project.join(".mcp.json");
        std::os::unix::fs::symlink("../elsewhere.json", &link).unwrap();
        assert!(check_trust(&link, &project, &surroundings).is_err());
        mode(&root.join("elsewhere.json"), 0o644);
        assert_eq!(check_trust(&link, &project, &surroundings), Ok(()));
    }
}
