use std::{future::Future, pin::Pin};

use crate::Entry;

/// The cause of a fault.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The expectation does not hold. It carries the newest version, `None` if there is none, so that a merge needs no second
    /// read. Nothing was written.
    #[error("the key has another version than expected")]
    Conflict(Option<Entry>),
    /// The store cannot be reached now. Nothing was written.
    #[error("the store cannot be reached")]
    Unreachable,
    /// The write failed in such a way that it may have been written, or may appear later.
    #[error("the outcome of the write is unknown: it may have been written")]
    Unknown,
    /// The bucket or the disk is full. Nothing was written; reads go on.
    #[error("the store is full")]
    Full,
    /// The store takes no writes from this process. Nothing was written; reads go on.
    #[error("the store cannot be written: {0}")]
    ReadOnly(String),
    /// The key or the value is larger than `limit` bytes. Nothing was written.
    #[error("larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A newer release wrote the record or the file, in a format that this one cannot read. It is left as it is.
    #[error("written by a newer release of Anyport, in format {format}")]
    Newer {
        /// The format number.
        format: u8,
    },
    /// The record is damaged, or sealed under another key.
    #[error("the record cannot be read")]
    Unreadable,
    /// Something failed that none of the others says. Nothing was written.
    #[error("the store failed: {0}")]
    Fault(#[source] BoxError),
}

impl Error {
    /// A fault with this cause.
    pub(crate) fn fault(cause: impl Into<BoxError>) -> Self {
        Self::Fault(cause.into())
    }

    /// What became of a task that does not end: the runtime is shutting down, or it panicked.
    pub(crate) fn of_task(error: tokio::task::JoinError) -> Self {
        if error.is_cancelled() { Self::Unreachable } else { Self::fault(error) }
    }

    /// The same error again, for one more write of a group that failed.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Conflict(newest) => Self::Conflict(newest.clone()),
            Self::Unreachable => Self::Unreachable,
            Self::Unknown => Self::Unknown,
            Self::Full => Self::Full,
            Self::ReadOnly(why) => Self::ReadOnly(why.clone()),
            Self::TooLarge { limit } => Self::TooLarge { limit: *limit },
            Self::Newer { format } => Self::Newer { format: *format },
            Self::Unreadable => Self::Unreadable,
            Self::Fault(cause) => Self::fault(cause.to_string()),
        }
    }
}

/// The future result of an operation of a [`Store`](crate::Store).
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;
