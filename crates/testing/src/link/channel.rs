//! Links with one channel that is always open: memory, a Unix socket, a WebSocket.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
};

use ::http::HeaderMap;
use anyport_service::Service;
use anyport_transport::{http, memory, unix};
use futures_util::{SinkExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpStream, UnixStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

use super::{Arrival, Exchange};
use crate::Lost;

/// A channel, what carries its messages, and the server at its other end.
#[derive(Debug)]
pub(super) struct Channel {
    to: mpsc::UnboundedSender<String>,
    carrying: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
    /// The server, when it is ours.
    serving: Option<JoinHandle<io::Result<()>>>,
    /// Where the socket is, if it is a file.
    _folder: Option<TempDir>,
}

/// Where a channel puts what comes.
pub(super) type Out = mpsc::UnboundedSender<(Exchange, Arrival)>;

/// Says when to stop: when the sender is dropped.
fn stop() -> (oneshot::Sender<()>, impl Future<Output = ()> + Send + 'static) {
    let (stop, stopped) = oneshot::channel::<()>();
    (stop, async { drop(stopped.await) })
}

impl Channel {
    /// A channel and its server, which ends on request.
    pub(super) fn new(
        to: mpsc::UnboundedSender<String>,
        carrying: JoinHandle<()>,
        stop: oneshot::Sender<()>,
        serving: JoinHandle<io::Result<()>>,
    ) -> Self {
        Self { to, carrying, stop: Some(stop), serving: Some(serving), _folder: None }
    }

    pub(super) fn memory(service: impl Service, config: memory::Config, out: Out) -> Self {
        let (stop, stopped) = stop();
        let (client, serving) = memory::serve(service, config, stopped);
        let serving = tokio::spawn(async {
            serving.await;
            Ok(())
        });
        let (sender, mut receiver) = client.split();
        let (to, mut from) = mpsc::unbounded_channel::<String>();
        let carrying = tokio::spawn(async move {
            let sending = async move {
                while let Some(text) = from.recv().await {
                    if sender.send(text).await.is_err() {
                        return;
                    }
                }
            };
            let receiving = async move {
                while let Some(text) = receiver.receive().await {
                    let _ = out.send((Exchange::CHANNEL, Arrival::of(&text)));
                }
            };
            tokio::join!(sending, receiving);
        });
        Self { to, carrying, stop: Some(stop), serving: Some(serving), _folder: None }
    }

    pub(super) async fn unix(service: impl Service, config: unix::Config, out: Out) -> Result<Self, Lost> {
        let folder = TempDir::new()?;
        let path = folder.path().join("mcp.sock");
        let listener = unix::Listener::bind(&path, config).await?;
        let (stop, stopped) = stop();
        let serving = tokio::spawn(listener.serve(service, stopped));
        let (input, mut output) = UnixStream::connect(&path).await?.into_split();
        let (to, mut from) = mpsc::unbounded_channel::<String>();
        let carrying = tokio::spawn(async move {
            let sending = async move {
                while let Some(text) = from.recv().await {
                    let line = format!("{}\n", text.replace(['\n', '\r'], " "));
                    if output.write_all(line.as_bytes()).await.is_err() {
                        return;
                    }
                }
                // Ends the client's side, as dropping the half does.
                drop(output);
            };
            let receiving = async move {
                let mut lines = BufReader::new(input).split(b'\n');
                while let Ok(Some(line)) = lines.next_segment().await {
                    let _ = out.send((Exchange::CHANNEL, Arrival::of(&line)));
                }
            };
            tokio::join!(sending, receiving);
        });
        Ok(Self { to, carrying, stop: Some(stop), serving: Some(serving), _folder: Some(folder) })
    }

    pub(super) async fn websocket(
        service: impl Service,
        config: http::Config,
        out: Out,
    ) -> Result<Self, Lost> {
        let websocket = config.websocket.clone().unwrap_or_default();
        let path = websocket.paths.first().cloned().unwrap_or_default();
        let config = config.websocket(websocket);
        let listener = http::Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config, false).await?;
        let address = listener.address()?;
        let (stop, stopped) = stop();
        let serving = tokio::spawn(listener.serve(service, stopped));
        let channel = Self::open(address, &HeaderMap::new(), &path, out).await?;
        Ok(Self { stop: Some(stop), serving: Some(serving), ..channel })
    }

    /// Opens a WebSocket at `path` of a server.
    pub(super) async fn open(
        address: SocketAddr,
        own: &HeaderMap,
        path: &str,
        out: Out,
    ) -> Result<Self, Lost> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{address}{path}").into_client_request().map_err(broken)?;
        request.headers_mut().extend(own.clone());
        let (socket, _) = client_async(request, stream).await.map_err(broken)?;
        let (mut sink, mut stream) = socket.split();
        let (to, mut from) = mpsc::unbounded_channel::<String>();
        let carrying = tokio::spawn(async move {
            let sending = async move {
                while let Some(text) = from.recv().await {
                    if sink.send(Message::text(text)).await.is_err() {
                        return;
                    }
                }
                let _ = sink.close().await;
            };
            let receiving = async move {
                while let Some(Ok(message)) = stream.next().await {
                    if let Message::Text(text) = message {
                        let _ = out.send((Exchange::CHANNEL, Arrival::of(text.as_bytes())));
                    }
                }
            };
            tokio::join!(sending, receiving);
        });
        Ok(Self { to, carrying, stop: None, serving: None, _folder: None })
    }

    pub(super) fn send(&self, text: &str) -> Result<(), Lost> {
        self.to.send(text.to_owned()).map_err(|_| Lost::Ended("a reader of the channel".into()))
    }

    /// Ends the client's side, hears the rest, and stops the server.
    pub(super) async fn close(self) -> io::Result<()> {
        drop(self.to);
        self.carrying.await.map_err(io::Error::other)?;
        drop(self.stop);
        match self.serving {
            Some(serving) => serving.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }
}

fn broken(error: tungstenite::Error) -> Lost {
    match error {
        tungstenite::Error::Http(response) => Lost::Status(response.status().as_u16()),
        error => Lost::Io(io::Error::other(error)),
    }
}
