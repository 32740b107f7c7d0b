//! `anyport store`: checks, backs up and restores what outlives a process. One file per command.

mod backup;
mod check;
mod restore;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Error, Result};
use anyport_store::{Error as StoreError, maintenance::Refused};
use serde_json::Value;

use crate::{
    client_session::output::{self, Output},
    exit::Exit,
    render::safe,
    state_dir,
    user_error::UserError,
};

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

/// The options that these commands have in common.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct Common {
    /// Folder of the program's state. Else the user's state folder.
    #[arg(long, value_name = "DIR", env = "ANYPORT_STATE_DIR", hide_env = true)]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    output: output::Options,
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

/// Writes the lines, or the value with `--json`.
fn report(common: &Common, lines: &[String], value: Value, exit: Exit) -> Result<ExitCode> {
    let text = lines.iter().map(|line| safe::line(line) + "\n").collect::<String>();
    Output::stdout(&common.output).show(|| value, |_| Ok(text))?;
    Ok(exit.into())
}

/// A failure with what to do about it; `file` is the backup, if there is one.
fn failed(refused: Refused, folder: &Path, file: Option<&Path>) -> Error {
    let problem = match &refused {
        Refused::Store(_) => format!("{}: {refused}", folder.display()),
        refused => refused.to_string(),
    };
    let file = file.map(|file| file.display().to_string()).unwrap_or_default();
    let help = match &refused {
        Refused::NoStore(_) => {
            "anyport bridge and anyport serve make it when they need it; --state-dir DIR names another state folder"
                .to_owned()
        }
        Refused::Exists(_) => "name a file that is not there yet, or remove this one".to_owned(),
        Refused::InUse(_) => format!(
            "end them, and the clients that start them; then write: anyport store restore {file}"
        ),
        Refused::NoBackup { .. } => "anyport store backup FILE writes a backup".to_owned(),
        Refused::Store(StoreError::Newer { .. }) => "use the newest release of anyport".to_owned(),
        Refused::Store(_) => {
            "check the disk and the permissions of the folder; anyport store restore FILE replaces a damaged store"
                .to_owned()
        }
    };
    match &refused {
        Refused::Exists(_) => UserError::usage(problem, help),
        _ => UserError::failed(problem, help),
    }
}
