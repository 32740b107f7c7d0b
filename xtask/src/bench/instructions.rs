//! How many instructions a server's own code needs for a call.
//!
//! Two runs that differ only in the number of calls: what start and end cost is in both, so the difference is the
//! calls' alone. The kernel's work is not in it.

use std::{fs, path::Path};

use super::{
    client::{Client, Expected},
    figures::Figures,
    subject::Subject,
};
use crate::{Failure, process::Server, tools, workspace::Workspace};

const FEW: usize = 300;
const MANY: usize = 1300;

/// Counts with valgrind; without it, leaves the figures as they are.
pub(super) fn measure(
    workspace: &Workspace,
    subjects: &[Subject],
    figures: &mut [Figures],
) -> Result<(), Failure> {
    if !can_be_counted()? {
        return Ok(());
    }
    eprintln!("{FEW} and {MANY} calls to every server under valgrind");
    for (subject, figures) in subjects.iter().zip(figures) {
        let name: String = subject.name.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
        let each = per_call(workspace, &name, [FEW, MANY], |valgrind| {
            let running = subject.start(workspace, valgrind)?;
            let client = running.client()?;
            Ok((running.server, client, running.answer))
        })?;
        figures.instructions = Some(each);
    }
    Ok(())
}

/// Whether there is what counts; if not, says how to get it.
///
/// # Errors
/// When it is there but does not work.
pub(super) fn can_be_counted() -> Result<bool, Failure> {
    let found = tools::ask("valgrind", &["--version"])?.is_some();
    if !found {
        eprintln!(
            "no instructions: they are counted by valgrind, which is missing (apt-get install valgrind)"
        );
    }
    Ok(found)
}

/// How many instructions a call takes: those of a whole run with the second number of calls, on one connection, one after
/// the other, beside those of one with the first. `start` starts what is counted with these words before its own.
///
/// # Errors
/// When something does not start or gives a wrong answer.
pub(super) fn per_call(
    workspace: &Workspace,
    name: &str,
    [few, many]: [usize; 2],
    start: impl Fn(&[&str]) -> Result<(Server, Client, Expected), Failure>,
) -> Result<f64, Failure> {
    let count = |calls: usize| {
        // Kept, for `callgrind_annotate`.
        let file = workspace.target("bench").join(format!("{name}.{calls}.callgrind"));
        let option = format!("--callgrind-out-file={}", file.display());
        let (server, mut client, expected) = start(&["valgrind", "-q", "--tool=callgrind", &option])?;
        for id in 0..calls {
            client.call(&expected, 1_000_001 + id)?;
        }
        drop(client);
        // It writes the file when it ends, which it must therefore be let do.
        server.terminate()?;
        total(&file)
    };
    let difference = count(many)?.checked_sub(count(few)?).ok_or("more calls took fewer instructions")?;
    Ok(difference as f64 / (many - few) as f64)
}

/// The sum in a file of callgrind's.
///
/// # Errors
/// When there is none.
fn total(file: &Path) -> Result<u64, Failure> {
    let text =
        fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    let total = total.ok_or_else(|| format!("{} has no total: the run was cut off", file.display()))?;
    Ok(total.trim().parse()?)
}
