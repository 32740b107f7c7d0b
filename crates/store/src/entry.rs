use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::Key;

/// A version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub version: Version,
    /// The bytes.
    pub value: Bytes,
    /// When it expires; `None` if it does not.
    pub expires: Option<SystemTime>,
}

/// The number of a version, which grows with every write of a key, deletions included.
///
/// It is the fencing token of whatever the key guards. It is not counted from 1, and numbers are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version(pub(crate) u64);

/// What must be true of a key for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing: the last writer wins.
    Anything,
    /// There is no value: never written, deleted or expired.
    Absent,
    /// This version is the newest, and has not expired.
    Version(Version),
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// What must be true for it.
    pub expect: Expect,
    /// How long the version lives; `None` for as long as the bucket lets it.
    pub ttl: Option<Duration>,
}

/// What a [`Watch`](crate::Watch) reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key has this version.
    Put(Key, Entry),
    /// The key was deleted, or it expired and was swept, by a write with this version.
    Deleted(Key, Version),
    /// All that was there has been reported; changes follow.
    Current,
    /// Changes were lost: what was reported is void. What is there follows, then [`Change::Current`].
    Reset,
}

impl Version {
    /// Before every version: reads a log from its start.
    pub const START: Self = Self(0);

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl Write {
    /// A write that must meet `expect`, and does not expire by itself.
    pub const fn expecting(expect: Expect) -> Self {
        Self { expect, ttl: None }
    }

    /// A write that always happens, and does not expire by itself.
    pub const ANY: Self = Self::expecting(Expect::Anything);

    /// Sets how long the version lives.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

impl Entry {
    /// Whether it has expired at `now`.
    pub(crate) fn is_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

impl Change {
    /// The key that changed.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Put(key, _) | Self::Deleted(key, _) => Some(key),
            Self::Current | Self::Reset => None,
        }
    }

    /// The version of the change.
    pub fn version(&self) -> Option<Version> {
        match self {
            Self::Put(_, entry) => Some(entry.version),
            Self::Deleted(_, version) => Some(*version),
            Self::Current | Self::Reset => None,
        }
    }
}
