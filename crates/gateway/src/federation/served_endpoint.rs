//! An endpoint that may become another one while it is served.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{endpoint::Endpoint, shared::Shared};

/// An endpoint as it is now. Requests that have begun go on with the one that they found.
pub(super) struct ServedEndpoint {
    pub(super) shared: Arc<Shared>,
    now: ArcSwap<Endpoint>,
    /// Whether its listen streams end.
    ended: watch::Sender<bool>,
}

impl ServedEndpoint {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let shared = endpoint.shared.clone();
        Self { shared, now: ArcSwap::from_pointee(endpoint), ended: watch::Sender::new(false) }
    }

    /// The endpoint of now.
    pub(super) fn endpoint(&self) -> Arc<Endpoint> {
        self.now.load_full()
    }

    /// Replaces the endpoint, unless it is the same for clients. Listeners compare their lists.
    pub(super) fn replace(&self, endpoint: Endpoint) {
        if !self.now.load().is_same_as(&endpoint) {
            self.now.store(Arc::new(endpoint));
            self.shared.notify();
        }
    }

    /// Ends its listen streams.
    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Completes when its listen streams end: its own, or those of the whole federation.
    pub(super) async fn ended(&self) {
        let (mut own, mut all) = (self.ended.subscribe(), self.shared.closed.subscribe());
        // The senders are in this value.
        tokio::select! {
            _ = own.wait_for(|ended| *ended) => {}
            _ = all.wait_for(|closed| *closed) => {}
        }
    }
}
