//! A server over Streamable HTTP.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use ::http::{Method, Request, Response, header, response};
use anyport_transport::client::Dial;
use bytes::Bytes;
use futures_util::{Stream, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Setup,
    peer::{Back, Heard, Opened, Out, Peer, opening},
};

/// What fits into a connection before its writer waits.
const PIPE: usize = 1 << 20;

type Chunks = mpsc::UnboundedSender<Bytes>;
type Head = (response::Builder, mpsc::UnboundedReceiver<Bytes>);
type Body = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>>;

/// The response to one request. Dropping it before its end breaks the connection off.
#[derive(Debug)]
pub struct Exchange {
    state: Mutex<State>,
    /// Whether the status of an answer says what kind of error it is.
    modern: bool,
}

#[derive(Debug)]
enum State {
    Unanswered(oneshot::Sender<Head>),
    Streamed(Chunks),
    Over,
}

/// The GET streams that are open, the newest last.
#[derive(Debug, Default)]
pub(super) struct Streams(Mutex<Vec<Chunks>>);

pub(super) fn dial(setup: Setup, connected: &mpsc::UnboundedSender<Peer>) -> Dial {
    let (hear, inbox) = mpsc::unbounded_channel();
    let streams = Arc::new(Streams::default());
    let (left, gone) = watch::channel(false);
    let peer = Peer {
        opened: Value::Null,
        inbox,
        out: Out::Http(streams.clone()),
        last_id: AtomicU64::new(0),
        tasks: Vec::new(),
        gone,
    };
    let _ = connected.send(peer);
    let server = Arc::new(Server { setup, hear, streams, sessions: AtomicU64::new(0), _left: left });
    Dial::new(move || {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let server = server.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| server.clone().serve(request));
            let _ = http1::Builder::new().serve_connection(TokioIo::new(theirs), service).await;
        });
        async { Ok(ours) }
    })
}

struct Server {
    setup: Setup,
    hear: mpsc::UnboundedSender<Heard>,
    streams: Arc<Streams>,
    /// How many were opened.
    sessions: AtomicU64,
    _left: watch::Sender<bool>,
}

impl Server {
    async fn serve(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
        let (parts, body) = request.into_parts();
        let text = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let text = String::from_utf8_lossy(&text).into_owned();
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        // The stream for what belongs to no call is the server's own; one that is taken up again is the test's.
        if self.setup.opens && parts.method == Method::GET && !parts.headers.contains_key("last-event-id") {
            let (chunks, body) = mpsc::unbounded_channel();
            self.streams.add(chunks);
            return respond(status(200).header(header::CONTENT_TYPE, "text/event-stream"), body);
        }
        if let Some(step) = opening(&self.setup, &message) {
            return self.open(&message, step);
        }
        if self.setup.opens && parts.method == Method::DELETE {
            // A session that is given up, such as of a connection that showed what the server speaks, and was one too many.
            return respond(status(200), mpsc::unbounded_channel().1);
        }
        let (head, answered) = oneshot::channel();
        let modern = self.setup.revision.is_stateless();
        let exchange = Exchange { state: Mutex::new(State::Unanswered(head)), modern };
        let asks = message.get("id").is_some() && message.get("method").is_some();
        if self.setup.opens && parts.method == Method::POST && !asks {
            // A notification, or an answer: there is nothing more to say of it.
            exchange.refuse(202, "");
        }
        let (verb, headers) = (parts.method.to_string(), parts.headers);
        let heard = Heard { text, message, verb, headers, back: Back::Http(exchange) };
        self.hear.send(heard).map_err(io::Error::other)?;
        // Whoever drops it breaks the connection off.
        let (head, body) = answered.await.map_err(io::Error::other)?;
        respond(head, body)
    }

    fn open(&self, message: &Value, step: Opened) -> Result<Response<Body>, io::Error> {
        let (chunks, body) = mpsc::unbounded_channel();
        let answer = match step {
            Opened::Answer(answer) | Opened::Agreed(answer) => answer,
            Opened::Done => return respond(status(202), body),
        };
        let mut head = status(if answer.contains("\"error\"") { 404 } else { 200 })
            .header(header::CONTENT_TYPE, "application/json");
        if message["method"] == "initialize" && self.setup.has_sessions() {
            let number = self.sessions.fetch_add(1, Ordering::Relaxed) + 1;
            head = head.header("mcp-session-id", format!("session-{number}"));
        }
        let _ = chunks.send(answer.into());
        respond(head, body)
    }
}

fn status(status: u16) -> response::Builder {
    Response::builder().status(status)
}

fn respond(
    head: response::Builder,
    chunks: mpsc::UnboundedReceiver<Bytes>,
) -> Result<Response<Body>, io::Error> {
    let body = stream::unfold(chunks, async |mut chunks| {
        let chunk = chunks.recv().await?;
        Some((Ok(Frame::data(chunk)), chunks))
    });
    head.body(StreamBody::new(Box::pin(body) as _)).map_err(io::Error::other)
}

fn event(message: &str) -> Bytes {
    format!("event: message\ndata: {message}\n\n").into()
}

impl Exchange {
    /// Says a message before the answer, as an event.
    pub(super) fn tell(&self, message: &str) {
        self.write(event(message));
    }

    /// Writes the text of an event stream, with whatever ids, comments and times to come back after.
    pub fn events(&self, text: &str) {
        self.write(Bytes::copy_from_slice(text.as_bytes()));
    }

    /// Answers with this status and text, which is JSON unless it is empty.
    pub fn refuse(&self, code: u16, text: &str) {
        let State::Unanswered(head) = std::mem::replace(&mut *self.lock(), State::Over) else { return };
        let (chunks, body) = mpsc::unbounded_channel();
        if !text.is_empty() {
            let _ = chunks.send(Bytes::copy_from_slice(text.as_bytes()));
        }
        let _ = head.send((status(code).header(header::CONTENT_TYPE, "application/json"), body));
    }

    /// Ends the response in good order: an event stream that says no more.
    pub fn close(&self) {
        self.write(Bytes::new());
        *self.lock() = State::Over;
    }

    /// Ends with the answer.
    pub(super) fn end(&self, message: &str) {
        if matches!(*self.lock(), State::Unanswered(_)) {
            // 2026-07-28, streamable-http §Error Handling: some errors have a status of their own.
            let answer: Value = serde_json::from_str(message).unwrap_or_default();
            let code = match answer["error"]["code"].as_i64() {
                Some(-32601) if self.modern => 404,
                Some(-32700 | -32600 | -32022..=-32020) if self.modern => 400,
                _ => 200,
            };
            self.refuse(code, message);
        } else {
            self.tell(message);
            *self.lock() = State::Over;
        }
    }

    pub(super) fn is_open(&self) -> bool {
        match &*self.lock() {
            State::Unanswered(head) => !head.is_closed(),
            State::Streamed(chunks) => !chunks.is_closed(),
            State::Over => false,
        }
    }

    /// Completes when the client has gone away.
    pub(super) async fn left(&self) {
        let state = std::mem::replace(&mut *self.lock(), State::Over);
        match state {
            State::Unanswered(mut head) => head.closed().await,
            State::Streamed(chunks) => chunks.closed().await,
            State::Over => {}
        }
    }

    fn write(&self, bytes: Bytes) {
        let mut state = self.lock();
        if let State::Unanswered(_) = *state {
            let (chunks, body) = mpsc::unbounded_channel();
            if let State::Unanswered(head) = std::mem::replace(&mut *state, State::Streamed(chunks)) {
                let _ = head.send((status(200).header(header::CONTENT_TYPE, "text/event-stream"), body));
            }
        }
        if let State::Streamed(chunks) = &*state {
            let _ = chunks.send(bytes);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    fn add(&self, chunks: Chunks) {
        self.lock().push(chunks);
    }

    pub(super) fn say(&self, message: &str) {
        let open = self.lock();
        let newest = open.iter().rev().find(|chunks| !chunks.is_closed());
        let newest = newest.unwrap_or_else(|| panic!("no GET stream is open to say {message}"));
        let _ = newest.send(event(message));
    }

    pub(super) fn count(&self) -> usize {
        self.lock().iter().filter(|chunks| !chunks.is_closed()).count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Chunks>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
