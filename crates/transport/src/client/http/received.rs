//! Responses of a server over HTTP, read as messages.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as Task, Poll, ready},
    time::Duration,
};

use anyport_metrics::Held;
use anyport_protocol::{
    Error, Limits, Raw, Revision,
    failure::{CloseReason, Failure},
    json::Splice,
    jsonrpc::{Incoming, Malformed, Message, RpcResult, code, read},
    session::client::{Intent, MalformedMessage, element},
};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming as Body;
use url::Url;

use super::{
    connector::chain,
    events::{Event, Events},
    redirect::Redirected,
};
use crate::{
    buffered_bytes::{BufferedBytes, ReadGate},
    client::{ConnectOptions, MessageObserver, unexpected_messages::UnexpectedMessages},
};

/// How messages are read. The responses of one connection share it.
pub(crate) struct Reading {
    pub(crate) limits: Limits,
    pub(crate) answer_max: usize,
    pub(crate) tap: Option<Arc<dyn MessageObserver>>,
    buffers: Option<BufferedBytes>,
    /// The origin of the server, which shares the budget with other servers.
    server: Arc<str>,
    /// Whether the negotiated revision has arrays of messages; before that none has.
    has_arrays: AtomicBool,
    unexpected: UnexpectedMessages,
}

impl Reading {
    pub(crate) fn new(options: &ConnectOptions, answer_max: usize, server: &Url) -> Self {
        let (has_arrays, unexpected) = (AtomicBool::new(false), UnexpectedMessages::default());
        let (limits, tap, buffers) = (options.limits, options.tap.clone(), options.buffers.clone());
        let server = server.origin().ascii_serialization().into();
        Self { limits, answer_max, tap, buffers, server, has_arrays, unexpected }
    }

    /// What lets an answer be read.
    fn gate(&self) -> ReadGate {
        ReadGate::new(self.buffers.clone(), &self.server)
    }

    /// From now on messages are those of `revision`.
    pub(crate) fn negotiated(&self, revision: Revision) {
        self.has_arrays.store(revision.has_batches(), Ordering::Relaxed);
    }

    /// 2025-03-26, basic §Batching: implementations "**MUST** support receiving JSON-RPC batches". Elsewhere an array is
    /// none, but what it holds is taken: who waits for an answer in it would not get it.
    fn array(&self, text: &[u8]) {
        if !self.has_arrays.load(Ordering::Relaxed) {
            let why = "an array of messages, which only 2025-03-26 has; what it holds is taken";
            self.unexpected.note(why, text);
        }
    }

    /// Counts what is no message, and finds out what it was meant to be.
    fn malformed(&self, malformed: Malformed, text: &[u8]) -> Box<MalformedMessage> {
        self.unexpected.note(&malformed.error.message, text);
        Box::new(MalformedMessage::of(malformed, Some(text)))
    }
}

/// Why there are no more messages.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The stream ended, or was cut.
    Cut(String),
    /// What came is too long, or of no type that is read, for this reason: nothing that follows is read.
    Invalid(String),
    /// One came that is no message; others may follow.
    Malformed(Box<MalformedMessage>),
    /// There is no room for the answer; nothing that follows is read.
    Overloaded(Failure),
}

/// The events of a response.
pub(crate) struct EventStream {
    body: Body,
    pub(crate) events: Events,
    gate: ReadGate,
    /// Counts it among the streams of the pool.
    _counted: Option<Held>,
}

impl EventStream {
    pub(crate) fn new(body: Body, answer_max: usize) -> Self {
        Self { body, events: Events::new(answer_max), gate: ReadGate::default(), _counted: None }
    }

    /// Counts it by `counted` for as long as it is read.
    pub(crate) fn counted(self, counted: Option<Held>) -> Self {
        Self { _counted: counted, ..self }
    }

    /// The next event. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Event, Broken> {
        poll_fn(|task| self.poll_next(task)).await
    }

    fn poll_next(&mut self, task: &mut Task<'_>) -> Poll<Result<Event, Broken>> {
        loop {
            match self.events.next() {
                Ok(Some(event)) => {
                    self.gate.complete();
                    return Poll::Ready(Ok(event));
                }
                // Comments, and what was read of other events, take no room.
                Ok(None) => self.gate.set(self.events.held()),
                Err(error) => return Poll::Ready(Err(Broken::Invalid(error.to_string()))),
            }
            if let Err(overloaded) = ready!(self.gate.poll_ready(task)) {
                return Poll::Ready(Err(Broken::Overloaded(overloaded)));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(task)) {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.events.feed(piece);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(Broken::Cut(chain(&error)))),
                None => return Poll::Ready(Err(Broken::Cut("the stream ended".into()))),
            }
        }
    }

    /// Goes on with the stream that `body` brings.
    pub(crate) fn resume(&mut self, body: Body) {
        self.body = body;
        self.events.restart();
        self.gate.complete();
    }
}

