use std::{
    convert::Infallible,
    future::Future,
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_service::{Service, address};
use hyper::{
    body::Incoming,
    rt::{ReadBuf, ReadBufCursor},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, Sleep, sleep, timeout},
};

#[cfg(feature = "http2")]
use super::preface::{self, Version};
#[cfg(all(feature = "http2", feature = "tls"))]
use super::tls::HTTP2;
#[cfg(feature = "tls")]
use super::tls::Opener;
use super::{
    caller_key::per_caller,
    client_address::is_proxy,
    config::{Authentication, Config, Limits},
    connect_info::ConnectInfo,
    credential::ClientCertificate,
    endpoint::Endpoint,
    linger::LINGER,
    pipeline,
    state::State,
};
use crate::accept::{self, Acceptor, ConnectionLimits, ConnectionPermit};

/// A bound listener that serves one service.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    config: Config,
}

/// The listener was not opened, since its configuration would let anyone in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Reachable from other machines, and without authentication.
    #[error(
        "{0} can be reached from other machines, and anyone could call; require a token, or allow anonymous callers explicitly"
    )]
    Open(SocketAddr),
    /// The address could not be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl Listener {
    /// Listens on `address`. Beyond loopback, callers must authenticate or have a certificate, unless `allow_anonymous` says
    /// otherwise.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn bind(address: SocketAddr, config: Config, allow_anonymous: bool) -> Result<Self, Refused> {
        // 2026-07-28, streamable-http §Security & Endpoint: "Servers SHOULD implement proper authentication for all
        // connections."
        let anonymous = matches!(config.authentication, Authentication::Anonymous);
        if anonymous
            && !config.demands_client_certificates()
            && !allow_anonymous
            && !address.ip().is_loopback()
        {
            return Err(Refused::Open(address));
        }
        let listener =
            TcpListener::bind(address).await.map_err(|source| Refused::Bind { address, source })?;
        Ok(Self { listener, config })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Whether TLS is spoken there.
    pub fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.config.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// Serves until `stop` completes; then takes no new work and lets running calls finish within the drain time.
    ///
    /// # Errors
    /// When the operating system cannot tell the address.
    pub async fn serve(self, service: impl Service, stop: impl Future<Output = ()>) -> io::Result<()> {
        let info = ConnectInfo::on(self.address()?);
        let info = if self.is_secure() { info.secure() } else { info };
        let Limits { max_connections, max_connections_per_address, max_descriptors_percent, drain, .. } =
            self.config.limits;
        let limits = ConnectionLimits {
            connections: max_connections,
            per_address: per_caller(max_connections, max_connections_per_address),
            descriptors_percent: max_descriptors_percent,
        };
        let endpoint = Endpoint::adapted(service, self.config);
        let state = endpoint.state().clone();
        let acceptor = HttpAcceptor {
            listener: self.listener,
            #[cfg(feature = "tls")]
            opener: Opener::of(&state),
            state,
            info,
            stopping: watch::Sender::new(false),
        };
        let connections = acceptor.connections(limits, stop).await;
        let HttpAcceptor { listener, stopping, .. } = acceptor;
        drop(listener);
        stopping.send_replace(true);
        endpoint.begin_close();
        // Calls of sessions may run although nobody is connected.
        tokio::join!(accept::drain(connections, drain), endpoint.drained());
        endpoint.end();
        Ok(())
    }
}

/// The socket of a [`Listener`] that serves.
struct HttpAcceptor {
    listener: TcpListener,
    state: Arc<State>,
    info: ConnectInfo,
    stopping: watch::Sender<bool>,
    /// Opens TLS, where that is spoken.
    #[cfg(feature = "tls")]
    opener: Option<Arc<Opener>>,
}

impl HttpAcceptor {
    /// Accepts connections until `stop` completes, and returns those that are open then.
    async fn connections(&self, limits: ConnectionLimits, stop: impl Future<Output = ()>) -> JoinSet<()> {
        let accepting = accept::accept(self, limits, self.state.config.buffers.refusals(), stop);
        #[cfg(feature = "tls")]
        if let Some(opener) = &self.opener {
            return tokio::select! {
                connections = accepting => connections,
                // It never ends by itself.
                never = opener.follow() => match never {},
            };
        }
        accepting.await
    }
}

impl Acceptor for HttpAcceptor {
    type Connection = TcpStream;

    async fn accept(&self) -> io::Result<Option<TcpStream>> {
        let (stream, _) = self.listener.accept().await?;
        Ok(Some(stream))
    }

    fn descriptor(stream: &TcpStream) -> Option<u64> {
        #[cfg(unix)]
        return u64::try_from(std::os::fd::AsRawFd::as_raw_fd(stream)).ok();
        #[cfg(not(unix))]
        return {
            let _ = stream;
            None
        };
    }

