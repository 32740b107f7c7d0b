use std::time::{Duration, SystemTime};

/// How a store is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Why writes fail now, and since when; `None` if the last one succeeded.
    pub outage: Option<Outage>,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// The size of what is stored in bytes.
    pub bytes: u64,
    /// By how much the store's clock is ahead of this process's; zero if they are the same clock.
    pub clock_offset: Duration,
}

/// A state in which writes fail.
#[derive(Clone, Debug)]
pub struct Outage {
    /// When it began.
    pub since: SystemTime,
    /// The cause.
    pub why: String,
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: it ends with the process.
    Process,
    /// The end of the process, and a loss of power.
    Disk,
    /// The end of the process. Of a loss of power it survives what the servers do: see how often they write to their disks.
    Servers {
        /// On how many servers it is.
        replicas: usize,
    },
    /// Nothing is known: the store is not open yet.
    Unknown,
}
