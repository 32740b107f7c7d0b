use std::sync::Arc;

use anyport_service::{Principal, sync::Lock};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::caller_key::CallerKey;
use crate::dialogue::{Frame, LegacySession};

/// The session of one client of HTTP+SSE: the stream that it has opened, and the queue of what it posts.
pub(super) struct Channel {
    pub(super) session: Arc<LegacySession>,
    pub(super) caller: CallerKey,
    pub(super) input: mpsc::Sender<Frame>,
    last_activity: Lock<Instant>,
    end: Notify,
}

impl Channel {
    pub(super) fn new(session: Arc<LegacySession>, caller: CallerKey, input: mpsc::Sender<Frame>) -> Self {
        Self { session, caller, input, last_activity: Lock::new(Instant::now()), end: Notify::new() }
    }

    pub(super) fn principal(&self) -> &Principal {
        self.session.principal()
    }

    /// Ends the stream, and what runs in it.
    pub(super) fn end(&self) {
        self.end.notify_one();
    }

    /// Completes when the stream is to end.
    pub(super) async fn ended(&self) {
        self.end.notified().await;
    }

    /// Notes a message in either direction.
    pub(super) fn touch(&self) {
        *self.last_activity.lock() = Instant::now();
    }

    /// The moment of the last message.
    pub(super) fn last_activity(&self) -> Instant {
        *self.last_activity.lock()
    }
}
