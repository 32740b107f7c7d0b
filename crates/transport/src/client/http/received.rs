//! What a server answers over HTTP, read as messages.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use anyport_protocol::{
    Error, Limits, Raw, Revision,
    json::Splice,
    jsonrpc::{Incoming, Malformed, Message, Reason, code, read},
    session::client::{Intent, MalformedMessage, element},
};
use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming as Body;

use super::{
    connector::chain,
    events::{Event, Events},
};
use crate::client::{MessageObserver, malformed::MalformedCount};

/// How messages are read.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) limits: Limits,
    pub(crate) answer_max: usize,
    pub(crate) tap: Option<Arc<dyn MessageObserver>>,
    /// Whether the revision that was agreed on has arrays of messages; before that none has.
    has_arrays: bool,
    garbage: Arc<MalformedCount>,
}

impl Reading {
    pub(crate) fn new(limits: Limits, answer_max: usize, tap: Option<Arc<dyn MessageObserver>>) -> Self {
        Self { limits, answer_max, tap, has_arrays: false, garbage: Arc::default() }
    }

    /// From here on messages are those of `revision`.
    pub(crate) fn agreed(&mut self, revision: Revision) {
        self.has_arrays = revision.has_batches();
    }

    /// 2025-03-26, basic §Batching: implementations "**MUST** support receiving JSON-RPC batches". Elsewhere an array is
    /// none, but what it holds is taken: who waits for an answer in it would not get it.
    fn array(&self, text: &[u8]) {
        if !self.has_arrays {
            let why = "an array of messages, which only 2025-03-26 has; what it holds is taken";
            self.garbage.note(why, text);
        }
    }

    /// Counts what is no message, and finds out what it was meant to be.
    fn malformed(&self, malformed: Malformed, text: &[u8]) -> Box<MalformedMessage> {
        self.garbage.note(&malformed.error.message, text);
        Box::new(MalformedMessage::of(malformed, Some(text)))
    }
}

/// Why there are no more messages.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The stream ended, or was cut.
    Cut(String),
    /// What came is too long, or of no type that is read: nothing that follows is read.
    Invalid(Error),
    /// One came that is no message; others may follow.
    Malformed(Box<MalformedMessage>),
}

/// The events of a response.
pub(crate) struct EventStream {
    body: Body,
    pub(crate) events: Events,
}

impl EventStream {
    pub(crate) fn new(body: Body, answer_max: usize) -> Self {
        Self { body, events: Events::new(answer_max) }
    }

    /// The next event. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Event, Broken> {
        loop {
            match self.events.next() {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(error) => return Err(Broken::Invalid(invalid(error.to_string()))),
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        self.events.feed(piece);
                    }
                }
                Some(Err(error)) => return Err(Broken::Cut(chain(&error))),
                None => return Err(Broken::Cut("the stream ended".into())),
            }
        }
    }

    /// Goes on with the stream that `body` brings.
    pub(crate) fn resume(&mut self, body: Body) {
        self.body = body;
        self.events.restart();
    }
}

/// The messages of a response: one JSON text, or a stream of events.
pub(crate) struct Messages {
    reading: Reading,
    /// The first message that is there, and those after it: nearly always there is but one.
    first: Option<Result<Message, Box<MalformedMessage>>>,
    ready: VecDeque<Result<Message, Box<MalformedMessage>>>,
    stream: Option<EventStream>,
    /// What was wrong with a message in an array: it may have been the one that is awaited.
    wrong: Option<Error>,
}

impl Messages {
    /// Reads a response of success.
    ///
    /// # Errors
    /// When it is neither JSON nor an event stream, or cannot be read.
    pub(crate) async fn of(response: Response<Body>, reading: &Reading) -> Result<Self, Broken> {
        let mut messages = Self::new(None, reading);
        if is_type(response.headers(), "text/event-stream") {
            messages.stream = Some(EventStream::new(response.into_body(), reading.answer_max));
        } else if is_type(response.headers(), "application/json") {
            let text = collect(response.into_body(), reading.answer_max).await?;
            messages.take(text);
        } else {
            let found = response
                .headers()
                .get(header::CONTENT_TYPE)
                .map_or("none", |value| value.to_str().unwrap_or("one that is no text"));
            return Err(Broken::Invalid(invalid(format!(
                "the server answers with HTTP status {} and content type {found:.100}, where MCP has application/json or \
                 text/event-stream; is this the URL of an MCP server?",
                response.status().as_u16()
            ))));
        }
        Ok(messages)
    }

    /// The messages of an event stream, from where it was read to.
    pub(crate) fn of_stream(stream: EventStream, reading: &Reading) -> Self {
        Self::new(Some(stream), reading)
    }

    fn new(stream: Option<EventStream>, reading: &Reading) -> Self {
        Self { reading: reading.clone(), first: None, ready: VecDeque::new(), stream, wrong: None }
    }

