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

impl Target {
    /// The text that identifies the server: its URL, its command with arguments and folder, or the path of its socket. A
    /// stream or a service has none: the next one may lead to another server.
    pub fn identity(&self) -> Option<String> {
        match self {
            #[cfg(feature = "client-child")]
            Self::Command(command) => Some(format!("{:?}", (&command.program, &command.args, &command.cwd))),
            #[cfg(feature = "client-http")]
            Self::Http(endpoint) => Some(endpoint.url().to_owned()),
            #[cfg(feature = "client-websocket")]
            Self::WebSocket(endpoint) => Some(endpoint.url()),
            #[cfg(all(feature = "client-unix", unix))]
            Self::Unix(path) => Some(format!("{path:?}")),
            Self::Stream(_) | Self::Service(_) => None,
        }
    }
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
