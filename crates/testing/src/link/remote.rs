use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;

use super::{Link, Way, channel::Channel, http::Http, sse::Sse};
use crate::Lost;

/// A server that runs already and listens for HTTP, and the headers by which a client is known to it.
///
/// ```no_run
/// # use anyport_protocol::Revision;
/// # use anyport_testing::{Lost, Remote, Wire};
/// # async fn visit() -> Result<(), Lost> {
/// let alice = Remote::new(([127, 0, 0, 1], 3020).into()).bearer("a secret");
/// let mut wire = Wire::over(alice.http("/mcp"));
/// wire.open(Revision::NEWEST).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Remote {
    address: SocketAddr,
    headers: HeaderMap,
}

impl Remote {
    /// The server at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, headers: HeaderMap::new() }
    }

    /// Sends this header with every request, beside those that MCP asks for.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Presents a bearer token. One that no header can hold is presented as an empty one.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        self.header(http::header::AUTHORIZATION, value.unwrap_or(HeaderValue::from_static("Bearer ")))
    }

    /// Over Streamable HTTP, by the path of the MCP endpoint.
    pub fn http(&self, path: impl Into<String>) -> Link {
        let (out, inbox) = mpsc::unbounded_channel();
        Link { way: Way::Http(Http::new(self.address, self.headers.clone(), path.into(), out)), inbox }
    }

    /// Over HTTP+SSE of 2024-11-05, by the path of its stream.
    ///
    /// # Errors
    /// When the stream was not opened: [`Lost::Status`] says how it was refused.
    pub async fn sse(&self, path: &str) -> Result<Link, Lost> {
        let (out, inbox) = mpsc::unbounded_channel();
        Ok(Link { way: Way::Sse(Sse::open(self.address, self.headers.clone(), path, out).await?), inbox })
    }

    /// Over a WebSocket at this path.
    ///
    /// # Errors
    /// When it was not opened: [`Lost::Status`] says how it was refused.
    pub async fn websocket(&self, path: &str) -> Result<Link, Lost> {
        let (out, inbox) = mpsc::unbounded_channel();
        Ok(Link { way: Way::Channel(Channel::open(self.address, &self.headers, path, out).await?), inbox })
    }
}
