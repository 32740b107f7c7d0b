use std::sync::Arc;

use anyport_protocol::{
    Error, Id,
    session::server::{CallHandle, CallKind},
};
use tokio::sync::oneshot;

use super::session::LegacySession;

/// A request of the client in flight. Its id is free again when this is dropped.
pub(crate) struct InFlightRequest {
    session: Arc<LegacySession>,
    call: CallHandle,
    cancelled: oneshot::Receiver<()>,
}

impl InFlightRequest {
    /// Puts a request of `session` in flight.
    ///
    /// # Errors
    /// The id is in use, or too many requests are in flight.
    pub(crate) fn begin(session: &Arc<LegacySession>, id: &Id, kind: CallKind) -> Result<Self, Error> {
        let (cancel, cancelled) = oneshot::channel();
        let call = session.put_in_flight(id.clone(), kind, cancel)?;
        Ok(Self { session: session.clone(), call, cancelled })
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
