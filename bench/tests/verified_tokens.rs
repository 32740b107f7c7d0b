//! How often the allocator is asked for the verification of a token that was verified before.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{alloc::System, hint::black_box};

use anyport_bench::tokens::{Case, Presenter};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one verification may ask for.
const ALLOWED: usize = 6;
const TIMES: usize = 1_000;

// The only test of this file, and so of its process: the counter counts every thread.
/// Invariant: A token that was verified before costs at most six allocations.
#[test]
fn a_token_that_was_verified_before_allocates_little() {
    for case in [Case::Cached, Case::CachedSecret] {
        let presenter = Presenter::new(case).unwrap();
        assert!(presenter.present());
        let region = Region::new(ALLOCATOR);
        for _ in 0..TIMES {
            black_box(presenter.present());
        }
        let change = region.change();
        let asked = change.allocations + change.reallocations;
        println!("{case:?}: {asked} allocations for {TIMES} verifications");
        assert!(asked <= ALLOWED * TIMES, "{case:?}: {asked} allocations");
    }
}
