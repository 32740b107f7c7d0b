//! One server for many clients, with every way to it that begins with an HTTP request.

use std::net::SocketAddr;

use anyport::{Service, http, websocket};
use anyport_testing::{Link, Lost, Remote};
use axum::{Router, serve::ListenerExt as _};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{AbortHandle, spawn},
};

use crate::http2_front::Http2Front;

/// A server that listens on a free port of loopback until this is dropped.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    prefix: &'static str,
    /// Told when this is dropped.
    _stop: Option<oneshot::Sender<()>>,
    mounted: Option<AbortHandle>,
    /// What speaks HTTP/2 with it, and is at its address.
    front: Option<Http2Front>,
}

/// A way to a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
    /// A WebSocket.
    WebSocket,
}

impl Way {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Http, Self::Sse, Self::WebSocket];
}

impl Site {
    /// Serves on a listener of ours.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn listen(service: impl Service, config: http::Config) -> Result<Self, Lost> {
        let address = ([127, 0, 0, 1], 0).into();
        let listener = http::Listener::bind(address, every_way(config), false).await?;
        let address = listener.address()?;
        let (stop, stopped) = oneshot::channel::<()>();
        spawn(listener.serve(service, async { drop(stopped.await) }));
        Ok(Self { address, prefix: "", _stop: Some(stop), mounted: None, front: None })
    }

    /// Serves on a listener of ours, which clients of HTTP/1.1 reach by HTTP/2.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn listen_http2(service: impl Service, config: http::Config) -> Result<Self, Lost> {
        let mut site = Self::listen(service, config).await?;
        let front = Http2Front::start(site.address).await?;
        site.address = front.address();
        site.front = Some(front);
        Ok(site)
    }

    /// Serves within an axum application, nested under a path of it.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn mount(service: impl Service, config: http::Config) -> Result<Self, Lost> {
        let endpoint = http::Endpoint::new(service, every_way(config));
        let app = Router::new().nest("/app", http::axum::router(&endpoint));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        // axum leaves Nagle's algorithm on; small messages would wait for those before them to be acknowledged.
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let serving = spawn(axum::serve(listener, app).into_future());
        Ok(Self { address, prefix: "/app", _stop: None, mounted: Some(serving.abort_handle()), front: None })
    }

    /// Whether it is reached in this way: over HTTP/2 there are no WebSockets.
    pub fn has(&self, way: Way) -> bool {
        self.front.is_none() || way != Way::WebSocket
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What reaches it.
    pub fn remote(&self) -> Remote {
        Remote::new(self.address)
    }

    /// Where a path of the endpoint is.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// Reaches it in this way, as `remote` says.
    ///
    /// # Errors
    /// When a stream or a WebSocket is not opened.
    pub async fn link(&self, way: Way, remote: &Remote) -> Result<Link, Lost> {
        match way {
            Way::Http => Ok(remote.http(self.path("/mcp"))),
            Way::Sse => remote.sse(&self.path("/sse")).await,
            Way::WebSocket => remote.websocket(&self.path("/ws")).await,
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(serving) = &self.mounted {
            serving.abort();
        }
    }
}

fn every_way(config: http::Config) -> http::Config {
    config.sse(true).websocket(websocket::Config::default())
}
