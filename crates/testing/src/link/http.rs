use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
};

use anyport_service::{Service, sync::Lock};
use anyport_transport::http::{Config, Listener};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Body, Incoming},
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinHandle},
};

use super::{Arrival, Exchange};
use crate::Lost;

/// A client of one HTTP server. Connections are reused.
#[derive(Debug)]
pub(super) struct Http {
    connections: Connections,
    path: Arc<str>,
    out: mpsc::UnboundedSender<(Exchange, Arrival)>,
    open: HashMap<Exchange, AbortHandle>,
    last: u64,
    server: Option<Server>,
}

/// The server, when it is ours.
#[derive(Debug)]
pub(super) struct Server {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves on a free port of loopback.
    pub(super) async fn start(service: impl Service, config: Config) -> Result<(Self, SocketAddr), Lost> {
        let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into(), config, false).await?;
        let address = listener.address()?;
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(listener.serve(service, async {
            let _ = stopped.await;
        }));
        Ok((Self { stop, serving }, address))
    }

    pub(super) async fn stop(self) -> io::Result<()> {
        let _ = self.stop.send(());
        self.serving.await.map_err(io::Error::other)?
    }
}

impl Http {
    pub(super) async fn serve(
        service: impl Service,
        config: Config,
        out: mpsc::UnboundedSender<(Exchange, Arrival)>,
    ) -> Result<Self, Lost> {
        let path = config.path.clone();
        let (server, address) = Server::start(service, config).await?;
        let mut http = Self::new(address, HeaderMap::new(), path, out);
        http.server = Some(server);
        Ok(http)
    }

    pub(super) fn new(
        address: SocketAddr,
        own: HeaderMap,
        path: String,
        out: mpsc::UnboundedSender<(Exchange, Arrival)>,
    ) -> Self {
        let connections = Connections::new(address, own);
        Self { connections, path: path.into(), out, open: HashMap::new(), last: 0, server: None }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.connections.address
    }

