//! Requests in a session (2025-03-26 to 2025-11-25, transports §Streamable HTTP).
//!
//! A call belongs to its session, not to its connection: it runs in a task that writes to a log, and the response
//! reads that log. A disconnect is no cancellation.

use std::sync::Arc;

use anyport_protocol::{
    Error, Id, Method, Revision,
    jsonrpc::{Malformed, Message, Notification, Reason, Request},
};
use anyport_service::Principal;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::{sync::oneshot, task::JoinSet, time::sleep};

use super::{
    body::{Body, Response, Source, SseEvent},
    ladder::{Accept, State},
    log::{Log, Reader, parse_id},
    modern::Place,
    response,
    sessions::{Busy, HttpSession, lock},
};
use crate::dialogue::{Answer, Exchange, LegacySession, Outgoing, array, refusal};

const SESSION: &str = "mcp-session-id";

/// Answers a message of a session, or opens one.
pub(super) async fn answer(
    state: &Arc<State>,
    headers: &HeaderMap,
    accept: Accept,
    principal: Principal,
    message: Message,
) -> Response {
    if let Message::Request(request) = &message
        && Method::named(&request.method) == Some(Method::Initialize)
        && !headers.contains_key(SESSION)
    {
        let Message::Request(request) = message else { return response::empty(StatusCode::BAD_REQUEST) };
        return open(state, principal, request).await;
    }
    let session = match find(state, headers, &principal) {
        Ok(session) => session,
        Err(refused) => return refused,
    };
    match message {
        Message::Request(request) => self::request(state, accept, &session, request).await,
        Message::Notification(notification) => {
            notify(&session, &notification);
            response::empty(StatusCode::ACCEPTED)
        }
        Message::Response(answer) => {
            session.dialogue.response(answer);
            response::empty(StatusCode::ACCEPTED)
        }
    }
}

/// 2025-11-25, transports §Session Management: without a session id "HTTP 400 Bad Request"; with one that has
/// ended "HTTP 404 Not Found".
fn find(state: &State, headers: &HeaderMap, principal: &Principal) -> Result<Arc<HttpSession>, Response> {
    let Some(id) = headers.get(SESSION) else {
        let error = Error::invalid_request(format!(
            "send initialize first and its Mcp-Session-Id with every request, or speak {}",
            Revision::NEWEST
        ));
        return Err(response::error(StatusCode::BAD_REQUEST, &error));
    };
    let session = id.to_str().ok().and_then(|id| state.sessions.get(id, principal));
    session.ok_or_else(|| {
        let error = Error::invalid_request("no such session: it has ended; send initialize again");
        response::error(StatusCode::NOT_FOUND, &error)
    })
}

/// The revision of the session that a request belongs to.
pub(super) fn revision(state: &State, headers: &HeaderMap, principal: &Principal) -> Option<Revision> {
    find(state, headers, principal).ok().map(|session| session.dialogue.revision())
}

async fn open(state: &Arc<State>, principal: Principal, request: Request) -> Response {
    let dialogue = LegacySession::new(state.service.clone(), principal, &state.config.supported);
    let id = request.id.clone();
    let mut exchange = dialogue.request(request);
    let answer = loop {
        if let Outgoing::Answer(answer) = exchange.next().await {
            break answer;
        }
    };
    // A refused `initialize` opens nothing.
    if !dialogue.is_open() {
        return response::legacy(answer);
    }
    let (session, _) = match state.sessions.add(dialogue) {
        Ok(added) => added,
        Err(error) => return response::legacy(refusal(Some(&id), &error, false)),
    };
    let mut response = response::legacy(answer);
    if let Ok(session) = HeaderValue::from_str(&session) {
        response.headers_mut().insert(SESSION, session);
    }
    response
}

fn notify(session: &Arc<HttpSession>, notification: &Notification) {
    if Method::named(&notification.method) == Some(Method::Cancelled) {
        let id = notification.params.as_ref().and_then(|params| params.member("requestId")).and_then(Id::of);
        if let Some(cancel) = id.and_then(|id| lock(&session.running).remove(&id)) {
            let _ = cancel.send(());
        }
    } else {
        session.dialogue.notification(notification);
    }
}

