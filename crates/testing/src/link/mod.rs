//! A link that carries messages between a [`crate::Wire`] and a service.

mod arrival;
mod channel;
mod child;
mod http;
pub(crate) mod remote;
mod sse;
mod stdio;
mod within;

use std::{io, net::SocketAddr};

use ::http::HeaderMap;
use anyport_service::Service;
use anyport_transport::{http as transport, memory, stdio as standard, unix};
use tokio::sync::mpsc;

pub(crate) use arrival::{Arrival, Exchange};

use crate::Lost;
use channel::Channel;
use http::Http;
use sse::Sse;
use stdio::Stdio;
use within::Within;

/// A transport, and the service at its other end.
#[derive(Debug)]
pub struct Link {
    way: Way,
    inbox: mpsc::UnboundedReceiver<(Exchange, Arrival)>,
}

#[derive(Debug)]
enum Way {
    Channel(Channel),
    Stdio(Stdio),
    Http(Http),
    Sse(Sse),
    Within(Within),
}

impl Link {
    /// Serves `service` on standard streams in memory.
    pub fn stdio(service: impl Service) -> Self {
        Self::stdio_with(service, standard::Config::default())
    }

    /// Serves `service` on standard streams in memory, as `config` says.
    pub fn stdio_with(service: impl Service, config: standard::Config) -> Self {
        let (out, inbox) = mpsc::unbounded_channel();
        Self { way: Way::Stdio(Stdio::serve(service, config, out)), inbox }
    }

    /// Starts a server as a process of its own, in whatever language, and reaches it over its standard streams. It is
    /// killed when the link is dropped and it does not end by itself.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn command(command: tokio::process::Command) -> Result<Self, Lost> {
        let (out, inbox) = mpsc::unbounded_channel();
        Ok(Self { way: Way::Channel(Channel::child(command, out)?), inbox })
    }

    /// Serves `service` in memory: messages as they are, without framing.
    pub fn memory(service: impl Service, config: memory::Config) -> Self {
        let (out, inbox) = mpsc::unbounded_channel();
        Self { way: Way::Channel(Channel::memory(service, config, out)), inbox }
    }

    /// Serves `service` on a Unix socket in a folder of its own.
    ///
    /// # Errors
    /// When there can be none.
    pub async fn unix(service: impl Service, config: unix::Config) -> Result<Self, Lost> {
        let (out, inbox) = mpsc::unbounded_channel();
        Ok(Self { way: Way::Channel(Channel::unix(service, config, out).await?), inbox })
    }

    /// Serves `service` over HTTP on a free port of loopback, and opens a WebSocket there.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn websocket(service: impl Service, config: transport::Config) -> Result<Self, Lost> {
        let (out, inbox) = mpsc::unbounded_channel();
        Ok(Self { way: Way::Channel(Channel::websocket(service, config, out).await?), inbox })
    }

    /// Serves `service` over HTTP on a free port of loopback.
    ///
    /// # Errors
    /// When there is none.
    pub async fn http(service: impl Service, config: transport::Config) -> Result<Self, Lost> {
        let (out, inbox) = mpsc::unbounded_channel();
        Ok(Self { way: Way::Http(Http::serve(service, config, out).await?), inbox })
    }

    /// Reaches an HTTP endpoint of the same process, with neither sockets nor threads: tokio's clock can be paused. It
    /// stays open when the link is closed.
    pub fn endpoint(endpoint: &transport::Endpoint) -> Self {
        let (out, inbox) = mpsc::unbounded_channel();
        Self { way: Way::Within(Within::new(endpoint.clone(), out)), inbox }
    }

    /// Serves `service` over HTTP on a free port of loopback, and reaches it by HTTP+SSE of 2024-11-05. No revision from
    /// 2026-07-28 on can be spoken over it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn sse(service: impl Service, config: transport::Config) -> Result<Self, Lost> {
        let (out, inbox) = mpsc::unbounded_channel();
        Ok(Self { way: Way::Sse(Sse::serve(service, config, out).await?), inbox })
    }

    /// Reaches a server that runs already, by the address and the path of its MCP endpoint. [`Remote`](crate::Remote) does so over other
    /// transports, and with headers.
    pub fn connect(address: SocketAddr, path: impl Into<String>) -> Self {
        let (out, inbox) = mpsc::unbounded_channel();
        Self { way: Way::Http(Http::new(address, HeaderMap::new(), path.into(), out)), inbox }
    }

    /// Whether this is Streamable HTTP, where every request has a response of its own.
    pub fn is_http(&self) -> bool {
        matches!(self.way, Way::Http(_) | Way::Within(_))
    }

    /// Where the HTTP server listens.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.way {
            Way::Http(http) => Some(http.address()),
            Way::Sse(sse) => Some(sse.address()),
            Way::Stdio(_) | Way::Channel(_) | Way::Within(_) => None,
        }
    }

    /// The path to which a client of HTTP+SSE posts; it names the session.
    pub fn messages(&self) -> Option<&str> {
        match &self.way {
            Way::Sse(sse) => Some(sse.messages()),
            Way::Stdio(_) | Way::Channel(_) | Way::Http(_) | Way::Within(_) => None,
        }
    }

    /// Ends the client's side, and waits until the service is no longer served.
    ///
    /// # Errors
    /// What serving ended with.
    pub async fn close(self) -> io::Result<()> {
        match self.way {
            Way::Channel(channel) => channel.close().await,
            Way::Stdio(stdio) => stdio.close().await,
            Way::Http(http) => http.close().await,
            Way::Sse(sse) => sse.close().await,
            Way::Within(_) => Ok(()),
        }
    }

    /// Sends the text of a message; `headers` are for HTTP only.
    pub(crate) fn send(&mut self, text: &str, headers: Vec<(String, String)>) -> Result<Exchange, Lost> {
        match &mut self.way {
            Way::Channel(channel) => channel.send(text).map(|()| Exchange::CHANNEL),
            Way::Stdio(stdio) => stdio.send(text).map(|()| Exchange::CHANNEL),
            Way::Http(http) => Ok(http.post(text, headers)),
            Way::Within(within) => Ok(within.post(text, headers)),
            Way::Sse(sse) => sse.send(text, headers).map(|()| Exchange::CHANNEL),
        }
    }

    /// Opens the stream for messages that belong to no request; `None` if the transport has no such stream.
    pub(crate) fn get(&mut self, headers: Vec<(String, String)>) -> Option<Exchange> {
        match &mut self.way {
            Way::Stdio(_) | Way::Sse(_) | Way::Channel(_) => None,
            Way::Http(http) => Some(http.get(headers)),
            Way::Within(within) => Some(within.get(headers)),
        }
    }

    /// Cuts an HTTP response off. Returns whether there was one to cut.
    pub(crate) fn cut(&mut self, exchange: Exchange) -> bool {
        match &mut self.way {
            Way::Stdio(_) | Way::Sse(_) | Way::Channel(_) => false,
            Way::Http(http) => http.cut(exchange),
            Way::Within(within) => within.cut(exchange),
        }
    }

    /// Returns the next message, or `None` if the link is over.
    pub(crate) async fn receive(&mut self) -> Option<(Exchange, Arrival)> {
        self.inbox.recv().await
    }
}