/// The messages of a response: one JSON text, or a stream of events.
pub(crate) struct Messages {
    reading: Arc<Reading>,
    /// The first message that is there, and those after it: nearly always there is but one.
    first: Option<Result<Message, Box<MalformedMessage>>>,
    ready: VecDeque<Result<Message, Box<MalformedMessage>>>,
    source: Source,
    /// What was wrong with a message in an array: it may have been the one that is awaited.
    wrong: Option<Broken>,
}

/// Where messages come from.
enum Source {
    Json(Collect, StatusCode),
    Events(EventStream),
    /// The one JSON text was read.
    Over,
}

impl Messages {
    /// Reads a response of success.
    ///
    /// # Errors
    /// When it is neither JSON nor an event stream.
    pub(crate) fn of(response: Response<Body>, reading: &Arc<Reading>) -> Result<Self, Broken> {
        if is_type(response.headers(), "text/event-stream") {
            let mut stream = EventStream::new(response.into_body(), reading.answer_max);
            // Of a stream that several calls share, all of them would wait.
            stream.gate = reading.gate();
            return Ok(Self::new(Source::Events(stream), reading));
        }
        if is_type(response.headers(), "application/json") {
            let (gate, status) = (reading.gate(), response.status());
            let collect = Collect { gate, ..Collect::new(response, reading.answer_max) };
            return Ok(Self::new(Source::Json(collect, status), reading));
        }
        Err(Broken::Invalid(unreadable(&response)))
    }

    /// The messages of an event stream, from where it was read to.
    pub(crate) fn of_stream(stream: EventStream, reading: &Arc<Reading>) -> Self {
        Self::new(Source::Events(stream), reading)
    }

    fn new(source: Source, reading: &Arc<Reading>) -> Self {
        Self { reading: reading.clone(), first: None, ready: VecDeque::new(), source, wrong: None }
    }

    /// The next message. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Message, Broken> {
        poll_fn(|task| self.poll_next(task)).await
    }

    /// The next message.
    pub(crate) fn poll_next(&mut self, task: &mut Task<'_>) -> Poll<Result<Message, Broken>> {
        loop {
            if let Some(message) = self.first.take().or_else(|| self.ready.pop_front()) {
                return Poll::Ready(message.map_err(Broken::Malformed));
            }
            let text = match &mut self.source {
                Source::Events(stream) => match ready!(stream.poll_next(task)) {
                    // The first event of a resumable stream has an id and no data. Other types of events are for others.
                    Ok(event) if event.kind != "message" || event.data.is_empty() => continue,
                    Ok(event) => Ok(event.data),
                    Err(broken) => Err(broken),
                },
                Source::Json(collect, status) => {
                    let (text, status) = (ready!(collect.poll(task)), *status);
                    self.source = Source::Over;
                    text.and_then(|text| match text.trim_ascii().is_empty() {
                        true => Err(Broken::Invalid(empty(status))),
                        false => Ok(text),
                    })
                }
                Source::Over => {
                    Err(Broken::Cut("the server's answer does not say what became of the request".into()))
                }
            };
            match text {
                Ok(text) => self.take(text),
                Err(Broken::Cut(why)) => {
                    return Poll::Ready(Err(self.wrong.take().unwrap_or(Broken::Cut(why))));
                }
                Err(broken) => return Poll::Ready(Err(broken)),
            }
        }
    }

    /// The stream, if these messages come on one.
    pub(crate) fn stream(&self) -> Option<&EventStream> {
        match &self.source {
            Source::Events(stream) => Some(stream),
            Source::Json(..) | Source::Over => None,
        }
    }

    /// Goes on with the stream that `body` brings.
    pub(crate) fn resume(&mut self, body: Body) {
        if let Source::Events(stream) = &mut self.source {
            stream.resume(body);
        }
    }

    fn take(&mut self, text: Bytes) {
        if let Some(tap) = &self.reading.tap {
            tap.received(&text);
        }
        match read(text.clone(), &self.reading.limits) {
            Ok(Incoming::One(message)) => self.put(Ok(message)),
            Ok(Incoming::Batch(all)) => self.array(all, &text),
            Err(malformed) => self.put(Err(self.reading.malformed(malformed, &text))),
        }
    }

    fn put(&mut self, message: Result<Message, Box<MalformedMessage>>) {
        match self.first.is_none() && self.ready.is_empty() {
            true => self.first = Some(message),
            false => self.ready.push_back(message),
        }
    }

    /// 2025-03-26, basic §Batching: what is wrong with one leaves the others.
    fn array(&mut self, all: Vec<Result<Message, Malformed>>, text: &Bytes) {
        self.reading.array(text);
        for (index, message) in all.into_iter().enumerate() {
            match message {
                Ok(message) => self.ready.push_back(Ok(message)),
                Err(malformed) => {
                    let element = element(text, index, &self.reading.limits).unwrap_or_default();
                    let malformed = self.reading.malformed(malformed, &element);
                    match malformed.intent {
                        Intent::Unknown => {
                            self.wrong = Some(Broken::Invalid(malformed.failure().to_string()))
                        }
                        _ => self.ready.push_back(Err(malformed)),
                    }
                }
            }
        }
    }
}

