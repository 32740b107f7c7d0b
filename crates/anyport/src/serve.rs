//! From a server to a program that serves it.

use std::{
    fmt,
    future::{Future, IntoFuture},
    io,
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
};

use anyport_adapters::LegacyClientLimits;
use anyport_metrics::Metrics;
use anyport_server::{BuildError, Server, StartError};
use anyport_service::Service;
#[cfg(feature = "http")]
use anyport_transport::http;
#[cfg(feature = "stdio")]
use anyport_transport::stdio;
#[cfg(feature = "unix")]
use anyport_transport::unix;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    layer::{CatchPanicLayer, Layer as _, LegacyClientLayer, ServiceBuilder},
    signals::Signals,
    stack::{EdgeLimits, edge},
};

/// Serves `server` to clients of every revision. Say how they reach it, and await:
///
/// ```no_run
/// # use anyport::Server;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = || Server::builder("shop", "1.0.0").build();
/// // For a client that starts this program and talks to it on standard input and output.
/// anyport::serve(server()?).stdio().await?;
///
/// // For clients on this machine: over HTTP at http://127.0.0.1:3020/mcp, and on a Unix socket.
/// anyport::serve(server()?).http(([127, 0, 0, 1], 3020)).unix("/run/user/1000/shop.sock").await?;
/// # Ok(())
/// # }
/// ```
///
/// It does this, in order: it binds every address, so that an address in use is reported before anything starts; runs
/// the hooks of [`Builder::on_start`](anyport_server::Builder::on_start); serves until SIGINT or SIGTERM, until the
/// future of [`Serve::until`] completes, or, with [`Serve::stdio`], until the client closes its side; ends listen
/// streams and lets running calls finish, within the drain time of each transport; and runs the hooks of
/// [`Builder::on_stop`](anyport_server::Builder::on_stop). A second signal ends it at once.
///
/// The server gets the layers that every program needs: a panic of a handler fails its call alone, legacy clients
/// receive requests inline, and the number of concurrent calls is bounded ([`Serve::max_concurrent_calls`]). A program
/// that wants other layers assembles them and calls [`serve_service`].
pub fn serve(server: Server) -> Serve {
    let service = ServiceBuilder::new()
        // Handlers ask by result; clients of older revisions are asked inline.
        .layer(LegacyClientLayer::new(LegacyClientLimits::default(), server.metrics()))
        // A handler that panics fails its call, not the process.
        .layer(CatchPanicLayer)
        .service(server.clone());
    Serve { server: Some(server), bounded: Some(MAX_CONCURRENT_CALLS), ..serve_service(service) }
}

/// Serves any service, as it is: no layer is put around it, and there is nothing to start or stop.
///
/// A service with server requests needs [`crate::with_legacy_clients`] around it.
pub fn serve_service(service: impl Service) -> Serve {
    Serve {
        service: Arc::new(service),
        server: None,
        bounded: None,
        ways: Vec::new(),
        #[cfg(feature = "http")]
        plain: false,
        open: false,
        until: None,
        listening: None,
    }
}

const MAX_CONCURRENT_CALLS: usize = 1024;

/// How a server is to be served; see [`serve`]. Awaiting it serves.
#[must_use = "nothing is served until this is awaited"]
pub struct Serve {
    service: Arc<dyn Service>,
    server: Option<Server>,
    bounded: Option<usize>,
    ways: Vec<Way>,
    #[cfg(feature = "http")]
    plain: bool,
    open: bool,
    until: Option<Shutdown>,
    listening: Option<Tell>,
}

type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;
type Tell = Box<dyn FnMut(&ListenAddr) + Send>;

/// A way for clients to reach the server.
enum Way {
    #[cfg(feature = "stdio")]
    Stdio(stdio::Config),
    #[cfg(feature = "http")]
    Http(SocketAddr, Box<http::Config>),
    #[cfg(feature = "unix")]
    Unix(PathBuf, unix::Config),
}

