//! Requests in a session (2025-03-26 to 2025-11-25, transports §Streamable HTTP).
//!
//! A call belongs to its session, not to its connection: it runs in a task that writes to a log, and the response
//! reads that log. A disconnect is no cancellation.

use std::sync::Arc;

use anyport_protocol::{
    Error, Method, Revision,
    jsonrpc::{Malformed, Message, Request},
};
use anyport_service::{Authorization, Presence, Principal};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::{sync::oneshot, time::sleep};

use super::{
    accept::Accept,
    body::{Body, Response, Source, SseEvent},
    caller_key::CallerKey,
    replay_buffer::{Reader, parse_id},
    response,
    sessions::{HttpSession, Running, StreamWriter},
    state::State,
    stream_permit::StreamPermit,
    trace_headers::trace_headers,
};
use crate::dialogue::{
    CallOrigin, EncodedResponse, LegacySession, ResponseEvent, ResponseStream, array, refusal,
};

const SESSION: &str = "mcp-session-id";

/// Answers a message of a session, or opens one.
pub(super) async fn answer(
    state: &Arc<State>,
    headers: &HeaderMap,
    accept: Accept,
    authorization: Authorization,
    message: Message,
) -> Response {
    if let Message::Request(request) = &message
        && Method::named(&request.method) == Some(Method::Initialize)
        && !headers.contains_key(SESSION)
    {
        let Message::Request(request) = message else { return response::empty(StatusCode::BAD_REQUEST) };
        return open(state, headers, authorization, request).await;
    }
    let session = match find(state, headers, authorization.principal()) {
        Ok(session) => session,
        Err(refused) => return refused.answer(&message),
    };
    match message {
        Message::Request(request) => {
            let origin = CallOrigin {
                trace_headers: trace_headers(headers),
                ..CallOrigin::of(authorization, state.client_headers(headers))
            };
            self::request(state, accept, &session, request, origin).await
        }
        Message::Notification(notification) => {
            session.dialogue.notification(&notification, &authorization);
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
fn find(state: &State, headers: &HeaderMap, principal: &Principal) -> Result<Arc<HttpSession>, NoSession> {
    let Some(id) = headers.get(SESSION) else {
        let error = Error::invalid_request(
            "send initialize first, and its Mcp-Session-Id with every request after it",
        );
        return Err(NoSession(StatusCode::BAD_REQUEST, error));
    };
    let session = id.to_str().ok().and_then(|id| state.sessions.get(id, principal));
    session.ok_or_else(|| {
        let error = Error::invalid_request("no such session: it has ended; send initialize again");
        NoSession(StatusCode::NOT_FOUND, error)
    })
}

/// A request belongs to no session.
struct NoSession(StatusCode, Error);

impl NoSession {
    /// The answer to a message. A request is told under its id: clients that probe wait for that, and not for the
    /// response as such.
    fn answer(&self, message: &Message) -> Response {
        let id = if let Message::Request(request) = message { Some(&request.id) } else { None };
        response::json(self.0, refusal(id, &self.1, false).text)
    }
}

impl From<NoSession> for Response {
    fn from(NoSession(status, error): NoSession) -> Self {
        response::error(status, &error)
    }
}

/// The revision of the session that a request belongs to.
pub(super) fn revision(state: &State, headers: &HeaderMap, principal: &Principal) -> Option<Revision> {
    find(state, headers, principal).ok().map(|session| session.dialogue.revision())
}

async fn open(
    state: &Arc<State>,
    headers: &HeaderMap,
    authorization: Authorization,
    request: Request,
) -> Response {
    let client_headers = state.client_headers(headers);
    let caller = CallerKey::of(&authorization);
    let dialogue = LegacySession::new(
        state.service.clone(),
        authorization.principal().clone(),
        state.config.supported.clone(),
        state.config.limits.max_open_requests,
        state.config.buffers.refusals().open_requests.clone(),
        client_headers.clone(),
    );
    let id = request.id.clone();
    let mut messages = match ResponseStream::legacy(
        &dialogue,
        request,
        &state.config.buffers,
        CallOrigin { trace_headers: trace_headers(headers), ..CallOrigin::of(authorization, client_headers) },
    ) {
        Ok(messages) => messages,
        Err(error) => return response::legacy(refusal(Some(&id), &error, false)),
    };
    let answer = loop {
        if let ResponseEvent::Response(answer) = messages.next().await {
            break answer;
        }
    };
    // A refused `initialize` opens nothing.
    if !dialogue.is_open() {
        return response::legacy(answer);
    }
    let (session, _) = match state.sessions.add(dialogue, caller) {
        Ok(added) => added,
        Err(error) => return response::legacy(refusal(Some(&id), &error, false)),
    };
    let mut response = response::legacy(answer);
    if let Ok(session) = HeaderValue::from_str(&session) {
        response.headers_mut().insert(SESSION, session);
    }
    response
}

async fn request(
    state: &Arc<State>,
    accept: Accept,
    session: &Arc<HttpSession>,
    request: Request,
    origin: CallOrigin<'_>,
) -> Response {
    let id = request.id.clone();
    let presence = Presence::new();
    let origin = CallOrigin { presence: Some(&presence), ..origin };
    let begun = ResponseStream::legacy(&session.dialogue, request, &state.config.buffers, origin);
    match begun.map(ResponseStream::into_ready) {
        Ok(Ok(ready)) => response::legacy(ready),
        Ok(Err(messages)) => pending(state, accept, session, (messages, presence)).await,
        Err(error) => response::legacy(refusal(Some(&id), &error, false)),
    }
}

/// A call that is not answered at once gets its task, which goes on when the client is gone. The response stays
/// JSON until there is something to say before the answer, or the silence gets long.
async fn pending(
    state: &Arc<State>,
    accept: Accept,
    session: &Arc<HttpSession>,
    (messages, presence): (ResponseStream, Presence),
) -> Response {
    let id = messages.id().clone();
    // Until the response is read, or the client disconnects.
    let _connected = presence.connected();
    // Another request may have taken the id, or the last free one, since it was looked at.
    let running = match session.begin(&id) {
        Ok(running) => running,
        Err(error) => return response::legacy(refusal(Some(&id), &error, false)),
    };
    let (first, opened) = oneshot::channel();
    let call = Call { state: state.clone(), session: session.clone(), accept, presence, first: Some(first) };
    let activity = session.activity();
    tokio::spawn(call.run(messages, running));
    match opened.await {
        Ok(First::Response(answer)) => response::legacy(answer),
        Ok(First::Stream(reader)) => {
            let source = GuardedSource { source: reader, _guards: activity };
            response::events(Body::events(source, state.config.limits.keep_alive))
        }
        // 2025-11-25, cancellation §Behavior Requirements: "Not send a response for the cancelled request". An
        // event stream may say nothing; JSON may not.
        Ok(First::Cancelled) if accept.events => response::events(Body::empty()),
        Ok(First::Cancelled) => response::empty(StatusCode::ACCEPTED),
        Err(_) => response::legacy(refusal(Some(&id), &Error::internal("the call failed"), false)),
    }
}

/// What a call has to say first.
enum First {
    Response(EncodedResponse),
    Stream(Reader),
    /// The client took the request back.
    Cancelled,
}

/// A call that runs in a task of its own.
struct Call {
    state: Arc<State>,
    session: Arc<HttpSession>,
    accept: Accept,
    presence: Presence,
    first: Option<oneshot::Sender<First>>,
}

impl Call {
    async fn run(mut self, mut messages: ResponseStream, mut running: Running) {
        let begun = tokio::select! {
            biased;
            () = running.cancelled() => None,
            begun = self.begin(&mut messages) => Some(begun),
        };
        match begun {
            Some(Some(stream)) => carry(messages, running, &stream).await,
            Some(None) => {}
            None => self.say_first(First::Cancelled),
        }
    }

    /// Waits for the first thing to say. `None` when that was the answer; else the stream that it opened.
    async fn begin(&mut self, messages: &mut ResponseStream) -> Option<StreamWriter> {
        let silence = sleep(self.state.config.limits.keep_alive);
        tokio::pin!(silence);
        let said = loop {
            let event = tokio::select! {
                biased;
                event = messages.next() => event,
                () = &mut silence, if self.accept.events => break None,
            };
            match event {
                ResponseEvent::Response(answer) => {
                    self.say_first(First::Response(answer));
                    return None;
                }
                event if self.accept.events => break Some(event),
                _ => messages.withdraw_requests(),
            }
        };
        let stream = self.session.stream(&self.state.config, self.presence.clone());
        if let Ok(reader) = stream.log.reader(None) {
            // Priming is 2025-11-25's; older clients may take an empty event for a broken message.
            let primes = self.session.dialogue.revision().has_sse_polling();
            self.say_first(First::Stream(if primes { reader.primed() } else { reader }));
        }
        match said {
            Some(ResponseEvent::Message(text)) => stream.log.push(text).await,
            Some(ResponseEvent::Disconnect(retry)) => stream.log.hangup(retry),
            _ => {}
        }
        Some(stream)
    }

    fn say_first(&mut self, first: First) {
        if let Some(opened) = self.first.take() {
            // The client may be gone, which ends nothing.
            let _ = opened.send(first);
        }
    }
}

/// Writes the rest of a response stream, until its response or its cancellation.
async fn carry(mut messages: ResponseStream, mut running: Running, stream: &StreamWriter) {
    let ended = tokio::select! {
        biased;
        () = running.cancelled() => false,
        () = carry_on(&mut messages, stream) => true,
    };
    if !ended {
        for text in messages.cancel() {
            stream.log.push(text).await;
        }
    }
}

async fn carry_on(messages: &mut ResponseStream, stream: &StreamWriter) {
    loop {
        match messages.next().await {
            ResponseEvent::Message(text) => stream.log.push(text).await,
            ResponseEvent::Disconnect(retry) => stream.log.hangup(retry),
            ResponseEvent::Response(answer) => return stream.log.push(answer.text.into_bytes()).await,
        }
    }
}

/// The answer alone, for a client that accepts JSON alone; `None` when it was cancelled.
async fn answer_alone(mut messages: ResponseStream, mut running: Running) -> Option<Bytes> {
    loop {
        let event = tokio::select! {
            biased;
            () = running.cancelled() => return None,
            event = messages.next() => event,
        };
        match event {
            ResponseEvent::Response(answer) => return Some(answer.text.into_bytes()),
            _ => messages.withdraw_requests(),
        }
    }
}

/// Answers an array of messages (2025-03-26, transports §Sending Messages to the Server).
pub(super) async fn batch(
    state: &Arc<State>,
    headers: &HeaderMap,
    accept: Accept,
    authorization: &Authorization,
    batch: Vec<Result<Message, Malformed>>,
) -> Response {
    let session = match find(state, headers, authorization.principal()) {
        Ok(session) => session,
        Err(refused) => return refused.into(),
    };
    if let Err(error) = session.dialogue.admit_batch() {
        let null_id = session.dialogue.has_null_ids();
        return response::json(StatusCode::BAD_REQUEST, refusal(None, &error, null_id).text);
    }
    let (mut answers, mut open) = (Vec::new(), Vec::new());
    let presence = Presence::new();
    let client_headers = state.client_headers(headers);
    let origin = || CallOrigin {
        presence: Some(&presence),
        trace_headers: trace_headers(headers),
        ..CallOrigin::of(authorization.clone(), client_headers.clone())
    };
    for message in batch {
        match message {
            Ok(Message::Request(request)) => match member(state, &session, request, origin()) {
                Ok(answer) => answers.push(answer.text.into_bytes()),
                Err(call) => open.push(call),
            },
            Ok(Message::Notification(notification)) => {
                session.dialogue.notification(&notification, authorization);
            }
            Ok(Message::Response(answer)) => session.dialogue.response(answer),
            Err(Malformed { error, id }) => {
                answers.push(refusal(id.as_ref(), &error, true).text.into_bytes())
            }
        }
    }
    match (open.is_empty(), accept.events) {
        (true, _) => whole(state, &answers),
        (false, true) => together(state, &session, answers, open, presence),
        (false, false) => {
            let (_activity, _connected) = (session.activity(), presence.connected());
            // Tasks, since the calls go on when the client is gone.
            let calls: Vec<_> =
                open.into_iter().map(|(call, running)| tokio::spawn(answer_alone(call, running))).collect();
            for call in calls {
                answers.extend(call.await.ok().flatten());
            }
            whole(state, &answers)
        }
    }
}

/// One request of a batch: its answer, or the call that runs.
fn member(
    state: &State,
    session: &Arc<HttpSession>,
    request: Request,
    origin: CallOrigin<'_>,
) -> Result<EncodedResponse, (ResponseStream, Running)> {
    let id = request.id.clone();
    let begun = ResponseStream::legacy(&session.dialogue, request, &state.config.buffers, origin);
    match begun.map(ResponseStream::into_ready) {
        Err(error) => Ok(refusal(Some(&id), &error, false)),
        Ok(Ok(ready)) => Ok(ready),
        Ok(Err(messages)) => match session.begin(messages.id()) {
            Ok(running) => Err((messages, running)),
            Err(error) => Ok(refusal(Some(messages.id()), &error, false)),
        },
    }
}

/// Answers as one array; a batch without requests has none.
fn whole(state: &State, answers: &[Bytes]) -> Response {
    if answers.is_empty() {
        return response::empty(StatusCode::ACCEPTED);
    }
    response::json(StatusCode::OK, state.config.buffers.hold(array(answers)))
}

/// Answers a batch on one stream.
fn together(
    state: &State,
    session: &Arc<HttpSession>,
    answers: Vec<Bytes>,
    open: Vec<(ResponseStream, Running)>,
    presence: Presence,
) -> Response {
    let stream = Arc::new(session.stream(&state.config, presence));
    let Ok(reader) = stream.log.reader(None) else {
        return response::empty(StatusCode::INTERNAL_SERVER_ERROR);
    };
    for (messages, running) in open {
        let stream = stream.clone();
        tokio::spawn(async move { carry(messages, running, &stream).await });
    }
    tokio::spawn(async move {
        for answer in answers {
            stream.log.push(answer).await;
        }
    });
    let source = GuardedSource { source: reader, _guards: session.activity() };
    response::events(Body::events(source, state.config.limits.keep_alive))
}

/// Opens the session's stream for what belongs to no call, or goes on with a stream that was cut.
pub(super) async fn get(
    state: &Arc<State>,
    headers: &HeaderMap,
    accept: Accept,
    caller: &Authorization,
) -> Response {
    if !accept.events {
        let error = Error::invalid_request("a GET opens an event stream; send Accept: text/event-stream");
        return response::error(StatusCode::NOT_ACCEPTABLE, &error);
    }
    let session = match find(state, headers, caller.principal()) {
        Ok(session) => session,
        Err(refused) => return refused.into(),
    };
    let last_event = headers.get("last-event-id");
    // A stream that is resumed belongs to what runs.
    let overload = state.config.overload.cause().filter(|_| last_event.is_none());
    let refused = overload.map(|cause| state.config.buffers.refusals().overloaded(&cause));
    let permit = match refused.map_or_else(|| StreamPermit::take(state, caller), Err) {
        Ok(permit) => permit,
        Err(error) => return response::legacy(refusal(None, &error, false)),
    };
    let keep_alive = state.config.limits.keep_alive;
    match last_event {
        Some(last) => match resume(&session, last) {
            Ok(reader) => {
                let source = GuardedSource { source: reader, _guards: (permit, session.activity()) };
                response::events(Body::events(source, keep_alive))
            }
            Err(error) => response::error(StatusCode::BAD_REQUEST, &error),
        },
        None => {
            let source = Pushes { number: session.open_pushes(), session: session.clone() };
            let source = GuardedSource { source, _guards: (permit, session.activity()) };
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
        std::task::Poll::Ready(data.map(|data| SseEvent { data: data.into(), ..SseEvent::default() }))
    }
}

/// A stream that counts while it is open.
struct GuardedSource<S, G> {
    source: S,
    _guards: G,
}

impl<S: Source, G: Send + Sync + 'static> Source for GuardedSource<S, G> {
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
