use std::num::NonZeroUsize;

use anyport_protocol::Raw;
use anyport_service::sync::Lock;
use lru::LruCache;
use tokio::{
    sync::watch,
    time::{Duration, timeout},
};

/// The elicitations by URL that clients were asked for, and which of them are complete.
pub(super) struct Elicitations {
    /// By their ids: whether they are complete.
    ids: Lock<LruCache<String, bool>>,
    completed: watch::Sender<()>,
}

/// The number of elicitations that are remembered. The retry of one that is forgotten waits its full time.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

impl Default for Elicitations {
    fn default() -> Self {
        Self { ids: Lock::new(LruCache::new(REMEMBERED)), completed: watch::Sender::default() }
    }
}

impl Elicitations {
    /// Remembers an elicitation that is not complete yet.
    pub(super) fn expect(&self, id: &str) {
        self.ids.lock().get_or_insert(id.to_owned(), || false);
    }

    /// An elicitation is complete.
    ///
    /// 2025-11-25, client/elicitation §Completion Notifications: clients "MUST ignore notifications referencing unknown or
    /// already-completed IDs".
    pub(super) fn complete(&self, id: &str) {
        if let Some(complete) = self.ids.lock().get_mut(id) {
            *complete = true;
        }
        self.completed.send_replace(());
    }

    /// The elicitation that a notification with `params` names is complete.
    pub(super) fn complete_by(&self, params: &Raw) {
        if let Some(id) = params.member("elicitationId").and_then(|id| id.as_string()) {
            self.complete(&id);
        }
    }

    /// Waits until all are complete, or for `most`.
    pub(super) async fn wait(&self, elicitations: &[(String, String)], most: Duration) {
        let mut completed = self.completed.subscribe();
        let all = async { while !self.are_complete(elicitations) && completed.changed().await.is_ok() {} };
        let _ = timeout(most, all).await;
        let mut ids = self.ids.lock();
        for (_, id) in elicitations {
            ids.pop(id);
        }
    }

    fn are_complete(&self, elicitations: &[(String, String)]) -> bool {
        let ids = self.ids.lock();
        elicitations.iter().all(|(_, id)| ids.peek(id).copied().unwrap_or(false))
    }
}
