//! How often a call through the bridge asks the allocator, HTTP to HTTP, in each pair of eras. Exact, unlike time.
//!
//! Invariant: A bridged call allocates at most the number of times that `ALLOWED` says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{alloc::System, net::SocketAddr};

use anyport_bench::Written;
use anyport_protocol::Revision;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use bridge::bridge;
use client::{CALLS, Client};

mod bridge;
mod client;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The most allocations of the bridge for a call, beside those of its server; reallocations count. Measured: 31 to 40.
const ALLOWED: usize = 40;

const OLD: Revision = Revision::V2025_11_25;

// The only test of this file, and so of its process: the counter counts every thread.
#[test]
fn a_bridged_call_allocates_little_in_every_pair_of_eras() {
    let server = client::start(|| anyport_bench::server(1, Written::Functions).unwrap());
    let alone = [Revision::NEWEST, OLD].map(|revision| (revision, measure(server, revision)));
    for (revision, counted) in alone {
        println!("the server alone, {revision}: {counted} allocations per call");
    }
    let mut most = 0;
    for (spoken, servers) in alone {
        let bridge = client::start(move || bridge(server, spoken));
        for client in [Revision::NEWEST, OLD] {
            let counted = measure(bridge, client) - servers;
            println!("the bridge, from {client} to {spoken}: {counted} allocations per call");
            most = most.max(counted);
        }
    }
    assert!(most <= ALLOWED, "{most} allocations per call");
}

/// What one call costs a server, on one connection that stays open, to the nearest whole allocation: one more or less
/// among a thousand calls is the runtime's.
fn measure(address: SocketAddr, revision: Revision) -> usize {
    let change = client::count(&mut Client::open(address).speaking(revision), ALLOCATOR);
    (change.allocations + change.reallocations + CALLS / 2) / CALLS
}