/// A response that is none of success.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The JSON-RPC error in it.
    pub(crate) error: Option<Error>,
    /// `WWW-Authenticate`.
    pub(crate) challenge: Option<String>,
    retry_after: Option<String>,
    /// The beginning of what it says otherwise.
    words: String,
    /// The redirect that led to another origin, which sent this.
    redirected: Option<Redirected>,
}

impl Refusal {
    /// Reads a response of failure, of which no more than its beginning matters.
    ///
    /// Of another origin only a JSON-RPC error is taken over, which the same server says there.
    pub(crate) async fn of(response: Response<Body>, reading: &Reading) -> Self {
        let redirected = response.extensions().get::<Redirected>().cloned();
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let challenge = header(header::WWW_AUTHENTICATE).map(str::to_owned);
        let retry_after = header(header::RETRY_AFTER).map(str::to_owned);
        let status = response.status();
        let read_body = collect(response, REFUSAL);
        let text = tokio::time::timeout(PATIENCE, read_body).await;
        let text = text.ok().and_then(Result::ok).unwrap_or_default();
        if let (Some(tap), false) = (&reading.tap, text.is_empty()) {
            tap.received(&text);
        }
        let words = words_of(&String::from_utf8_lossy(&text));
        let error = match read(text, &reading.limits) {
            Ok(Incoming::One(Message::Response(response))) => response.outcome.err(),
            _ => None,
        };
        match redirected {
            None => Self { status, error, challenge, retry_after, words, redirected },
            Some(_) => {
                Self { status, error, challenge: None, retry_after: None, words: String::new(), redirected }
            }
        }
    }

    /// Whether the server says that it does not know the session (any more).
    ///
    /// 2025-11-25, transports §Session Management: "it MUST respond to requests containing that session ID with HTTP 404
    /// Not Found". Servers that follow the examples of the TypeScript SDK answer 400 in words of their own.
    ///
    /// Another origin, to which the server sends us on, never had the id of the session.
    pub(crate) fn is_lost_session(&self) -> bool {
        if self.redirected.is_some() {
            return false;
        }
        // Servers of both eras say with this status, too, that they do not know a method (2026-07-28, streamable-http).
        let no_method = self.error.as_ref().is_some_and(|error| error.code == code::METHOD_NOT_FOUND);
        self.status == StatusCode::NOT_FOUND && !no_method
            || self.status == StatusCode::BAD_REQUEST
                && self.error.as_ref().is_some_and(|error| {
                    error.code == -32000 && error.message.to_ascii_lowercase().contains("session")
                })
    }

    /// Whether a server refuses so what it takes for a request of another revision, or of a session that it does not know.
    ///
    /// 2026-07-28, versioning §Compatibility Matrix, of a legacy server: "the modern request returns a `4xx` without a
    /// recognized modern error body". One that does not know a method has understood the request
    /// (2026-07-28, streamable-http §Protocol Version Header: `404` with -32601).
    pub(super) fn may_be_of_another_revision(&self) -> bool {
        let statuses = [
            StatusCode::BAD_REQUEST,
            StatusCode::NOT_FOUND,
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::GONE,
            StatusCode::UNPROCESSABLE_ENTITY,
        ];
        let no_method = self.error.as_ref().is_some_and(|error| error.code == code::METHOD_NOT_FOUND);
        self.redirected.is_none() && statuses.contains(&self.status) && !no_method
    }

    /// Whether this is an error by which a client recognizes a modern server.
    pub(super) fn is_recognized_modern_error(&self) -> bool {
        let recognized =
            [code::HEADER_MISMATCH, code::MISSING_CLIENT_CAPABILITY, code::UNSUPPORTED_PROTOCOL_VERSION];
        self.error.as_ref().is_some_and(|error| recognized.contains(&error.code))
    }

