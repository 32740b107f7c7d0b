//! A proxy between a store and its server, which loses answers and cuts connections.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use anyport_store::Address;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// New connections are closed at once.
    is_closed: AtomicBool,
    /// What the server says is lost; the next time it does, the connection is cut.
    loses_answer: AtomicBool,
    answers_lost: AtomicUsize,
    cut: Notify,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = proxy.state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !state.is_closed.load(Ordering::SeqCst) {
                    tokio::spawn(carry(client, server, state.clone()));
                }
            }
        });
        proxy
    }

    pub(crate) fn address(&self) -> Address {
        format!("nats://{}", self.address).parse().unwrap()
    }

    /// Cuts all connections, and takes none until [`Proxy::open`].
    pub(crate) fn close(&self) {
        self.state.is_closed.store(true, Ordering::SeqCst);
        self.state.cut.notify_waiters();
    }

    pub(crate) fn open(&self) {
        self.state.is_closed.store(false, Ordering::SeqCst);
    }

    /// The next answer is lost, and the connection with it.
    pub(crate) fn lose_an_answer(&self) {
        self.state.loses_answer.store(true, Ordering::SeqCst);
    }

    pub(crate) fn answers_lost(&self) -> usize {
        self.state.answers_lost.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, server: u16, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = tokio::io::copy(&mut from_client, &mut to_server);
    let answers = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            // The answer to a write of the log; what the store does beside it has other answers.
            let answer = b"\"stream\":\"AP_anyport_log\"";
            let is_answer = buffer[..read].windows(answer.len()).any(|part| part == answer);
            if is_answer && state.loses_answer.swap(false, Ordering::SeqCst) {
                state.answers_lost.fetch_add(1, Ordering::SeqCst);
                return;
            }
            if to_client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = requests => {}
        () = answers => {}
        () = state.cut.notified() => {}
    }
}
