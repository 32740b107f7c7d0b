use std::{
    num::{NonZeroU64, NonZeroUsize},
    sync::atomic::AtomicU64,
    time::Duration,
};

/// The faults of a connection; none by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chaos {
    /// Whether connections are refused, as without a listener. Accepted connections stay open.
    pub refuse: bool,
    /// The faults from the client to the server.
    pub up: Faults,
    /// The faults from the server to the client.
    pub down: Faults,
    /// The random seed: with the same seed, the same connection, by its number, has the same faults.
    pub seed: u64,
}

/// The faults in one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// How long each piece is held back. What comes after it waits too, so this bounds throughput as well.
    pub delay: Duration,
    /// How much longer at most; drawn for each piece.
    pub jitter: Duration,
    /// How many bytes pass in a second at most.
    pub bytes_per_second: Option<NonZeroU64>,
    /// The largest piece in which bytes are passed on. Each is written by itself; with a `delay` it is also read by itself.
    pub slice: Option<NonZeroUsize>,
    /// Whether pieces are of any length up to `slice`, drawn for each, in place of exactly that.
    pub uneven: bool,
    /// After so many bytes in this direction, the connection ends in this way. Where more have passed when this is
    /// set, at once.
    pub cut: Option<(u64, Cut)>,
    /// How long the end of the stream is held back.
    pub slow_close: Duration,
}

/// How a connection ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both ends see that the other has closed.
    Close,
    /// Both ends see a reset connection (RST).
    Reset,
    /// A silent cut: nothing passes any more in this direction, and the connection stays open.
    Silence,
}

/// The bytes that have passed so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicU64,
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
}
