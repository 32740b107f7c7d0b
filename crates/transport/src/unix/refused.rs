use std::{io, path::PathBuf};

/// The socket was not opened.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A process listens there already.
    #[error("{} is in use: another process listens on it", .0.display())]
    InUse(PathBuf),
    /// There is something else, which is not ours to remove.
    #[error("{} is there already, and is no socket", .0.display())]
    NotASocket(PathBuf),
    /// The operating system takes no path of this length for a socket.
    #[error(
        "{} is too long for the path of a socket, which has {MAX_PATH} bytes at most, and 12 less for its folder", .0.display()
    )]
    TooLong(PathBuf),
    /// The socket could not be made.
    #[error("cannot listen on {}: {source}", path.display())]
    Bind {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The operating system has no Unix sockets that can be used here.
    #[error("Unix sockets are not available on this operating system; serve over HTTP on 127.0.0.1 instead")]
    Unsupported,
}

/// The address of a socket holds no longer path anywhere: 104 bytes with their end on macOS and the BSDs, 108 on Linux.
pub(super) const MAX_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
