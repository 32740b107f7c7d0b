//! How often a call over HTTP asks the allocator. Exact, unlike time: the same call does the same work.
//!
//! Invariant: A tool made by a macro allocates no more than a tool of the builder, and a plain call no more
//! than an MCP call.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::alloc::System;

use anyport_bench::Written;
use anyport_protocol::Revision;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use client::{CALLS, Client, TEXT};

mod client;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one call may ask for, growth of what it has included.
const ALLOWED: usize = 25;

// The only test of this file, and so of its process: the counter counts every thread.
/// Invariant: An HTTP call allocates the same number of times with 5,000 tools as with one.
#[test]
fn a_call_allocates_little_and_the_same_however_many_tools_there_are() {
    let [one, fifty, many, most] =
        [1, 50, 500, 5_000].map(|tools| measure(tools, Written::Functions, Asked::ByMcp));
    let built = measure(1, Written::Builder, Asked::ByMcp);
    let plain = measure(1, Written::Functions, Asked::Plainly);
    for (tools, counted) in [(1, one), (50, fifty), (500, many), (5_000, most)] {
        println!(
            "{tools} tools: {} allocations, of which {} grow one, and {} bytes per call",
            per_call(counted.asked),
            per_call(counted.grown),
            per_call(counted.bytes),
        );
    }
    println!("1 tool of the builder: {} allocations per call", per_call(built.asked));
    println!("1 tool, asked plainly: {} allocations per call", per_call(plain.asked));
    assert!(one.asked <= ALLOWED * CALLS, "{} allocations per call", per_call(one.asked));
    // To the nearest whole allocation: one more or less among a thousand calls is the runtime's, or falls just outside.
    let whole = |counted: Counted| (counted.asked + CALLS / 2) / CALLS;
    assert_eq!(whole(fifty), whole(one), "50 tools against 1");
    assert_eq!(whole(many), whole(one), "500 tools against 1");
    assert_eq!(whole(most), whole(one), "5,000 tools against 1");
    assert_eq!(whole(one), whole(built), "a plain function against the builder");
    assert!(whole(plain) <= whole(one), "the REST interface against MCP");
}

/// What all calls of a measurement asked for.
#[derive(Clone, Copy, Debug)]
struct Counted {
    /// Allocations and growths.
    asked: usize,
    grown: usize,
    bytes: usize,
}

#[expect(clippy::cast_precision_loss, reason = "it is shown, to two digits")]
fn per_call(count: usize) -> f64 {
    count as f64 / CALLS as f64
}

/// How a client calls tools.
#[derive(Clone, Copy, Debug)]
enum Asked {
    ByMcp,
    Plainly,
}

/// Counts what [`CALLS`] calls of `echo` cost a server with `tools` tools.
fn measure(tools: usize, written: Written, asked: Asked) -> Counted {
    let address = client::start(move || anyport_bench::server(tools, written).unwrap());
    let client = Client::open(address);
    let mut client = match asked {
        Asked::ByMcp => client.speaking(Revision::NEWEST),
        Asked::Plainly => {
            let body = r#"{"jsonrpc":"2.0","id":1000000,"method":"echo","params":{"text":"TEXT"}}"#;
            client.calling("/mcp/call", "", &body.replace("TEXT", TEXT))
        }
    };
    let change = client::count(&mut client, ALLOCATOR);
    Counted {
        asked: change.allocations + change.reallocations,
        grown: change.reallocations,
        bytes: change.bytes_allocated,
    }
}
