//! Every input that is kept is read by its target, and for some seconds what is made of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{sync::Mutex, time::Duration};

use anyport_fuzz::{
    runner,
    targets::{TARGETS, Target},
};

/// The time of all targets together. With a further target, each gets less of it.
const TIME: Duration = Duration::from_secs(60);

/// Invariant: No input that was kept, and none made of them in some seconds, breaks what a reader promises.
#[test]
fn every_target_survives_its_corpus_and_what_is_made_of_it() {
    let targets: Vec<&Target> = TARGETS.iter().collect();
    let share = TIME / u32::try_from(targets.len()).unwrap();
    let runs = Mutex::new(Vec::new());
    // A fixed seed, so that a failure can be reproduced.
    runner::run_all(&targets, share, 20_261_122, |target, run| {
        runs.lock().unwrap().push((target.name, run.unwrap()));
    });
    let runs = runs.into_inner().unwrap();
    assert_eq!(runs.len(), targets.len());
    for (name, run) in &runs {
        assert!(
            !runner::corpus(TARGETS.iter().find(|target| target.name == *name).unwrap()).unwrap().is_empty()
        );
        assert!(run.inputs > 10, "{name} has read {} inputs", run.inputs);
    }
    let failed: Vec<_> = runs.iter().filter(|(_, run)| run.crash.is_some()).map(|(name, _)| name).collect();
    assert!(failed.is_empty(), "{failed:?} failed; `cargo xtask fuzz 1 TARGET` shows how");
}
