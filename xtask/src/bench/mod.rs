//! The cost of `tools/call` over HTTP: our server beside bare hyper and the official Rust SDK, in one run; the cost
//! through the bridge, beside a reverse proxy; the cost through a gateway, beside the bridge; the cost of verifying what callers
//! present; the cost of what protects a gateway, and of the audit log alone; and the cost of full-text search.
//!
//! Instructions are counted and repeat to a thousandth; everything else is compared within the run, on the same
//! machine, in turns. None of it is a test's assertion: what can be held exactly, the allocations, is an ordinary
//! test in `bench/tests/`. How to read the figures is told in `bench/README.md`.

use std::process::ExitCode;

use figures::Figures;

use crate::{
    Failure,
    workspace::{Profile, Workspace},
};

mod audit;
mod bridge;
mod client;
mod figures;
mod fleet;
mod instructions;
mod knowledge;
mod load;
mod memory;
mod procfs;
mod program;
mod protection;
mod start;
mod subject;
mod tokens;
mod turn;

/// The measurements to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effort {
    /// With how many tools our server is measured.
    tools: &'static [usize],
    starts: usize,
    rounds: usize,
    /// How many documents are searched.
    documents: &'static [u64],
    /// Whether other people's proxies are measured beside the bridge: they must be installed.
    peers: bool,
    /// How the program of the bridge is built, which takes minutes as it is published.
    program: Profile,
    only: Option<Part>,
    /// Whether everything is only built and installed, for a run that then only measures.
    is_build: bool,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Calls,
    Bridge,
    Fleet,
    Tokens,
    Protection,
    Audit,
    Knowledge,
    Program,
}

const FULL: Effort = Effort {
    tools: &[1, 50, 500, 5_000],
    starts: 9,
    rounds: 7,
    documents: &[5_000, 100_000],
    peers: false,
    program: Profile::Dist,
    only: None,
    is_build: false,
};

/// For a look while working: no comparison between numbers of tools, medians of little, and a bridge that is soon built.
const QUICK: Effort =
    Effort { tools: &[50], starts: 3, rounds: 1, documents: &[5_000], program: Profile::Release, ..FULL };

impl Effort {
    /// Reads `[--build] [--quick] [--peers] [--only calls|bridge|fleet|tokens|protection|audit|knowledge|program]`.
    ///
    /// # Errors
    /// When an option is unknown.
    pub(crate) fn parse(options: &[&str]) -> Result<Self, Failure> {
        let mut effort = FULL;
        let mut rest = options;
        loop {
            rest = match rest {
                [] => return Ok(effort),
                ["--quick", rest @ ..] => {
                    let Self { only, peers, is_build, .. } = effort;
                    effort = Self { only, peers, is_build, ..QUICK };
                    rest
                }
                ["--build", rest @ ..] => {
                    effort.is_build = true;
                    rest
                }
                ["--peers", rest @ ..] => {
                    effort.peers = true;
                    rest
                }
                ["--only", "calls", rest @ ..] => {
                    effort.only = Some(Part::Calls);
                    rest
                }
                ["--only", "bridge", rest @ ..] => {
                    effort.only = Some(Part::Bridge);
                    rest
                }
                ["--only", "fleet", rest @ ..] => {
                    effort.only = Some(Part::Fleet);
                    rest
                }
                ["--only", "tokens", rest @ ..] => {
                    effort.only = Some(Part::Tokens);
                    rest
                }
                ["--only", "protection", rest @ ..] => {
                    effort.only = Some(Part::Protection);
                    rest
                }
                ["--only", "audit", rest @ ..] => {
                    effort.only = Some(Part::Audit);
                    rest
                }
                ["--only", "knowledge", rest @ ..] => {
                    effort.only = Some(Part::Knowledge);
                    rest
                }
                ["--only", "program", rest @ ..] => {
                    effort.only = Some(Part::Program);
                    rest
                }
                other => {
                    let other = other.join(" ");
                    let known = "--build, --quick, --peers, --only calls, --only bridge, --only fleet, --only tokens, --only protection, --only audit, --only knowledge and --only program";
                    return Err(format!("unknown option `{other}`; there are {known}").into());
                }
            };
        }
    }

    fn has(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }
}

