//! The program's state between runs.

use std::{
    env, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyport_config::{Surroundings, private_file, private_folder};
use anyport_seal::Key;

/// The folder for it: `--state-dir`, else `$XDG_STATE_HOME/anyport`, else the system's usual place.
pub(crate) fn folder(chosen: Option<PathBuf>) -> Option<PathBuf> {
    usual(chosen, |name| env::var_os(name).map(PathBuf::from))
}

/// The folder where commands without `--state-dir` look for running gateways: `$ANYPORT_STATE_DIR`, else the usual place.
pub(crate) fn of_gateways(surroundings: &Surroundings) -> Option<PathBuf> {
    let variable = |name: &str| surroundings.variable(name).map(PathBuf::from);
    usual(variable("ANYPORT_STATE_DIR"), variable)
}

fn usual(chosen: Option<PathBuf>, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let variable = |name| variable(name).filter(|value| !value.as_os_str().is_empty());
    chosen
        .or_else(|| variable("XDG_STATE_HOME").map(|home| home.join("anyport")))
        .or_else(|| variable("LOCALAPPDATA").map(|home| home.join("anyport")))
        .or_else(|| variable("HOME").map(|home| home.join(".local/state/anyport")))
}

/// The key that seals state in clients. It is stored, so that a client's state stays valid after a restart, and a
/// forged state differs from a lost one.
///
/// # Errors
/// When the file can be neither read nor made.
pub(crate) fn key(folder: &Path) -> io::Result<Key> {
    kept(folder, "seal.key")
}

/// The key that seals credentials in the store.
///
/// # Errors
/// As for [`key`].
pub(crate) fn credentials_key(folder: &Path) -> io::Result<Key> {
    kept(folder, CREDENTIALS_KEY)
}

/// Whether there is a key for credentials: whether anybody has signed in.
pub(crate) fn has_credentials_key(folder: &Path) -> bool {
    folder.join(CREDENTIALS_KEY).exists()
}

const CREDENTIALS_KEY: &str = "credentials.key";

/// The key in the file `name`, which is made when there is none.
fn kept(folder: &Path, name: &str) -> io::Result<Key> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => {
            if is_open_to_others(&path) {
                tracing::warn!("other users can read {0}, which is a secret: chmod 600 {0}", path.display());
            }
            parse(&bytes).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("{} is no key; delete it to get a new one", path.display()),
                )
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(folder, name),
        Err(error) => Err(error),
    }
}

/// Whether the permissions of a file let others than its owner read or change it.
#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

/// Elsewhere a file has the permissions of its folder, which are the user's alone.
#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

fn parse(bytes: &[u8]) -> Option<Key> {
    Some(Key::from_bytes(bytes.try_into().ok()?))
}

fn create(folder: &Path, name: &str) -> io::Result<Key> {
    let path = &folder.join(name);
    private_folder(folder)?;
    let key = Key::random().map_err(io::Error::other)?;
    // Written aside and linked into place: two programs that start at once agree on the one that came first, and
    // neither reads half a key.
    let aside = folder.join(format!("{name}.{}", std::process::id()));
    let _ = fs::remove_file(&aside);
    private_file(&aside)?.write_all(key.as_bytes())?;
    let linked = fs::hard_link(&aside, path);
    let _ = fs::remove_file(&aside);
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            parse(&fs::read(path)?).ok_or_else(|| io::ErrorKind::InvalidData.into())
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let folder = env::temp_dir().join(format!("anyport-state-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let first = key(&folder).unwrap();
        assert_eq!(first.as_bytes(), key(&folder).unwrap().as_bytes());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&folder), mode(&folder.join("seal.key"))), (0o700, 0o600));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let path = folder.join("seal.key");
            assert!(!is_open_to_others(&path));
            for mode in [0o644, 0o640, 0o604] {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                assert!(is_open_to_others(&path) && key(&folder).is_ok(), "{mode:o}");
            }
        }
        fs::write(folder.join("seal.key"), "short").unwrap();
        assert_eq!(key(&folder).unwrap_err().kind(), io::ErrorKind::InvalidData);
        fs::remove_dir_all(&folder).unwrap();
    }
}
