//! A client's connection and a server's session that talk to each other, in a simulated time and over a simulated channel:
//! delays, streams that overtake each other, cuts, cancellations, lost sessions, and the limits of both sides.
//!
//! Every run follows from its seed. A run that fails says which one it was; `ANYPORT_PAIR_SEED=SEED` repeats it alone.
//!
//! Invariant: A call ends exactly once, and only its own caller gets its outcome, under delays, cuts, cancellations,
//! lost sessions and both sides' limits.
//! Invariant: Both ends of a session keep their limits, and all their tables are empty at the end.

mod client;
mod network;
mod random;
mod server;
mod world;

use self::world::{Faults, World};
use crate::{Revision, session::client::Channel};

/// Runs `seeds` scenarios with the revisions and channel that the seed chooses of these.
fn run(name: u64, seeds: u64, channel: Channel, revisions: &[Revision], faults: Faults) {
    let only = std::env::var("ANYPORT_PAIR_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    for number in 0..seeds {
        let seed = name << 32 | number;
        if only.is_some_and(|only| only != seed) {
            continue;
        }
        let outcome = std::panic::catch_unwind(|| World::new(seed, channel, revisions, faults).run());
        if let Err(panic) = outcome {
            let words = panic.downcast_ref::<String>().map(String::as_str);
            let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            panic!("{words}\nrepeat it with ANYPORT_PAIR_SEED={seed}");
        }
    }
}

const LEGACY: &[Revision] =
    &[Revision::V2024_11_05, Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25];

#[test]
fn a_shared_channel_keeps_every_promise_to_a_legacy_server() {
    run(1, 2_500, Channel::Shared, LEGACY, Faults::default());
}

#[test]
fn a_shared_channel_that_is_cut_keeps_every_promise() {
    run(2, 1_500, Channel::Shared, &Revision::ALL, Faults { cuts: true, ..Faults::default() });
}

#[test]
fn a_shared_channel_keeps_every_promise_to_a_modern_server() {
    run(3, 1_500, Channel::Shared, &[Revision::V2026_07_28], Faults::default());
}

#[test]
fn response_streams_that_overtake_each_other_keep_every_promise() {
    run(4, 2_500, Channel::PerCall, &Revision::ALL, Faults::default());
}

#[test]
fn response_streams_and_sessions_that_are_lost_keep_every_promise() {
    run(5, 2_000, Channel::PerCall, &Revision::ALL, Faults { cuts: true, lost_sessions: true });
}
