use std::{fmt, process::ExitStatus, sync::Arc};

/// Why a connection is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum End {
    /// It was closed from our side.
    Closed,
    /// The server closed it, or it broke.
    Lost(Arc<str>),
    /// The server's process ended.
    Exited {
        /// How it ended; `None` when the system does not tell.
        status: Option<ExitStatus>,
        /// The last lines that it wrote to standard error.
        stderr: Arc<str>,
    },
}

impl End {
    /// The other side is gone, in words.
    pub(crate) fn lost(why: impl Into<Arc<str>>) -> Self {
        Self::Lost(why.into())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection was closed"),
            Self::Lost(why) => f.write_str(why),
            Self::Exited { status, stderr } => {
                match status {
                    Some(status) => write!(f, "the server's process ended ({status})")?,
                    None => f.write_str("the server's process ended")?,
                }
                match stderr.trim() {
                    "" => f.write_str(" and wrote nothing to standard error"),
                    lines => write!(f, "; the last that it wrote to standard error:\n{lines}"),
                }
            }
        }
    }
}
