//! The cost of the audit log: a call that is not recorded, one that is recorded behind its answer, and one that waits for its records,
//! in one process without a transport and with a store in memory.
//!
//! Instructions alone: what a sync costs is the disk's.

use std::{fmt::Write as _, path::PathBuf};

use super::{figures::shown, instructions::per_case};
use crate::{
    Failure,
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
    per_case(workspace, &program, "audit", CASES.iter().map(|(case, _)| *case), TIMES)
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
