//! What idle legacy sessions before a modern server hold: descriptors and memory.
//!
//! Invariant: 10,000 idle legacy sessions before a modern server share its streams: they hold less than 200 descriptors, and
//! less than 12 KiB of memory each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![cfg(target_os = "linux")]

use std::{alloc::System, fs, thread, time::Duration};

use anyport_bench::Written;
use anyport_protocol::Revision;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use bridge::bridge;
use client::Client;

mod bridge;
#[allow(dead_code, reason = "shared by tests, of which each uses a part")]
mod client;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: usize = 10_000;
/// The most descriptors of the whole process: the server, the bridge and the client.
const MAX_DESCRIPTORS: usize = 200;
/// The most bytes that a session may hold.
const MAX_BYTES: usize = 12 * 1024;

// The only test of this file, and so of its process: the counters count everything in it.
#[test]
fn idle_legacy_sessions_share_the_streams_of_a_modern_server() {
    let server = client::start(|| anyport_bench::server(1, Written::Functions).unwrap());
    let bridge = client::start(move || bridge(server, Revision::NEWEST));
    let mut client = Client::open(bridge);
    // The first session makes whatever all of them share.
    client.initialize(Revision::V2025_11_25);
    settle();
    let region = Region::new(ALLOCATOR);
    for _ in 1..SESSIONS {
        client.initialize(Revision::V2025_11_25);
    }
    settle();
    let held = region.change();
    let bytes = (held.bytes_allocated - held.bytes_deallocated) / SESSIONS;
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().count();
    println!("{SESSIONS} idle legacy sessions: {descriptors} descriptors, {bytes} bytes a session");
    assert!(descriptors < MAX_DESCRIPTORS, "{descriptors} descriptors");
    assert!(bytes < MAX_BYTES, "{bytes} bytes a session");
}

/// Lets the sessions begin to listen, which they do after `notifications/initialized`.
#[allow(clippy::disallowed_methods, reason = "there is no runtime here that it could block")]
fn settle() {
    thread::sleep(Duration::from_secs(1));
}
