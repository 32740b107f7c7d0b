//! A server over Streamable HTTP.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
};

use super::ends::Ends;

type Chunks = mpsc::UnboundedSender<Bytes>;
type Answer = (http::response::Builder, mpsc::UnboundedReceiver<Bytes>);

/// A message that was posted, or nothing for a GET; and where its response goes.
type Posted = (Option<Result<Value, String>>, oneshot::Sender<Answer>);

pub(super) struct Http {
    address: SocketAddr,
    posted: mpsc::UnboundedReceiver<Posted>,
    accepting: AbortHandle,
    open: Vec<Exchange>,
    /// Whether an older dialogue was opened.
    is_legacy: bool,
}

/// The response to a request that is open; the one to a GET has no id.
struct Exchange {
    id: Option<Value>,
    is_initialize: bool,
    way: Way,
}

enum Way {
    Unanswered(oneshot::Sender<Answer>),
    Streamed(Chunks),
}

impl Http {
    pub(super) async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (post, posted) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(async move {
            // Ends all connections with itself.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let post = post.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| serve(request, post.clone()));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { address, posted, accepting: accepting.abort_handle(), open: Vec::new(), is_legacy: false })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

type Body = StreamBody<std::pin::Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>;

async fn serve(
    request: Request<Incoming>,
    post: mpsc::UnboundedSender<Posted>,
) -> Result<Response<Body>, io::Error> {
    let message = match *request.method() {
        Method::GET => None,
        Method::DELETE => return respond(status(200), None),
        _ => {
            let text = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
            Some(serde_json::from_slice(&text).map_err(|_| String::from_utf8_lossy(&text).into_owned()))
        }
    };
    let (answer, answered) = oneshot::channel();
    post.send((message, answer)).map_err(io::Error::other)?;
    // Dropping it breaks the connection.
    let (head, chunks) = answered.await.map_err(io::Error::other)?;
    respond(head, Some(chunks))
}

fn status(status: u16) -> http::response::Builder {
    Response::builder().status(status)
}

fn respond(
    head: http::response::Builder,
    chunks: Option<mpsc::UnboundedReceiver<Bytes>>,
) -> Result<Response<Body>, io::Error> {
    let body = stream::unfold(chunks, async |chunks| {
        let mut chunks = chunks?;
        let chunk = chunks.recv().await?;
        Some((Ok(Frame::data(chunk)), Some(chunks)))
    });
    head.body(StreamBody::new(Box::pin(body) as _)).map_err(io::Error::other)
}

impl Exchange {
    /// Sends the answer that this exchange is for, which is then over.
    fn answer(self, message: &Value, is_legacy: bool) -> Result<(), String> {
        let gone = "the client has gone away".to_owned();
        match self.way {
            Way::Streamed(chunks) => chunks.send(event(message)).map_err(|_| gone),
            Way::Unanswered(answer) => {
                let (chunks, body) = mpsc::unbounded_channel();
                // Statuses that tell of the error came with 2026-07-28; to an older client 404 means that its session is over.
                let code = if is_legacy { 200 } else { code(message) };
                let mut head = status(code).header(header::CONTENT_TYPE, "application/json");
                if self.is_initialize {
                    head = head.header("mcp-session-id", "script");
                }
                let _ = chunks.send(message.to_string().into());
                answer.send((head, body)).map_err(|_| gone)
            }
        }
    }

    /// Sends something before the answer.
    fn say(&mut self, message: &Value) -> Result<(), String> {
        if let Way::Unanswered(_) = self.way {
            let (chunks, body) = mpsc::unbounded_channel();
            let head = status(200).header(header::CONTENT_TYPE, "text/event-stream");
            if let Way::Unanswered(answer) = std::mem::replace(&mut self.way, Way::Streamed(chunks)) {
                let _ = answer.send((head, body));
            }
        }
        match &self.way {
            Way::Streamed(chunks) => {
                chunks.send(event(message)).map_err(|_| "the client has gone away".to_owned())
            }
            Way::Unanswered(_) => Ok(()),
        }
    }
}

/// The status of an answer: 2026-07-28, basic/transports/streamable-http §Server Validation and §Error Handling.
fn code(message: &Value) -> u16 {
    match message["error"]["code"].as_i64() {
        Some(-32601) => 404,
        Some(-32700 | -32600 | -32022..=-32020) => 400,
        _ => 200,
    }
}

fn event(message: &Value) -> Bytes {
    format!("event: message\ndata: {message}\n\n").into()
}

impl Ends for Http {
    async fn send(&mut self, message: &Value) -> Result<(), String> {
        let answers = message.get("id").filter(|_| message.get("method").is_none());
        if let Some(id) = answers {
            let place = self.open.iter().position(|open| open.id.as_ref() == Some(id));
            let place = place.ok_or_else(|| format!("no request {id} is open"))?;
            return self.open.remove(place).answer(message, self.is_legacy);
        }
        // On the response to the oldest request; else on the stream that is for what belongs to none.
        let place = self.open.iter().position(|open| open.id.is_some()).unwrap_or(0);
        let exchange = self.open.get_mut(place).ok_or("no request and no stream is open to say this on")?;
        exchange.say(message)
    }

    async fn receive(&mut self) -> Option<Result<Value, String>> {
        loop {
            let (message, answer) = self.posted.recv().await?;
            let Some(message) = message else {
                let (chunks, body) = mpsc::unbounded_channel();
                let _ = answer.send((status(200).header(header::CONTENT_TYPE, "text/event-stream"), body));
                self.open.push(Exchange { id: None, is_initialize: false, way: Way::Streamed(chunks) });
                continue;
            };
            let asks = message.as_ref().ok().filter(|message| message.get("method").is_some());
            match asks.and_then(|message| message.get("id")) {
                Some(id) => {
                    let is_initialize = asks.is_some_and(|message| message["method"] == "initialize");
                    self.is_legacy |= is_initialize;
                    let way = Way::Unanswered(answer);
                    self.open.push(Exchange { id: Some(id.clone()), is_initialize, way });
                }
                None => {
                    let _ = answer.send((status(202), mpsc::unbounded_channel().1));
                }
            }
            return Some(message);
        }
    }

    async fn close(&mut self) {
        self.open.clear();
    }

    async fn exit(&mut self) {
        self.open.clear();
        self.accepting.abort();
    }
}
