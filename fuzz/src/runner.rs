//! Runs targets for a time.

use std::{
    fs, io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::{mutate::mutate, targets::Target};

/// The result of running one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The number of inputs that it read.
    pub inputs: u64,
    /// The time that it took.
    pub time: Duration,
    /// Where the input is kept that it failed at, if it did.
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

/// Gives `target` its corpus, and for `time` inputs that are made of it; stops at the first failure, whose input it keeps.
///
/// # Errors
/// When the corpus cannot be read, or the input not written.
pub fn run(target: &Target, time: Duration, seed: u64) -> io::Result<Run> {
    let corpus = corpus(target)?;
    let (mut random, start) = (Rng::with_seed(seed), Instant::now());
    let mut run = Run { inputs: 0, time: Duration::ZERO, crash: None };
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
    run.time = start.elapsed();
    Ok(run)
}

/// [Runs](run) each of `targets` for `time`, as many at once as there are processors. `done` receives each result when it is
/// there: a target that fails does not keep the others from running.
pub fn run_all<'a>(
    targets: &[&'a Target],
    time: Duration,
    seed: u64,
    done: impl Fn(&'a Target, io::Result<Run>) + Sync,
) {
    let next = Mutex::new(targets.iter());
    let work = || {
        let take = || next.lock().ok()?.next();
        while let Some(target) = take() {
            done(target, run(target, time, seed));
        }
    };
    let at_once = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(targets.len());
    thread::scope(|scope| (0..at_once).for_each(|_| drop(scope.spawn(work))));
}
