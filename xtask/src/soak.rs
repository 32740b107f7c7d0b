//! A long run through bridges whose servers fail in every way: see `tests/src/soak/`.

use crate::{
    Failure, process,
    workspace::{Build, Workspace},
};

/// How long it runs as a step of the tests.
const STEP: &str = "1";

/// One minute of it.
///
/// # Errors
/// When something must not have happened; it is printed.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    run(workspace, &["--minutes", STEP])
}

/// As many minutes as `options` say: `--minutes N`, and with `--seed N` the same calls and faults again.
///
/// # Errors
/// When something must not have happened; it is printed.
pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<(), Failure> {
    if !cfg!(target_os = "linux") {
        println!("not run: what a process holds is read from /proc, which only Linux has");
        return Ok(());
    }
    let (minutes, seed) = match *options {
        ["--minutes", minutes] => (minutes, None),
        ["--minutes", minutes, "--seed", seed] => (minutes, Some(seed)),
        _ => return Err("soak --minutes N [--seed N]".into()),
    };
    let minutes: u64 = minutes.parse().map_err(|_| format!("`{minutes}` is no whole number of minutes"))?;
    let program = workspace.build(&Build::of("anyport-cli", "anyport"))?;
    let soak = workspace.build(&Build::of("anyport-tests", "soak"))?;
    let mut command = std::process::Command::new(soak);
    command.arg("run").arg((minutes * 60).to_string()).arg(program).args(seed);
    let (report, ended) = process::output(&mut command)?;
    let report = String::from_utf8_lossy(&report);
    println!("{report}");
    ended.map_err(|failure| format!("{failure}{}", process::violations(&report)).into())
}
