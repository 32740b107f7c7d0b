#[cfg(feature = "client-http")]
use std::borrow::Cow;
use std::{fmt, path::PathBuf, time::Duration};

use anyport_protocol::{Error, Revision, failure::Failure};

use super::CloseReason;
#[cfg(feature = "client-http")]
use super::http::Fault;

/// Why there is no connection, and what to do.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The program to start does not exist.
    #[error("there is no program {program:?}; {hint}")]
    NoProgram {
        /// As it was given.
        program: PathBuf,
        /// Where it was looked for, and what may help.
        hint: String,
    },
    /// The program exists and could not be started.
    #[error("{program:?} could not be started: {source}")]
    Spawn {
        /// As it was given.
        program: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nobody listens where the server should be.
    #[error("{at} cannot be reached: {source}; is the server running?")]
    Unreachable {
        /// The address.
        at: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The server was gone before a revision was negotiated.
    #[error("the server went away before a revision was negotiated: {0}")]
    Ended(CloseReason),
    /// The server said nothing at all.
    #[error(
        "the server did not answer initialize within {0:?} (open_timeout); does it speak MCP on this transport?"
    )]
    Silent(Duration),
    /// The server refused.
    #[error("the server refused {method}: {} ({})", .error.message, .error.code)]
    Refused {
        /// What was asked of it.
        method: &'static str,
        /// Its error.
        error: Error,
    },
    /// The server gave no answer to a request of the opening, or none that is valid.
    #[error("the server did not answer {method}: {failure}")]
    Failed {
        /// What was asked of it.
        method: &'static str,
        /// What happened instead.
        failure: Failure,
    },
    /// The server speaks no revision that we speak, or not the one that was demanded.
    #[error("the server speaks {spoken}, not {}; demand another revision, or none",
        .wanted.map_or("any revision known here", Revision::as_str))]
    Revision {
        /// What it says that it speaks.
        spoken: String,
        /// What was demanded.
        wanted: Option<Revision>,
    },
    /// The server is not reached over HTTP.
    #[cfg(feature = "client-http")]
    #[error(transparent)]
    Http(#[from] Fault),
    /// The server wants to know who is calling (HTTP status 401).
    #[cfg(feature = "client-http")]
    #[error("{at} wants to know who is calling (HTTP status 401); {help}")]
    Unauthorized {
        /// The URL.
        at: String,
        /// What it says of how to get a token: the header `WWW-Authenticate`.
        challenge: Option<String>,
        /// What to do, for a person. A program that knows a better way says that.
        help: Cow<'static, str>,
    },
    /// The server does not let the caller in (HTTP status 403).
    #[cfg(feature = "client-http")]
    #[error("{at}: {words}")]
    Forbidden {
        /// The URL.
        at: String,
        /// What it says.
        words: String,
        /// What it says of what the caller lacks: the header `WWW-Authenticate`.
        challenge: Option<String>,
    },
    /// The server refuses the request with another HTTP status.
    #[error("{at}: {words}")]
    Status {
        /// The URL.
        at: String,
        /// The HTTP status.
        status: u16,
        /// What it says.
        words: String,
    },
    /// Another fault of a transport, in words that say what to do.
    #[error("{0}")]
    Transport(String),
}

#[cfg(feature = "client-http")]
impl ConnectError {
    /// A server at `at` that wants to know who is calling (HTTP status 401).
    pub(super) fn unauthorized(at: String, challenge: Option<String>) -> Self {
        Self::Unauthorized { at, challenge, help: "give a token in the header Authorization".into() }
    }
}

impl ConnectError {
    /// The same error with `help`, which says what to do where only a login helps.
    #[must_use]
    pub fn with_login_help(self, help: &str) -> Self {
        let _ = help;
        match self {
            #[cfg(feature = "client-http")]
            Self::Unauthorized { at, challenge, .. } => {
                Self::Unauthorized { at, challenge, help: help.to_owned().into() }
            }
            #[cfg(feature = "client-http")]
            Self::Http(Fault::SignIn { at, why, is_temporary: false }) => {
                Self::Http(Fault::SignIn { at, why: format!("{why}; {help}"), is_temporary: false })
            }
            other => other,
        }
    }
}

/// The same text as `Display`: people read it when `main` returns the error.
impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
