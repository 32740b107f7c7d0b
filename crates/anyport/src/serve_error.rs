use std::{fmt, io};

use anyport_server::{BuildError, StartError};
#[cfg(feature = "http")]
use anyport_transport::http;
#[cfg(feature = "unix")]
use anyport_transport::unix;

/// Why serving did not begin, or how it ended. A `main` that builds a server and serves it may return this.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The server could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// No transport was given.
    #[error(
        "no client could reach the server: say how, with stdio(), http(..) or unix(..), before awaiting serve(..)"
    )]
    Nowhere,
    /// The text that was given as an address to listen on is not an address.
    #[cfg(feature = "http")]
    #[error("cannot listen on {given:?}: {source}; give HOST:PORT, such as 127.0.0.1:3020")]
    Address {
        /// As it was given.
        given: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The HTTP listener was not opened.
    #[cfg(feature = "http")]
    #[error(transparent)]
    Http(#[from] http::Refused),
    /// The Unix socket was not opened.
    #[cfg(feature = "unix")]
    #[error(transparent)]
    Unix(#[from] unix::Refused),
    /// A start hook of the server failed.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An operation of the system failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// The operation.
        what: &'static str,
        /// Its error.
        source: io::Error,
    },
    /// A second signal ended the calls that were still running.
    #[error("cut by a second signal")]
    Cut {
        /// The number of that signal.
        signal: u8,
    },
}

/// The same text as `Display`: people read it when `main` returns the error.
impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ServeError {
    pub(crate) fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