/// The address at which clients reach the server. Its text is the URL or path for a client's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddr {
    /// Standard input and output.
    Stdio,
    /// An HTTP listener: its address, with the port that the system chose for port 0, and the path of the MCP endpoint.
    Http(SocketAddr, String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio => f.write_str("standard input and output"),
            Self::Http(address, path) => write!(f, "http://{address}{path}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why serving did not begin, or ended: what a `main` may return that builds a server and serves it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// There is no server to serve.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// No way for clients was given.
    #[error(
        "no client could reach the server: say how, with stdio(), http(..) or unix(..), before awaiting serve(..)"
    )]
    Nowhere,
    /// The HTTP listener was not opened.
    #[cfg(feature = "http")]
    #[error(transparent)]
    Http(#[from] http::Refused),
    /// The Unix socket was not opened.
    #[cfg(feature = "unix")]
    #[error(transparent)]
    Unix(#[from] unix::Refused),
    /// A start hook failed.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The operating system did not do its part.
    #[error("cannot {what}: {source}")]
    Io {
        /// The attempted operation.
        what: &'static str,
        /// Why it was not.
        source: io::Error,
    },
    /// A second signal cut what was still running.
    #[error("cut by a second signal")]
    Cut,
}

/// Its words: this is what people read when `main` returns it.
impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ServeError {
    fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}

impl Serve {
    /// To the client that started this process, on standard input and output. When that ends its side, everything ends.
    /// Nothing else may write to standard output.
    #[cfg(feature = "stdio")]
    pub fn stdio(self) -> Self {
        self.stdio_with(stdio::Config::default())
    }

    /// The same, with a configuration.
    #[cfg(feature = "stdio")]
    pub fn stdio_with(mut self, config: stdio::Config) -> Self {
        self.ways.push(Way::Stdio(config));
        self
    }

    /// Over Streamable HTTP at `address`; port 0 lets the system choose, see [`Serve::on_listening`]. The MCP endpoint is
    /// `/mcp`.
    ///
    /// On loopback anyone on this machine may call. Elsewhere callers must authenticate
    /// ([`http::Config::authentication`]), unless [`Serve::allow_anonymous`] says otherwise.
    #[cfg(feature = "http")]
    pub fn http(self, address: impl Into<SocketAddr>) -> Self {
        self.http_with(address, http::Config::default())
    }

    /// The same, with a configuration: tokens, hosts and origins, limits, other routes.
    #[cfg(feature = "http")]
    pub fn http_with(mut self, address: impl Into<SocketAddr>, config: http::Config) -> Self {
        self.ways.push(Way::Http(address.into(), Box::new(config)));
        self
    }

    /// Over Streamable HTTP at `address`, and WebSockets at `/ws` beside it.
    #[cfg(feature = "websocket")]
    pub fn websocket(self, address: impl Into<SocketAddr>) -> Self {
        let websocket = Some(anyport_transport::websocket::Config::default());
        self.http_with(address, http::Config { websocket, ..http::Config::default() })
    }

    /// To programs that speak no MCP as well, wherever it is served over HTTP: `POST /mcp/call` with a tool's name and
    /// arguments, `GET /mcp/tools`, and `GET /health`. See [`http::rest`](anyport_transport::http::rest).
    #[cfg(feature = "http")]
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// To processes of the same user, on a Unix socket at `path`.
    #[cfg(feature = "unix")]
    pub fn unix(self, path: impl AsRef<std::path::Path>) -> Self {
        self.unix_with(path, unix::Config::default())
    }

    /// The same, with a configuration: other users, limits.
    #[cfg(feature = "unix")]
    pub fn unix_with(mut self, path: impl AsRef<std::path::Path>, config: unix::Config) -> Self {
        self.ways.push(Way::Unix(path.as_ref().to_owned(), config));
        self
    }

    /// Lets anyone call over HTTP who can reach an address, even from other machines.
    pub fn allow_anonymous(mut self) -> Self {
        self.open = true;
        self
    }

    /// Calls that may run at once (`max_concurrent_calls`); more are refused at once. Default 1,024; a service of
    /// [`serve_service`] has no bound unless it is given one here.
    pub fn max_concurrent_calls(mut self, limit: usize) -> Self {
        self.bounded = Some(limit);
        self
    }

    /// Stops when `future` completes, and no longer at a signal: that is up to the program then.
    pub fn until(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Some(Box::pin(future));
        self
    }

    /// Calls `tell` with each place when clients can reach the server there.
    pub fn on_listening(mut self, tell: impl FnMut(&ListenAddr) + Send + 'static) -> Self {
        self.listening = Some(Box::new(tell));
        self
    }

    async fn run(self) -> Result<(), ServeError> {
        #[cfg(feature = "http")]
        let plain = self.plain;
        let Self { service, server, bounded, ways, open, until, mut listening, .. } = self;
        if ways.is_empty() {
            return Err(ServeError::Nowhere);
        }
        // Signals are caught from here on: a program that is stopped while it starts must still run its hooks.
        let mut ends = Ends::new(until)?;
        let mut bound = Vec::new();
        #[cfg_attr(not(feature = "http"), expect(unused_mut, reason = "only HTTP has something to be set"))]
        for mut way in ways {
            #[cfg(feature = "http")]
            #[allow(irrefutable_let_patterns, reason = "without other features it is the only way")]
            if let Way::Http(_, config) = &mut way {
                config.plain |= plain;
            }
            bound.push(Bound::of(way, open).await?);
        }
        let places = bound.iter().map(Bound::place).collect::<Result<Vec<_>, _>>()?;
        if let Some(server) = &server {
            // Of a start that is not waited for, `end` waits.
            let started = tokio::select! {
                biased;
                started = server.start() => Some(started),
                () = ends.next() => None,
            };
            if !matches!(started, Some(Ok(()))) {
                // The next process finds the addresses free, and no client waits for us.
                drop(bound);
                let told = started.is_none();
                end(server, &mut ends, told).await?;
                return started.unwrap_or(Ok(())).map_err(Into::into);
            }
        }
        for place in &places {
            tracing::info!(%place, "listening");
            if let Some(listening) = &mut listening {
                listening(place);
            }
        }
        let metrics = server.as_ref().map_or_else(Metrics::new, |server| server.metrics().clone());
        let service = self::bounded(service, bounded, &metrics);
        let (stopping, _) = watch::channel(false);
        let mut serving = JoinSet::new();
        for bound in bound {
            let mut stop = stopping.subscribe();
            let stop = async move { drop(stop.wait_for(|stop| *stop).await) };
            serving.spawn(bound.serve(service.clone(), stop));
        }
        let mut outcome = Ok(());
        // Clients that started us close their side, and send a signal soon after: that is the first one.
        let mut told = false;
        loop {
            tokio::select! {
                ended = serving.join_next() => match ended {
                    Some(ended) => {
                        let ended = ended.unwrap_or_else(|panic| {
                            Err(ServeError::io("serve")(io::Error::other(panic.to_string())))
                        });
                        outcome = outcome.and(ended);
                        // The client that started us is gone, or a way has failed: either is a reason to end all.
                        stop(server.as_ref(), &stopping);
                    }
                    None => break,
                },
                // The second time it says that nothing is to be waited for.
                () = ends.next() => {
                    if told {
                        return Err(ServeError::Cut);
                    }
                    told = true;
                    stop(server.as_ref(), &stopping);
                }
            }
        }
        if let Some(server) = server {
            end(&server, &mut ends, told).await?;
        }
        outcome
    }
}

impl IntoFuture for Serve {
    type Output = Result<(), ServeError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Serves. On a tokio runtime with I/O and time.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("server", &self.server)
            .field("ways", &self.ways.len())
            .finish_non_exhaustive()
    }
}

