//! How often a call through the bridge asks the allocator, HTTP to HTTP, in each pair of eras. Exact, unlike time.
//!
//! Invariant: A bridged call allocates at most the number of times that `ALLOWED` says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{alloc::System, net::SocketAddr};

use anyport::{
    layer::{CatchPanicLayer, Quota, ServiceBuilder},
    stack::{EdgeLimits, edge},
};
use anyport_adapters::ParkLimits;
use anyport_bench::Written;
use anyport_gateway::Bridge;
use anyport_metrics::Metrics;
use anyport_protocol::Revision;
use anyport_seal::{Key, Sealer};
use anyport_service::Service;
use anyport_transport::client::{ConnectOptions, Target, http::Endpoint};
use anyport_upstream::{TransportConnector, Upstream};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use client::{CALLS, Client};

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

/// What `anyport bridge` puts between its client and the server at `address`, with which it speaks `revision`.
fn bridge(address: SocketAddr, revision: Revision) -> impl Service {
    let endpoint = Endpoint::new(&format!("http://{address}/mcp")).unwrap();
    let opening = ConnectOptions::default().revision(revision);
    let (metrics, sealer) = (Metrics::new(), Sealer::new(&Key::random().unwrap()));
    let upstream = Upstream::builder("bench", TransportConnector::new(Target::Http(endpoint), opening))
        .park(sealer, ParkLimits::default())
        .metrics(&metrics)
        .build();
    let unlimited =
        Quota::default().per_second(1_000_000.try_into().unwrap()).burst(1_000_000.try_into().unwrap());
    let limits = EdgeLimits::default().quota(unlimited);
    ServiceBuilder::new().layer(edge(&limits, &metrics)).layer(CatchPanicLayer).service(Bridge::new(
        upstream,
        Revision::ALL.into(),
        None,
    ))
}
