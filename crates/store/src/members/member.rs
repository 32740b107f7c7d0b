use serde::{Deserialize, Serialize};

/// A running process that shares a store: one run of it, since a process that is started again is another member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The name, unique among the members of a store.
    pub id: String,
    /// The number of the run, which grows when a member is started again.
    pub incarnation: u64,
}

/// Whether a member is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It is running.
    Alive,
    /// It has ended, and does not come back under the same incarnation.
    Dead,
    /// It cannot be seen from here. It must be treated as running.
    Unknown,
}
