//! What all calls of a connection share, and how messages leave.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{
    Error, Method, Raw, Revision,
    failure::Failure,
    json::Splice,
    jsonrpc::{self, Id, Message, write_error, write_notification, write_request, write_result},
    session::client::NegotiatedSession,
};
use anyport_service::{Context, Notification};
use bytes::Bytes;
use futures_util::future::AbortHandle;
use http::{HeaderMap, HeaderValue, Method as Verb, Response, StatusCode, header};
use hyper::body::Incoming as Body;
use tokio::{
    sync::{broadcast, watch},
    task::JoinSet,
};
use url::Url;

use super::{
    Fault,
    inbox::{self, Inbox},
    logging::Logging,
    mirror::Mirrors,
    outbound::Outbound,
    received::{Broken, Messages, Reading, Refusal, invalid},
    session::{SESSION_ID, Session, Sessions},
};
use crate::client::{Caller, CloseReason, ConnectOptions, aside::Asides, caller};

/// One connection.
pub(super) struct Hub {
    pub(super) line: Line,
    pub(super) agreement: Arc<NegotiatedSession>,
    pub(super) opening: ConnectOptions,
    pub(super) way: Way,
    pub(super) spoken: broadcast::Sender<Notification>,
    pub(super) asides: Asides,
    pub(super) ended: watch::Sender<Option<CloseReason>>,
    ids: AtomicU64,
    calls: Mutex<BTreeMap<u64, Open>>,
    /// What was asked outside any call.
    aside: Mutex<Unplaced>,
    pub(super) logging: Logging,
    /// What an older server was asked to tell changes of; a new session is asked again.
    subscribed: Mutex<BTreeSet<String>>,
    /// Tasks that go on until the connection is closed: those that read its streams, those that wait for a time.
    listeners: Mutex<JoinSet<()>>,
    /// Tasks that send what nobody waits for.
    errands: Mutex<JoinSet<()>>,
}

/// How requests travel.
pub(super) enum Way {
    /// Each on its own: 2026-07-28.
    Modern(Mirrors),
    /// Within a session: Streamable HTTP of older revisions.
    Session(Sessions),
    /// Posted to this address, while answers come on the one stream: HTTP+SSE of 2024-11-05.
    Stream(Url),
}

/// How bytes reach the server.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) outbound: Outbound,
    pub(super) url: Url,
    pub(super) reading: Reading,
}

/// Questions that belong to no call.
#[derive(Default)]
pub(super) struct Unplaced {
    /// For roots: they wait for the next call.
    pub(super) held: Vec<jsonrpc::Request>,
    /// Those that were given to somebody, and how each is taken back.
    pub(super) asked: HashMap<Id, AbortHandle>,
}

/// A call of an older server that is open.
pub(super) struct Open {
    /// `None`: it is our own.
    pub(super) caller: Option<Caller>,
    pub(super) unidentifiable: bool,
    pub(super) method: Option<Method>,
    /// Whether its caller wants log messages.
    pub(super) logs: bool,
    pub(super) questions: usize,
    pub(super) inbox: inbox::Sender,
}

impl Line {
    /// The headers that every request has.
    pub(super) fn headers(&self) -> HeaderMap {
        self.outbound.headers()
    }

    /// Posts a message; `headers` are [`Line::headers`] and more.
    pub(super) async fn post(
        &self,
        url: &Url,
        mut headers: HeaderMap,
        message: Bytes,
    ) -> Result<Response<Body>, Fault> {
        // 2026-07-28, streamable-http §Sending Messages: "The client MUST include an `Accept` header listing both
        // `application/json` and `text/event-stream`".
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(tap) = &self.reading.tap {
            tap.sent(&message);
        }
        self.outbound.send(Verb::POST, url, &headers, message).await
    }

    /// Asks for a stream of events.
    pub(super) async fn get(
        &self,
        mut headers: HeaderMap,
        last_id: Option<&Bytes>,
    ) -> Result<Response<Body>, Fault> {
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_id.and_then(|id| HeaderValue::from_bytes(id).ok()) {
            headers.insert("last-event-id", id);
        }
        self.outbound.send(Verb::GET, &self.url, &headers, Bytes::new()).await
    }
}

