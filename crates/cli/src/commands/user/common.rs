//! What the commands on users have in common: options, the store, and how a user is shown.

use std::{fmt::Display, future::Future, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use anyport_auth::authorization_server::{LocalUser, LocalUserRecords};
use anyport_metrics::Metrics;
use serde_json::{Value, json};

use crate::{client_session::output, commands::key::time, state_dir, store, user_error::UserError};

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

/// The users of a state folder.
pub(super) struct StoredUsers {
    pub(super) records: LocalUserRecords,
    runtime: tokio::runtime::Runtime,
}

impl Common {
    /// The users, and something to wait for the store with.
    ///
    /// # Errors
    /// When there is no state folder.
    pub(super) fn users(&self) -> Result<StoredUsers> {
        let state = state_dir::folder(self.state_dir.clone()).ok_or_else(|| {
            UserError::usage("there is no folder for the program's state", "name one with --state-dir DIR")
        })?;
        let store = store::open(&state, &Metrics::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.context("the program cannot wait for the store")?;
        Ok(StoredUsers { records: LocalUserRecords::new(Arc::new(store)), runtime })
    }
}

impl StoredUsers {
    /// Waits for the store.
    pub(super) fn wait<T, E: Display>(&self, answer: impl Future<Output = Result<T, E>>) -> Result<T> {
        self.runtime.block_on(answer).map_err(|error| {
            let help = "anyport store check says what is wrong with the store";
            UserError::failed(format!("the users cannot be read: {error}"), help)
        })
    }

    /// Waits for an answer whose errors its caller explains.
    pub(super) fn run<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }
}

/// A user as a value, without the password.
pub(super) fn value(user: &LocalUser) -> Value {
    json!({
        "name": user.name,
        "subject": user.subject,
        "scopes": user.scopes,
        "created": time(user.created),
    })
}
