use std::path::PathBuf;

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many calls are made.
    pub calls: u64,
    /// How many principals make them.
    pub principals: usize,
    /// How many of them at once.
    pub concurrency: usize,
    /// The program `anyport`.
    pub program: PathBuf,
    /// The random seed of what each principal does. Which of them meet is up to the system.
    pub seed: u64,
}

impl Plan {
    /// So many calls of 200 principals, 32 of them at once, at the `anyport` of the path.
    pub fn new(calls: u64, seed: u64) -> Self {
        Self { calls, principals: 200, concurrency: 32, program: PathBuf::from("anyport"), seed }
    }
}
