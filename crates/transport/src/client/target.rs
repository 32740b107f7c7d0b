use std::{fmt, sync::Arc};

use anyport_service::Service;

use super::dial::Dial;

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
