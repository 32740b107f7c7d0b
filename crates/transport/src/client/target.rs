use std::{fmt, sync::Arc};

use anyport_service::Service;

use super::{ConnectError, ConnectOptions, Connection, Dial, duplex, eras::may_be_another, service};

/// Where a server is.
#[derive(Clone)]
// With one transport alone its variant is by far the largest; there is one value for a connection.
#[allow(clippy::large_enum_variant)]
#[non_exhaustive]
pub enum Target {
    /// A program that speaks on its standard streams and is started for this connection.
    #[cfg(feature = "client-child")]
    Command(super::child::Command),
    /// A URL.
    #[cfg(feature = "client-http")]
    Http(super::http::Endpoint),
    /// The URL of a WebSocket.
    #[cfg(feature = "client-websocket")]
    WebSocket(super::websocket::Endpoint),
    /// A Unix socket.
    #[cfg(all(feature = "client-unix", unix))]
    Unix(std::path::PathBuf),
    /// Streams of bytes that are made for us, with a message a line.
    Stream(Dial),
    /// A service of this process, over the in-memory transport.
    Service(Arc<dyn Service>),
}

/// Connects to the server at `target`, finds out what it speaks and opens it.
///
/// Must be called inside a tokio runtime, and the connection lives in it.
///
/// # Errors
/// Each variant of [`ConnectError`] says what was wrong and what to do.
pub async fn connect(target: &Target, opening: &ConnectOptions) -> Result<Connection, ConnectError> {
    if opening.revision.is_some() {
        return open(target, opening).await;
    }
    if let Some(known) = opening.eras.known(target) {
        match open(target, &ConnectOptions { revision: Some(known), ..opening.clone() }).await {
            Err(error) if may_be_another(&error) => {
                tracing::debug!(%error, "the server is no longer what it was; it is probed again");
                opening.eras.forget(target);
            }
            opened => return opened,
        }
    }
    let connection = open(target, opening).await?;
    opening.eras.learn(target, connection.revision());
    Ok(connection)
}

async fn open(target: &Target, opening: &ConnectOptions) -> Result<Connection, ConnectError> {
    let opened = match target {
        #[cfg(feature = "client-child")]
        Target::Command(command) => duplex::open(command, opening).await,
        #[cfg(feature = "client-http")]
        Target::Http(endpoint) => super::http::open(endpoint, opening).await,
        #[cfg(feature = "client-websocket")]
        Target::WebSocket(endpoint) => duplex::open(&super::websocket::Upgraded(endpoint), opening).await,
        #[cfg(all(feature = "client-unix", unix))]
        Target::Unix(path) => duplex::open(&super::unix::Socket(path), opening).await,
        Target::Stream(dial) => duplex::open(dial, opening).await,
        Target::Service(service) => duplex::open(&service::InProcess(service.clone()), opening).await,
    };
    opened.map(Connection::new)
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "client-child")]
            Self::Command(command) => command.fmt(f),
            #[cfg(feature = "client-http")]
            Self::Http(endpoint) => endpoint.fmt(f),
            #[cfg(feature = "client-websocket")]
            Self::WebSocket(endpoint) => endpoint.fmt(f),
            #[cfg(all(feature = "client-unix", unix))]
            Self::Unix(path) => f.debug_tuple("Unix").field(path).finish(),
            Self::Stream(dial) => f.debug_tuple("Stream").field(dial).finish(),
            Self::Service(_) => f.write_str("Service(..)"),
        }
    }
}