    /// What the refusal of another request is compared with.
    pub(super) fn kind(&self) -> RefusalKind {
        let said = self.error.as_ref().map_or(&*self.words, |error| &*error.message).to_ascii_lowercase();
        // The SDKs say "no valid session", "session not found", "server not initialized" and "expect initialize request".
        let speaks_of_session = said.contains("session") || said.contains("initialize");
        RefusalKind {
            status: self.status,
            code: self.error.as_ref().map(|error| error.code),
            disowns_session: self.may_be_of_another_revision()
                && (speaks_of_session || self.is_recognized_modern_error()),
        }
    }

    /// Whether the server that has opened a shared stream before no longer does: the session is lost, or the server speaks
    /// something else now.
    pub(super) fn ends_session(&self) -> bool {
        let statuses = [StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
        self.redirected.is_none() && statuses.contains(&self.status)
    }

    /// Whether this says nothing about what the server speaks: it wants to know who calls, or is broken.
    pub(crate) fn says_nothing_of_the_era(&self) -> bool {
        let who = matches!(
            self.status,
            StatusCode::UNAUTHORIZED
                | StatusCode::PROXY_AUTHENTICATION_REQUIRED
                | StatusCode::TOO_MANY_REQUESTS
        );
        // A server that answers in JSON-RPC has understood that much, and is no broken gateway before it.
        who || self.status.is_server_error() && self.error.is_none()
    }

    /// In words for a person.
    pub(crate) fn words(&self) -> String {
        let status = self.status;
        let what = match status {
            StatusCode::UNAUTHORIZED => {
                "it wants to know who is calling; give a token in the header Authorization".to_owned()
            }
            StatusCode::FORBIDDEN => "it does not allow this".to_owned(),
            StatusCode::TOO_MANY_REQUESTS => "it is asked too often".to_owned(),
            StatusCode::NOT_FOUND => "there is no MCP endpoint at this path".to_owned(),
            _ if status.is_server_error() => "it has failed, or what stands before it has".to_owned(),
            _ => "it refuses the request".to_owned(),
        };
        let later =
            self.retry_after.as_deref().map_or(String::new(), |after| format!(" (Retry-After: {after:.40})"));
        let said = match (&self.error, self.words.trim()) {
            (Some(error), _) => format!("; it says: {}", error.message),
            (None, "") => String::new(),
            (None, words) => format!("; it says: {words}"),
        };
        let who = match &self.redirected {
            Some(Redirected { from, to, .. }) => format!("{from} sends on to {to}, which"),
            None => "the server".to_owned(),
        };
        format!("{who} answers HTTP status {status}: {what}{later}{said}")
    }

    /// As the outcome of a request.
    pub(crate) fn into_error(self) -> Error {
        let words = self.words();
        // What the caller lacks is said by the challenge, not by the body. 2026-07-28, authorization §Runtime Insufficient Scope
        // Errors: "`WWW-Authenticate` header with the `Bearer` scheme and additional parameters".
        let is_forbidden = self.status == StatusCode::FORBIDDEN && self.challenge.is_some();
        let mut data = Splice::new().with("httpStatus", &Raw::trusted(self.status.as_str().into()));
        if let Some(challenge) = &self.challenge {
            data = data.with("wwwAuthenticate", &Raw::string(challenge));
        }
        match self.error {
            Some(error) if is_forbidden => {
                if let Some(of_server) = &error.data {
                    data = data.with("data", of_server);
                }
                error.with_data(data.finish())
            }
            Some(error) if self.status != StatusCode::UNAUTHORIZED => error,
            _ => Error::internal(words).with_data(data.finish()),
        }
    }
}

/// What tells apart the ways in which a server refuses requests.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefusalKind {
    status: StatusCode,
    /// The code of the JSON-RPC error in it.
    code: Option<i64>,
    /// Whether it says that the server does not know the session, or that the server is a modern one, which knows none.
    pub(super) disowns_session: bool,
}

impl RefusalKind {
    /// Whether both have the same status and the same JSON-RPC error.
    pub(super) fn is_same_error(self, other: Self) -> bool {
        (self.status, self.code) == (other.status, other.code)
    }
}

/// Why a response of success is none of MCP's: it is empty, a page for browsers, or of another type.
fn unreadable(response: &Response<Body>) -> String {
    let status = response.status();
    let Some(found) = response.headers().get(header::CONTENT_TYPE) else {
        return match response.body().size_hint().exact() {
            Some(0) => empty(status),
            _ => format!(
                "the server answers without a content type (HTTP status {}), {EXPECTED}",
                status.as_u16()
            ),
        };
    };
    let what = if is_type(response.headers(), "text/html") { "a web page" } else { "something else" };
    let found = found.to_str().unwrap_or("one that is no text");
    format!(
        "the server answers with {what} (HTTP status {}, content type {found:.100}), {EXPECTED}",
        status.as_u16()
    )
}

/// The fault of a response without a body.
fn empty(status: StatusCode) -> String {
    format!("the server gives an empty answer (HTTP status {}), {EXPECTED}", status.as_u16())
}

/// What a response should be.
const EXPECTED: &str =
    "where MCP has application/json or text/event-stream; is this the URL of an MCP server?";

/// The beginning of what a refusal says, on one line. Of a page for browsers nothing: its words are between its signs.
fn words_of(text: &str) -> String {
    let text = text.trim_start();
    if text.starts_with('<') {
        return String::new();
    }
    let words: Vec<&str> = text.split_whitespace().take(200).collect();
    words.join(" ").chars().take(200).collect()
}

/// How much of a refusal is read.
const REFUSAL: usize = 64 << 10;

/// For how long a refusal is read.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    let found = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    found.is_some_and(|found| {
        found.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
    })
}

/// Whether this is a response of success that is an event stream.
pub(super) fn is_stream(response: &Response<Body>) -> bool {
    response.status().is_success() && is_type(response.headers(), "text/event-stream")
}

/// The failure of a request whose response cannot be read.
pub(super) fn failure_of(broken: Broken) -> Failure {
    match broken {
        Broken::Invalid(why) => Failure::InvalidPeer(why),
        Broken::Malformed(message) => message.failure(),
        Broken::Overloaded(failure) => failure,
        Broken::Cut(why) => Failure::OutcomeUnknown(CloseReason::lost(why)),
    }
}

/// The one outcome in a response. Other messages in it are ignored.
///
/// # Errors
/// Why there is none.
pub(super) async fn result_of(
    response: Response<Body>,
    reading: &Arc<Reading>,
) -> Result<RpcResult, Failure> {
    let mut messages = Messages::of(response, reading).map_err(failure_of)?;
    loop {
        match messages.next().await {
            Ok(Message::Response(response)) => return Ok(response.outcome),
            Err(Broken::Malformed(malformed)) if !malformed.intent.may_be_response() => {}
            Ok(_) => {}
            // Requests of the connection's own do no harm twice.
            Err(Broken::Cut(why)) => return Err(Failure::Disconnected(CloseReason::lost(why))),
            Err(broken) => return Err(failure_of(broken)),
        }
    }
}

/// Reads a body to its end, within a limit.
pub(super) async fn collect(response: Response<Body>, limit: usize) -> Result<Bytes, Broken> {
    let mut collect = Collect::new(response, limit);
    poll_fn(|task| collect.poll(task)).await
}

/// A body that is read to its end.
struct Collect {
    body: Body,
    limit: usize,
    /// The size that the server has announced.
    announced: usize,
    first: Bytes,
    all: BytesMut,
    gate: ReadGate,
}

impl Collect {
    fn new(response: Response<Body>, limit: usize) -> Self {
        let body = response.into_body();
        let announced = body.size_hint().exact().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let (first, all, gate) = (Bytes::new(), BytesMut::new(), ReadGate::default());
        Self { body, limit, announced, first, all, gate }
    }

    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Result<Bytes, Broken>> {
        loop {
            if let Err(overloaded) = ready!(self.gate.poll_ready(task)) {
                return Poll::Ready(Err(Broken::Overloaded(overloaded)));
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(task)) else { break };
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => return Poll::Ready(Err(Broken::Cut(chain(&error)))),
            };
            let Ok(piece) = frame.into_data() else { continue };
            let read = self.first.len() + self.all.len() + piece.len();
            self.gate.set(read);
            if read > self.limit {
                let limit = self.limit;
                let why =
                    format!("the server's answer is longer than the limit of {limit} bytes (answer_max)");
                return Poll::Ready(Err(Broken::Invalid(why)));
            }
            if self.first.is_empty() && self.all.is_empty() {
                self.first = piece;
                continue;
            }
            if self.all.is_empty() {
                // Grown once: the announced size is within the limit, or the body will be refused before it is reached.
                self.all.reserve(self.announced.min(self.limit).max(self.first.len() + piece.len()));
                self.all.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.all.extend_from_slice(&piece);
        }
        let (first, all) = (std::mem::take(&mut self.first), std::mem::take(&mut self.all));
        // Most answers come in one piece, which is then not copied.
        Poll::Ready(Ok(if all.is_empty() { first } else { all.freeze() }))
    }
}