impl Hub {
    pub(super) fn new(
        line: Line,
        agreement: Arc<NegotiatedSession>,
        opening: ConnectOptions,
        way: Way,
        spoken: broadcast::Sender<Notification>,
        ended: watch::Sender<Option<CloseReason>>,
        first_id: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            line,
            agreement,
            opening,
            way,
            spoken,
            asides: Asides::default(),
            ended,
            ids: AtomicU64::new(first_id),
            calls: Mutex::default(),
            aside: Mutex::default(),
            logging: Logging::default(),
            subscribed: Mutex::default(),
            listeners: Mutex::default(),
            errands: Mutex::default(),
        })
    }

    pub(super) fn revision(&self) -> Revision {
        self.agreement.revision()
    }

    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn unplaced(&self) -> MutexGuard<'_, Unplaced> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn calls(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, so that streams of the whole connection find it.
    pub(super) fn open(&self, id: u64, context: Option<&Context>, method: Option<Method>) -> Arc<Inbox> {
        let (inbox, reader) = Inbox::new();
        if method.is_some_and(Method::may_ask) {
            self.give_held(&inbox);
        }
        let unidentifiable = context.is_some_and(Context::is_unidentifiable);
        let caller = context.map(caller);
        let logs = context.is_some_and(|context| context.log_level().is_some());
        self.calls().insert(id, Open { caller, unidentifiable, method, logs, questions: 0, inbox });
        reader
    }

    pub(super) fn over(&self, id: u64) {
        self.calls().remove(&id);
    }

    /// Notes that a call carries a question more or less.
    pub(super) fn asked(&self, id: u64, more: bool) {
        if let Some(open) = self.calls().get_mut(&id) {
            open.questions = if more { open.questions + 1 } else { open.questions.saturating_sub(1) };
        }
    }

    /// Runs a task until it is over by itself or the connection is closed.
    pub(super) fn background(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        // What is over leaves nothing behind.
        while listeners.try_join_next().is_some() {}
        listeners.spawn(task);
    }

    /// How many calls are open.
    pub(super) fn open_calls(&self) -> usize {
        self.calls().len()
    }

    /// Sends what nobody waits for: an answer to a question, a cancellation.
    pub(super) fn errand(self: &Arc<Self>, message: Vec<u8>, what: &'static str) {
        self.errands(vec![message], what);
    }

    /// Sends several such messages, each once the one before has arrived.
    fn errands(self: &Arc<Self>, messages: Vec<Vec<u8>>, what: &'static str) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let hub = self.clone();
        let errand = async move {
            for message in messages {
                if let Err(error) = hub.deliver(message.into()).await {
                    tracing::warn!(%error, what, "could not be sent");
                }
            }
        };
        let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        while errands.try_join_next().is_some() {}
        // Each may be a connection of its own, and how many a server causes is its own choice.
        if errands.len() >= self.opening.max_open_requests + self.opening.max_open_questions {
            return tracing::warn!(what, "not sent: the server takes too long for what was sent before");
        }
        errands.spawn_on(errand, &runtime);
    }

    /// Posts a message that has no answer of its own.
    pub(super) async fn deliver(&self, message: Bytes) -> Result<(), CallError> {
        let response = match &self.way {
            Way::Modern(_) => self.line.post(&self.line.url, self.line.headers(), message).await,
            Way::Session(sessions) => {
                let headers = sessions.now().headers(self.line.headers(), self.revision());
                self.line.post(&self.line.url, headers, message).await
            }
            Way::Stream(url) => self.line.post(url, self.line.headers(), message).await,
        };
        let response = response.map_err(|fault| unreachable(&fault))?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(Refusal::of(response, &self.line.reading).await.into_error().into())
    }

    pub(super) fn answer(self: &Arc<Self>, id: &Id, outcome: &jsonrpc::RpcResult) {
        // 2026-07-28, streamable-http §Sending Messages: "The client MUST NOT send JSON-RPC responses."
        if self.revision().is_modern() {
            return tracing::warn!(%id, "a request, which servers of 2026-07-28 do not send, is not answered");
        }
        let mut message = Vec::new();
        match outcome {
            Ok(result) => write_result(&mut message, id, result),
            Err(error) => write_error(&mut message, Some(id), error, false),
        }
        self.errand(message, "an answer to a question");
    }

    /// Tells the server that nobody waits for a call any more, if it is not over by itself, and then that nobody answers
    /// its questions.
    pub(super) fn leave(self: &Arc<Self>, call: u64, is_cancelled: bool, questions: Vec<Id>) {
        let mut messages = Vec::new();
        if is_cancelled {
            let mut message = Vec::new();
            let params = Raw::trusted(
                format!(r#"{{"requestId":{call},"reason":"the caller went away"}}"#).into_bytes(),
            );
            write_notification(&mut message, Method::Cancelled.as_str(), Some(&params));
            messages.push(message);
        }
        for question in questions {
            let mut message = Vec::new();
            let error = Error::internal("the call that this belonged to is over");
            write_error(&mut message, Some(&question), &error, false);
            messages.push(message);
        }
        if !messages.is_empty() {
            self.errands(messages, "the end of a call");
        }
    }

    /// Sends a request of a session, and gives the response of success to it. A session that the server has forgotten is
    /// opened anew, and the request sent once more: it was refused before anything came of it.
    pub(super) async fn send(
        self: &Arc<Self>,
        sessions: &Sessions,
        message: &Bytes,
    ) -> Result<Response<Body>, CallError> {
        let session = sessions.now();
        match self.send_in(&session, message).await? {
            Ok(response) => return Ok(response),
            Err(refusal) if session.id.is_some() && refusal.is_lost_session() => {
                tracing::info!(
                    url = super::fault::shown(&self.line.url),
                    "the server has forgotten the session; a new one is opened"
                );
                self.renew(session.number).await?;
            }
            Err(refusal) => return Err(refusal.into_error().into()),
        }
        self.send_in(&sessions.now(), message).await?.map_err(|refusal| refusal.into_error().into())
    }

    async fn send_in(
        &self,
        session: &Session,
        message: &Bytes,
    ) -> Result<Result<Response<Body>, Refusal>, Failure> {
        let headers = session.headers(self.line.headers(), self.revision());
        let response = self.line.post(&self.line.url, headers, message.clone()).await;
        let response = response.map_err(|fault| unreachable(&fault))?;
        if response.status().is_success() {
            return Ok(Ok(response));
        }
        Ok(Err(Refusal::of(response, &self.line.reading).await))
    }

    /// Opens a session in place of the one with this number, unless somebody has done so already.
    ///
    /// 2025-11-25, transports §Session Management: "When a client receives HTTP 404 in response to a request containing
    /// an `MCP-Session-Id`, it MUST start a new session by sending a new `InitializeRequest` without a session ID
    /// attached."
    async fn renew(self: &Arc<Self>, before: u64) -> Result<(), CallError> {
        // Whoever missed the session may go away meanwhile, and would leave half of one to all others.
        let hub = self.clone();
        let renewing = tokio::spawn(async move {
            let Way::Session(sessions) = &hub.way else { return Ok(()) };
            let renewed =
                tokio::time::timeout(hub.opening.open_timeout, hub.open_anew(sessions, before)).await;
            renewed.unwrap_or_else(|_| Err(lost("no new session was opened in time (open_timeout)").into()))
        });
        renewing.await.unwrap_or_else(|_| Err(lost("no new session was opened").into()))
    }

    async fn open_anew(self: &Arc<Self>, sessions: &Sessions, lost: u64) -> Result<(), CallError> {
        let _opening = sessions.opening.lock().await;
        if sessions.now().number != lost {
            return Ok(());
        }
        let response = self.line.post(&self.line.url, self.line.headers(), sessions.initialize.clone()).await;
        let response = response.map_err(|fault| unreachable(&fault))?;
        if !response.status().is_success() {
            return Err(Refusal::of(response, &self.line.reading).await.into_error().into());
        }
        let id = response.headers().get(SESSION_ID).cloned();
        let result = result_of(response, &self.line.reading).await?;
        let agreement = NegotiatedSession::legacy(&result)?;
        if agreement.revision() != self.revision() {
            return Err(invalid(format!(
                "the server spoke {} and now chooses {}; connect anew",
                self.revision(),
                agreement.revision()
            ))
            .into());
        }
        // Nobody may use it before; and one that cannot be told so is none.
        let session = Session { number: lost + 1, id: id.clone() };
        self.send_in(&session, &initialized()).await?.map_err(Refusal::into_error)?;
        sessions.renewed(id);
        let level = self.forget_level().await;
        self.listen().await;
        if let Some(level) = level {
            self.restore(level).await;
        }
        let subscribed = self.subscribed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for uri in subscribed {
            let params = Splice::new().with("uri", &Raw::string(&uri)).finish();
            if let Err(error) = self.ask(Method::Subscribe, &params).await {
                tracing::warn!(%error, uri, "the new session takes no subscription of the old one");
            }
        }
        Ok(())
    }

    /// Notes what a session is subscribed to, for the one after it.
    pub(super) fn subscribed(&self, uri: &str, more: bool) {
        let mut subscribed = self.subscribed.lock().unwrap_or_else(PoisonError::into_inner);
        match more {
            true => _ = subscribed.insert(uri.to_owned()),
            false => _ = subscribed.remove(uri),
        }
    }

    /// A request of our own to an older server.
    pub(super) async fn ask(self: &Arc<Self>, method: Method, params: &Raw) -> jsonrpc::RpcResult {
        let id = self.next_id();
        let mut message = Vec::new();
        write_request(&mut message, &Id::from(id), method.as_str(), Some(params));
        match &self.way {
            Way::Session(sessions) => {
                let session = sessions.now();
                match self.send_in(&session, &message.into()).await.map_err(|failure| failure.to_error())? {
                    Ok(response) => result_of(response, &self.line.reading).await,
                    Err(refusal) => Err(refusal.into_error()),
                }
            }
            Way::Modern(_) | Way::Stream(_) => {
                let inbox = self.open(id, None, Some(method));
                let delivered = self.deliver(message.into()).await;
                let answer = match delivered {
                    Ok(()) => poll_fn(|task| inbox.poll_answer(task)).await,
                    Err(error) => {
                        self.over(id);
                        return Err(error.into_error());
                    }
                };
                self.over(id);
                match answer {
                    Some(Message::Response(response)) => response.outcome,
                    _ => Err(lost("the server's stream ended").to_error()),
                }
            }
        }
    }

    /// Ends everything: streams are closed, what is being sent is sent, the session is given back.
    pub(super) fn close(self: &Arc<Self>) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        self.forget_asides();
        let mut errands = std::mem::take(&mut *self.errands.lock().unwrap_or_else(PoisonError::into_inner));
        let hub = self.clone();
        let farewell = async move {
            let goodbye = async {
                while errands.join_next().await.is_some() {}
                hub.give_back().await;
            };
            _ = tokio::time::timeout(FAREWELL, goodbye).await;
            hub.ended.send_if_modified(|end| {
                let first = end.is_none();
                end.get_or_insert(CloseReason::Closed);
                first
            });
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(farewell);
        }
    }

    /// 2025-11-25, transports §Session Management: "Clients that no longer need a particular session … SHOULD send an
    /// HTTP DELETE"; a server that does not allow it answers 405, which is as well.
    async fn give_back(&self) {
        let Way::Session(sessions) = &self.way else { return };
        let session = sessions.now();
        if session.id.is_none() {
            return;
        }
        let headers = session.headers(self.line.headers(), self.revision());
        match self.line.outbound.send(Verb::DELETE, &self.line.url, &headers, Bytes::new()).await {
            Ok(response)
                if response.status().is_success() || response.status() == StatusCode::METHOD_NOT_ALLOWED => {}
            Ok(response) => {
                tracing::debug!(status = %response.status(), "the server did not take the session back")
            }
            Err(error) => tracing::debug!(%error, "the session could not be given back"),
        }
    }
}

