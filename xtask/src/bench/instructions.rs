//! How many instructions a server's own code needs for a call.
//!
//! Two runs that differ only in the number of calls: what start and end cost is in both, so the difference is the
//! calls' alone. The kernel's work is not in it.

use std::{fs, path::Path};

use super::{client::Client, figures::Figures, subject::Subject};
use crate::{Failure, tools, workspace::Workspace};

const FEW: usize = 300;
const MANY: usize = 1300;

/// Counts with valgrind; without it, says how to get it and leaves the figures as they are.
pub(super) fn measure(
    workspace: &Workspace,
    subjects: &[Subject],
    figures: &mut [Figures],
) -> Result<(), Failure> {
    if tools::ask("valgrind", &["--version"])?.is_none() {
        eprintln!(
            "no instructions: they are counted by valgrind, which is missing (apt-get install valgrind)"
        );
        return Ok(());
    }
    eprintln!("{FEW} and {MANY} calls to every server under valgrind");
    for (subject, figures) in subjects.iter().zip(figures) {
        let few = count(workspace, subject, FEW)?;
        let many = count(workspace, subject, MANY)?;
        let difference = many.checked_sub(few).ok_or("more calls took fewer instructions")?;
        figures.instructions = Some(difference as f64 / (MANY - FEW) as f64);
    }
    Ok(())
}

/// The instructions of a whole run with `calls` calls on one connection, one after the other.
fn count(workspace: &Workspace, subject: &Subject, calls: usize) -> Result<u64, Failure> {
    // Kept, for `callgrind_annotate`.
    let name: String = subject.name.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    let file = workspace.target("bench").join(format!("{name}.{calls}.callgrind"));
    let option = format!("--callgrind-out-file={}", file.display());
    let running = subject.start(workspace, &["valgrind", "-q", "--tool=callgrind", &option])?;
    let mut client = Client::connect(running.port)?;
    for id in 0..calls {
        client.call(&running.answer, 1_000_001 + id)?;
    }
    drop(client);
    // It writes the file when it ends, which it must therefore be let do.
    running.server.terminate()?;
    total(&file)
}

/// The sum in a file of callgrind's.
///
/// # Errors
/// When there is none.
pub(super) fn total(file: &Path) -> Result<u64, Failure> {
    let text =
        fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    let total = total.ok_or_else(|| format!("{} has no total: the run was cut off", file.display()))?;
    Ok(total.trim().parse()?)
}
