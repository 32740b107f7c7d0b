//! `anyport store`: checks, backs up, restores and copies what outlives a process. One file per command.

mod backup;
mod check;
mod common;
mod copy;
mod restore;

use std::process::ExitCode;

use anyhow::Result;

use self::common::Common;
use crate::client_session::output;

/// The arguments of `anyport store`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport store check\n  anyport store backup anyport-backup.db\n  anyport store copy sqlite:/var/lib/anyport/store nats://127.0.0.1:4222"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Check the store for damage, and say what is in it and which processes use it.
    Check(check::Arguments),
    /// Copy the store into a new file, beside processes that use it.
    Backup(backup::Arguments),
    /// Make a backup the store, while no process uses it.
    Restore(restore::Arguments),
    /// Copy a store into another one, which is empty: from a file to servers of NATS, or back.
    Copy(copy::Arguments),
}

impl Arguments {
    /// How the answer is written.
    pub(crate) fn output(&self) -> &output::Options {
        &self.common().output
    }

    fn common(&self) -> &Common {
        match &self.command {
            Command::Check(arguments) => &arguments.common,
            Command::Backup(arguments) => &arguments.common,
            Command::Restore(arguments) => &arguments.common,
            Command::Copy(arguments) => &arguments.common,
        }
    }
}

/// Runs one of the commands.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    match &arguments.command {
        Command::Check(arguments) => check::run(arguments),
        Command::Backup(arguments) => backup::run(arguments),
        Command::Restore(arguments) => restore::run(arguments),
        Command::Copy(arguments) => copy::run(arguments),
    }
}
