//! The other end of a session or connection, outside any call.
//!
//! A [`Service`](crate::Service) answers requests. A [`Peer`] carries what belongs to no request: notifications in both
//! directions, server requests that no call carries, and the end of the connection. It has the same shape at both ends:
//! a server reaches the client of a legacy session by it, a client the server of a connection.
//!
//! Messages outside calls arrive in the order in which they were sent, per direction. No order is promised between them
//! and the reply of a call.

mod channel;
mod event;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use anyport_protocol::{Raw, failure::CloseReason, session::client::Attribution};
use bytestring::ByteString;

pub use self::{
    channel::{EVENT_QUEUE, PeerChannel, PeerEvents},
    event::{PeerEvent, UnsolicitedRequest},
};
use crate::ServerRequest;

/// The id of one session or connection, unique in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(u64);

impl SessionId {
    /// An id that no other session of this process has or had.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }

    /// Its number, which no other session of this process has or had.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// The other end of a session or connection, outside any call.
///
/// Cheap to clone. A `Peer` does not keep the connection open, only what is known of it; a [`WeakPeer`] not even that.
#[derive(Clone)]
pub struct Peer(Arc<dyn PeerTransport>);

impl Peer {
    /// The peer at the other end of `transport`.
    pub fn new(transport: Arc<dyn PeerTransport>) -> Self {
        Self(transport)
    }

    /// The id of the session or connection.
    pub fn id(&self) -> SessionId {
        self.0.id()
    }

    /// Sends a server request, once the peer listens. Its answer goes to the request's responder.
    ///
    /// # Errors
    /// Returns the request if the peer has not declared the capability, if too much waits for it already, or if the
    /// connection is over.
    pub fn request(&self, request: ServerRequest) -> Result<(), ServerRequest> {
        match self.0.send(ToPeer::Request(request)) {
            Err(ToPeer::Request(request)) => Err(request),
            Ok(()) | Err(ToPeer::Notification(..)) => Ok(()),
        }
    }

    /// Sends a notification, once the peer listens. Returns `false` if too much waits for it already, or if the
    /// connection is over.
    ///
    /// A notification that the peer's revision does not have is left out.
    pub fn notify(&self, method: impl Into<ByteString>, params: Raw) -> bool {
        self.0.send(ToPeer::Notification(method.into(), params)).is_ok()
    }

    /// Subscribes to what the peer says outside any call, from now on. Requests that the transport holds because nobody
    /// has claimed them are offered again.
    pub fn subscribe(&self) -> PeerEvents {
        let events = self.0.events().subscribe();
        self.0.subscribed();
        events
    }

    /// How the transport found the calls of the peer's requests that named none: the most doubtful case so far. `None` if
    /// there was no such request.
    pub fn attribution(&self) -> Option<Attribution> {
        self.0.attribution()
    }

    /// Whether the other end is a server that has no stream for what belongs to no call, so that it notifies of no change but
    /// during a call, whatever it has declared.
    pub fn is_silent(&self) -> bool {
        self.0.is_silent()
    }

    /// Completes when the connection is over, with the reason.
    pub fn closed(&self) -> impl Future<Output = CloseReason> + Send + use<> {
        self.0.events().closed()
    }

    /// A handle that does not keep what is known of the connection in memory.
    pub fn downgrade(&self) -> WeakPeer {
        WeakPeer(Arc::downgrade(&self.0))
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peer").field(&self.id()).finish()
    }
}

/// A [`Peer`] that is gone once its connection is: for tables that outlive connections.
#[derive(Clone)]
pub struct WeakPeer(Weak<dyn PeerTransport>);

impl WeakPeer {
    /// The peer at the other end of `transport`, while that exists.
    pub fn new(transport: Weak<dyn PeerTransport>) -> Self {
        Self(transport)
    }

    /// The peer; `None` if its connection is gone.
    pub fn upgrade(&self) -> Option<Peer> {
        self.0.upgrade().map(Peer)
    }

    /// Whether the connection is gone.
    pub fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl fmt::Debug for WeakPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakPeer").field(&self.upgrade()).finish()
    }
}

/// The transport behind a [`Peer`]: a legacy session of a server, a client's connection.
pub trait PeerTransport: Send + Sync + 'static {
    /// The id of the session or connection.
    fn id(&self) -> SessionId;

    /// Queues a message for the peer; never waits.
    ///
    /// # Errors
    /// Returns the message if the peer has not declared the capability, if the queue is full, or if the connection is
    /// over.
    fn send(&self, message: ToPeer) -> Result<(), ToPeer>;

    /// The channel of what the peer says.
    fn events(&self) -> &PeerChannel;

    /// Called after each subscription: whoever can claim a request may have come after it.
    fn subscribed(&self) {}

    /// See [`Peer::attribution`].
    fn attribution(&self) -> Option<Attribution> {
        None
    }

    /// See [`Peer::is_silent`].
    fn is_silent(&self) -> bool {
        false
    }
}

/// A message to the peer that belongs to no call.
#[derive(Debug)]
pub enum ToPeer {
    /// A notification: its method and its params, in the newest vocabulary.
    Notification(ByteString, Raw),
    /// A server request.
    Request(ServerRequest),
}
