//! The fuzz targets: see `fuzz/`.

use std::process::Command;

use crate::{
    Failure, process,
    workspace::{Build, Profile, Workspace},
};

/// Runs every target, or those that `options` name, for so many seconds each: `[SECONDS [TARGET...]]`.
///
/// # Errors
/// When a target fails; the input lies in its corpus.
pub(crate) fn run(workspace: &Workspace, options: &[&str]) -> Result<(), Failure> {
    let options = if options.is_empty() { &["60"] } else { options };
    let fuzz = workspace.build(&Build { profile: Profile::Release, ..Build::of("anyport-fuzz", "fuzz") })?;
    process::run(Command::new(fuzz).args(options))
}
