use std::sync::Arc;

use anyhow::Result;
use anyport_transport::client::{HttpExchange, MessageObserver};

use super::{Options, recording::Recorder, trace::Trace};
use crate::target::{Server, Surroundings, Target};

/// Several observers of a connection as one.
struct Observers(Vec<Arc<dyn MessageObserver>>);

impl MessageObserver for Observers {
    fn sent(&self, message: &[u8]) {
        self.0.iter().for_each(|observer| observer.sent(message));
    }

    fn received(&self, message: &[u8]) {
        self.0.iter().for_each(|observer| observer.received(message));
    }

    fn http(&self, exchange: &HttpExchange<'_>) {
        self.0.iter().for_each(|observer| observer.http(exchange));
    }
}

impl Options {
    /// The server that is meant by `target` and these options. Where a gateway answers for it and messages are written down, the gateway
    /// covers its secrets: this process does not know them.
    ///
    /// # Errors
    /// As for [`target::Options::resolve`](crate::target::Options::resolve).
    pub(crate) fn resolve(&self, target: Option<&str>) -> Result<Target> {
        let mut target = self.server.resolve(target, &Surroundings::here())?;
        if let Server::Gateway(server) = &mut target.server {
            server.is_covered = self.record.is_some() || self.output.verbose > 1;
        }
        Ok(target)
    }

    /// The observers of the connection that `--record` and `-vv` ask for, if any.
    ///
    /// # Errors
    /// When the recording cannot be written.
    pub(crate) fn observer(&self) -> Result<Option<Arc<dyn MessageObserver>>> {
        let mut observers: Vec<Arc<dyn MessageObserver>> = Vec::new();
        if let Some(path) = &self.record {
            observers.push(Recorder::create(path)?);
        }
        if self.output.verbose > 1 {
            observers.push(Arc::new(Trace::new()));
        }
        Ok(match observers.is_empty() {
            true => None,
            false => Some(Arc::new(Observers(observers))),
        })
    }
}
