//! `anyport pins`: the definitions that upstreams of gateways were first seen with, and those that differ. One file per command.

mod accept;
mod common;
mod diff;
mod difference;
mod list;

use std::process::ExitCode;

use anyhow::Result;

use self::common::Common;
use crate::client_session::output;

/// The arguments of `anyport pins`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport pins list\n  anyport pins diff files\n  anyport pins accept files read_file"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the upstreams whose definitions are pinned, and the definitions that differ.
    List(list::Arguments),
    /// Compare the definitions of an upstream that differ with the pinned ones.
    Diff(diff::Arguments),
    /// Accept definitions of an upstream that differ. A running gateway takes them over.
    Accept(accept::Arguments),
}

impl Arguments {
    /// How the answer is written.
    pub(crate) fn output(&self) -> &output::Options {
        &self.common().output
    }

    fn common(&self) -> &Common {
        match &self.command {
            Command::List(arguments) => &arguments.common,
            Command::Diff(arguments) => &arguments.common,
            Command::Accept(arguments) => &arguments.common,
        }
    }
}

/// Runs one of the commands.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::List(arguments) => list::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Accept(arguments) => accept::run(arguments),
    }
}
