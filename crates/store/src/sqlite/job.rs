//! One write, as the writer gets it.

use std::time::Duration;

use bytes::Bytes;

use crate::{Expect, Key};

/// One write.
pub(super) struct Job {
    pub(super) key: Key,
    pub(super) operation: Operation,
    pub(super) expect: Expect,
}

/// What a write does.
pub(super) enum Operation {
    /// Appends a version that lives for `life`.
    Put { value: Bytes, life: Option<Duration> },
    /// Ends the key.
    Delete,
}
