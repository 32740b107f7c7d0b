//! A bad network: see [`ChaosProxy`].

mod faults;
mod pass;
#[cfg(test)]
mod tests;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, JoinSet},
};

use faults::Counts;
pub use faults::{Chaos, Cut, Faults};

/// A bad network in front of any TCP address.
///
/// Clients connect to [`ChaosProxy::address`] in place of the server, and [`ChaosProxy::set`] says what goes wrong from
/// then on, also on connections that are open already. Dropping the proxy resets them.
///
/// ```no_run
/// # use std::num::NonZeroUsize;
/// # use anyport_testing::chaos::{Chaos, ChaosProxy, Cut, Faults};
/// # async fn visit(server: std::net::SocketAddr) -> std::io::Result<()> {
/// let proxy = ChaosProxy::before(server).await?;
/// // The client reads its answers byte by byte.
/// let sliced = Faults { slice: NonZeroUsize::new(1), ..Faults::default() };
/// proxy.set(Chaos { down: sliced, ..Chaos::default() }).await?;
/// // The connection breaks in the middle of them.
/// let cut = Faults { cut: Some((100, Cut::Reset)), ..Faults::default() };
/// proxy.set(Chaos { down: cut, ..Chaos::default() }).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ChaosProxy {
    address: SocketAddr,
    switch: mpsc::Sender<(Chaos, oneshot::Sender<io::Result<()>>)>,
    counts: Arc<Counts>,
    accepting: AbortHandle,
}

impl ChaosProxy {
    /// A proxy on a free port of the address of the server at `server`, before it. Nothing goes wrong yet.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn before(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((server.ip(), 0)).await?;
        let address = listener.local_addr()?;
        let counts = Arc::<Counts>::default();
        let (switch, switched) = mpsc::channel(1);
        let accepting = Accepting {
            address,
            server,
            counts: counts.clone(),
            chaos: watch::Sender::default(),
            door: Door::Open(listener),
            passing: JoinSet::new(),
        };
        let accepting = tokio::spawn(accepting.run(switched)).abort_handle();
        Ok(Self { address, switch, counts, accepting })
    }

    /// Where clients connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets this go wrong from now on, and nothing else. When it returns, it does.
    ///
    /// # Errors
    /// When connections cannot be refused or taken again: another program has taken the port.
    pub async fn set(&self, chaos: Chaos) -> io::Result<()> {
        let (done, is_done) = oneshot::channel();
        let gone = |_| io::Error::other("the proxy has ended with its runtime");
        self.switch.send((chaos, done)).await.map_err(|_| gone(()))?;
        is_done.await.map_err(|_| gone(()))?
    }

    /// How many connections were taken.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// How many bytes were passed on from clients to the server.
    pub fn bytes_up(&self) -> u64 {
        self.counts.up.load(Ordering::Relaxed)
    }

    /// How many bytes were passed on from the server to clients.
    pub fn bytes_down(&self) -> u64 {
        self.counts.down.load(Ordering::Relaxed)
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Whether connections are taken. Where they are refused, a socket that does not listen keeps the port.
enum Door {
    Open(TcpListener),
    Closed(TcpSocket),
    /// The port was lost.
    Gone,
}

struct Accepting {
    address: SocketAddr,
    server: SocketAddr,
    counts: Arc<Counts>,
    chaos: watch::Sender<Chaos>,
    door: Door,
    passing: JoinSet<()>,
}

impl Accepting {
    async fn run(mut self, mut switched: mpsc::Receiver<(Chaos, oneshot::Sender<io::Result<()>>)>) {
        loop {
            tokio::select! {
                switch = switched.recv() => {
                    let Some((chaos, done)) = switch else { return };
                    let moved = self.turn(chaos.refuse);
                    self.chaos.send_replace(chaos);
                    let _ = done.send(moved);
                }
                client = self.door.accept() => {
                    let number = self.counts.connections.fetch_add(1, Ordering::Relaxed);
                    let (chaos, counts, server) = (self.chaos.subscribe(), self.counts.clone(), self.server);
                    self.passing.spawn(async move {
                        let Ok(to) = TcpStream::connect(server).await else {
                            // As the server does, so the proxy: nobody is there.
                            let _ = client.set_zero_linger();
                            return;
                        };
                        pass::pass(client, to, number, chaos, &counts).await;
                    });
                }
                Some(_) = self.passing.join_next() => {}
            }
        }
    }

    fn turn(&mut self, refuse: bool) -> io::Result<()> {
        let listens = matches!(self.door, Door::Open(_));
        if refuse != listens {
            return Ok(());
        }
        self.door = match std::mem::replace(&mut self.door, Door::Gone) {
            Door::Closed(socket) => Door::Open(socket.listen(1024)?),
            open => {
                // Two sockets cannot have the port while one of them listens.
                drop(open);
                let socket = TcpSocket::new_v4()?;
                socket.set_reuseaddr(true)?;
                socket.bind(self.address)?;
                if refuse { Door::Closed(socket) } else { Door::Open(socket.listen(1024)?) }
            }
        };
        Ok(())
    }
}

impl Door {
    async fn accept(&self) -> TcpStream {
        if let Self::Open(listener) = self {
            loop {
                // What fails is that connection, or passes when others have closed their files.
                match listener.accept().await {
                    Ok((client, _)) => return client,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        }
        std::future::pending().await
    }
}
