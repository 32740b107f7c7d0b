use std::path::{Path, PathBuf};

use anyhow::Result;
use anyport_config::{
    Surroundings,
    gateway::{GatewayConfig, StoreConfig},
};
use anyport_store::JetStreamOptions;

use super::{
    location::{FORMS, Location},
    open::StorePlace,
};
use crate::{
    secret_source::SecretSource,
    target::SecretValue,
    user_error::{self, UserError},
};

/// Where the state is that processes share, as options and `[store]` of a file have it.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub(crate) struct StoreArguments {
    /// Where shared state is: memory, sqlite:FOLDER, nats://HOST:PORT with further servers after commas, or tls://; or env:NAME or file:PATH
    /// with that. Else the state folder.
    // Read by `place`: clap repeats a wrong value, and this one may have a password.
    #[arg(long, value_name = "URL", env = "ANYPORT_STORE", hide_env = true, hide_short_help = true)]
    store: Option<String>,
    /// What `[store]` of a file said.
    #[arg(skip)]
    config: StoreConfig,
    /// From where its paths and places are seen.
    #[arg(skip)]
    surroundings: Option<Surroundings>,
}

impl StoreArguments {
    /// Takes over what `[store]` of a file says, whose paths and secrets are seen from `surroundings`.
    pub(crate) fn adopt(&mut self, config: &StoreConfig, surroundings: &Surroundings) {
        self.config = config.clone();
        self.surroundings = Some(surroundings.clone());
    }

    /// Whether the file says what it said when it was adopted.
    pub(crate) fn is_of(&self, config: &GatewayConfig) -> bool {
        self.config == config.store
    }

    /// The file of the keys that `[store]` names.
    pub(crate) fn state_key(&self) -> Option<PathBuf> {
        let key = self.config.state_key.as_ref()?;
        Some(self.surroundings.as_ref().map_or_else(|| key.into(), |surroundings| surroundings.cwd.join(key)))
    }

    /// Where the store is.
    ///
    /// # Errors
    /// What is wrong with it, or that a secret cannot be read.
    pub(crate) fn place(&self) -> Result<StorePlace> {
        let here = Surroundings::here();
        let of_file = self.surroundings.as_ref().unwrap_or(&here);
        let location = match (&self.store, &self.config.url) {
            (Some(text), _) => Location::read(text, &here).map_err(|why| {
                UserError::usage(format!("--store (or ANYPORT_STORE) is wrong: {why}"), FORMS)
            })?,
            (None, Some(text)) => Location::read(text, of_file).map_err(|why| wrong("url", &why))?,
            (None, None) => Location::State,
        };
        let location = match location {
            Location::Nats(address) => Location::Nats(self.with_credentials(address, of_file)?),
            other => other,
        };
        let options = self.options(&of_file.cwd)?;
        Ok(StorePlace { location, options, monitor: self.config.monitor.clone() })
    }

    fn with_credentials(
        &self,
        address: anyport_store::Address,
        surroundings: &Surroundings,
    ) -> Result<anyport_store::Address> {
        let StoreConfig { user, password, token, .. } = &self.config;
        let read = |key: &str, place: &str| -> Result<String> {
            let source: SecretSource = place.parse().map_err(|_| {
                wrong(key, "it is the place of a secret, never the secret itself: env:NAME, file:PATH or cmd:COMMAND")
            })?;
            let secret = source.read_text(surroundings).map_err(|why| wrong(key, &why))?;
            Ok(SecretValue::new(secret).0)
        };
        Ok(match (user, password, token) {
            (Some(user), Some(place), _) => address.user(user, read("password", place)?),
            (_, _, Some(place)) => address.token(read("token", place)?),
            _ => address,
        })
    }

    fn options(&self, folder: &Path) -> Result<JetStreamOptions> {
        let StoreConfig { name, replicas, tls_ca, tls_client_cert, tls_client_key, .. } = &self.config;
        let mut options = JetStreamOptions::default();
        if let Some(name) = name {
            options = options.name(name).map_err(|error| wrong("name", &error.to_string()))?;
        }
        if let Some(replicas) = replicas {
            options = options.replicas(usize::from(*replicas));
        }
        let readable = |key: &str, path: &String| -> Result<PathBuf> {
            let path = folder.join(path);
            match std::fs::File::open(&path) {
                Ok(_) => Ok(path),
                Err(error) => Err(wrong(key, &format!("{} cannot be read: {error}", path.display()))),
            }
        };
        if let Some(issuers) = tls_ca {
            options = options.issuers(readable("tls_ca", issuers)?);
        }
        if let (Some(certificate), Some(key)) = (tls_client_cert, tls_client_key) {
            let (certificate, key) =
                (readable("tls_client_cert", certificate)?, readable("tls_client_key", key)?);
            options = options.client_certificate(certificate, key);
        }
        Ok(options)
    }
}

fn wrong(key: &str, why: &str) -> anyhow::Error {
    let problem = format!("{key} of [store] is wrong: {why}");
    let help = if key == "url" { FORMS } else { "correct the file; the page on the store has all keys" };
    user_error::at(&["store", key], UserError::usage(problem, help))
}
