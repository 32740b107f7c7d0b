//! The cost of the audit log: a call that is not recorded, one that is recorded behind its answer, and one that waits for its records,
//! in one process without a transport and with a store in memory.
//!
//! Instructions alone: what a sync costs is the disk's.

use std::{fmt::Write as _, fs, path::PathBuf, process::Command};

use super::{
    figures::shown,
    instructions::{can_be_counted, total},
};
use crate::{
    Failure, process,
    workspace::{Build, Profile, Workspace},
};

/// The cases, as the program calls them, with what they are.
const CASES: [(&str, &str); 3] = [
    ("bare", "not recorded"),
    ("on", "recorded behind its answer (`on`)"),
    ("required", "recorded before it and before its answer (`required`)"),
];
/// How often the tool is called in the two runs of a case, whose difference is taken.
const TIMES: [u64; 2] = [100, 1_100];

/// The instructions of a call of each case; none where they cannot be counted.
///
/// # Errors
/// When the program does not build, or a call fails.
pub(super) fn measure(workspace: &Workspace) -> Result<Vec<Option<f64>>, Failure> {
    let program = build(workspace)?;
    if !can_be_counted()? {
        return Ok(vec![None; CASES.len()]);
    }
    let counted = CASES.iter().map(|(case, _)| {
        let [few, many] = TIMES;
        let (least, most) = (count(workspace, &program, case, few)?, count(workspace, &program, case, many)?);
        Ok(Some(most.saturating_sub(least) as f64 / (many - few) as f64))
    });
    counted.collect()
}

/// The instructions of the whole program that calls so often.
fn count(workspace: &Workspace, program: &PathBuf, case: &str, times: u64) -> Result<u64, Failure> {
    let file = workspace.target("bench").join(format!("audit-{case}-{times}.callgrind"));
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--tool=callgrind", &format!("--callgrind-out-file={}", file.display())]);
    process::stdout(valgrind.arg(program).arg(case).arg(times.to_string()))?;
    total(&file)
}

/// Builds the program.
///
/// # Errors
/// When it does not compile.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    workspace.build(&Build { profile: Profile::Dist, ..Build::of("anyport-bench", "anyport_bench_audit") })
}

/// The figures as a table of Markdown.
pub(super) fn table(figures: &[Option<f64>]) -> String {
    let mut out = String::from("| a call | instructions |\n|---|---:|\n");
    for ((_, what), figure) in CASES.iter().zip(figures) {
        // Writing into a `String` does not fail.
        let _ = writeln!(out, "| {what} | {} |", shown(*figure, 0));
    }
    out
}