async fn request(
    state: &Arc<State>,
    accept: Accept,
    session: &Arc<HttpSession>,
    request: Request,
) -> Response {
    if let Some(refused) = in_use(session, &request.id) {
        return response::legacy(refused);
    }
    match session.dialogue.request(request).into_ready() {
        Ok(answer) => response::legacy(answer),
        Err(exchange) => pending(state, accept, session, exchange).await,
    }
}

fn in_use(session: &HttpSession, id: &Id) -> Option<Answer> {
    lock(&session.running).contains_key(id).then(|| {
        let error = Error::invalid_request(format!("id {id} belongs to a request that still runs"));
        refusal(Some(id), &error, false)
    })
}

/// A call that is not answered at once gets its task, which goes on when the client is gone. The response stays
/// JSON until there is something to say before the answer, or the silence gets long.
async fn pending(
    state: &Arc<State>,
    accept: Accept,
    session: &Arc<HttpSession>,
    exchange: Exchange,
) -> Response {
    let (first, opened) = oneshot::channel();
    let call = Call::new(state, session, accept);
    tokio::spawn(call.run(exchange, first));
    match opened.await {
        Ok(First::Answer(answer)) => response::legacy(answer),
        Ok(First::Stream(reader)) => response::events(Body::events(reader, state.config.limits.keep_alive)),
        // Cancelled before anything was said: there is no response, so the stream ends without one.
        Err(_) => response::empty(StatusCode::ACCEPTED),
    }
}

/// What a call has to say first.
enum First {
    Answer(Answer),
    Stream(Reader),
}

/// A call that runs.
struct Call {
    state: Arc<State>,
    session: Arc<HttpSession>,
    accept: Accept,
    _busy: Busy,
}

impl Call {
    fn new(state: &Arc<State>, session: &Arc<HttpSession>, accept: Accept) -> Self {
        Self { state: state.clone(), session: session.clone(), accept, _busy: session.busy() }
    }

    async fn run(self, mut exchange: Exchange, first: oneshot::Sender<First>) {
        let (cancel, mut cancelled) = oneshot::channel();
        let id = exchange.id().clone();
        lock(&self.session.running).insert(id.clone(), cancel);
        let begun = tokio::select! {
            biased;
            _ = &mut cancelled => None,
            begun = self.begin(&mut exchange, first) => Some(begun),
        };
        let log = match begun {
            Some(None) => return self.done(&id),
            Some(Some(log)) => Some(log),
            None => None,
        };
        let ended = match &log {
            Some(log) => tokio::select! {
                biased;
                _ = &mut cancelled => false,
                () = carry(&mut exchange, log) => true,
            },
            None => false,
        };
        if !ended {
            for text in exchange.cancel() {
                if let Some(log) = &log {
                    log.push(text).await;
                }
            }
        }
        if let Some(log) = log {
            log.end();
        }
        self.done(&id);
    }

    /// Waits for the first thing to say. `None` when that was the answer; else the log of the stream it opened.
    async fn begin(&self, exchange: &mut Exchange, first: oneshot::Sender<First>) -> Option<Log> {
        let silence = sleep(self.state.config.limits.keep_alive);
        tokio::pin!(silence);
        let said = loop {
            let outgoing = tokio::select! {
                biased;
                outgoing = exchange.next() => outgoing,
                () = &mut silence, if self.accept.events => break None,
            };
            match outgoing {
                Outgoing::Answer(answer) => {
                    let _ = first.send(First::Answer(answer));
                    return None;
                }
                outgoing if self.accept.events => break Some(outgoing),
                // A client that accepts JSON alone has nothing but the answer.
                _ => {}
            }
        };
        let log = self.session.stream(&self.state.config.limits);
        if let Ok(reader) = log.reader(None) {
            // Priming is 2025-11-25's; older clients may take an empty event for a broken message.
            let primes = self.session.dialogue.revision() >= Revision::V2025_11_25;
            let _ = first.send(First::Stream(if primes { reader.primed() } else { reader }));
        }
        match said {
            Some(Outgoing::Message(text)) => log.push(text).await,
            Some(Outgoing::Hangup(retry)) => log.hangup(retry),
            _ => {}
        }
        Some(log)
    }