    fn network(&self, stream: &TcpStream) -> Option<IpAddr> {
        let peer = stream.peer_addr().ok()?.ip().to_canonical();
        // Many clients come through a proxy.
        let is_proxy = is_proxy(peer, &self.state.config.trusted_proxies);
        (!is_proxy).then(|| address::network(peer))
    }

    fn serve(
        &self,
        stream: TcpStream,
        permit: ConnectionPermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        self.serve_within(stream, permit, None)
    }

    fn reject(&self, stream: TcpStream, limit: &'static str, permit: Option<ConnectionPermit>) {
        match permit {
            // A first request is read, since it may be for the health of the program.
            Some(permit) => {
                let serving = self.serve_within(stream, permit, Some(limit));
                drop(tokio::spawn(timeout(REFUSED_LIFETIME, serving)));
            }
            // Nothing is said where TLS is spoken: its handshake takes time.
            None if self.speaks_tls() => {}
            None => refuse_at_once(stream),
        }
    }
}

impl HttpAcceptor {
    /// Serves a connection; if `beyond` names a limit, only requests for the program's health are not refused.
    fn serve_within(
        &self,
        stream: TcpStream,
        permit: ConnectionPermit,
        beyond: Option<&'static str>,
    ) -> impl Future<Output = ()> + Send + 'static {
        // Answers are small and awaited: they must not wait for more to send.
        let _ = stream.set_nodelay(true);
        let (state, stopping) = (self.state.clone(), self.stopping.subscribe());
        let info = stream.peer_addr().map_or(self.info, |peer| self.info.from(peer.ip()));
        let connection = Connection { permit, state, info, stopping, beyond };
        #[cfg(feature = "tls")]
        let opener = self.opener.clone();
        async move {
            #[cfg(feature = "tls")]
            if let Some(opener) = opener {
                // Boxed: what is not on the way of plain connections does not make theirs larger.
                return Box::pin(connection.serve_secure(stream, opener)).await;
            }
            connection.serve_plain(stream).await;
        }
    }

    fn speaks_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.opener.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }
}

/// The time that a connection beyond a limit may take.
const REFUSED_LIFETIME: Duration = Duration::from_secs(5);

/// What hyper takes unless it is told a number. Told one, even this, it clears room for the headers of every request
/// anew.
const DEFAULT_MAX_HEADERS: usize = 100;

