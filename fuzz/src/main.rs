//! `fuzz SECONDS [TARGET...]`: runs every target, or these, for so long each.

// A command speaks to the person who typed it.
#![allow(clippy::print_stdout)]

use std::{
    env,
    error::Error,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyport_fuzz::{
    runner,
    targets::{TARGETS, Target},
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((seconds, names)) = arguments.split_first() else {
        return Err("fuzz SECONDS [TARGET...]".into());
    };
    let time = Duration::from_secs(seconds.parse()?);
    let known = |name: &String| TARGETS.iter().any(|target| target.name == name);
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let known: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        return Err(format!("there is no target `{unknown}`; there are {}", known.join(", ")).into());
    }
    let is_wanted = |target: &&Target| names.is_empty() || names.iter().any(|name| name == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(is_wanted).collect();
    let (seed, has_failed) = (fastrand::u64(..), AtomicBool::new(false));
    println!("seed {seed:x}");
    runner::run_all(&targets, time, seed, |target, run| {
        let name = target.name;
        match run {
            Ok(run) => {
                let seconds = run.time.as_secs_f64();
                println!("{name:<14} {:>10} inputs in {seconds:.0} s", run.inputs);
                if let Some(path) = run.crash {
                    println!("{name:<14} FAILED at {}", path.display());
                    has_failed.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                println!("{name:<14} FAILED: {error}");
                has_failed.store(true, Ordering::Relaxed);
            }
        }
    });
    Ok(if has_failed.into_inner() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
