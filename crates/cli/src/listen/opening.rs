//! Opens the store and the keys of a program that serves, each once.

use std::path::PathBuf;

use anyhow::Result;
use anyport_metrics::Metrics;
use anyport_seal::Key;

use super::Arguments;
use crate::{
    state_dir,
    store::{OpenStore, StateKeys},
    user_error::UserError,
};

impl Arguments {
    /// The keys that seal what travels through clients. Without a place to keep one, a key lives as long as the process.
    ///
    /// # Errors
    /// When the file of the keys cannot be used, or a store of several machines has none.
    pub(crate) fn keys(&self) -> Result<Option<StateKeys>> {
        if let Some(keys) = self.kept.keys.get() {
            return Ok(keys.clone());
        }
        let keys = match self.key_file() {
            Some(file) => Some(StateKeys::read(&file)?),
            None if self.store.place()?.is_shared_by_machines() => {
                return Err(UserError::usage(
                    "gateways that share a store of NATS need one key, by which each opens what the others have sealed",
                    "make it once with: openssl rand -base64 32 > state.key; then give every gateway --state-key state.key",
                ));
            }
            None => self.own_key().map(StateKeys::only),
        };
        Ok(self.kept.keys.get_or_init(|| keys).clone())
    }

    /// The key of the audit log, which is of this machine: `anyport audit verify` finds it in the state folder.
    ///
    /// # Errors
    /// As for [`Arguments::keys`].
    pub(crate) fn audit_key(&self) -> Result<Option<Key>> {
        match self.key_file() {
            Some(_) => Ok(self.own_key()),
            None => Ok(self.keys()?.map(|keys| keys.first)),
        }
    }

    /// The store, which counts in `metrics`; `None` if there is no place for it.
    ///
    /// # Errors
    /// When what is said of it is wrong, or there is no key for it.
    pub(crate) fn open_store(&self, metrics: &Metrics) -> Result<Option<OpenStore>> {
        if let Some(store) = self.kept.store.get() {
            return Ok(store.clone());
        }
        // A folder that cannot have a key cannot have a store.
        let state = state_dir::folder(self.state_dir.clone());
        let state = state.filter(|_| self.key_file().is_some() || matches!(self.keys(), Ok(Some(_))));
        let store = self.store.place()?.open(state.as_deref(), metrics);
        Ok(self.kept.store.get_or_init(|| store).clone())
    }

    fn key_file(&self) -> Option<PathBuf> {
        self.state_key.clone().or_else(|| self.store.state_key())
    }

    /// The key in the state folder, which is made when there is none.
    fn own_key(&self) -> Option<Key> {
        let folder = state_dir::folder(self.state_dir.clone())?;
        match state_dir::key(&folder) {
            Ok(key) => Some(key),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "the key is not kept: clients in mid-dialogue must start over after a restart; set --state-dir");
                None
            }
        }
    }
}
