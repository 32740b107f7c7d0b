//! What the commands on the store have in common: options, the store, answers and failures.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Error, Result};
use anyport_metrics::Metrics;
use anyport_store::{
    Error as StoreError, JetStreamStore, SqliteStore, Store as _, backup::Failed, maintenance::Refused,
    transfer::NotCopied,
};
use serde_json::Value;

use crate::{
    client_session::output::{self, Output},
    commands::stored::StoreOptions,
    exit::Exit,
    render::safe,
    state_dir,
    store::{self, Location, OpenStore, StorePlace},
    user_error::UserError,
};

/// The options that these commands have in common.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Common {
    /// Folder of the program's state. Else the user's state folder.
    #[arg(long, value_name = "DIR", env = "ANYPORT_STATE_DIR", hide_env = true)]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) store: StoreOptions,
    #[command(flatten)]
    pub(super) output: output::Options,
}

/// The store that a command works on.
pub(super) enum Target {
    /// A file in this folder.
    Folder(PathBuf),
    /// Servers of NATS.
    Nats(NatsTarget),
}

/// A store on servers of NATS.
pub(super) struct NatsTarget {
    pub(super) jetstream: JetStreamStore,
    pub(super) open: OpenStore,
}

impl Common {
    /// The store.
    ///
    /// # Errors
    /// When what is said of it is wrong, or it is in memory.
    pub(super) fn target(&self) -> Result<Target> {
        let place = self.store.place()?;
        match &place.location {
            Location::State => {
                let state = state_dir::folder(self.state_dir.clone()).ok_or_else(|| {
                    UserError::usage(
                        "there is no folder for the program's state",
                        "name one with --state-dir DIR",
                    )
                })?;
                Ok(Target::Folder(store::folder(&state)))
            }
            _ => Target::at(&place),
        }
    }
}

impl Target {
    /// The store at `place`, which is not in the state folder.
    ///
    /// # Errors
    /// When it is in memory.
    pub(super) fn at(place: &StorePlace) -> Result<Self> {
        match &place.location {
            Location::Sqlite(folder) => Ok(Self::Folder(folder.clone())),
            _ => {
                let opened = place.open(None, &Metrics::new());
                let opened = opened.and_then(|open| Some((open.jetstream()?.clone(), open)));
                let (jetstream, open) = opened.ok_or_else(|| {
                    UserError::usage(
                        "a store in memory ends with its process, and no command can reach it",
                        "name another store with --store URL",
                    )
                })?;
                Ok(Self::Nats(NatsTarget { jetstream, open }))
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Nats(nats) => nats.open.location().fmt(f),
        }
    }
}

impl NatsTarget {
    /// Connects.
    ///
    /// # Errors
    /// When the servers cannot be reached or used.
    pub(super) async fn reached(&self) -> Result<()> {
        let opened = self.jetstream.open().await;
        opened.map_err(|error| self.open.unusable(&error, self.jetstream.connection_fault().as_deref()))
    }

    /// The processes that use it, this one left out. It takes some seconds, in which each says that it is there.
    pub(super) async fn processes(&self) -> Result<Vec<anyport_store::Member>> {
        self.jetstream.know_members().await;
        Ok(self.jetstream.members().others().await?)
    }
}

/// Something to wait for a store with.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("the program cannot wait for the store")
}

/// The file of a store that is in `folder`.
///
/// # Errors
/// When there is none.
pub(super) fn existing(folder: &Path) -> Result<SqliteStore> {
    let store = store::in_folder(folder.to_owned(), &Metrics::new());
    match store.is_there() {
        true => Ok(store),
        false => Err(failed(Refused::NoStore(folder.to_owned()), folder.display(), None)),
    }
}

/// Writes the lines, or the value with `--json`.
pub(super) fn report(common: &Common, lines: &[String], value: Value, exit: Exit) -> Result<ExitCode> {
    let text = lines.iter().map(|line| safe::line(line) + "\n").collect::<String>();
    Output::stdout(&common.output).show(|| value, |_| Ok(text))?;
    Ok(exit.into())
}

/// A failure of a store that is no file, with what to do about it.
pub(super) fn failed_in_store(error: Failed, target: impl fmt::Display, file: Option<&Path>) -> Error {
    match error {
        Failed::File(refused) => failed(refused, target, file),
        Failed::Store(NotCopied::Store(error)) => failed(Refused::Store(error), target, file),
        Failed::Store(error @ NotCopied::NotEmpty(_)) => {
            let problem = format!("{target} is not empty: {error}");
            UserError::usage(
                problem,
                "--replace deletes what is there first; anyport store copy needs an empty store",
            )
        }
        Failed::Store(error @ NotCopied::Written(_)) => {
            UserError::failed(format!("{target}: {error}"), "end the processes that use it, and begin again")
        }
    }
}

/// A failure with what to do about it; `file` is the backup, if there is one.
pub(super) fn failed(refused: Refused, target: impl fmt::Display, file: Option<&Path>) -> Error {
    let problem = match &refused {
        Refused::Store(_) => format!("{target}: {refused}"),
        refused => refused.to_string(),
    };
    let file = file.map(|file| file.display().to_string()).unwrap_or_default();
    let help = match &refused {
        Refused::NoStore(_) => {
            "anyport bridge and anyport serve make it when they need it; --state-dir DIR or --store URL names another one"
                .to_owned()
        }
        Refused::Exists(_) => "name a file that is not there yet, or remove this one".to_owned(),
        Refused::NotEmpty(_) => {
            format!("back it up, and then write: anyport store restore --replace {file}")
        }
        Refused::InUse(_) => format!(
            "end them, and the clients that start them; then write: anyport store restore {file}"
        ),
        Refused::NoBackup { .. } => "anyport store backup FILE writes a backup".to_owned(),
        Refused::Store(StoreError::Newer { .. }) => "use the newest release of anyport".to_owned(),
        Refused::Store(StoreError::Full) => {
            "make room on the disk or the servers, or raise the limit of this kind of state; docs/limits.md has them"
                .to_owned()
        }
        Refused::Store(StoreError::ReadOnly(_)) => {
            "permit this user of the servers, or of the disk, to write; docs/store.md has what is needed".to_owned()
        }
        Refused::Store(_) => {
            "check the disk and the permissions of the folder, or the servers; anyport store restore FILE replaces a damaged store"
                .to_owned()
        }
    };
    match &refused {
        Refused::Exists(_) | Refused::NotEmpty(_) => UserError::usage(problem, help),
        _ => UserError::failed(problem, help),
    }
}