    fn done(&self, id: &Id) {
        lock(&self.session.running).remove(id);
    }
}

/// Writes what is left of an exchange to a log.
async fn carry(exchange: &mut Exchange, log: &Log) {
    loop {
        match exchange.next().await {
            Outgoing::Message(text) => log.push(text).await,
            Outgoing::Hangup(retry) => log.hangup(retry),
            Outgoing::Answer(answer) => return log.push(answer.text).await,
        }
    }
}

/// Answers an array of messages (2025-03-26, transports §Sending Messages to the Server).
pub(super) async fn batch(
    state: &Arc<State>,
    headers: &HeaderMap,
    accept: Accept,
    principal: &Principal,
    batch: Vec<Result<Message, Malformed>>,
) -> Response {
    let refuse = |null_id| {
        let error = Error::invalid_request("batches exist in 2025-03-26 only; send one message at a time");
        response::json(StatusCode::BAD_REQUEST, refusal(None, &error, null_id).text)
    };
    if !headers.contains_key(SESSION) {
        return refuse(false);
    }
    let session = match find(state, headers, principal) {
        Ok(session) => session,
        Err(refused) => return refused,
    };
    let revision = session.dialogue.revision();
    if !revision.has_batches() {
        return refuse(revision < Revision::V2025_11_25);
    }
    let (mut answers, mut open) = (Vec::new(), Vec::new());
    for message in batch {
        match message {
            Ok(Message::Request(request)) => match in_use(&session, &request.id) {
                Some(refused) => answers.push(refused.text),
                None => match session.dialogue.request(request).into_ready() {
                    Ok(answer) => answers.push(answer.text),
                    Err(exchange) => open.push(exchange),
                },
            },
            Ok(Message::Notification(notification)) => notify(&session, &notification),
            Ok(Message::Response(answer)) => session.dialogue.response(answer),
            Err(Malformed { error, id }) => answers.push(refusal(id.as_ref(), &error, true).text),
        }
    }
    match (answers.is_empty(), open.is_empty()) {
        (true, true) => response::empty(StatusCode::ACCEPTED),
        (false, true) => response::json(StatusCode::OK, array(&answers)),
        _ => together(state, accept, &session, answers, open).await,
    }
}

/// Answers what is still open of a batch: on one stream, or as one array for a client that accepts JSON alone.
async fn together(
    state: &Arc<State>,
    accept: Accept,
    session: &Arc<HttpSession>,
    mut answers: Vec<Bytes>,
    open: Vec<Exchange>,
) -> Response {
    if !accept.events {
        let mut calls = JoinSet::new();
        for mut exchange in open {
            calls.spawn(async move {
                loop {
                    if let Outgoing::Answer(answer) = exchange.next().await {
                        return answer.text;
                    }
                }
            });
        }
        answers.extend(calls.join_all().await);
        return response::json(StatusCode::OK, array(&answers));
    }
    let log = session.stream(&state.config.limits);
    let Ok(reader) = log.reader(None) else { return response::empty(StatusCode::INTERNAL_SERVER_ERROR) };
    let (busy, session) = (session.busy(), session.clone());
    tokio::spawn(async move {
        let _busy = busy;
        for answer in answers {
            log.push(answer).await;
        }
        let mut calls = JoinSet::new();
        for exchange in open {
            calls.spawn(member(exchange, log.clone(), session.clone()));
        }
        calls.join_all().await;
        log.end();
    });
    response::events(Body::events(reader, state.config.limits.keep_alive))
}

