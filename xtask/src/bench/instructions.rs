//! How many instructions a server's own code needs for a call.
//!
//! What happens before the counted calls is not in it, and neither is the kernel's work.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    client::{Client, Expected},
    figures::Figures,
    subject::Subject,
};
use crate::{
    Failure,
    process::{self, Server},
    tools,
    workspace::Workspace,
};

/// Calls before those that are counted.
const FIRST: usize = 300;
/// Counted calls.
const COUNTED: usize = 1000;

/// Counts with valgrind; without it, leaves the figures as they are.
pub(super) fn measure(
    workspace: &Workspace,
    subjects: &[Subject],
    figures: &mut [Figures],
) -> Result<(), Failure> {
    if !can_be_counted()? {
        return Ok(());
    }
    eprintln!("{COUNTED} calls to every server under valgrind");
    for (subject, figures) in subjects.iter().zip(figures) {
        let name: String = subject.name.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
        let each = per_call(workspace, &name, [FIRST, COUNTED], |valgrind| {
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

/// The instructions of one time of each of `cases`, of a program that is started as `PROGRAM CASE TIMES`: the difference between two runs of
/// these `times`. None where they cannot be counted. `name` tells their files apart.
///
/// # Errors
/// When a run fails.
pub(super) fn per_case<'a>(
    workspace: &Workspace,
    program: &Path,
    name: &str,
    cases: impl Iterator<Item = &'a str>,
    times: [u64; 2],
) -> Result<Vec<Option<f64>>, Failure> {
    if !can_be_counted()? {
        return Ok(cases.map(|_| None).collect());
    }
    let [few, many] = times;
    let counted = cases.map(|case| {
        let count = |times| of_run(workspace, program, name, (case, times));
        Ok(Some(count(many)?.saturating_sub(count(few)?) as f64 / (many - few) as f64))
    });
    counted.collect()
}

/// The instructions of a whole run of a case.
fn of_run(
    workspace: &Workspace,
    program: &Path,
    name: &str,
    (case, times): (&str, u64),
) -> Result<u64, Failure> {
    let file = workspace.target("bench").join(format!("{name}-{case}-{times}.callgrind"));
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--tool=callgrind", &format!("--callgrind-out-file={}", file.display())]);
    process::stdout(valgrind.arg(program).arg(case).arg(times.to_string()))?;
    total(&file)
}

/// How many instructions a call takes: of calls on one connection, one after the other, of which the first number warms up and
/// the second is counted. `start` starts what is counted with these words before its own.
///
/// # Errors
/// When something does not start or gives a wrong answer.
pub(super) fn per_call(
    workspace: &Workspace,
    name: &str,
    [first, counted]: [usize; 2],
    start: impl Fn(&[&str]) -> Result<(Server, Client, Expected), Failure>,
) -> Result<f64, Failure> {
    // Kept, for `callgrind_annotate`.
    let file = workspace.target("bench").join(format!("{name}.callgrind"));
    let option = format!("--callgrind-out-file={}", file.display());
    let (server, mut client, expected) = start(&["valgrind", "-q", "--tool=callgrind", &option])?;
    let mut call =
        |ids: Range<usize>| ids.into_iter().try_for_each(|id| client.call(&expected, 1_000_001 + id));
    call(0..first)?;
    control(&server, "--zero")?;
    call(first..first + counted)?;
    control(&server, "--dump")?;
    drop(client);
    server.terminate()?;
    // The dump; what stands in the file itself is what came after it.
    Ok(total(&PathBuf::from(format!("{}.1", file.display())))? as f64 / counted as f64)
}

/// Lets callgrind do this with the counts of a process.
fn control(server: &Server, what: &str) -> Result<(), Failure> {
    process::stdout(Command::new("callgrind_control").args([what, &server.pid().to_string()])).map(drop)
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