/// Measures what is wanted, and prints the figures and then the gates.
///
/// # Errors
/// When something does not build or start, or gives a wrong answer.
pub(crate) fn run(workspace: &Workspace, effort: Effort) -> Result<ExitCode, Failure> {
    if effort.is_build {
        build(workspace, effort)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut gates = Vec::new();
    if effort.has(Part::Calls) {
        gates.extend(calls(workspace, effort)?);
    }
    let bridged = bridge::Effort {
        rounds: effort.rounds,
        starts: effort.starts,
        peers: effort.peers,
        profile: effort.program,
    };
    if effort.has(Part::Bridge) {
        let (tables, promised) = bridge::measure(workspace, bridged)?;
        print!("\n{tables}");
        gates.extend(promised);
    }
    if effort.has(Part::Fleet) {
        let (tables, promised) = fleet::measure(workspace, bridged)?;
        print!("\n{tables}");
        gates.extend(promised);
    }
    if effort.has(Part::Tokens) {
        let counted = tokens::measure(workspace)?;
        print!("\n{}", tokens::table(&counted));
        gates.extend(tokens::gates(&counted));
    }
    if effort.has(Part::Protection) {
        let (table, promised) = protection::measure(workspace, bridged)?;
        print!("\n{table}");
        gates.extend(promised);
    }
    if effort.has(Part::Audit) {
        print!("\n{}", audit::table(&audit::measure(workspace)?));
    }
    if effort.has(Part::Knowledge) {
        let (indexed, served) = knowledge::measure(workspace, effort.documents)?;
        print!("\n{}\n{}", knowledge::table(&indexed), knowledge::served_table(&served));
        gates.extend(knowledge::gates(&indexed));
        gates.extend(knowledge::served_gates(&served));
    }
    if effort.has(Part::Program) {
        print!("\n{}", program::table(&program::measure(workspace, effort.starts)?));
    }
    println!();
    for gate in &gates {
        println!("{gate}");
    }
    Ok(if gates.iter().all(figures::Gate::passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds and installs what a run with the same options measures.
fn build(workspace: &Workspace, effort: Effort) -> Result<(), Failure> {
    if effort.has(Part::Calls) {
        subject::build(workspace, effort.tools)?;
    }
    if [Part::Bridge, Part::Fleet, Part::Protection].into_iter().any(|part| effort.has(part)) {
        bridge::ways::Programs::build(workspace, effort.program)?;
        if effort.peers {
            bridge::peers::Peers::install(workspace)?;
        }
    }
    if effort.has(Part::Tokens) {
        tokens::build(workspace)?;
    }
    if effort.has(Part::Audit) {
        audit::build(workspace)?;
    }
    if effort.has(Part::Knowledge) {
        knowledge::build(workspace)?;
    }
    if effort.has(Part::Program) {
        bridge::ways::Programs::build(workspace, Profile::Dist)?;
        program::build(workspace)?;
    }
    Ok(())
}

/// Builds every server, measures it, prints the figures and returns the gates.
fn calls(workspace: &Workspace, effort: Effort) -> Result<Vec<figures::Gate>, Failure> {
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
    Ok(figures::gates(ours.map(|(subject, row)| (subject.tools, row))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_read() {
        assert_eq!(Effort::parse(&[]).unwrap(), FULL);
        assert_eq!(Effort::parse(&["--quick"]).unwrap(), QUICK);
        let knowledge = Effort { only: Some(Part::Knowledge), ..QUICK };
        assert_eq!(Effort::parse(&["--only", "knowledge", "--quick"]).unwrap(), knowledge);
        assert_eq!(Effort::parse(&["--quick", "--only", "knowledge"]).unwrap(), knowledge);
        assert_eq!(Effort::parse(&["--peers", "--quick"]).unwrap(), Effort { peers: true, ..QUICK });
        assert!(Effort::parse(&["--only", "calls"]).unwrap().has(Part::Calls));
        assert!(!Effort::parse(&["--only", "bridge"]).unwrap().has(Part::Calls));
        assert_eq!(Effort::parse(&["--build", "--quick"]).unwrap(), Effort { is_build: true, ..QUICK });
        assert!(Effort::parse(&["--only"]).is_err());
        assert!(Effort::parse(&["--fast"]).unwrap_err().to_string().contains("--quick"));
    }
}
