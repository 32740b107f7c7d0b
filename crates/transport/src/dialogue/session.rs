use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context as Task, Poll, Waker},
};

use anyport_protocol::{
    Error, Id, Method, Raw, Revision,
    failure::CloseReason,
    json::{Members, Splice},
    jsonrpc::{self, Response, code, write_request},
    meta::{LogLevel, Meta},
    session::server::{RequestStep, SessionState},
};
use anyport_service::{
    Context, Event, Notification, Outcome, PeerEvent, Principal, Reply, Request, Responder, ServerRequest,
    Service, SessionId, WeakPeer,
    peer::{PeerChannel, PeerTransport, ToPeer},
};
use bytes::Bytes;
use bytestring::ByteString;
use tokio::sync::watch;

use super::{
    ResponseStream, cancelled_params, one_line, random_id,
    response_stream::{QuestionState, named_text, notification_text},
};

/// A session that opened with `initialize`, and what is under way in it.
///
/// What is agreed is `protocol::session::server`; this carries it out: it calls the service, keeps the open
/// questions and holds the one listen stream that stands for the session's subscriptions.
pub(crate) struct LegacySession {
    state: Mutex<SessionState>,
    service: Arc<dyn Service>,
    principal: Principal,
    id: SessionId,
    /// This session, for the peer in the contexts of its calls.
    this: Weak<Self>,
    questions: Mutex<HashMap<Id, Open>>,
    listening: Mutex<Listening>,
    /// What the client says outside its calls.
    events: PeerChannel,
    /// Held while the listen stream is changed: the next change begins with what this one has led to.
    changing: tokio::sync::Mutex<()>,
    ready: watch::Sender<bool>,
}

/// A question that the client has not answered.
struct Open {
    method: Method,
    /// As it was before it was lowered.
    params: Raw,
    responder: Responder,
}

/// A question, ready to be sent.
pub(super) struct Asked {
    pub(super) id: Id,
    pub(super) text: Bytes,
    /// The id minted for a URL elicitation.
    pub(super) elicitation: Option<Raw>,
}

#[derive(Default)]
struct Listening {
    reply: Option<Reply>,
    /// Whoever waits in [`LegacySession::poll_push`].
    waker: Option<Waker>,
    closed: bool,
    /// What is to be said outside any call, beside what is listened to.
    aside: VecDeque<Event>,
    /// Questions that were put outside any call and are not settled.
    asked: Vec<Id>,
}

/// What may wait for a client that does not listen.
const ASIDE: usize = 64;

/// What a request changes in the subscriptions of its session. Requests run side by side, so it is the change that is
/// carried to the moment in which it is made, and not what it would have led to at first.
#[derive(Default)]
struct Change {
    added: Vec<ByteString>,
    removed: Vec<ByteString>,
}

impl Change {
    fn between(old: &BTreeSet<ByteString>, new: &BTreeSet<ByteString>) -> Self {
        Self {
            added: new.difference(old).cloned().collect(),
            removed: old.difference(new).cloned().collect(),
        }
    }

    fn apply(&self, subscriptions: &BTreeSet<ByteString>) -> BTreeSet<ByteString> {
        let stays = subscriptions.iter().filter(|uri| !self.removed.contains(uri));
        stays.chain(&self.added).cloned().collect()
    }
}

