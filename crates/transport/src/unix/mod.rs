//! Clients of this machine on a Unix socket: messages as on standard streams, a line each, any number of clients.
//!
//! 2026-07-28, transports §Custom Transports: "Custom transports **SHOULD** document their specific connection
//! establishment and message exchange patterns to aid interoperability." So:
//! - the socket is a stream socket; a client connects and speaks, there is no handshake of its own;
//! - every message is one line of UTF-8 that ends with a line feed, in both directions, as on stdio;
//! - every revision is spoken, and both eras on one connection, as on stdio;
//! - a client that ends its side still hears what its running calls answer; one that closes cancels them.
//!
//! # Who may connect
//! The file is open to its owner alone (mode 0600) from its first moment, and the operating system is asked who stands at
//! the other end of each connection: the owner of the server, or root. Both can be widened, see [`Config::mode`] and
//! [`Peers`].
//!
//! # The file
//! A socket that a process left behind when it died is replaced. One that is in use is left alone, and so is anything
//! that is no socket. The file goes when serving ends.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use anyport_protocol::{Limits as MessageLimits, Revision};

#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod listener;

#[cfg(not(unix))]
pub use elsewhere::Listener;
#[cfg(unix)]
pub use listener::Listener;

/// How to serve on a Unix socket.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which revisions are spoken. Default all.
    pub supported: Arc<[Revision]>,
    /// Whose processes may connect. Default [`Peers::Owner`].
    pub peers: Peers,
    /// The permissions of the file, as `chmod` takes them. Default `0o600`. Who may not write to it cannot connect,
    /// whatever `peers` says.
    pub mode: u32,
    /// Bounds.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self { supported: Revision::ALL.into(), peers: Peers::Owner, mode: 0o600, limits: Limits::default() }
    }
}

/// Whose processes may connect. Those of the server's own user, and of root, call as
/// [`Principal::local`](anyport_service::Principal::local); others by a name made of their number, such as `uid:1001`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Peers {
    /// Those of the user as which the server runs, and of root.
    #[default]
    Owner,
    /// Those, and those of the users with these numbers.
    Users(Vec<u32>),
    /// Those of anyone to whom the file is open.
    Anyone,
}

/// What bounds a listener; the names are the configuration's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size, depth and node count of a message.
    pub message: MessageLimits,
    /// Connections at once; more are told so and closed. Default 1,024.
    pub max_connections: usize,
    /// Requests that one connection may have open at once. Default 1,024.
    pub max_open_requests: usize,
    /// How long a client may take to say anything once it is connected. Default 30 s.
    pub first_message: Duration,
    /// How long a client may say nothing while nothing of it runs and it is told of no changes. Default 1 day.
    pub connection_idle: Duration,
    /// How long a client may leave what we send unread before its connection is closed. Default 60 s.
    pub write_timeout: Duration,
    /// How long running calls may go on once their client ended its side, or the listener is told to stop. Default 10 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: MessageLimits::default(),
            max_connections: 1024,
            max_open_requests: 1024,
            first_message: Duration::from_secs(30),
            connection_idle: Duration::from_secs(24 * 3600),
            write_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(10),
        }
    }
}

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
const MAX_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };
