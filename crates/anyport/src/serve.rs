//! Serving a server or a service from a program: its transports, addresses, signals and hooks.
//!
//! [`serve()`](crate::serve()) and [`serve_service`] make a [`Serve`]; awaiting it serves.

use std::{
    fmt,
    future::{Future, IntoFuture},
    io,
    pin::Pin,
    sync::Arc,
};

use anyport_adapters::LegacyClientLimits;
use anyport_metrics::Metrics;
use anyport_server::Server;
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
    listen::{Listener, Stop, Transport},
    serve_error::ServeError,
    shutdown::Shutdown,
    stack::{EdgeLimits, edge},
};

#[cfg(feature = "http")]
use crate::protection::Protection;

#[cfg(feature = "http")]
pub use crate::listen::HttpAddr;
pub use crate::{listen::ListenAddr, signals::Signals};
pub use anyport_transport::{BufferLimits, BufferedBytes};

/// Serves any service, as it is: no layer is put around it, and there is nothing to start or stop.
///
/// A service with server requests needs [`crate::with_legacy_clients`] around it.
pub fn serve_service(service: impl Service) -> Serve {
    Serve {
        service: Arc::new(service),
        server: None,
        max_concurrent_calls: None,
        buffers: None,
        transports: Vec::new(),
        #[cfg(feature = "http")]
        rest: false,
        #[cfg(feature = "http")]
        protection: Protection::default(),
        allow_anonymous: false,
        until: None,
        at_hangup: true,
        on_ready: Vec::new(),
        on_stopping: Vec::new(),
        on_stopped: None,
    }
}

/// Runs once every address is listening.
type ReadyHook = Box<dyn FnOnce(&[ListenAddr]) + Send>;

/// Runs when serving begins to stop; takes the number of the signal that stopped it, if one did.
type StoppingHook = Box<dyn FnOnce(Option<u8>) + Send>;

/// Runs after serving has stopped.
type StoppedHook = Box<dyn FnOnce() -> Stop + Send>;

/// A server, the transports on which it is to be served, and how; see [`serve()`](crate::serve()). Awaiting it serves.
#[must_use = "nothing is served until this is awaited"]
pub struct Serve {
    service: Arc<dyn Service>,
    /// Started before and stopped after serving.
    server: Option<Server>,
    max_concurrent_calls: Option<usize>,
    buffers: Option<BufferedBytes>,
    transports: Vec<Transport>,
    #[cfg(feature = "http")]
    rest: bool,
    #[cfg(feature = "http")]
    protection: Protection,
    allow_anonymous: bool,
    until: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Whether SIGHUP stops it.
    at_hangup: bool,
    on_ready: Vec<ReadyHook>,
    on_stopping: Vec<StoppingHook>,
    on_stopped: Option<StoppedHook>,
}

impl Serve {
    /// `server` with the layers that every program needs.
    pub(crate) fn server(server: Server) -> Self {
        let service = ServiceBuilder::new()
            // Handlers ask by result; clients of older revisions are asked inline.
            .layer(LegacyClientLayer::new(LegacyClientLimits::default(), server.metrics()))
            // A handler that panics fails its call, not the process.
            .layer(CatchPanicLayer)
            .service(server.clone());
        let limits = EdgeLimits::default();
        Self {
            server: Some(server),
            max_concurrent_calls: Some(limits.max_concurrent_calls),
            ..serve_service(service)
        }
    }

    /// To the client that started this process, on standard input and output. When that ends its side, everything ends.
    /// Nothing else may write to standard output.
    #[cfg(feature = "stdio")]
    pub fn stdio(self) -> Self {
        self.stdio_with(stdio::Config::default())
    }

    /// The same, with a configuration.
    #[cfg(feature = "stdio")]
    pub fn stdio_with(mut self, config: stdio::Config) -> Self {
        self.transports.push(Transport::Stdio(config));
        self
    }

    /// Over Streamable HTTP at `address`, such as `"127.0.0.1:3020"`; port 0 lets the system choose, see [`Serve::on_listening`]. The MCP endpoint is
    /// `/mcp`.
    ///
    /// On loopback anyone on this machine may call. Elsewhere callers must authenticate
    /// ([`http::Config::authentication`]), unless [`Serve::allow_anonymous`] says otherwise.
    #[cfg(feature = "http")]
    pub fn http(self, address: impl Into<HttpAddr>) -> Self {
        self.http_with(address, http::Config::default())
    }

    /// The same, with a configuration: tokens, hosts and origins, limits, other routes.
    #[cfg(feature = "http")]
    pub fn http_with(mut self, address: impl Into<HttpAddr>, config: http::Config) -> Self {
        self.transports.push(Transport::Http(address.into(), Box::new(config)));
        self
    }

    /// Over Streamable HTTP at `address`, and WebSockets at `/ws` beside it.
    #[cfg(feature = "websocket")]
    pub fn websocket(self, address: impl Into<HttpAddr>) -> Self {
        let websocket = Some(anyport_transport::websocket::Config::default());
        self.http_with(address, http::Config::default().websocket(websocket))
    }

    /// To programs that speak no MCP as well, wherever it is served over HTTP: `POST /mcp/call` with a tool's name and
    /// arguments, `GET /mcp/tools`, and `GET /health`. See [`http::rest`].
    #[cfg(feature = "http")]
    pub fn rest(mut self) -> Self {
        self.rest = true;
        self
    }

    /// Authenticates callers wherever it is served over HTTP: their tokens are verified by `verifier`, such as one of
    /// `anyport::auth::resource_server`. An address whose configuration has an authentication of its own keeps it.
    ///
    /// With a [public URL](Self::public_url), clients that have no token find the authorization server by themselves.
    #[cfg(feature = "http")]
    pub fn auth(mut self, verifier: impl http::CredentialVerifier) -> Self {
        self.protection.verifier = Some(Arc::new(verifier));
        self
    }

    /// The URL under which clients reach it over HTTP, such as `https://mcp.example.com`: tokens are for this URL with the path of
    /// the endpoint, and its host and origin are allowed. See [`http::Config::public_url`].
    #[cfg(feature = "http")]
    pub fn public_url(mut self, url: http::PublicUrl) -> Self {
        self.protection.public_url = Some(url);
        self
    }

    /// What it says of itself as a protected resource, and the scopes that each of its requests needs. See
    /// [`http::Config::resource`].
    #[cfg(feature = "http")]
    pub fn resource(mut self, resource: http::ProtectedResource) -> Self {
        self.protection.resource = Some(resource);
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
        self.transports.push(Transport::Unix(path.as_ref().to_owned(), config));
        self
    }

    /// On a transport of the program's own: `serve` receives the service and a future that completes when shutdown begins,
    /// and drains then. Its end does not end the program, an error does.
    pub fn transport<F>(
        mut self,
        serve: impl FnOnce(Arc<dyn Service>, Pin<Box<dyn Future<Output = ()> + Send>>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        self.transports
            .push(Transport::Custom(Box::new(move |service, stop| Box::pin(serve(service, stop)))));
        self
    }

    /// Lets anyone call over HTTP who can reach an address, even from other machines.
    pub fn allow_anonymous(mut self) -> Self {
        self.allow_anonymous = true;
        self
    }

    /// Calls that may run at once (`max_concurrent_calls`); more are refused at once. Default 1,024; a service of
    /// [`serve_service`] has no bound unless it is given one here.
    pub fn max_concurrent_calls(mut self, limit: usize) -> Self {
        self.max_concurrent_calls = Some(limit);
        self
    }

    /// The budget of large answers that clients have not read yet (`buffered_bytes`), which all transports share. Default
    /// 256 MiB.
    pub fn buffers(mut self, buffers: BufferedBytes) -> Self {
        self.buffers = Some(buffers);
        self
    }

    /// Stops when `future` completes, and no longer at a signal: that is up to the program then.
    pub fn until(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.until = Some(Box::pin(future));
        self
    }

    /// Does not stop at SIGHUP, for which the program has another use: daemons read their configuration again. Without a
    /// handler of the program's own, SIGHUP ends the process.
    pub fn without_hangup(mut self) -> Self {
        self.at_hangup = false;
        self
    }

    /// Serves `service` in place of the server and its default layers. The server is still started and stopped, and its
    /// listen streams end when the program stops.
    ///
    /// `service` is the server with the layers that this program wants; see [`layer`](crate::layer).
    pub fn service(mut self, service: impl Service) -> Self {
        self.service = Arc::new(service);
        self.max_concurrent_calls = None;
        self
    }

    /// Calls `listening` with each address, once clients can reach the server there.
    pub fn on_listening(self, mut listening: impl FnMut(&ListenAddr) + Send + 'static) -> Self {
        self.on_ready(move |addresses| addresses.iter().for_each(&mut listening))
    }

    /// Calls `ready` with all addresses, once clients can reach the server at each of them.
    pub fn on_ready(mut self, ready: impl FnOnce(&[ListenAddr]) + Send + 'static) -> Self {
        self.on_ready.push(Box::new(ready));
        self
    }

    /// Calls `stopping` when shutdown begins: new calls are refused, running ones may finish. It receives the number of the
    /// signal, or `None` if the client ended its side, a listener failed or the future of [`Serve::until`] completed.
    pub fn on_stopping(mut self, stopping: impl FnOnce(Option<u8>) + Send + 'static) -> Self {
        self.on_stopping.push(Box::new(stopping));
        self
    }

    /// Awaits `stopped` when nothing is served any more, after the server's own stop hooks. A second signal ends the wait.
    pub fn on_stopped<F>(mut self, stopped: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.on_stopped = Some(Box::new(move || Box::pin(stopped())));
        self
    }

    async fn run(mut self) -> Result<(), ServeError> {
        if self.transports.is_empty() {
            return Err(ServeError::Nowhere);
        }
        // Caught from here on: whoever stops the program while it starts expects its hooks to run.
        let mut shutdown = Shutdown::new(self.until.take(), self.at_hangup)?;
        let listeners = self.bind().await?;
        let addresses = listeners.iter().filter_map(|listener| listener.address().transpose());
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        if let Some(server) = self.server.clone() {
            // `stop` waits for a start that is interrupted here.
            let started = tokio::select! {
                biased;
                started = server.start() => Some(started),
                signal = shutdown.next() => {
                    self.on_stopping.drain(..).for_each(|stopping| stopping(signal));
                    None
                }
            };
            if !matches!(started, Some(Ok(()))) {
                // The next process finds the addresses free, and no client waits for us.
                drop(listeners);
                self.stop(&mut shutdown, started.is_none()).await?;
                return started.unwrap_or(Ok(())).map_err(Into::into);
            }
        }
        for address in &addresses {
            tracing::info!(%address, "listening");
        }
        for ready in self.on_ready.drain(..) {
            ready(&addresses);
        }
        self.serve(listeners, shutdown).await
    }

    /// The numbers of the server, if there is one.
    fn metrics(&self) -> Metrics {
        self.server.as_ref().map_or_else(Metrics::new, |server| server.metrics().clone())
    }

    /// Takes every address.
    async fn bind(&mut self) -> Result<Vec<Listener>, ServeError> {
        let buffers = self.buffers.take();
        let buffers = buffers.unwrap_or_else(|| BufferedBytes::new(BufferLimits::default(), &self.metrics()));
        let mut listeners = Vec::new();
        for mut transport in self.transports.drain(..) {
            match &mut transport {
                #[cfg(feature = "http")]
                Transport::Http(_, config) => {
                    config.rest |= self.rest;
                    self.protection.apply(config);
                    config.buffers = buffers.clone();
                }
                #[cfg(feature = "stdio")]
                Transport::Stdio(config) => config.buffers = buffers.clone(),
                #[cfg(feature = "unix")]
                Transport::Unix(_, config) => config.buffers = buffers.clone(),
                Transport::Custom(_) => {}
            }
            listeners.push(transport.bind(self.allow_anonymous).await?);
        }
        Ok(listeners)
    }

    /// Serves until shutdown, drains, and stops the server.
    async fn serve(mut self, listeners: Vec<Listener>, mut shutdown: Shutdown) -> Result<(), ServeError> {
        let service = bounded(self.service.clone(), self.max_concurrent_calls, &self.metrics());
        let (stopping, _) = watch::channel(false);
        let mut serving = JoinSet::new();
        for listener in listeners {
            let mut stop = stopping.subscribe();
            let stop = Box::pin(async move { drop(stop.wait_for(|stop| *stop).await) });
            let (is_vital, service) = (listener.is_vital(), service.clone());
            serving.spawn(async move { (listener.serve(service, stop).await, is_vital) });
        }
        let mut outcome = Ok(());
        // Clients that started us close their side, and send a signal soon after: that is the first one.
        let mut signalled = false;
        loop {
            tokio::select! {
                ended = serving.join_next() => {
                    let Some(ended) = ended else { break };
                    let (ended, is_vital) = ended.unwrap_or_else(|panic| {
                        (Err(ServeError::io("serve")(io::Error::other(panic.to_string()))), true)
                    });
                    // The client that started us is gone, or a listener has failed: either is a reason to end all.
                    if is_vital || ended.is_err() {
                        self.begin_shutdown(&stopping, None);
                    }
                    outcome = outcome.and(ended);
                }
                signal = shutdown.next() => {
                    // The second one says that nothing is to be waited for.
                    if signalled {
                        return Err(ServeError::Cut { signal: signal.unwrap_or_default() });
                    }
                    signalled = true;
                    self.begin_shutdown(&stopping, signal);
                }
            }
        }
        self.stop(&mut shutdown, signalled).await?;
        outcome
    }

    /// Ends listen streams, which have no end of their own, and lets every listener drain.
    fn begin_shutdown(&mut self, stopping: &watch::Sender<bool>, signal: Option<u8>) {
        self.on_stopping.drain(..).for_each(|stopping| stopping(signal));
        if let Some(server) = &self.server {
            server.close();
        }
        stopping.send_replace(true);
    }

    /// Runs what is to run at the end, unless a second signal ends the wait. `signalled`: there was one already.
    async fn stop(&mut self, shutdown: &mut Shutdown, signalled: bool) -> Result<(), ServeError> {
        let on_stopped = self.on_stopped.take();
        let stopped = async {
            if let Some(server) = &self.server {
                server.stop().await;
            }
            if let Some(on_stopped) = on_stopped {
                on_stopped().await;
            }
        };
        let cut = async {
            if !signalled {
                shutdown.next().await;
            }
            shutdown.next().await.unwrap_or_default()
        };
        tokio::select! {
            () = stopped => Ok(()),
            signal = cut => Err(ServeError::Cut { signal }),
        }
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
            .field("transports", &self.transports.len())
            .finish_non_exhaustive()
    }
}

/// The outer layers, where a limit is set.
fn bounded(service: Arc<dyn Service>, limit: Option<usize>, metrics: &Metrics) -> Arc<dyn Service> {
    let Some(max_concurrent_calls) = limit else { return service };
    let limits = EdgeLimits::default().max_concurrent_calls(max_concurrent_calls);
    Arc::new(edge(&limits, metrics).layer(service))
}