    pub(super) async fn close(self) -> io::Result<()> {
        self.open.values().for_each(AbortHandle::abort);
        self.connections.idle.lock().clear();
        match self.server {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    pub(super) fn post(&mut self, text: &str, mut headers: Vec<(String, String)>) -> Exchange {
        headers.push((header::CONTENT_TYPE.to_string(), "application/json".into()));
        headers.push((header::ACCEPT.to_string(), "application/json, text/event-stream".into()));
        self.begin(Method::POST, headers, Bytes::copy_from_slice(text.as_bytes()))
    }

    pub(super) fn get(&mut self, mut headers: Vec<(String, String)>) -> Exchange {
        headers.push((header::ACCEPT.to_string(), "text/event-stream".into()));
        self.begin(Method::GET, headers, Bytes::new())
    }

    /// Dropping the connection is how an HTTP client goes away.
    pub(super) fn cut(&mut self, exchange: Exchange) -> bool {
        self.open.remove(&exchange).map(|task| task.abort()).is_some()
    }

    fn begin(&mut self, method: Method, headers: Vec<(String, String)>, body: Bytes) -> Exchange {
        self.open.retain(|_, task| !task.is_finished());
        self.last += 1;
        let exchange = Exchange(self.last);
        let pump = Pump { exchange, out: self.out.clone() };
        let request = self.connections.clone().exchange(method, self.path.clone(), headers, body, pump);
        self.open.insert(exchange, tokio::spawn(request).abort_handle());
        exchange
    }
}

/// The parts of a request.
#[derive(Clone, Debug)]
pub(super) struct Connections {
    address: SocketAddr,
    /// Additional headers of every request.
    own: HeaderMap,
    idle: Arc<Lock<Vec<SendRequest<Full<Bytes>>>>>,
}

impl Connections {
    pub(super) fn new(address: SocketAddr, own: HeaderMap) -> Self {
        Self { address, own, idle: Arc::default() }
    }

    /// Makes a request, and passes on all that comes back.
    async fn exchange(
        self,
        method: Method,
        path: Arc<str>,
        headers: Vec<(String, String)>,
        body: Bytes,
        pump: Pump,
    ) {
        // After a failure the exchange is over, and the waiting caller receives the error.
        if let Err(error) = self.carry(method, &path, headers, body, &pump).await {
            pump.say(Arrival::Garbage(format!("the HTTP request failed: {error}")));
        }
        pump.say(Arrival::End);
    }

    async fn carry(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(String, String)>,
        body: Bytes,
        pump: &Pump,
    ) -> Result<(), Broken> {
        let (response, connection) = self.send(method, path, headers, body).await?;
        pump.response(response).await?;
        self.keep(connection).await;
        Ok(())
    }

    /// Sends a request, and waits for the head of its response.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: Vec<(String, String)>,
        body: Bytes,
    ) -> Result<(Response<Incoming>, SendRequest<Full<Bytes>>), Broken> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::HOST, self.address.to_string());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in &self.own {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body))?;
        let mut connection = self.connection().await?;
        Ok((connection.send_request(request).await?, connection))
    }

    /// Stores a connection with a finished response, for reuse.
    pub(super) async fn keep(&self, mut connection: SendRequest<Full<Bytes>>) {
        if connection.ready().await.is_ok() {
            self.idle.lock().push(connection);
        }
    }

    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, Broken> {
        loop {
            // Taken out in a statement of its own, so that the lock is not held any longer.
            let idle = self.idle.lock().pop();
            match idle {
                Some(connection) if connection.is_closed() => {}
                Some(connection) => return Ok(connection),
                None => break,
            }
        }
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

pub(super) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Takes what comes back for one request to the inbox.
pub(super) struct Pump {
    pub(super) exchange: Exchange,
    pub(super) out: mpsc::UnboundedSender<(Exchange, Arrival)>,
}

impl Pump {
    pub(super) fn say(&self, arrival: Arrival) {
        // The receiver is gone when the client is gone.
        let _ = self.out.send((self.exchange, arrival));
    }

    pub(super) async fn response<B>(&self, response: Response<B>) -> Result<(), Broken>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Broken>,
    {
        let session = response.headers().get("mcp-session-id").and_then(|id| id.to_str().ok());
        self.say(Arrival::Head { status: response.status().as_u16(), session: session.map(str::to_owned) });
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let events = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
        let mut body = pin!(response.into_body());
        if !events {
            let whole = body.collect().await.map_err(Into::into)?.to_bytes();
            if !whole.is_empty() {
                self.say(Arrival::of(&whole));
            }
            return Ok(());
        }
        let mut events = Events::default();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.map_err(Into::into)?.into_data() {
                events.feed(&data, |_, event| self.say(Arrival::of(event)));
            }
        }
        Ok(())
    }
}

/// Reads an event stream (WHATWG HTML §9.2.6) of UTF-8 with line feeds. Only the kind and the data of its events count.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    kind: String,
    data: Vec<u8>,
}

impl Events {
    pub(super) fn feed(&mut self, bytes: &[u8], mut event: impl FnMut(&str, &[u8])) {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if line.is_empty() {
                let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
                // An event without data carries only an id or a time to come back after.
                if let Some(data) = data.strip_suffix(b"\n").filter(|data| !data.is_empty()) {
                    event(if kind.is_empty() { "message" } else { &kind }, data);
                }
            } else if let Some(kind) = line.strip_prefix(b"event:") {
                self.kind = String::from_utf8_lossy(kind.strip_prefix(b" ").unwrap_or(kind)).into_owned();
            } else if let Some(data) = line.strip_prefix(b"data:") {
                self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
                self.data.push(b'\n');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_whatever_the_pieces() {
        let text =
            b": hello\n\nid: 1\ndata: \n\nid: 2\nretry: 5\ndata: {\"a\":\ndata:1}\n\nevent: x\ndata: 2\n\n";
        for size in [1, 2, 7, text.len()] {
            let (mut events, mut read) = (Events::default(), Vec::new());
            for part in text.chunks(size) {
                events.feed(part, |kind, event| {
                    read.push(format!("{kind} {}", String::from_utf8_lossy(event)))
                });
            }
            assert_eq!(read, ["message {\"a\":\n1}", "x 2"], "in pieces of {size}");
        }
    }
}
