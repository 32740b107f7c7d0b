use std::{fmt, sync::Arc};

use anyport_protocol::{Raw, Revision, session::client::NegotiatedSession};
use anyport_service::{Context, Peer, Reply, Request, Service};

use super::CloseReason;

/// A connection to a server, as a service: requests in the newest vocabulary, replies in it.
///
/// Clones are the same connection; dropping the last one closes it.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    session: Arc<NegotiatedSession>,
    transport: Box<dyn Transport>,
    peer: Peer,
}

/// Carries the calls of one connection.
pub(super) trait Transport: Send + Sync + 'static {
    /// Carries one request of the newest vocabulary. The reply is in it, too; dropping it cancels the request.
    fn call(&self, request: Request, context: Context) -> Reply;

    /// Begins to close: sends only what closing needs. The peer's channel is closed when that is done.
    fn close(&self);
}

impl Connection {
    pub(super) fn new(session: Arc<NegotiatedSession>, transport: Box<dyn Transport>, peer: Peer) -> Self {
        Self(Arc::new(Inner { session, transport, peer }))
    }

    /// What was agreed with the server.
    pub fn session(&self) -> &Arc<NegotiatedSession> {
        &self.0.session
    }

    /// The revision that the server speaks.
    pub fn revision(&self) -> Revision {
        self.0.session.revision()
    }

    /// What the server offers: a `DiscoverResult`, in the newest vocabulary whatever the server speaks.
    pub fn discovered(&self) -> &Raw {
        self.0.session.discovered()
    }

    /// The server, outside any call. It does not keep the connection open.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Completes when the connection is over, with the reason. Cancel-safe; may be called any number of times.
    pub async fn closed(&self) -> CloseReason {
        self.0.peer.closed().await
    }

    /// Closes the connection, whoever else holds it, and waits until nothing of it is left: no process, no descriptor.
    pub async fn close(self) {
        let closed = self.0.peer.closed();
        self.0.transport.close();
        drop(self);
        closed.await;
    }
}

impl Service for Connection {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.0.transport.call(request, context)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.transport.close();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("revision", &self.revision()).finish_non_exhaustive()
    }
}
