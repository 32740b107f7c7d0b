use std::{io, net::SocketAddr, sync::Arc};

use anyport_service::Service;
use anyport_transport::http::Config;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
};

use super::{
    Arrival, Exchange,
    http::{Broken, Connections, Events, Server},
};
use crate::Lost;

/// A client of HTTP+SSE. What the server says comes on one stream; what the client says is posted, a message after the
/// other, so that it arrives in its order.
#[derive(Debug)]
pub(super) struct Sse {
    address: SocketAddr,
    posts: mpsc::UnboundedSender<Post>,
    messages: Arc<str>,
    tasks: [AbortHandle; 2],
    /// The server, when it is ours.
    server: Option<Server>,
}

/// A message, and the headers that go with it.
type Post = (Bytes, Vec<(String, String)>);

impl Sse {
    pub(super) async fn serve(
        service: impl Service,
        config: Config,
        out: mpsc::UnboundedSender<(Exchange, Arrival)>,
    ) -> Result<Self, Lost> {
        let (server, address) = Server::start(service, config.sse(true)).await?;
        let mut sse = Self::open(address, HeaderMap::new(), "/sse", out).await?;
        sse.server = Some(server);
        Ok(sse)
    }

    /// Opens the stream at `path` of a server.
    pub(super) async fn open(
        address: SocketAddr,
        own: HeaderMap,
        path: &str,
        out: mpsc::UnboundedSender<(Exchange, Arrival)>,
    ) -> Result<Self, Lost> {
        let connections = Connections::new(address, own);
        let accept = vec![(header::ACCEPT.to_string(), "text/event-stream".to_owned())];
        let opened = connections.send(Method::GET, path, accept, Bytes::new()).await;
        let (response, connection) = opened.map_err(io::Error::other)?;
        if response.status() != StatusCode::OK {
            return Err(Lost::Status(response.status().as_u16()));
        }
        let (found, messages) = oneshot::channel();
        let reader = Reader { out: out.clone(), _connection: connection };
        let reading = tokio::spawn(reader.run(response, found)).abort_handle();
        let ended = || Lost::Ended("the address to post to".into());
        let messages: Arc<str> = messages.await.map_err(|_| ended())?.into();
        let (posts, queue) = mpsc::unbounded_channel();
        let posting = tokio::spawn(post(connections, messages.clone(), queue, out)).abort_handle();
        Ok(Self { address, posts, messages, tasks: [reading, posting], server: None })
    }

    pub(super) fn messages(&self) -> &str {
        &self.messages
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn send(&self, text: &str, headers: Vec<(String, String)>) -> Result<(), Lost> {
        let post = (Bytes::copy_from_slice(text.as_bytes()), headers);
        self.posts.send(post).map_err(|_| Lost::Ended("a reader of what is posted".into()))
    }

    /// Dropping the stream is how a client goes away.
    pub(super) async fn close(self) -> io::Result<()> {
        self.tasks.iter().for_each(AbortHandle::abort);
        match self.server {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }
}

/// Reads the stream.
struct Reader {
    out: mpsc::UnboundedSender<(Exchange, Arrival)>,
    /// Held until the stream ends: dropping it would end the connection.
    _connection: SendRequest<Full<Bytes>>,
}

impl Reader {
    async fn run(self, response: Response<Incoming>, found: oneshot::Sender<String>) {
        if let Err(error) = self.read(response, found).await {
            self.say(Arrival::Garbage(format!("the stream failed: {error}")));
        }
        self.say(Arrival::End);
    }

    async fn read(&self, response: Response<Incoming>, found: oneshot::Sender<String>) -> Result<(), Broken> {
        let (mut body, mut events) = (response.into_body(), Events::default());
        // 2024-11-05, transports §HTTP with SSE: the `endpoint` event comes first.
        let mut found = Some(found);
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            events.feed(&data, |kind, data| match (kind, found.take()) {
                ("endpoint", Some(found)) => drop(found.send(String::from_utf8_lossy(data).into_owned())),
                ("message", None) => self.say(Arrival::of(data)),
                (kind, _) => self.say(Arrival::Garbage(format!("an event `{kind}` out of place"))),
            });
        }
        Ok(())
    }

    fn say(&self, arrival: Arrival) {
        // The receiver is gone when the client is gone.
        let _ = self.out.send((Exchange::CHANNEL, arrival));
    }
}

/// Posts what is to be sent. What is not accepted is refused in the response.
async fn post(
    connections: Connections,
    messages: Arc<str>,
    mut queue: mpsc::UnboundedReceiver<Post>,
    out: mpsc::UnboundedSender<(Exchange, Arrival)>,
) {
    while let Some((text, headers)) = queue.recv().await {
        let arrival = match posted(&connections, &messages, text, headers).await {
            Ok(None) => continue,
            Ok(Some(refusal)) => Arrival::of(&refusal),
            Err(error) => Arrival::Garbage(format!("the POST failed: {error}")),
        };
        if out.send((Exchange::CHANNEL, arrival)).is_err() {
            return;
        }
    }
}

async fn posted(
    connections: &Connections,
    messages: &str,
    text: Bytes,
    mut headers: Vec<(String, String)>,
) -> Result<Option<Bytes>, Broken> {
    headers.push((header::CONTENT_TYPE.to_string(), "application/json".into()));
    let (response, connection) = connections.send(Method::POST, messages, headers, text).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    connections.keep(connection).await;
    match (status, body.is_empty()) {
        (202, true) => Ok(None),
        (202, false) => Err("a message that was accepted was answered in the response".into()),
        (_, false) => Ok(Some(body)),
        (status, true) => Err(format!("HTTP status {status}").into()),
    }
}
