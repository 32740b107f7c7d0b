//! `anyport store`: checks, backs up and restores what outlives a process. One file per command.

mod backup;
mod check;
mod common;
mod restore;

use std::process::ExitCode;

use anyhow::Result;

use self::common::Common;
use crate::{client_session::output, state_dir, user_error::UserError};

/// The arguments of `anyport store`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport store check\n  anyport store backup anyport-backup.db")]
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
    /// Replace the store by a backup, while no process uses it.
    Restore(restore::Arguments),
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
        }
    }
}

/// Runs one of the commands.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let state = state_dir::folder(arguments.common().state_dir.clone()).ok_or_else(|| {
        UserError::usage("there is no folder for the program's state", "name one with --state-dir DIR")
    })?;
    let folder = crate::store::folder(&state);
    match &arguments.command {
        Command::Check(arguments) => check::run(arguments, &folder),
        Command::Backup(arguments) => backup::run(arguments, &folder),
        Command::Restore(arguments) => restore::run(arguments, &folder),
    }
}