    /// From here on messages are those of `revision`.
    pub(crate) fn agreed(&mut self, revision: Revision) {
        self.reading.agreed(revision);
    }

    /// The next message. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Message, Broken> {
        loop {
            if let Some(message) = self.first.take().or_else(|| self.ready.pop_front()) {
                return message.map_err(Broken::Malformed);
            }
            let event = match &mut self.stream {
                Some(stream) => stream.next().await,
                None => {
                    Err(Broken::Cut("the server's answer does not say what became of the request".into()))
                }
            };
            let event = match event {
                Err(Broken::Cut(_)) if let Some(wrong) = self.wrong.take() => {
                    return Err(Broken::Invalid(wrong));
                }
                event => event?,
            };
            // The first event of a resumable stream has an id and no data. Other types of events are for others.
            if event.kind == "message" && !event.data.is_empty() {
                self.take(event.data);
            }
        }
    }

    /// The stream, where these messages come on one.
    pub(crate) fn stream(&mut self) -> Option<&mut EventStream> {
        self.stream.as_mut()
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
                        Intent::Unknown => self.wrong = Some(malformed.into_error()),
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
}

impl Refusal {
    /// Reads a response of failure, of which no more than its beginning matters.
    pub(crate) async fn of(response: Response<Body>, reading: &Reading) -> Self {
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let challenge = header(header::WWW_AUTHENTICATE).map(str::to_owned);
        let retry_after = header(header::RETRY_AFTER).map(str::to_owned);
        let status = response.status();
        let read_body = collect(response.into_body(), REFUSAL);
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
        Self { status, error, challenge, retry_after, words }
    }

    /// Whether the server says that it does not know the session (any more).
    ///
    /// 2025-11-25, transports §Session Management: "it MUST respond to requests containing that session ID with HTTP 404
    /// Not Found". Servers that follow the examples of the TypeScript SDK answer 400 in words of their own.
    pub(crate) fn is_lost_session(&self) -> bool {
        // Servers of both eras say with this status, too, that they do not know a method (2026-07-28, streamable-http).
        let no_method = self.error.as_ref().is_some_and(|error| error.code == code::METHOD_NOT_FOUND);
        self.status == StatusCode::NOT_FOUND && !no_method
            || self.status == StatusCode::BAD_REQUEST
                && self.error.as_ref().is_some_and(|error| {
                    error.code == -32000 && error.message.to_ascii_lowercase().contains("session")
                })
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
        format!("the server answers HTTP status {status}: {what}{later}{said}")
    }

    /// As the outcome of a request.
    pub(crate) fn into_error(self) -> Error {
        let words = self.words();
        match self.error {
            Some(error) if self.status != StatusCode::UNAUTHORIZED => error,
            _ => {
                let mut data = Splice::new().with("httpStatus", &Raw::trusted(self.status.as_str().into()));
                if let Some(challenge) = &self.challenge {
                    data = data.with("wwwAuthenticate", &Raw::string(challenge));
                }
                Error::internal(words).with_data(data.finish())
            }
        }
    }
}

/// The beginning of what a refusal says, on one line. Of a page for browsers nothing: its words are between its signs.
fn words_of(text: &str) -> String {
    let text = text.trim_start();
    if text.starts_with('<') {
        return String::new();
    }
    let words: Vec<&str> = text.split_whitespace().take(200).collect();
    words.join(" ").chars().take(200).collect()
}

/// How long to wait before a stream is asked for again, where the server does not say.
pub(crate) const RETRY: Duration = Duration::from_secs(1);

/// The least that is waited, whatever the server says: one that says 0 and has nothing more to tell would be asked without a
/// pause.
pub(crate) const RETRY_MIN: Duration = Duration::from_millis(50);

/// How much of a refusal is read.
const REFUSAL: usize = 64 << 10;

/// For how long a refusal is read.
const PATIENCE: Duration = Duration::from_secs(5);

/// A message that breaks the protocol.
pub(crate) fn invalid(why: String) -> Error {
    Error::internal(why).with_reason(Reason::InvalidUpstream)
}

pub(crate) fn is_type(headers: &HeaderMap, wanted: &str) -> bool {
    let found = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    found.is_some_and(|found| {
        found.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
    })
}

pub(super) async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Broken> {
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Broken::Cut(chain(&error)))?;
        let Ok(piece) = frame.into_data() else { continue };
        if first.len() + all.len() + piece.len() > limit {
            let why = format!("the server's answer is longer than the limit of {limit} bytes (answer_max)");
            return Err(Broken::Invalid(invalid(why)));
        }
        if first.is_empty() && all.is_empty() {
            first = piece;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&std::mem::take(&mut first));
            }
            all.extend_from_slice(piece.chunk());
        }
    }
    // Most answers come in one piece, which is then not copied.
    Ok(if all.is_empty() { first } else { all.freeze() })
}
