//! How the store is opened.

use std::time::Duration;

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
}

impl Default for JetStreamOptions {
    fn default() -> Self {
        Self {
            name: "anyport".to_owned(),
            replicas: None,
            clock: None,
            metrics: Metrics::default(),
            beat: Duration::from_secs(1),
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
}
