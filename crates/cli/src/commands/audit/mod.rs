//! `anyport audit`: who called what, when, and what became of it. One file per command.

mod common;
mod export;
mod show;
mod verify;

use std::process::ExitCode;

use anyhow::Result;

use crate::client_session::output;

/// The arguments of `anyport audit`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:\n  anyport audit --since 1h --outcome refused\n  anyport audit --principal ci --tool files_write --json\n  anyport audit -f\n  anyport audit verify"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    show: show::Arguments,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check that no record was altered or removed, also beside a running gateway.
    Verify(verify::Arguments),
    /// Write all records, oldest first in each chain, as JSON lines or as CSV.
    Export(export::Arguments),
}

impl Arguments {
    /// How the answer is written.
    pub(crate) fn output(&self) -> &output::Options {
        match &self.command {
            None => &self.show.common.output,
            Some(Command::Verify(arguments)) => &arguments.common.output,
            Some(Command::Export(arguments)) => &arguments.common.output,
        }
    }
}

/// Runs one of the commands.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        None => show::run(&arguments.show),
        Some(Command::Verify(arguments)) => verify::run(arguments),
        Some(Command::Export(arguments)) => export::run(arguments),
    }
}
