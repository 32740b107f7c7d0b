//! What commands on records of the store have in common, such as API keys and local users: options, and the store.

use std::{
    fmt::Display,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result};
use anyport_config::Surroundings;
use anyport_metrics::Metrics;
use anyport_store::Store;

use crate::{
    client_session::output,
    gateway::GatewayFile,
    state_dir,
    store::{Location, OpenStore, StoreArguments, StorePlace},
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
    store: StoreOptions,
    #[command(flatten)]
    pub(super) output: output::Options,
}

/// Which store a command works on.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct StoreOptions {
    #[command(flatten)]
    store: StoreArguments,
    /// File of a gateway, whose section [store] says where shared state is.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    config: Option<PathBuf>,
}

impl StoreOptions {
    /// Where the store is.
    ///
    /// # Errors
    /// When what is said of it is wrong.
    pub(super) fn place(&self) -> Result<StorePlace> {
        place(&self.store, self.config.as_deref())
    }

    fn open(&self, state: &Path) -> Result<OpenStore> {
        open(&self.place()?, state)
    }
}

/// Where the store is that `store`, or `[store]` of the file at `config`, names.
///
/// # Errors
/// When what is said of it is wrong.
pub(super) fn place(store: &StoreArguments, config: Option<&Path>) -> Result<StorePlace> {
    let Some(config) = config else { return store.place() };
    let file = GatewayFile::read(config, &Surroundings::here())?;
    let mut store = store.clone();
    store.adopt(&file.config.store, file.surroundings());
    store.place()
}

/// The store at `place`, for a command that works on what other processes keep there.
///
/// # Errors
/// When no other process can see it.
pub(super) fn open(place: &StorePlace, state: &Path) -> Result<OpenStore> {
    let opened = place.open(Some(state), &Metrics::new()).filter(|_| place.location != Location::Memory);
    opened.ok_or_else(|| {
        UserError::usage(
            "a store in memory is in one process alone, and no command can reach it",
            "name the store that the gateway shares, or restart the gateway with one: sqlite:FOLDER or nats://HOST:PORT",
        )
    })
}

/// Records of a state folder, and something to wait for the store with.
pub(super) struct Stored<R> {
    pub(super) records: R,
    /// What errors say of a store that fails.
    problem: &'static str,
    runtime: tokio::runtime::Runtime,
}

impl Common {
    /// The folder of the program's state.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn state(&self) -> Result<PathBuf> {
        state_dir::folder(self.state_dir.clone()).ok_or_else(|| {
            UserError::usage("there is no folder for the program's state", "name one with --state-dir DIR")
        })
    }

    /// The records that `of` finds in a store. If the store fails, errors begin with `problem`.
    ///
    /// # Errors
    /// When there is no state folder.
    pub(super) fn stored<R>(&self, problem: &'static str, of: fn(Arc<dyn Store>) -> R) -> Result<Stored<R>> {
        let state = self.state()?;
        let store = self.store.open(&state)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("the program cannot wait for the store")?;
        Ok(Stored { records: of(store.store), problem, runtime })
    }
}

impl<R> Stored<R> {
    /// Waits for the store.
    pub(super) fn wait<T, E: Display>(&self, answer: impl Future<Output = Result<T, E>>) -> Result<T> {
        self.run(answer).map_err(|error| {
            let help = "anyport store check says what is wrong with the store";
            UserError::failed(format!("{}: {error}", self.problem), help)
        })
    }

    /// Waits for an answer whose errors its caller explains.
    pub(super) fn run<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }
}