/// One call of a batch.
async fn member(mut exchange: Exchange, log: Log, session: Arc<HttpSession>) {
    let (cancel, mut cancelled) = oneshot::channel();
    let id = exchange.id().clone();
    lock(&session.running).insert(id.clone(), cancel);
    let ended = tokio::select! {
        biased;
        _ = &mut cancelled => false,
        () = carry(&mut exchange, &log) => true,
    };
    if !ended {
        for text in exchange.cancel() {
            log.push(text).await;
        }
    }
    lock(&session.running).remove(&id);
}

/// Opens the session's stream for what belongs to no call, or goes on with a stream that was cut.
pub(super) async fn get(
    state: &Arc<State>,
    headers: &HeaderMap,
    accept: Accept,
    principal: &Principal,
) -> Response {
    if !accept.events {
        let error = Error::invalid_request("a GET opens an event stream; send Accept: text/event-stream");
        return response::error(StatusCode::NOT_ACCEPTABLE, &error);
    }
    let session = match find(state, headers, principal) {
        Ok(session) => session,
        Err(refused) => return refused,
    };
    let Some(place) = Place::take(state) else {
        let message = format!("{} streams are open (max_streams)", state.config.limits.max_streams);
        let error = Error::internal(message).with_reason(Reason::Overloaded);
        return response::legacy(refusal(None, &error, false));
    };
    let keep_alive = state.config.limits.keep_alive;
    match headers.get("last-event-id") {
        Some(last) => match resume(&session, last) {
            Ok(reader) => {
                let source = Held { source: reader, _guards: (place, session.busy()) };
                response::events(Body::events(source, keep_alive))
            }
            Err(error) => response::error(StatusCode::BAD_REQUEST, &error),
        },
        None => {
            let source = Pushes { number: session.open_pushes(), session: session.clone() };
            let source = Held { source, _guards: (place, session.busy()) };
            response::events(Body::events(source, keep_alive))
        }
    }
}

fn resume(session: &HttpSession, last: &HeaderValue) -> Result<Reader, Error> {
    let unknown = || Error::invalid_request("Last-Event-ID names no event of this session");
    let (stream, after) = last.to_str().ok().and_then(|id| parse_id(id.trim())).ok_or_else(unknown)?;
    let log = session.log(stream).ok_or_else(unknown)?;
    log.reader(after).map_err(|forgotten| Error::invalid_request(forgotten.to_string()))
}

/// What belongs to no call, as an event stream. A newer one takes its place.
struct Pushes {
    number: u64,
    session: Arc<HttpSession>,
}

impl Source for Pushes {
    fn poll_event(&mut self, task: &mut std::task::Context<'_>) -> std::task::Poll<Option<SseEvent>> {
        if self.session.pushes() != self.number {
            return std::task::Poll::Ready(None);
        }
        let data = std::task::ready!(self.session.dialogue.poll_push(task));
        std::task::Poll::Ready(data.map(|data| SseEvent { data, ..SseEvent::default() }))
    }
}

/// A stream that counts while it is open.
struct Held<S, G> {
    source: S,
    _guards: G,
}

impl<S: Source, G: Send + Sync + 'static> Source for Held<S, G> {
    fn poll_event(&mut self, task: &mut std::task::Context<'_>) -> std::task::Poll<Option<SseEvent>> {
        self.source.poll_event(task)
    }
}

/// Ends a session.
pub(super) fn delete(state: &State, headers: &HeaderMap, principal: &Principal) -> Response {
    let id = headers.get(SESSION).and_then(|id| id.to_str().ok());
    match id.map(|id| state.sessions.remove(id, principal)) {
        Some(true) => response::empty(StatusCode::NO_CONTENT),
        Some(false) => {
            response::error(StatusCode::NOT_FOUND, &Error::invalid_request("no such session: it has ended"))
        }
        None => {
            response::error(StatusCode::BAD_REQUEST, &Error::invalid_request("Mcp-Session-Id is missing"))
        }
    }
}
