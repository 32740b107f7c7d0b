use std::{future::Future, io, net::IpAddr, os::fd::AsRawFd as _, path::Path, sync::Arc, time::Duration};

use anyport_protocol::{Error, jsonrpc::Reason};
use anyport_service::{Network, Principal, Service};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    config::{Config, Limits, Peers},
    file::SocketFile,
    refused::Refused,
};
use crate::{
    accept::{self, Acceptor, ConnectionLimits, ConnectionPermit},
    dialogue::{ConnectionConfig, ConnectionEnd, Frame, ServerConnection, refusal},
    lines::{self, INPUT, Lines, OUTPUT},
};

/// A bound Unix socket that serves one service to any number of clients.
#[derive(Debug)]
pub struct Listener {
    listener: UnixListener,
    file: SocketFile,
    config: Config,
}

impl Listener {
    /// Listens at `path`, whose folder must be there.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn bind(path: impl AsRef<Path>, config: Config) -> Result<Self, Refused> {
        let (listener, file) = SocketFile::listen(path.as_ref(), config.mode).await?;
        Ok(Self { listener, file, config })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Serves until `stop` completes; then takes no new work, lets running calls finish within the drain time, and
    /// removes the file.
    ///
    /// # Errors
    /// None so far; that a connection fails ends that connection alone.
    pub async fn serve(self, service: impl Service, stop: impl Future<Output = ()>) -> io::Result<()> {
        let Self { listener, file, config } = self;
        let Limits { max_connections, max_descriptors_percent, drain, .. } = config.limits;
        let limits = ConnectionLimits {
            connections: max_connections,
            // They are all of this machine.
            per_address: max_connections,
            descriptors_percent: max_descriptors_percent,
        };
        let refusals = config.buffers.refusals().clone();
        let service: Arc<dyn Service> = Arc::new(service);
        let (owner, stopping) = (file.owner, watch::Sender::new(false));
        let acceptor = UnixAcceptor { listener, owner, config, service, stopping };
        let connections = accept::accept(&acceptor, limits, &refusals, stop).await;
        let UnixAcceptor { listener, stopping, .. } = acceptor;
        // First the file, so that the next process finds its place free.
        drop(file);
        drop(listener);
        stopping.send_replace(true);
        accept::drain(connections, drain + LAST_WORDS).await;
        Ok(())
    }
}

/// Serves one client on a connection that the caller has accepted, as [`Listener::serve`] serves each of its own; who the client is
/// was found out by the caller. Of `config`, the permissions of a file and the users who may connect have no meaning here.
///
/// Serves until the client is gone, or `stop` holds `true`; then running calls may finish within the drain time.
pub async fn serve_connection(
    stream: UnixStream,
    service: Arc<dyn Service>,
    config: &Config,
    principal: Principal,
    stop: watch::Receiver<bool>,
) {
    let connection = connection_config(config, principal);
    serve(stream, service, connection, config.limits.write_timeout, stop).await;
}

/// The socket of a [`Listener`] that serves.
struct UnixAcceptor {
    listener: UnixListener,
    /// The user to whom the socket file belongs.
    owner: u32,
    config: Config,
    service: Arc<dyn Service>,
    stopping: watch::Sender<bool>,
}

impl Acceptor for UnixAcceptor {
    type Connection = (UnixStream, Principal);

    async fn accept(&self) -> io::Result<Option<(UnixStream, Principal)>> {
        let (stream, _) = self.listener.accept().await?;
        let principal = admit(&stream, &self.config.peers, self.owner);
        Ok(principal.map(|principal| (stream, principal)))
    }

    fn descriptor((stream, _): &(UnixStream, Principal)) -> Option<u64> {
        u64::try_from(stream.as_raw_fd()).ok()
    }

    fn network(&self, _: &(UnixStream, Principal)) -> Option<IpAddr> {
        None
    }

    fn serve(
        &self,
        (stream, principal): (UnixStream, Principal),
        permit: ConnectionPermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        let connection = connection_config(&self.config, principal);
        let limit = self.config.limits.write_timeout;
        let (service, stopping) = (self.service.clone(), self.stopping.subscribe());
        async move {
            serve(stream, service, connection, limit, stopping).await;
            drop(permit);
        }
    }

    fn reject(&self, (stream, _): (UnixStream, Principal), limit: &'static str, _: Option<ConnectionPermit>) {
        reject_overloaded(&stream, limit);
    }
}

/// How long a client may take to read what was still to be written to it once its dialogue is over.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Who stands at the other end, if it may. What the operating system says cannot be made up.
fn admit(stream: &UnixStream, peers: &Peers, owner: u32) -> Option<Principal> {
    let user = match stream.peer_cred() {
        Ok(credentials) => credentials.uid(),
        Err(error) => {
            tracing::warn!(%error, "a connection was closed: the system does not tell whose it is");
            return None;
        }
    };
    let principal = principal(user, owner, peers);
    if principal.is_none() {
        tracing::warn!(user, "a connection was closed: its user may not call");
    }
    principal
}

/// Whom the calls of `user` are for, if it may call.
fn principal(user: u32, owner: u32, peers: &Peers) -> Option<Principal> {
    const ROOT: u32 = 0;
    if user == owner || user == ROOT {
        return Some(Principal::local());
    }
    let allowed = match peers {
        Peers::Owner => false,
        Peers::Users(users) => users.contains(&user),
        Peers::Anyone => true,
    };
    allowed.then(|| Principal::named(format!("uid:{user}")))
}

