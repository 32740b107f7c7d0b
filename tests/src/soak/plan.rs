use std::{path::PathBuf, time::Duration};

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long calls are made.
    pub time: Duration,
    /// The program `anyport`.
    pub program: PathBuf,
    /// The random seed of the callers and of the faults. Which of them meet is up to the system.
    pub seed: u64,
}
