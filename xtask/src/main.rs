//! The project's own commands.
//!
//! `cargo xtask test` is the one command for tests, on every change and in CI. It needs cargo, npm and python3; it
//! installs the rest (a newer Node, the conformance suite, clients of other projects) below the target folder, once.
//!
//! # Layout
//! - [`steps`]: what `cargo xtask test` does, as a list.
//! - [`test_programs`]: the step that runs the Rust tests.
//! - [`mod@quick`]: the part of it that is for while one works.
//! - [`conformance`]: our server, bridge and client against the official suite.
//! - [`interop`]: our programs with other people's clients and servers.
//! - [`mod@fuzz`]: the fuzz targets.
//! - [`mod@soak`]: a long run through bridges whose servers fail.
//! - [`mod@canaries`]: many principals at one gateway, of whom none may get what belongs to another.
//! - [`mod@bench`]: what a call costs, beside other servers.
//! - [`circles`]: which files of a crate know each other in a circle.
//! - [`tools`]: their tools, installed below the target folder.
//! - [`workspace`], [`process`], [`parallel`]: where we are, running other programs, and work on a list.

// A command speaks to the person who typed it.
#![allow(clippy::print_stdout)]

use std::{error::Error, process::ExitCode};

use bench::Effort;
use conformance::Selection;
use workspace::Workspace;

mod bench;
mod canaries;
mod circles;
mod conformance;
mod fuzz;
mod interop;
mod parallel;
mod process;
mod quick;
mod soak;
mod steps;
mod test_programs;
mod tools;
mod workspace;

/// An error, with a text for the person at the terminal.
type Failure = Box<dyn Error>;

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  test [--only STEP[,STEP...]]    run every step, or only these
  test --quick                    while working: formatting, clippy (which looks again only at what has changed),
                                  circles, and the tests of the crates that differ from `main`
  test --list                     say which steps there are
  nats                            install the servers of NATS that the tests of the store run
  postgres                        install PostgreSQL, which a test of the examples runs, unless the system has it
  conformance [--set server|bridge|...|client] [--revision R] [--scenario S]
                                  run the official suite and show all that it prints
  interop [--all] [--write] [--only WORDS]
                                  run other people's clients and servers with ours: some combinations with
                                  the bridge, or all; write docs/clients.md; or only what has WORDS in its name
  soak --minutes N [--seed N]     call through bridges whose servers are killed, stopped, upgraded, cut and slow:
                                  each call has one outcome, and in the end nothing is left of it
  canaries [CALLS] [--seed N]     make calls (1,000,000) of 200 principals at one gateway, in every revision and over
                                  every transport: nothing of one may reach another
  fuzz [SECONDS [TARGET...]]       run every fuzz target, or these, for so many seconds each (60)
  bench [--build] [--quick] [--peers] [--only calls|bridge|fleet|knowledge]
                                  measure what a call costs, beside other servers, and what a search costs;
                                  with other people's proxies beside the bridge, which it installs. With
                                  --build it only builds and installs, so that the next run only measures
  circles [CRATE...]              count the files of each crate that know each other in a circle; of the crates
                                  named (the folders below crates/), say which and by which names
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode, Failure> {
    match arguments {
        [] | ["help" | "--help" | "-h", ..] => println!("{USAGE}"),
        ["test", "--list"] => steps::list(),
        ["test"] => return steps::run(&Workspace::find()?, None),
        ["test", "--quick"] => return quick::run(&Workspace::find()?),
        ["test", "--only", names] => return steps::run(&Workspace::find()?, Some(names)),
        ["nats"] => drop(tools::NatsServers::install(&Workspace::find()?)?),
        ["postgres"] => drop(tools::Postgres::install(&Workspace::find()?)?),
        ["conformance", options @ ..] => conformance::show(&Workspace::find()?, &Selection::parse(options)?)?,
        ["fuzz", options @ ..] => fuzz::run(&Workspace::find()?, options)?,
        ["soak", options @ ..] => soak::run(&Workspace::find()?, options)?,
        ["canaries", options @ ..] => canaries::run(&Workspace::find()?, options)?,
        ["bench", options @ ..] => return bench::run(&Workspace::find()?, Effort::parse(options)?),
        ["circles", names @ ..] => circles::show(&Workspace::find()?, names)?,
        ["interop", options @ ..] => interop::run(&Workspace::find()?, &interop::Wanted::parse(options)?)?,
        other => return Err(format!("there is no command `{}`\n\n{USAGE}", other.join(" ")).into()),
    }
    Ok(ExitCode::SUCCESS)
}
