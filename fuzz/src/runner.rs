//! Runs targets for a time.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::{mutate::mutate, targets::Target};

/// What came of running one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many inputs it was given.
    pub inputs: u64,
    /// Where the input lies at which it failed, if it did.
    pub crash: Option<PathBuf>,
}

/// The folder of a target's inputs.
fn folder(target: &Target) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// The inputs that are kept for a target.
///
/// # Errors
/// When they cannot be read.
pub fn corpus(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder(target))? {
        paths.push(entry?.path());
    }
    // A seed means the same inputs in any order of the folder.
    paths.sort();
    paths.into_iter().map(fs::read).collect()
}

/// Gives `target` its corpus, and for `time` what is made of it; stops at the first failure, whose input it keeps.
///
/// # Errors
/// When the corpus cannot be read, or the input not written.
pub fn run(target: &Target, time: Duration, seed: u64) -> io::Result<Run> {
    let corpus = corpus(target)?;
    let (mut random, start) = (Rng::with_seed(seed), Instant::now());
    let mut run = Run { inputs: 0, crash: None };
    let kept = corpus.iter().cloned();
    let made = std::iter::from_fn(|| Some(mutate(&mut random, &corpus)));
    for input in kept.chain(made) {
        if run.inputs as usize >= corpus.len() && start.elapsed() > time {
            break;
        }
        run.inputs += 1;
        if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
            let path = folder(target).join(format!("crash-{seed:x}-{}", run.inputs));
            fs::write(&path, &input)?;
            run.crash = Some(path);
            break;
        }
    }
    Ok(run)
}
