//! The interface of this crate to connections.

use std::{future::Future, pin::Pin, sync::Arc};

use anyport_protocol::{Raw, Revision, session::client::NegotiatedSession};
use anyport_service::{Peer, Service};

use crate::era::{Era, ServedEras};

/// Connects to one server, as often as asked to.
pub trait Connector: Send + Sync + 'static {
    /// Opens a connection on behalf of `client`, in the era that it prefers if the server has that.
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
    /// Whether a server of both eras is to speak a legacy revision on this connection. A server that has none speaks a
    /// modern one all the same.
    pub legacy_first: bool,
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

/// What a server was last found to be, which may differ for callers of either era if it speaks both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownServer {
    for_modern: Option<Arc<ServerInfo>>,
    for_legacy: Option<Arc<ServerInfo>>,
}

impl KnownServer {
    /// What the server is for callers of `revision`. `None`: that is not known.
    pub fn for_callers_of(&self, revision: Revision) -> Option<&Arc<ServerInfo>> {
        match Era::of(revision) {
            Era::Modern => self.for_modern.as_ref(),
            Era::Legacy => self.for_legacy.as_ref(),
        }
    }

    /// Learns what the server is in the era of `info`, of those that it speaks.
    pub(crate) fn found(&mut self, info: Arc<ServerInfo>, eras: ServedEras) {
        let era = Era::of(info.revision);
        if eras.for_calls(Era::Modern) == Some(era) {
            self.for_modern = Some(info.clone());
        }
        if eras.for_calls(Era::Legacy) == Some(era) {
            self.for_legacy = Some(info);
        }
    }
}

impl ServerInfo {
    pub(crate) fn of(session: &NegotiatedSession) -> Self {
        Self { revision: session.revision(), discovered: session.discovered().clone() }
    }
}

/// Why there is no connection, for a person: what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    why: String,
    is_final: bool,
}

impl ConnectError {
    /// A later attempt may succeed.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_final: false }
    }

    /// No later attempt can succeed, and none is made.
    pub fn never(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_final: true }
    }

    /// Whether no later attempt can succeed.
    pub fn is_final(&self) -> bool {
        self.is_final
    }
}

impl std::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for ConnectError {}
