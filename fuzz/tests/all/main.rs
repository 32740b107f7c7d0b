//! Every input that is kept is read by its target, and for some seconds what is made of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::Duration;

use anyport_fuzz::{runner, targets::TARGETS};

/// Invariant: No input that was kept, and none made of them in some seconds, breaks what a reader promises.
#[test]
fn every_target_survives_its_corpus_and_what_is_made_of_it() {
    for target in TARGETS {
        assert!(!runner::corpus(target).unwrap().is_empty(), "{} has no inputs", target.name);
        // A fixed seed, so that a failure can be reproduced.
        let run = runner::run(target, Duration::from_secs(8), 20_261_122).unwrap();
        assert_eq!(run.crash, None, "{} failed; `cargo xtask fuzz 1 {}` shows how", target.name, target.name);
    }
}
