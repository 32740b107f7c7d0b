use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long calls are made.
    pub time: Duration,
    /// The program `anyport`.
    pub program: PathBuf,
    /// The random seed of the callers and of the faults. Which of them meet is up to the system.
    pub seed: u64,
    /// The address of the servers: one of loopback that nobody else uses, so that nobody else gets the port of a server that is
    /// started again.
    pub loopback: Ipv4Addr,
}

impl Plan {
    /// Such an address.
    pub fn own_loopback() -> Ipv4Addr {
        Ipv4Addr::new(127, fastrand::u8(1..), fastrand::u8(..), fastrand::u8(1..255))
    }
}
