use std::{sync::Arc, time::Duration};

use anyport_protocol::{Limits as MessageLimits, Revision};

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