/// What a server is answered that asks for something else than a caller's answer.
pub(super) fn ping(method: &str) -> jsonrpc::RpcResult {
    if method == Method::Ping.as_str() { Ok(Raw::EMPTY_OBJECT) } else { Err(Error::method_not_found(method)) }
}

pub(super) fn initialized() -> Bytes {
    let mut message = Vec::new();
    write_notification(&mut message, Method::Initialized.as_str(), None);
    message.into()
}

/// The one answer in a response; what else is in it says nothing yet.
pub(super) async fn result_of(response: Response<Body>, reading: &Reading) -> jsonrpc::RpcResult {
    let broken = |broken| match broken {
        Broken::Invalid(error) => error,
        Broken::Malformed(malformed) => malformed.into_error(),
        Broken::Cut(why) => lost(&why).to_error(),
    };
    let mut messages = Messages::of(response, reading).await.map_err(broken)?;
    loop {
        match messages.next().await {
            Ok(Message::Response(response)) => return response.outcome,
            Err(Broken::Malformed(malformed)) if !malformed.intent.may_be_response() => {}
            Ok(_) => {}
            Err(error) => return Err(broken(error)),
        }
    }
}

/// Why a request has no result.
#[derive(Debug)]
pub(super) enum CallError {
    /// The server answered with an error, or with something that is no answer.
    Error(Error),
    /// There is no answer.
    Failed(Failure),
}

impl CallError {
    /// The error, for a request whose caller is this connection itself.
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Error(error) => error,
            Self::Failed(failure) => failure.to_error(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The server was not reached, or the connection broke while the request was on its way.
pub(super) fn unreachable(fault: &Fault) -> Failure {
    let reason = CloseReason::lost(fault.to_string());
    if fault.may_have_arrived() { Failure::OutcomeUnknown(reason) } else { Failure::NotSent(reason) }
}

/// Nothing more will come.
pub(super) fn lost(why: &str) -> Failure {
    Failure::Disconnected(CloseReason::lost(why))
}

/// The server has the request, and its answer will not be known.
pub(super) fn unknown(why: &str) -> Failure {
    Failure::OutcomeUnknown(CloseReason::lost(why))
}

/// How long closing may take.
const FAREWELL: Duration = Duration::from_secs(5);