fn connection_config(config: &Config, principal: Principal) -> ConnectionConfig {
    let Config { supported, limits, buffers, observer, .. } = config;
    ConnectionConfig {
        authorization: principal.into(),
        network: Some(Network::UNIX),
        supported: supported.clone(),
        limits: limits.message,
        max_open_requests: limits.max_open_requests,
        drain: limits.drain,
        first_message: Some(limits.first_message),
        idle: Some(limits.connection_idle),
        buffers: buffers.clone(),
        observer: observer.clone(),
    }
}

/// Tells a client that there are too many, if it can be told without waiting, and closes.
fn reject_overloaded(stream: &UnixStream, limit: &str) {
    let error = Error::internal(accept::why(limit)).with_reason(Reason::Overloaded);
    let mut text = refusal(None, &error, false).text.into_bytes().to_vec();
    text.push(b'\n');
    let _ = stream.try_write(&text);
}

async fn serve(
    stream: UnixStream,
    service: Arc<dyn Service>,
    connection: ConnectionConfig,
    write_timeout: Duration,
    mut stopping: watch::Receiver<bool>,
) {
    let (input, output) = stream.into_split();
    let (frames, receive) = mpsc::channel(INPUT);
    let (out, messages) = mpsc::channel(OUTPUT);
    let limit = connection.limits.bytes;
    let farewell = out.clone();
    let dialogue = async {
        let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
        let end = ServerConnection::new(service, connection, out).run(receive, stop).await;
        if let ConnectionEnd::Silent(_) | ConnectionEnd::Idle(_) = end {
            let error = Error::invalid_request(format!("the connection is closed: {end}"));
            let _ = farewell.try_send(refusal(None, &error, false).text.into_bytes());
        }
        // The last sender: the writer ends once everything is written.
        drop(farewell);
    };
    let reading = read(input, limit, frames);
    let writing = write(output, messages, write_timeout);
    tokio::pin!(dialogue, reading, writing);
    let mut open = true;
    let mut writes = true;
    loop {
        tokio::select! {
            gone = &mut reading, if open => {
                if gone {
                    return;
                }
                open = false;
            }
            () = &mut writing, if writes => writes = false,
            () = &mut dialogue => break,
        }
    }
    if writes {
        let _ = timeout(LAST_WORDS, writing).await;
    }
}

/// Reads lines until there are no more, or nobody takes them. Returns whether the client is gone, and has not only ended
/// its side.
async fn read(mut input: OwnedReadHalf, limit: usize, frames: mpsc::Sender<Frame>) -> bool {
    let mut lines = Lines::new(limit);
    loop {
        while let Some(frame) = lines.next() {
            if frames.send(frame).await.is_err() {
                return false;
            }
        }
        lines.buffer().reserve(CHUNK);
        match input.read_buf(lines.buffer()).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "a connection broke off");
                return true;
            }
        }
    }
    // Nothing can be written to a client that has closed both sides, not even nothing.
    if input.as_ref().try_write(&[]).is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return true;
    }
    if let Some(frame) = lines.last() {
        let _ = frames.send(frame).await;
    }
    false
}

/// What an idle connection holds in readiness.
const CHUNK: usize = 4 * 1024;

/// Writes messages until there are no more, or the client does not read them.
async fn write(mut output: OwnedWriteHalf, mut messages: mpsc::Receiver<Bytes>, limit: Duration) {
    let mut batch = Vec::new();
    while let Some(first) = messages.recv().await {
        let large = lines::batch(&mut batch, first, &mut messages);
        let mut is_written = write_all(&mut output, &batch, limit).await;
        if let Some(large) = large {
            is_written = is_written
                && write_all(&mut output, &large, limit).await
                && write_all(&mut output, b"\n", limit).await;
        }
        if !is_written {
            return;
        }
    }
    let _ = output.shutdown().await;
}

/// Writes `rest` as the client reads it. Returns `false` if it does not.
async fn write_all(output: &mut OwnedWriteHalf, mut rest: &[u8], limit: Duration) -> bool {
    while !rest.is_empty() {
        match timeout(limit, output.write(rest)).await {
            Ok(Ok(written)) if written > 0 => rest = &rest[written..],
            Ok(Ok(_)) => return false,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a client is gone");
                return false;
            }
            Err(_) => {
                tracing::debug!("a client does not read (write_timeout)");
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_and_root_may_call_and_others_by_configuration() {
        let named = |user: u32, peers: &Peers| principal(user, 1000, peers).map(|who| who.to_string());
        let some = Peers::Users(vec![1001]);
        for peers in [&Peers::Owner, &some, &Peers::Anyone] {
            assert_eq!(named(1000, peers).as_deref(), Some("local"));
            assert_eq!(named(0, peers).as_deref(), Some("local"));
        }
        assert_eq!(named(1001, &Peers::Owner), None);
        // Told apart, so that none of them has what is another's.
        assert_eq!(named(1001, &some).as_deref(), Some("name:uid:1001"));
        assert_eq!(named(1002, &some), None);
        assert_eq!(named(1002, &Peers::Anyone).as_deref(), Some("name:uid:1002"));
    }
}
