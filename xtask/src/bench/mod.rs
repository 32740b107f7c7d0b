//! What `tools/call` over HTTP costs: our server beside bare hyper and the official Rust SDK, in one run.
//!
//! Instructions are counted and repeat to a thousandth; everything else is compared within the run, on the same
//! machine, in turns. None of it is a test's assertion: what can be held exactly, the allocations, is an ordinary
//! test in `bench/tests/`. How to read the figures is told in `bench/README.md`.

use std::process::ExitCode;

use figures::Figures;

use crate::{Failure, workspace::Workspace};

mod client;
mod figures;
mod instructions;
mod load;
mod memory;
mod procfs;
mod start;
mod subject;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort {
    /// With how many tools our server is measured.
    tools: &'static [usize],
    starts: usize,
    rounds: usize,
}

const FULL: Effort = Effort { tools: &[1, 50, 500, 5_000], starts: 9, rounds: 7 };

/// For a look while working: no comparison between numbers of tools, and medians of little.
const QUICK: Effort = Effort { tools: &[50], starts: 3, rounds: 1 };

impl Effort {
    /// Reads `[--quick]`.
    ///
    /// # Errors
    /// When an option is unknown.
    pub(crate) fn parse(options: &[&str]) -> Result<Self, Failure> {
        match options {
            [] => Ok(FULL),
            ["--quick"] => Ok(QUICK),
            other => Err(format!("unknown option `{}`; there is --quick", other.join(" ")).into()),
        }
    }
}

/// Builds every server, measures it, prints the figures and then the gates.
///
/// # Errors
/// When a server does not build or start, or gives a wrong answer.
pub(crate) fn run(workspace: &Workspace, effort: Effort) -> Result<ExitCode, Failure> {
    let subjects = subject::build(workspace, effort.tools)?;
    for subject in &subjects {
        subject.check(workspace)?;
    }
    let mut figures = vec![Figures::default(); subjects.len()];
    start::measure(workspace, &subjects, effort.starts, &mut figures)?;
    memory::measure(workspace, &subjects, &mut figures)?;
    load::measure(workspace, &subjects, effort.rounds, &mut figures)?;
    instructions::measure(workspace, &subjects, &mut figures)?;

    let names = subjects.iter().map(|subject| subject.name.clone());
    let rows: Vec<_> = names.zip(figures).collect();
    print!("\n{}", figures::table(&rows, subject::FLOOR));
    let ours = subjects.iter().zip(&rows).filter(|(subject, _)| subject.ours);
    let gates = figures::gates(ours.map(|(subject, row)| (subject.tools, row)));
    println!();
    for gate in &gates {
        println!("{gate}");
    }
    Ok(if gates.iter().all(figures::Gate::passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_read() {
        assert_eq!(Effort::parse(&[]).unwrap(), FULL);
        assert_eq!(Effort::parse(&["--quick"]).unwrap(), QUICK);
        assert!(Effort::parse(&["--fast"]).unwrap_err().to_string().contains("--quick"));
    }
}