impl LegacySession {
    pub(crate) fn new(service: Arc<dyn Service>, principal: Principal, supported: &[Revision]) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            state: Mutex::new(SessionState::new(supported)),
            service,
            principal,
            id: SessionId::next(),
            this: this.clone(),
            questions: Mutex::default(),
            listening: Mutex::default(),
            events: PeerChannel::default(),
            changing: tokio::sync::Mutex::default(),
            ready: watch::Sender::new(false),
        })
    }

    #[cfg(feature = "http")]
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(crate) fn revision(&self) -> Revision {
        lock(&self.state).revision()
    }

    pub(crate) fn is_open(&self) -> bool {
        lock(&self.state).is_open()
    }

    /// Begins to answer a request.
    pub(crate) fn request(self: &Arc<Self>, request: jsonrpc::Request) -> ResponseStream {
        let jsonrpc::Request { id, method, params, meta } = request;
        let mut state = lock(&self.state);
        let step = state.request(&method, params.as_deref());
        let change = match &step {
            RequestStep::Listen(wanted) => Change::between(state.subscriptions(), wanted),
            _ => Change::default(),
        };
        drop(state);
        let (reply, lowered) = match step {
            RequestStep::Answer(outcome) => (Reply::ready(outcome), None),
            RequestStep::Discover => (self.clone().open(), None),
            RequestStep::Listen(_) => (self.clone().resubscribe(change), None),
            RequestStep::Call(method, params) => {
                let known = Method::named(&method);
                let reply = match self.context(meta) {
                    Ok(context) => self.service.call(Request { method, params: params.into() }, context),
                    Err(error) => Reply::error(error),
                };
                return ResponseStream::legacy(id, reply, self.clone(), known);
            }
        };
        ResponseStream::legacy(id, reply, self.clone(), lowered)
    }

    /// What a call of this session knows. A legacy request says nothing of its client by itself, so of its
    /// `_meta` only the progress token and the trace count.
    fn context(&self, meta: Meta) -> Result<Context, Error> {
        let Meta { progress_token, traceparent, .. } = meta;
        let state = lock(&self.state);
        let context = Context::new(self.principal.clone(), state.revision())
            .with_session(self.id)
            .with_client(state.capabilities().clone(), state.client_info().cloned())
            .with_peer(WeakPeer::new(self.this.clone()), state.profile());
        let context = match state.log_level() {
            Some(level) => context.with_log_level(Some(level)),
            // The choice is the server's, and ours where there is no older one that makes it.
            None => context.with_default_log_level(LogLevel::Info),
        };
        context.with_meta(Meta { progress_token, traceparent, ..Meta::default() })
    }

    /// Answers `initialize` from what the service says of itself.
    fn open(self: Arc<Self>) -> Reply {
        let discovered = match self.context(Meta::default()) {
            Ok(context) => self.service.call(Request::new(Method::Discover, Raw::EMPTY_OBJECT), context),
            Err(error) => Reply::error(error),
        };
        Reply::future(async move {
            let discovered = match discovered.outcome().await {
                Outcome::Result(result) => Ok(result),
                Outcome::InputRequired(_) => {
                    Err(Error::internal("the server asked before it said what it offers"))
                }
                Outcome::Error(error) => Err(error),
                Outcome::Failed(failure) => Err(failure.to_error()),
            };
            lock(&self.state).open(discovered).into()
        })
    }

    /// Opens the listen stream for what is wanted now, and puts it in the place of the old one once it is acknowledged.
    fn resubscribe(self: Arc<Self>, change: Change) -> Reply {
        Reply::future(async move {
            let _turn = self.changing.lock().await;
            let wanted = change.apply(lock(&self.state).subscriptions());
            match self.listen(&wanted, &change.added).await {
                Ok(()) => {
                    lock(&self.state).subscribe(wanted);
                    Outcome::Result(Raw::EMPTY_OBJECT)
                }
                Err(error) => Outcome::Error(error),
            }
        })
    }

    async fn listen(&self, wanted: &BTreeSet<ByteString>, added: &[ByteString]) -> Result<(), Error> {
        let filter = lock(&self.state).filter(wanted);
        let mut reply =
            self.service.call(Request::new(Method::Listen, filter), self.context(Meta::default())?);
        let acknowledged = match reply.next().await {
            Event::Notification(first) if first.method == Method::Acknowledged => first.params,
            Event::Outcome(Outcome::Error(error)) => return Err(error),
            Event::Outcome(Outcome::Failed(failure)) => return Err(failure.to_error()),
            _ => return Err(Error::internal("the server did not acknowledge the subscription")),
        };
        let honoured = acknowledged.member("notifications").unwrap_or(Raw::EMPTY_OBJECT);
        let uris: Vec<String> =
            honoured.member("resourceSubscriptions").and_then(|uris| uris.decode().ok()).unwrap_or_default();
        if let Some(refused) = added.iter().find(|uri| !uris.iter().any(|honoured| **honoured == ***uri)) {
            return Err(Error::invalid_params(format!("cannot subscribe to {refused:.256}")));
        }
        self.replace(reply);
        Ok(())
    }

    fn replace(&self, reply: Reply) {
        let old = {
            let mut listening = lock(&self.listening);
            if listening.closed { Some(reply) } else { listening.reply.replace(reply) }
        };
        // Dropped outside the lock, since what ends with it is the service's.
        drop(old);
        self.wake_pushes();
    }

    /// Takes a notification of the client's. `cancelled` is the transport's.
    pub(crate) fn notification(self: &Arc<Self>, notification: &jsonrpc::Notification) {
        match Method::named(&notification.method) {
            Some(Method::Initialized) => {}
            // What nobody here knows may be between the two of them.
            None | Some(Method::RootsChanged) => return self.said(notification),
            Some(_) => return,
        }
        if !lock(&self.state).initialized() {
            return;
        }
        self.ready.send_replace(true);
        // What was subscribed to before `initialized` may be told from now on.
        self.wake_pushes();
        let nothing = BTreeSet::new();
        if lock(&self.state).filter(&nothing).as_str() == r#"{"notifications":{}}"# {
            return;
        }
        let session = self.clone();
        tokio::spawn(async move {
            let _turn = session.changing.lock().await;
            // A subscription has opened the stream already, with more than this one would have.
            if !lock(&session.state).subscriptions().is_empty() {
                return;
            }
            match session.listen(&BTreeSet::new(), &[]).await {
                // Some newer servers declare that they tell of changes, and know no subscriptions. Nobody here can help it.
                Err(error) if error.code == code::METHOD_NOT_FOUND => {
                    tracing::debug!(error = %error, "a session cannot be told of changes");
                }
                Err(error) => tracing::warn!(error = %error, "a session cannot be told of changes"),
                Ok(()) => {}
            }
        });
    }

    fn said(&self, notification: &jsonrpc::Notification) {
        if !self.is_open() {
            return;
        }
        let params = notification.params.clone().unwrap_or(Raw::EMPTY_OBJECT);
        self.events.send(PeerEvent::Notification(notification.method.clone(), params));
    }

    /// The next message that belongs to no call; `None` when the session has ended. Changes that nobody waits for
    /// are coalesced by the service. For one reader at a time.
    pub(crate) fn poll_push(&self, task: &mut Task<'_>) -> Poll<Option<Bytes>> {
        let mut listening = lock(&self.listening);
        loop {
            if listening.closed {
                return Poll::Ready(None);
            }
            listening.waker = Some(task.waker().clone());
            let ready = lock(&self.state).is_ready();
            if ready {
                if let Some(text) = self.withdrawn(&mut listening.asked, task) {
                    return Poll::Ready(Some(text));
                }
                if let Some(event) = listening.aside.pop_front() {
                    match self.aside(event, &mut listening.asked) {
                        Some(text) => return Poll::Ready(Some(text)),
                        None => continue,
                    }
                }
            }
            let Some(reply) = listening.reply.as_mut().filter(|_| ready) else { return Poll::Pending };
            match std::task::ready!(reply.poll_event(task)) {
                Event::Notification(Notification { method, params }) => {
                    if let Some(params) = self.notify(method, params) {
                        return Poll::Ready(Some(notification_text(method, &params)));
                    }
                }
                Event::Unknown { method, params } => {
                    return Poll::Ready(Some(named_text(&method, &params)));
                }
                Event::Outcome(_) => listening.reply = None,
                Event::ServerRequest(_) | Event::Disconnect { .. } => {}
            }
        }
    }

    /// Writes what is said outside any call.
    fn aside(&self, event: Event, asked: &mut Vec<Id>) -> Option<Bytes> {
        match event {
            Event::Notification(Notification { method, params }) => {
                self.notify(method, params).map(|params| notification_text(method, &params))
            }
            Event::Unknown { method, params } => Some(named_text(&method, &params)),
            Event::ServerRequest(question) => self.ask(question).map(|put| {
                asked.push(put.id);
                put.text
            }),
            Event::Disconnect { .. } | Event::Outcome(_) => None,
        }
    }

    /// The withdrawal of a question that was put outside any call, when nobody waits for its answer any more.
    fn withdrawn(&self, asked: &mut Vec<Id>, task: &mut Task<'_>) -> Option<Bytes> {
        let mut questions = lock(&self.questions);
        asked.retain(|id| questions.contains_key(id));
        let place = asked.iter().position(|id| {
            questions.get_mut(id).is_some_and(|open| open.responder.poll_withdrawn(task).is_ready())
        })?;
        let id = asked.swap_remove(place);
        questions.remove(&id);
        Some(notification_text(Method::Cancelled, &cancelled_params(&id)))
    }

    /// Where what is to be said outside any call waits until the client listens, while there is room.
    fn room(&self) -> Option<MutexGuard<'_, Listening>> {
        let listening = lock(&self.listening);
        (!listening.closed && listening.aside.len() < ASIDE).then_some(listening)
    }

    /// Polls whoever waits in [`LegacySession::poll_push`] once more.
    pub(crate) fn wake_pushes(&self) {
        if let Some(waker) = lock(&self.listening).waker.take() {
            waker.wake();
        }
    }

    /// Lowers a notification; `None` when the session's revision has no such notification.
    pub(super) fn notify(&self, method: Method, params: Raw) -> Option<Raw> {
        lock(&self.state).notify(method, params)
    }

    pub(super) fn lower(&self, method: Option<Method>, outcome: jsonrpc::RpcResult) -> jsonrpc::RpcResult {
        lock(&self.state).lower(method, outcome)
    }

    /// Completes when the client has said `initialized`.
    pub(super) async fn until_ready(self: Arc<Self>) {
        let mut ready = self.ready.subscribe();
        // The sender lives as long as the session does.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Registers a question and writes it. `None` when this session's revision cannot say it: the asker has its
    /// error already.
    pub(super) fn ask(&self, question: ServerRequest) -> Option<Asked> {
        let ServerRequest { method, params, responder } = question;
        let lowered = lock(&self.state).ask(method, params.clone());
        let (id, mut lowered) = match lowered {
            Ok(asked) => asked,
            Err(error) => {
                responder.answer(Err(error));
                return None;
            }
        };
        let mut elicitation = None;
        if Members::find(lowered.as_str(), "mode") == Some("\"url\"") {
            // 2025-11-25, elicitation §URL Mode: every such request has an `elicitationId`.
            let Ok(minted) = random_id() else {
                responder.answer(Err(Error::internal("no randomness from the operating system")));
                return None;
            };
            let minted = Raw::string(&minted);
            lowered = Splice::retain(&lowered, |key| key != "elicitationId")
                .with("elicitationId", &minted)
                .finish();
            elicitation = Some(minted);
        }
        let mut text = Vec::with_capacity(lowered.as_str().len() + 80);
        write_request(&mut text, &id, method.as_str(), Some(&lowered));
        lock(&self.questions).insert(id.clone(), Open { method, params, responder });
        Some(Asked { id, text: one_line(text), elicitation })
    }

    /// Takes the client's answer to a question. One that answers nothing is dropped: it may have crossed the
    /// withdrawal.
    pub(crate) fn response(&self, response: Response) {
        let Some(open) = response.id.and_then(|id| lock(&self.questions).remove(&id)) else {
            tracing::debug!("a response to nothing that was asked");
            return;
        };
        let answer = lock(&self.state).answered(open.method, &open.params, response.outcome);
        open.responder.answer(answer);
    }

    /// How it stands with a question. `task` is woken when one that is open is withdrawn.
    pub(super) fn question_state(&self, id: &Id, task: &mut Task<'_>) -> QuestionState {
        let mut questions = lock(&self.questions);
        match questions.get_mut(id).map(|open| open.responder.poll_withdrawn(task)) {
            None => QuestionState::Settled,
            Some(Poll::Pending) => QuestionState::Open,
            Some(Poll::Ready(())) => {
                questions.remove(id);
                QuestionState::Withdrawn
            }
        }
    }

    /// Gives up a question. Returns whether it was still open.
    pub(super) fn forget(&self, id: &Id) -> bool {
        lock(&self.questions).remove(id).is_some()
    }

    /// Whether the client is being told of changes.
    pub(super) fn is_listening(&self) -> bool {
        lock(&self.listening).reply.is_some()
    }

    /// Gives up all questions that are open, when the client is gone for good.
    pub(crate) fn close(&self) {
        lock(&self.questions).clear();
        self.end_pushes();
        self.events.close(CloseReason::lost("the session has ended"));
    }

    /// Nothing is said any more outside calls.
    pub(crate) fn end_pushes(&self) {
        let listening = Listening { closed: true, ..Listening::default() };
        let closed = std::mem::replace(&mut *lock(&self.listening), listening);
        if let Some(waker) = closed.waker {
            waker.wake();
        }
    }
}

impl PeerTransport for LegacySession {
    fn id(&self) -> SessionId {
        self.id
    }

    fn send(&self, message: ToPeer) -> Result<(), ToPeer> {
        if let ToPeer::Request(request) = &message
            && lock(&self.state).profile().lacks(request.method, &request.params).is_some()
        {
            return Err(message);
        }
        let Some(mut listening) = self.room() else {
            tracing::debug!("too much waits for a session that does not listen, or it is over: left out");
            return Err(message);
        };
        listening.aside.push_back(match message {
            ToPeer::Request(request) => Event::ServerRequest(request),
            ToPeer::Notification(name, params) => match Method::named(&name) {
                Some(method) => Event::Notification(Notification { method, params }),
                None => Event::Unknown { method: name, params },
            },
        });
        drop(listening);
        self.wake_pushes();
        Ok(())
    }

    fn events(&self) -> &PeerChannel {
        &self.events
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
