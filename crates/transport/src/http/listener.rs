use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_service::Service;
use hyper::{
    rt::{ReadBuf, ReadBufCursor},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, Sleep, sleep, timeout},
};

use super::{
    config::{Authentication, Config, Limits},
    connect_info::ConnectInfo,
    endpoint::Endpoint,
    pipeline,
    state::State,
};
use crate::accept::{self, Acceptor};

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
    /// Listens on `address`. Beyond loopback, callers must authenticate, unless `allow_anonymous` says otherwise.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn bind(address: SocketAddr, config: Config, allow_anonymous: bool) -> Result<Self, Refused> {
        // 2026-07-28, streamable-http §Security & Endpoint: "Servers SHOULD implement proper authentication for all
        // connections."
        let anonymous = matches!(config.authentication, Authentication::Anonymous);
        if anonymous && !allow_anonymous && !address.ip().is_loopback() {
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

    /// Serves until `stop` completes; then takes no new work and lets running calls finish within the drain time.
    ///
    /// # Errors
    /// When the operating system cannot tell the address.
    pub async fn serve(self, service: impl Service, stop: impl Future<Output = ()>) -> io::Result<()> {
        let info = ConnectInfo::on(self.address()?);
        let Limits { max_connections, drain, .. } = self.config.limits;
        let endpoint = Endpoint::adapted(service, self.config);
        let acceptor = HttpAcceptor {
            listener: self.listener,
            state: endpoint.state().clone(),
            info,
            stopping: watch::Sender::new(false),
            lingers: Arc::new(Semaphore::new(MAX_LINGERS)),
        };
        let connections = accept::accept(&acceptor, max_connections, stop).await;
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
    lingers: Arc<Semaphore>,
}

impl Acceptor for HttpAcceptor {
    type Connection = TcpStream;

    async fn accept(&self) -> io::Result<Option<TcpStream>> {
        let (stream, _) = self.listener.accept().await?;
        Ok(Some(stream))
    }

    fn serve(
        &self,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        serve(stream, permit, self.state.clone(), self.info, self.stopping.subscribe())
    }

    fn reject(&self, stream: TcpStream) {
        tokio::spawn(reject_overloaded(stream, self.lingers.clone()));
    }
}

/// What hyper takes unless it is told a number. Told one, even this, it clears room for the headers of every request
/// anew.
const DEFAULT_MAX_HEADERS: usize = 100;

/// How many clients that were turned away may take their time to read so.
const MAX_LINGERS: usize = 64;

/// Tells a client that there are too many, and closes. What it sent is passed over, as far as there is room for
/// that: see [`WriteTimeoutIo::poll_linger`].
async fn reject_overloaded(mut stream: TcpStream, lingers: Arc<Semaphore>) {
    const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let _ = timeout(LINGER, async {
        let _ = stream.write_all(BUSY).await;
        let _ = stream.shutdown().await;
        if let Ok(_linger) = lingers.try_acquire() {
            let mut room = [0; 4096];
            while matches!(stream.read(&mut room).await, Ok(read) if read > 0) {}
        }
    })
    .await;
}

async fn serve(
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    state: Arc<State>,
    info: ConnectInfo,
    mut stopping: watch::Receiver<bool>,
) {
    // Answers are small and awaited: they must not wait for more to send.
    let _ = stream.set_nodelay(true);
    let limits = &state.config.limits;
    let io = WriteTimeoutIo::new(TokioIo::new(stream), limits.write_timeout, stopping.clone(), permit);
    let (shared, asked) = (state.clone(), Arc::new(AtomicBool::new(false)));
    let was_asked = asked.clone();
    let service = service_fn(move |request| {
        asked.store(true, Ordering::Relaxed);
        let state = shared.clone();
        async move { Ok::<_, Infallible>(pipeline::answer(state, request, info).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.max_header_bytes.max(8 << 10));
    if limits.max_headers != DEFAULT_MAX_HEADERS {
        http.max_headers(limits.max_headers);
    }
    let connection = http.serve_connection(io, service);
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
    _permit: OwnedSemaphorePermit,
}

/// How long a client may go on sending what was refused.
const LINGER: Duration = Duration::from_secs(1);

impl<T> WriteTimeoutIo<T> {
    fn new(io: T, limit: Duration, stopping: watch::Receiver<bool>, permit: OwnedSemaphorePermit) -> Self {
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
