//! What guards look up on this system.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyport_guards::{Lookup, LookupFuture};
use tokio::{net::lookup_host, task::spawn_blocking};

/// The names and files of this system.
pub(super) struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses<'a>(&'a self, host: &'a str) -> LookupFuture<'a, Vec<IpAddr>> {
        Box::pin(async move { Ok(lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }

    fn is_beneath<'a>(&'a self, root: &'a Path, path: &'a Path) -> LookupFuture<'a, bool> {
        let (root, path) = (root.to_owned(), path.to_owned());
        Box::pin(
            async move { spawn_blocking(move || is_beneath(&root, &path)).await.map_err(io::Error::other)? },
        )
    }
}

/// Whether `path` is beneath `root` once links are followed. What does not exist yet is where its folder is.
fn is_beneath(root: &Path, path: &Path) -> io::Result<bool> {
    let real_root = match root.canonicalize() {
        Ok(root) => root,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let mut existing: PathBuf = path.to_owned();
    loop {
        match existing.canonicalize() {
            Ok(real) => return Ok(real.starts_with(real_root)),
            // A file in place of a folder has nothing beneath it.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                // A link that leads nowhere: what is written there would be made elsewhere.
                if existing.symlink_metadata().is_ok() {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
        if !existing.pop() {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn links_are_followed() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("secret"), "x").unwrap();
        std::fs::write(root.join("file"), "x").unwrap();
        symlink(&outside, root.join("out")).unwrap();
        symlink(root.join("sub"), root.join("in")).unwrap();
        symlink(outside.join("new"), root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        for (path, expected) in [
            ("", Some(true)),
            ("file", Some(true)),
            ("sub/new/file", Some(true)),
            ("in/new", Some(true)),
            ("out", Some(false)),
            ("out/secret", Some(false)),
            ("out/new/file", Some(false)),
            ("dangling", None),
            ("dangling/x", None),
            ("loop", None),
        ] {
            assert_eq!(is_beneath(&root, &root.join(path)).ok(), expected, "{path}");
        }
        assert!(is_beneath(Path::new("/no/such/folder"), Path::new("/no/such/folder/x")).unwrap());
    }
}
