//! The cost of verifying what a caller presents: a token that was verified before, one that is verified anew, and its signature by
//! `ring` alone.
//!
//! Invariant: A token that was verified before costs at most 15,000 instructions.

use std::{fmt::Write as _, path::PathBuf};

use super::{
    figures::{Gate, shown},
    instructions::per_case,
};
use crate::{
    Failure,
    workspace::{Build, Profile, Workspace},
};

/// The cases, as the program calls them, with what they are.
const CASES: [(&str, &str); 12] = [
    ("cached", "token of an issuer, verified before"),
    ("cached-secret", "token of a shared secret, verified before"),
    ("anew-ES256", "ES256, anew"),
    ("ring-ES256", "ES256, ring alone"),
    ("anew-ES384", "ES384, anew"),
    ("ring-ES384", "ES384, ring alone"),
    ("anew-EdDSA", "EdDSA, anew"),
    ("ring-EdDSA", "EdDSA, ring alone"),
    ("anew-RS256", "RS256, anew"),
    ("ring-RS256", "RS256, ring alone"),
    ("anew-PS256", "PS256, anew"),
    ("ring-PS256", "PS256, ring alone"),
];
/// How often a token is verified in the two runs of a case, whose difference is taken.
const TIMES: [u64; 2] = [20, 220];
/// The instructions that a cached token may cost.
const MOST: f64 = 15_000.0;

/// The instructions of each case; none where they cannot be counted.
///
/// # Errors
/// When the program does not build, or refuses its token.
pub(super) fn measure(workspace: &Workspace) -> Result<Vec<Option<f64>>, Failure> {
    let program = build(workspace)?;
    per_case(workspace, &program, "token", CASES.iter().map(|(case, _)| *case), TIMES)
}

/// Builds the program.
///
/// # Errors
/// When it does not compile.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf, Failure> {
    workspace.build(&Build { profile: Profile::Dist, ..Build::of("anyport-bench", "anyport_bench_tokens") })
}

/// The figures as a table of Markdown.
pub(super) fn table(figures: &[Option<f64>]) -> String {
    let mut out = String::from("| verification of a token | instructions |\n|---|---:|\n");
    for ((_, what), figure) in CASES.iter().zip(figures) {
        // Writing into a `String` does not fail.
        let _ = writeln!(out, "| {what} | {} |", shown(*figure, 0));
    }
    out
}

/// What is promised of them.
pub(super) fn gates(figures: &[Option<f64>]) -> Vec<Gate> {
    let cached = CASES.iter().zip(figures).filter(|((case, _), _)| case.starts_with("cached"));
    cached.map(|((_, what), figure)| Gate::new(format!("instructions, {what}"), *figure, MOST, 0)).collect()
}
