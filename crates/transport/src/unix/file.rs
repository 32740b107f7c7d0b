//! The socket's file: made private, put in place at once, and taken away.

use std::{
    fs::{self, DirBuilder, Metadata, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    },
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use super::refused::{MAX_PATH, Refused};

/// A socket's file that is ours. It is removed with this, if it is still the one that was made.
#[derive(Debug)]
pub(super) struct SocketFile {
    pub(super) path: PathBuf,
    /// The device and the number of the file on it.
    identity: (u64, u64),
    /// Who runs this process.
    pub(super) owner: u32,
}

impl SocketFile {
    /// Listens at `path`.
    ///
    /// The socket is made in a folder that nobody else can enter and gets its permissions there; then it is linked to its
    /// place. So there is no moment in which it is more open than it should be, and what stands in its place already is
    /// never overwritten: a link is made where there is nothing, or not at all.
    pub(super) async fn listen(path: &Path, mode: u32) -> Result<(UnixListener, Self), Refused> {
        let failed = |source| Refused::Bind { path: path.to_owned(), source };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let private = Private::inside(folder).map_err(failed)?;
        let made = private.0.join("s");
        if path.as_os_str().as_bytes().len().max(made.as_os_str().as_bytes().len()) > MAX_PATH {
            return Err(Refused::TooLong(path.to_owned()));
        }
        let listener = UnixListener::bind(&made).map_err(failed)?;
        fs::set_permissions(&made, Permissions::from_mode(mode)).map_err(failed)?;
        let metadata = fs::symlink_metadata(&made).map_err(failed)?;
        for _ in 0..ATTEMPTS {
            match fs::hard_link(&made, path) {
                Ok(()) => {
                    let identity = (metadata.dev(), metadata.ino());
                    return Ok((listener, Self { path: path.to_owned(), identity, owner: metadata.uid() }));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => clear(path, &private).await?,
                Err(error) => return Err(failed(error)),
            }
        }
        // Others do the same at this moment, and one of them has won.
        Err(Refused::InUse(path.to_owned()))
    }

    fn is_still_ours(&self) -> bool {
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        fs::symlink_metadata(&self.path).is_ok_and(|metadata| identity(metadata) == self.identity)
    }
}

const ATTEMPTS: usize = 3;

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_still_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes away the socket at `path`, if its process is dead.
async fn clear(path: &Path, private: &Private) -> Result<(), Refused> {
    let failed = |source| Refused::Bind { path: path.to_owned(), source };
    if !is_dead(path).await? {
        return Err(Refused::InUse(path.to_owned()));
    }
    // Someone else may have put a living one there since. So it is moved aside first, where nobody else reaches it,
    // and looked at again.
    let aside = private.0.join("o");
    match fs::rename(path, &aside) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        moved => moved.map_err(failed)?,
    }
    match is_dead(&aside).await {
        Ok(true) => fs::remove_file(&aside).map_err(failed),
        other => {
            // Back where it was, unless there is something again.
            let _ = fs::hard_link(&aside, path);
            Err(other.err().unwrap_or(Refused::InUse(path.to_owned())))
        }
    }
}

/// Whether nobody listens at `path`.
async fn is_dead(path: &Path) -> Result<bool, Refused> {
    let failed = |source| Refused::Bind { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Err(Refused::NotASocket(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(failed(error)),
    }
    match UnixStream::connect(path).await {
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
            Ok(true)
        }
        // One with a full queue, of another kind, or that may not be touched has someone behind it.
        _ => Ok(false),
    }
}

/// A folder that only this user can enter. It goes, with what is in it, when this does.
struct Private(PathBuf);

impl Private {
    fn inside(folder: &Path) -> io::Result<Self> {
        let mut last = io::ErrorKind::AlreadyExists.into();
        for _ in 0..ATTEMPTS {
            let mut random = [0; 4];
            getrandom::fill(&mut random).map_err(io::Error::other)?;
            // Short: the path of a socket must be.
            let private = folder.join(format!(".{:08x}", u32::from_ne_bytes(random)));
            match DirBuilder::new().mode(0o700).create(&private) {
                Ok(()) => return Ok(Self(private)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