/// What a client beyond a limit of connections is told where its request is not read.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Type: application/json\r\n\
    Content-Length: 131\r\nConnection: close\r\n\r\n\
    {\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32603,\"message\":\"too many connections are open; try again later\",\
    \"data\":{\"reason\":\"overloaded\"}}}";

/// Refuses a client and closes the connection without waiting. What has arrived is read, since a socket that is closed with bytes
/// unread is reset, and its client may not see the answer.
fn refuse_at_once(stream: TcpStream) {
    let Ok(mut stream) = stream.into_std() else { return };
    let _ = stream.write(BUSY);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut room = [0; 4096];
    for _ in 0..4 {
        if !matches!(stream.read(&mut room), Ok(read) if read == room.len()) {
            return;
        }
    }
}

/// A connection that is served, apart from its socket.
struct Connection {
    /// Among the connections that may be open.
    permit: ConnectionPermit,
    state: Arc<State>,
    info: ConnectInfo,
    stopping: watch::Receiver<bool>,
    /// The limit of connections that it is beyond.
    beyond: Option<&'static str>,
}

impl Connection {
    /// The time in which the head of a request must arrive. Beyond a limit of connections it is short: others come as well.
    fn header_timeout(&self) -> Duration {
        let limit = self.state.config.limits.header_timeout;
        if self.beyond.is_some() { limit.min(LINGER) } else { limit }
    }

    /// Opens TLS, and serves what comes over it.
    #[cfg(feature = "tls")]
    async fn serve_secure(mut self, stream: TcpStream, opener: Arc<Opener>) {
        let limit = self.beyond.map(|_| LINGER);
        let Some((stream, certificate)) = opener.open(stream, limit, &mut self.stopping).await else {
            return;
        };
        #[cfg(feature = "http2")]
        if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
            return self.serve_http2(stream, certificate).await;
        }
        self.serve(stream, certificate).await;
    }

    /// Serves what comes without TLS. HTTP/2 is spoken with a client that begins with it (RFC 9113 §3.3).
    #[cfg(feature = "http2")]
    async fn serve_plain(mut self, stream: TcpStream) {
        if !self.state.config.http2 {
            return self.serve(stream, None).await;
        }
        let limit = self.header_timeout();
        let begun = tokio::select! {
            biased;
            begun = preface::version(stream, limit) => begun,
            _ = self.stopping.wait_for(|stopping| *stopping) => return,
        };
        match begun {
            // Boxed: see above.
            Some((Version::Http2, stream)) => Box::pin(self.serve_http2(stream, None)).await,
            Some((Version::Http1, stream)) => self.serve(stream, None).await,
            None => {}
        }
    }

    /// Serves what comes without TLS.
    #[cfg(not(feature = "http2"))]
    async fn serve_plain(self, stream: TcpStream) {
        self.serve(stream, None).await;
    }

    /// Serves HTTP/2.
    #[cfg(feature = "http2")]
    async fn serve_http2(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Option<ClientCertificate>,
    ) {
        let Self { permit, state, info, stopping, beyond } = self;
        let limit = state.config.limits.write_timeout;
        let io = WriteTimeoutIo::new(TokioIo::new(stream), limit, stopping.clone(), permit);
        super::http2::serve(io, (state, info, beyond), certificate, stopping).await;
    }

    /// Serves HTTP/1.1. `certificate`: that of the client, which its requests have as an extension.
    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        certificate: Option<ClientCertificate>,
    ) {
        let header_timeout = self.header_timeout();
        let Self { permit, state, info, mut stopping, beyond } = self;
        let limits = &state.config.limits;
        let io = WriteTimeoutIo::new(TokioIo::new(stream), limits.write_timeout, stopping.clone(), permit);
        let (shared, asked) = (state.clone(), Arc::new(AtomicBool::new(false)));
        let was_asked = asked.clone();
        let service = service_fn(move |mut request: hyper::Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            if let Some(certificate) = certificate {
                request.extensions_mut().insert(certificate);
            }
            let state = shared.clone();
            async move {
                Ok::<_, Infallible>(match beyond {
                    None => pipeline::answer(state, request, info).await,
                    // Boxed: see above.
                    Some(limit) => Box::pin(pipeline::answer_beyond(limit, state, request, info)).await,
                })
            }
        });
        let connection = builder(limits, header_timeout).serve_connection(io, service);
        #[cfg(feature = "websocket")]
        let connection = connection.with_upgrades();
        tokio::pin!(connection);
        let result = tokio::select! {
            // What is ready needs no look at the stop.
            biased;
            result = &mut connection => result,
            () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
                // hyper would wait for the first request of a connection that never made one.
                if !was_asked.load(Ordering::Relaxed) {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// HTTP/1.1 within these limits.
fn builder(limits: &Limits, header_timeout: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(limits.max_header_bytes.max(8 << 10));
    if limits.max_headers != DEFAULT_MAX_HEADERS {
        http.max_headers(limits.max_headers);
    }
    http
}

/// A connection that is given up when its client leaves what was written unread for too long, and that is closed
/// in a way that lets the client read what was written.
struct WriteTimeoutIo<T> {
    io: T,
    limit: Duration,
    /// Runs only while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    stopping: watch::Receiver<bool>,
    /// Runs once our side is closed.
    lingering: Option<Pin<Box<Sleep>>>,
    /// Among the connections that may be open. It goes where the connection goes, if that is made a WebSocket.
    _permit: ConnectionPermit,
}

impl<T> WriteTimeoutIo<T> {
    fn new(io: T, limit: Duration, stopping: watch::Receiver<bool>, permit: ConnectionPermit) -> Self {
        let limit = limit.min(crate::LONGEST_WAIT);
        Self { io, limit, waiting: None, stopping, lingering: None, _permit: permit }
    }

    fn judge<R>(&mut self, task: &mut Task<'_>, result: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if result.is_ready() {
            self.waiting = None;
            return result;
        }
        let limit = self.limit;
        let waiting =
            self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        std::task::ready!(waiting.as_mut().poll(task));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read (write_timeout)")))
    }
}

impl<T: hyper::rt::Read + Unpin> WriteTimeoutIo<T> {
    /// Passes over what the client still sends, for a while. A socket that is closed with bytes unread is reset, and
    /// a reset takes away the answer that its client has not read yet (RFC 9112 §9.6).
    fn poll_linger(&mut self, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let mut room = [0; 4096];
        loop {
            if let Some(lingering) = &mut self.lingering
                && lingering.as_mut().poll(task).is_ready()
            {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut room);
            std::task::ready!(Pin::new(&mut self.io).poll_read(task, buffer.unfilled()))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: hyper::rt::Read + Unpin> hyper::rt::Read for WriteTimeoutIo<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(task, buffer)
    }
}

impl<T: hyper::rt::Read + hyper::rt::Write + Unpin> hyper::rt::Write for WriteTimeoutIo<T> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Task<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(task, bytes);
        self.judge(task, result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(task);
        self.judge(task, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            std::task::ready!(Pin::new(&mut self.io).poll_shutdown(task))?;
            let linger = if *self.stopping.borrow() { Duration::ZERO } else { LINGER };
            self.lingering = Some(Box::pin(sleep(linger)));
        }
        self.poll_linger(task)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(task, buffers);
        self.judge(task, result)
    }
}