/// Ends listen streams, which have no end of their own, and stops every transport.
fn stop(server: Option<&Server>, stopping: &watch::Sender<bool>) {
    if let Some(server) = server {
        server.close();
    }
    stopping.send_replace(true);
}

/// Stops the started server, unless a second signal ends the program at once. `told`: there was a first one.
async fn end(server: &Server, ends: &mut Ends, told: bool) -> Result<(), ServeError> {
    let cut = async {
        if !told {
            ends.next().await;
        }
        ends.next().await;
    };
    tokio::select! {
        () = server.stop() => Ok(()),
        () = cut => Err(ServeError::Cut),
    }
}

/// The outer layers, where a limit is set.
fn bounded(service: Arc<dyn Service>, limit: Option<usize>, metrics: &Metrics) -> Arc<dyn Service> {
    let Some(max_concurrent_calls) = limit else { return service };
    let limits = EdgeLimits { max_concurrent_calls, quota: None, call_timeout: None };
    Arc::new(edge(&limits, metrics).layer(service))
}

/// The future that requests the stop.
enum Ends {
    Signals(Signals),
    Future(Shutdown),
    /// It has been said.
    Said,
}

impl Ends {
    fn new(until: Option<Shutdown>) -> Result<Self, ServeError> {
        match until {
            Some(future) => Ok(Self::Future(future)),
            None => Signals::new().map(Self::Signals).map_err(ServeError::io("listen for signals")),
        }
    }

