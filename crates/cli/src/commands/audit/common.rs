//! What the commands on the audit log have in common: options, the store, and times.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use anyport_audit::{Filter, OutcomeKind};
use anyport_metrics::Metrics;
use anyport_seal::Key;
use anyport_store::{Error, Store};
use jiff::{SignedDuration, Timestamp};

use crate::{client_session::output, commands::key::lifetime, state_dir, store, user_error::UserError};

/// The options that these commands have in common.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Common {
    /// Folder of the program's state. Else the user's state folder.
    #[arg(long, value_name = "DIR", env = "ANYPORT_STATE_DIR", hide_env = true)]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: output::Options,
}

/// Which records are wanted.
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
pub(super) struct Wanted {
    /// Only of this principal: as records name it, by its name, or by its subject.
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Option<String>,
    /// Only of this tool, prompt or resource, as the client named it.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only of this server behind the gateway.
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// Only with this outcome: ok, input_required, tool_error, error, refused or cancelled.
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    outcome: Option<OutcomeKind>,
    /// Not before this: a time as 2026-11-24T02:00:00Z, or so long ago, as 90s, 15m, 2h or 7d.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Before this; as for --since.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
}

/// The audit log of a state folder.
pub(super) struct Log {
    pub(super) store: Arc<dyn Store>,
    pub(super) key: Key,
    runtime: tokio::runtime::Runtime,
}

impl Common {
    /// The log.
    ///
    /// # Errors
    /// When there is no store, or no key.
    pub(super) fn log(&self) -> Result<Log> {
        let state = state_dir::folder(self.state_dir.clone()).ok_or_else(|| {
            UserError::usage("there is no folder for the program's state", "name one with --state-dir DIR")
        })?;
        let store = store::local(&state, &Metrics::new());
        if !store.is_there() {
            let problem = format!("{} has no audit log", state.display());
            let help = "a gateway writes one with [audit] mode = \"on\" in its file; --state-dir DIR names another folder";
            return Err(UserError::failed(problem, help));
        }
        let key = state_dir::key(&state).map_err(|error| {
            let help = "check the permissions of the folder: the key in seal.key is the one of the log";
            UserError::failed(format!("the key in {} cannot be read: {error}", state.display()), help)
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.context("the program cannot wait for the store")?;
        Ok(Log { store: Arc::new(store), key, runtime })
    }
}

impl Wanted {
    /// As a filter.
    pub(super) fn filter(&self) -> Filter {
        Filter {
            principal: self.principal.clone(),
            name: self.tool.clone(),
            upstream: self.upstream.clone(),
            outcome: self.outcome,
            since: self.since,
            until: self.until,
        }
    }
}

impl Log {
    /// Waits for the store.
    pub(super) fn wait<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T> {
        self.runtime.block_on(answer).map_err(|error| {
            let help = "anyport store check says what is wrong with the store";
            UserError::failed(format!("the audit log cannot be read: {error}"), help)
        })
    }

    /// Waits so long.
    pub(super) fn pause(&self, time: std::time::Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }
}

fn outcome(text: &str) -> Result<OutcomeKind, String> {
    OutcomeKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
        let names: Vec<_> = OutcomeKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("there are {}", names.join(", "))
    })
}

fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago =
        lifetime(text).map_err(|_| "write a time as 2026-11-24T02:00:00Z, or so long ago as 15m or 7d")?;
    let ago = SignedDuration::try_from(ago).map_err(|error| error.to_string())?;
    Timestamp::now().checked_sub(ago).map_err(|error| error.to_string())
}
