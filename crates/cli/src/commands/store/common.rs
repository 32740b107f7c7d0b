//! What the commands on the store have in common: options, answers and failures.

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
    user_error::UserError,
};

/// The options that these commands have in common.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Common {
    /// Folder of the program's state. Else the user's state folder.
    #[arg(long, value_name = "DIR", env = "ANYPORT_STATE_DIR", hide_env = true)]
    pub(super) state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: output::Options,
}

/// Writes the lines, or the value with `--json`.
pub(super) fn report(common: &Common, lines: &[String], value: Value, exit: Exit) -> Result<ExitCode> {
    let text = lines.iter().map(|line| safe::line(line) + "\n").collect::<String>();
    Output::stdout(&common.output).show(|| value, |_| Ok(text))?;
    Ok(exit.into())
}

/// A failure with what to do about it; `file` is the backup, if there is one.
pub(super) fn failed(refused: Refused, folder: &Path, file: Option<&Path>) -> Error {
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