    /// Completes when it is said: at every signal, or once.
    async fn next(&mut self) {
        match self {
            Self::Signals(signals) => signals.next().await,
            Self::Future(future) => {
                future.await;
                *self = Self::Said;
            }
            Self::Said => std::future::pending().await,
        }
    }
}

/// A way that is open.
enum Bound {
    #[cfg(feature = "stdio")]
    Stdio(stdio::Config),
    #[cfg(feature = "http")]
    Http(Box<http::Listener>, String),
    #[cfg(feature = "unix")]
    Unix(unix::Listener),
}

impl Bound {
    #[cfg_attr(not(feature = "http"), allow(unused_variables, reason = "only HTTP can be reached by others"))]
    async fn of(way: Way, open: bool) -> Result<Self, ServeError> {
        Ok(match way {
            #[cfg(feature = "stdio")]
            Way::Stdio(config) => Self::Stdio(config),
            #[cfg(feature = "http")]
            Way::Http(address, config) => {
                let path = config.path.clone();
                Self::Http(Box::new(http::Listener::bind(address, *config, open).await?), path)
            }
            #[cfg(feature = "unix")]
            Way::Unix(path, config) => Self::Unix(unix::Listener::bind(path, config).await?),
        })
    }

    fn place(&self) -> Result<ListenAddr, ServeError> {
        Ok(match self {
            #[cfg(feature = "stdio")]
            Self::Stdio(_) => ListenAddr::Stdio,
            #[cfg(feature = "http")]
            Self::Http(listener, path) => {
                let address = listener.address().map_err(ServeError::io("tell the address"))?;
                ListenAddr::Http(address, path.clone())
            }
            #[cfg(feature = "unix")]
            Self::Unix(listener) => ListenAddr::Unix(listener.path().to_owned()),
        })
    }

    async fn serve(
        self,
        service: Arc<dyn Service>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ServeError> {
        match self {
            #[cfg(feature = "stdio")]
            Self::Stdio(config) => {
                stdio::serve(service, config, stop).await.map_err(ServeError::io("serve on standard streams"))
            }
            #[cfg(feature = "http")]
            Self::Http(listener, _) => {
                listener.serve(service, stop).await.map_err(ServeError::io("serve over HTTP"))
            }
            #[cfg(feature = "unix")]
            Self::Unix(listener) => {
                listener.serve(service, stop).await.map_err(ServeError::io("serve on the Unix socket"))
            }
        }
    }
}
