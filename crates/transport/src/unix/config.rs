use std::{sync::Arc, time::Duration};

use anyport_protocol::{Limits as MessageLimits, Revision, settings};

use crate::{BufferedBytes, ClientObserver};

settings! {
    /// How to serve on a Unix socket.
    #[derive(Clone, Debug)]
    pub struct Config {
        /// The revisions that are supported.
        #[default("all" = Revision::ALL.into())]
        #[set(into)]
        pub supported: Arc<[Revision]>,
        /// The users whose processes may connect.
        #[default(Peers::Owner)]
        pub peers: Peers,
        /// The permissions of the file, as `chmod` takes them. A process that may not write to it cannot connect, whatever
        /// `peers` says.
        #[default(0o600)]
        pub mode: u32,
        /// The limits.
        #[default("those of [`Limits`]" = Limits::default())]
        pub limits: Limits,
        /// The budget of large answers.
        #[default("one of its own" = BufferedBytes::default())]
        pub buffers: BufferedBytes,
        /// The observer of the messages of clients.
        #[default("none" = None)]
        #[set(into)]
        pub observer: Option<Arc<dyn ClientObserver>>,
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

settings! {
    /// The limits of a listener on a Unix socket; the names are those of the configuration.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Limits {
        /// Size, depth and node count of a message.
        #[default("those of [`MessageLimits`]" = MessageLimits::default())]
        pub message: MessageLimits,
        /// The number of connections. Further connections get an error message and are closed.
        #[default(1_024)]
        pub max_connections: usize,
        /// How much of the file descriptors that the process may have (`RLIMIT_NOFILE`) is in use at most when a connection is
        /// accepted, in percent. Further connections get an error message and are closed.
        #[default(90)]
        pub max_descriptors_percent: u32,
        /// The number of open requests of one connection. Further requests are refused as `overloaded`.
        #[default(1_024)]
        pub max_open_requests: usize,
        /// The time in which the first message of a client must arrive.
        #[default(30 s)]
        pub first_message: Duration,
        /// The time that a client may be silent without an open request or subscription.
        #[default(1 day)]
        pub connection_idle: Duration,
        /// The time that a client may leave unread what we send. Then its connection is closed.
        #[default(60 s)]
        pub write_timeout: Duration,
        /// The time in which running calls may end after their client closed its side, or after the listener begins to stop.
        #[default(10 s)]
        pub drain: Duration,
    }
}
