use std::sync::Arc;

use anyport_protocol::session::server::CallHandle;
use tokio::sync::oneshot;

use super::LegacySession;

/// A request of the client in flight. Its id is free again when this is dropped.
pub(crate) struct InFlightRequest {
    session: Arc<LegacySession>,
    call: CallHandle,
    cancelled: oneshot::Receiver<()>,
}

impl InFlightRequest {
    pub(super) fn new(
        session: Arc<LegacySession>,
        call: CallHandle,
        cancelled: oneshot::Receiver<()>,
    ) -> Self {
        Self { session, call, cancelled }
    }

    /// Completes when the request is cancelled, by its client or with its session.
    pub(crate) async fn cancelled(&mut self) {
        let _ = (&mut self.cancelled).await;
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        let finished = self.session.machine().finish(&self.call);
        drop(finished);
    }
}
