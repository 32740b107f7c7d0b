//! Whether there is such a program.

use std::path::Path;

use anyhow::Result;

use super::report::Report;
use crate::{
    program::{self, Missing},
    target::SecretValue,
};

/// Looks for the program as the system will when it starts it.
pub(super) fn find(
    report: &mut Report,
    program: &str,
    environment: &[(String, SecretValue)],
    cwd: Option<&Path>,
) -> Result<bool> {
    report.begin();
    match program::find(program, environment, cwd) {
        Ok(found) => {
            report.ok("path", found.display().to_string())?;
            Ok(true)
        }
        Err(Missing { problem, help }) => {
            report.failed("path", problem, help)?;
            Ok(false)
        }
    }
}
