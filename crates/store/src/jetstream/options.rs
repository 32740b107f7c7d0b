//! How the store is opened.

use std::{path::PathBuf, time::Duration};

use anyport_metrics::Metrics;

use super::subject::is_name;
use crate::{Clock, Error};

/// How a [`JetStreamStore`](super::JetStreamStore) is opened.
#[derive(Clone, Debug)]
pub struct JetStreamOptions {
    pub(super) name: String,
    pub(super) replicas: Option<usize>,
    pub(super) clock: Option<Clock>,
    pub(super) metrics: Metrics,
    pub(super) beat: Duration,
    pub(super) tls: TlsFiles,
}

/// The files of TLS with the servers.
#[derive(Clone, Debug, Default)]
pub(super) struct TlsFiles {
    pub(super) issuers: Option<PathBuf>,
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

impl Default for JetStreamOptions {
    fn default() -> Self {
        Self {
            name: "anyport".to_owned(),
            replicas: None,
            clock: None,
            metrics: Metrics::default(),
            beat: Duration::from_secs(1),
            tls: TlsFiles::default(),
        }
    }
}

impl JetStreamOptions {
    /// Sets the name of the store, `anyport` by default: one account of NATS can hold several.
    ///
    /// # Errors
    /// If it is not 1 to 32 letters, digits, `-` and `_`.
    pub fn name(mut self, name: impl Into<String>) -> Result<Self, Error> {
        self.name = name.into();
        if is_name(&self.name) {
            Ok(self)
        } else {
            Err(Error::fault("a store's name is 1 to 32 letters, digits, - and _"))
        }
    }

    /// Sets on how many servers each write is kept, 1 to 5. By default on three if the cluster has three, else on one.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = Some(replicas.clamp(1, 5));
        self
    }

    /// Sets the clock by which entries expire, instead of that of the server.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets where the store counts.
    #[must_use]
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// Sets how often a member says that it is running, 1 s by default. It is dead after three of them without a word.
    #[must_use]
    pub fn beat(mut self, beat: Duration) -> Self {
        self.beat = beat;
        self
    }

    /// Sets the file of the issuers of the servers' certificates, in PEM, beside those that the system trusts.
    #[must_use]
    pub fn issuers(mut self, file: impl Into<PathBuf>) -> Self {
        self.tls.issuers = Some(file.into());
        self
    }

    /// Sets the files of the certificate that the servers are shown, and of its private key, in PEM.
    #[must_use]
    pub fn client_certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls.client = Some((certificate.into(), key.into()));
        self
    }
}
