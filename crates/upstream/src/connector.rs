//! The interface of this crate to connections.

use std::{future::Future, pin::Pin, sync::Arc};

use anyport_protocol::{Raw, Revision, session::client::NegotiatedSession};
use anyport_service::{Peer, Service};

/// Connects to one server, as often as asked to.
pub trait Connector: Send + Sync + 'static {
    /// Opens a connection on behalf of `client`.
    fn connect(
        &self,
        client: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>>;
}

/// The client of a connection. A legacy server learns it once, for the whole connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// The client's capabilities, as in `initialize`.
    pub capabilities: Raw,
    /// The client's name and version; `None`: the connector declares its own.
    pub info: Option<Raw>,
}

/// A connection. It is dropped as a whole, or closed.
pub struct Connected {
    /// Takes requests in the newest vocabulary. A call that loses its connection ends with
    /// [`Failure::Disconnected`](anyport_protocol::failure::Failure::Disconnected), or a failure that says more.
    pub service: Arc<dyn Service>,
    /// What was agreed with the server.
    pub session: Arc<NegotiatedSession>,
    /// The server, outside any call.
    pub peer: Peer,
    /// Closes the connection once it is polled, also if others hold it, and completes when nothing of it is left.
    pub close: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// The facts about a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// The revision that it speaks.
    pub revision: Revision,
    /// Its `DiscoverResult`.
    pub discovered: Raw,
}

impl ServerInfo {
    pub(crate) fn of(session: &NegotiatedSession) -> Self {
        Self { revision: session.revision(), discovered: session.discovered().clone() }
    }
}

/// Why there is no connection, for a person: what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError(pub String);

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConnectError {}
