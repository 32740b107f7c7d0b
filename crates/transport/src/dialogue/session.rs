use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Weak},
    task::{Context as Task, Poll, Waker},
};

use anyport_metrics::Counter;
use anyport_protocol::{
    Error, Id, Method, Raw, Revision,
    failure::CloseReason,
    jsonrpc::{self, Params, Reason, Response, code},
    meta::{LogLevel, Meta},
    session::server::{
        CallHandle, CallKind, NotificationStep, RequestStep, SentRequests, ServerSession,
        ServerSessionConfig, SubscriptionChange, Translation, UnsolicitedStep,
    },
    subscription::SubscriptionFilter,
    uri,
};
use anyport_service::{
    Authorization, ClientHeaders, Context, Event, Network, Notification, Outcome, PeerEvent, Presence,
    Principal, Reply, Request, Responder, ServerRequest, Service, SessionId, TraceHeaders, WeakPeer,
    peer::{PeerChannel, PeerTransport, ToPeer},
    sync::Lock,
};
use bytes::Bytes;
use bytestring::ByteString;
use tokio::sync::{oneshot, watch};

use super::{
    random_id::random_id,
    text::{cancellation_text, notification_text, request_text},
};
use crate::observed;

/// The driver of a [`ServerSession`]: a session that opens with `initialize`, or a connection that may carry one.
///
/// The machine decides; this calls the service, holds the listen stream that stands for the session's subscriptions, and
/// writes messages outside of the machine's lock.
pub(crate) struct LegacySession {
    machine: Lock<Machine>,
    /// Counts the requests that are refused because too many are in flight.
    refused: Counter,
    service: Arc<dyn Service>,
    /// Whose it is. On a channel nobody else can name it.
    #[cfg_attr(not(feature = "http"), allow(dead_code))]
    principal: Principal,
    /// The headers of the request that opened the session: for what is called on its behalf outside of requests.
    client_headers: Option<ClientHeaders>,
    id: SessionId,
    /// This session, for the peer in the contexts of its calls.
    this: Weak<Self>,
    /// Locked before the machine, where both are.
    listening: Lock<Listening>,
    /// What the client says outside of its calls.
    events: PeerChannel,
    /// Held while the listen stream is replaced: the next change begins with what this one has led to.
    changing: tokio::sync::Mutex<()>,
    ready: watch::Sender<bool>,
}

/// Dropping the sender cancels a call as well.
pub(super) type Machine = ServerSession<oneshot::Sender<()>, Responder>;

/// The stream of changes that a legacy client is notified of without a request in flight.
#[derive(Default)]
struct Listening {
    reply: Option<Reply>,
    /// What the stream before it had not sent when it was replaced.
    unsent: VecDeque<Notification>,
    /// The task that waits in [`LegacySession::poll_push`].
    waker: Option<Waker>,
}

/// What [`LegacySession::poll_push`] sends next, the listen stream apart.
enum Unsolicited {
    Message(Bytes),
    /// Nothing waits.
    Nothing,
    /// The client is not ready for messages outside of calls.
    NotReady,
    /// The session is over.
    Over,
}

/// What a transport knows of a request beside its message.
pub(crate) struct CallOrigin<'a> {
    /// What its caller may do. A session belongs to its principal: each of its requests comes with a credential of its own.
    pub(crate) authorization: Authorization,
    /// The presence of the client, if calls outlive the connection of their client.
    pub(crate) presence: Option<&'a Presence>,
    /// The headers of the request that its call takes along.
    pub(crate) client_headers: Option<ClientHeaders>,
    /// The network that it came by.
    pub(crate) network: Option<Network>,
    /// The trace context of the HTTP request that it came by.
    pub(crate) trace_headers: Option<Box<TraceHeaders>>,
}

impl CallOrigin<'_> {
    /// A request with these headers.
    #[cfg(feature = "http")]
    pub(crate) fn of(authorization: Authorization, client_headers: Option<ClientHeaders>) -> Self {
        Self { client_headers, ..Self::on_channel(authorization, Some(Network::HTTP)) }
    }

    /// A request on a channel, which has no headers, and whose call ends with its client.
    pub(crate) fn on_channel(authorization: Authorization, network: Option<Network>) -> Self {
        Self { authorization, presence: None, client_headers: None, network, trace_headers: None }
    }
}

/// The reply to a request of a session, before it is lowered.
pub(super) struct BegunReply {
    pub(super) id: Id,
    pub(super) reply: Reply,
    pub(super) translation: Translation,
    /// The method whose result is lowered; `None` if the session has made the result itself.
    pub(super) method: Option<Method>,
}

impl LegacySession {
    pub(crate) fn new(
        service: Arc<dyn Service>,
        principal: Principal,
        supported: Arc<[Revision]>,
        max_open_requests: usize,
        refused: Counter,
        client_headers: Option<ClientHeaders>,
    ) -> Arc<Self> {
        let config = ServerSessionConfig { supported, max_open_requests, mint_elicitation_id: random_id };
        Arc::new_cyclic(|this: &Weak<Self>| Self {
            machine: Lock::new(ServerSession::new(&config)),
            refused,
            service,
            principal,
            client_headers,
            id: SessionId::next(),
            this: this.clone(),
            listening: Lock::default(),
            events: PeerChannel::default(),
            changing: tokio::sync::Mutex::default(),
            ready: watch::Sender::new(false),
        })
    }

    pub(super) fn machine(&self) -> std::sync::MutexGuard<'_, Machine> {
        self.machine.lock()
    }

    #[cfg(feature = "http")]
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(crate) fn revision(&self) -> Revision {
        self.machine().state().revision()
    }

    #[cfg(feature = "http")]
    pub(crate) fn is_open(&self) -> bool {
        self.machine().state().is_open()
    }

    /// The number of the client's requests in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.machine().in_flight()
    }

    /// Whether an error without a readable id has `null` in its place.
    pub(crate) fn has_null_ids(&self) -> bool {
        self.machine().has_null_ids()
    }

    /// Checks whether the client may send batches.
    pub(crate) fn admit_batch(&self) -> Result<(), Error> {
        self.machine().admit_batch()
    }

    /// Whether a request is served by itself, and not in the session.
    ///
    /// # Errors
    /// The id is in use, or too many requests are in flight.
    pub(super) fn is_stateless(&self, request: &jsonrpc::Request) -> Result<bool, Error> {
        let machine = self.machine();
        self.counted(machine.admit(&request.id))?;
        Ok(machine.is_stateless(&request.meta))
    }

    /// Counts a request that is refused because too many are in flight.
    fn counted<T>(&self, admitted: Result<T, Error>) -> Result<T, Error> {
        if admitted.as_ref().is_err_and(|error| error.reason == Some(Reason::Overloaded)) {
            self.refused.increment();
        }
        admitted
    }

    /// Puts a request in flight.
    ///
    /// # Errors
    /// The id is in use, or too many requests are in flight.
    pub(super) fn put_in_flight(
        &self,
        id: Id,
        kind: CallKind,
        cancel: oneshot::Sender<()>,
    ) -> Result<CallHandle, Error> {
        self.counted(self.machine().begin(id, kind, cancel))
    }

    /// Begins to answer a request. `presence`: that of its client, if the call continues without its client.
    ///
    /// # Errors
    /// The id is in use, or too many requests are in flight.
    pub(super) fn begin(
        self: &Arc<Self>,
        request: jsonrpc::Request,
        origin: CallOrigin<'_>,
    ) -> Result<BegunReply, Error> {
        let mut machine = self.machine();
        let step = self.counted(machine.receive_request(&request))?;
        let translation = machine.state().translation();
        drop(machine);
        let jsonrpc::Request { id, meta, .. } = request;
        let authorization = origin.authorization;
        let (reply, method) = match step {
            RequestStep::Answer(outcome) => (Reply::ready(outcome), None),
            RequestStep::Discover => (self.clone().open(authorization), None),
            RequestStep::Listen(change) => (self.clone().resubscribe(change, authorization), None),
            RequestStep::Call(method, params) => {
                let known = Method::named(&method);
                let reply = match self.context(meta, authorization) {
                    Ok(context) => {
                        let context = context
                            .with_client_headers(origin.client_headers)
                            .with_trace_headers(origin.trace_headers);
                        let context = match origin.network {
                            Some(network) => context.with_network(network),
                            None => context,
                        };
                        let context = match origin.presence {
                            Some(presence) => context.with_presence(presence.clone()),
                            None => context,
                        };
                        self.service.call(Request { method, params: Params::noted(params) }, context)
                    }
                    Err(error) => Reply::error(error),
                };
                (reply, known)
            }
        };
        Ok(BegunReply { id, reply, translation, method })
    }

    /// The context of a call of this session. A legacy request carries nothing about its client by itself, so of its
    /// `_meta` only the progress token and the trace context count.
    fn context(&self, meta: Meta, authorization: Authorization) -> Result<Context, Error> {
        let Meta { progress_token, traceparent, .. } = meta;
        let machine = self.machine();
        let state = machine.state();
        let context = Context::authorized(authorization, state.revision())
            .with_session(self.id)
            .with_client(state.capabilities().clone(), state.client_info().cloned())
            .with_peer(WeakPeer::new(self.this.clone()), state.profile())
            .with_client_headers(self.client_headers.clone());
        let context = match state.log_level() {
            Some(level) => context.with_log_level(Some(level)),
            // The choice is the server's, and ours where no older server makes it.
            None => context.with_default_log_level(LogLevel::Info),
        };
        let context = observed::numbered(context);
        context.with_meta(Meta { progress_token, traceparent, ..Meta::default() })
    }

    /// Answers `initialize` from the service's answer to `server/discover`.
    fn open(self: Arc<Self>, authorization: Authorization) -> Reply {
        let discovered = match self.context(Meta::default(), authorization) {
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
            self.machine().open(discovered).into()
        })
    }

    /// Opens the listen stream for the changed subscriptions, and replaces the old one once it is acknowledged.
    fn resubscribe(self: Arc<Self>, change: SubscriptionChange, authorization: Authorization) -> Reply {
        Reply::future(async move {
            let _turn = self.changing.lock().await;
            let wanted = change.apply(self.machine().state().subscriptions());
            match self.listen(&wanted, change.added(), authorization).await {
                Ok(()) => {
                    self.machine().subscribe(wanted);
                    Outcome::Result(Raw::EMPTY_OBJECT)
                }
                Err(error) => Outcome::Error(error),
            }
        })
    }

    async fn listen(
        &self,
        wanted: &BTreeSet<ByteString>,
        added: &[ByteString],
        authorization: Authorization,
    ) -> Result<(), Error> {
        let filter = self.machine().state().filter(wanted).params();
        let context = self.context(Meta::default(), authorization)?;
        let mut reply = self.service.call(Request::new(Method::Listen, filter), context);
        let acknowledged = match reply.next().await {
            Event::Notification(first) if first.method == Method::Acknowledged => first.params,
            Event::Outcome(Outcome::Error(error)) => return Err(error),
            Event::Outcome(Outcome::Failed(failure)) => return Err(failure.to_error()),
            _ => return Err(Error::internal("the server did not acknowledge the subscription")),
        };
        let honoured = SubscriptionFilter::read(&acknowledged).unwrap_or_default();
        if let Some(refused) = added.iter().find(|uri| !honoured.uris.contains(uri)) {
            return Err(Error::invalid_params(format!("cannot subscribe to {refused:.256}")));
        }
        self.replace(reply, wanted);
        Ok(())
    }

    /// Replaces the listen stream. A change that only the old one knows of, since it is older than the new one, is sent all the same.
    fn replace(&self, reply: Reply, wanted: &BTreeSet<ByteString>) {
        let old = {
            let mut listening = self.listening.lock();
            let is_over = self.machine().is_outbox_closed();
            let mut old = if is_over { Some(reply) } else { listening.reply.replace(reply) };
            if let Some(old) = old.as_mut().filter(|_| !is_over) {
                let room = MAX_UNSENT.saturating_sub(listening.unsent.len());
                listening.unsent.extend(unsent(old, wanted, room));
            }
            old
        };
        // Dropped outside the lock, because what ends with it is the service's.
        drop(old);
        self.wake_pushes();
    }

    /// Takes a notification of the client's, which came with this authorization.
    pub(crate) fn notification(
        self: &Arc<Self>,
        notification: &jsonrpc::Notification,
        authorization: &Authorization,
    ) {
        let step = self.machine().receive_notification(notification);
        match step {
            NotificationStep::Ignore => {}
            NotificationStep::Cancel(cancel) => drop(cancel),
            NotificationStep::Unsolicited => self.publish(notification),
            NotificationStep::Ready { announces_changes } => {
                self.ready.send_replace(true);
                // The subscriptions made before `initialized` may send their notifications from now on.
                self.wake_pushes();
                if announces_changes {
                    tokio::spawn(self.clone().listen_to_changes(authorization.clone()));
                }
            }
        }
    }

    /// Listens to the changes that a legacy client is notified of without a subscription.
    async fn listen_to_changes(self: Arc<Self>, authorization: Authorization) {
        let _turn = self.changing.lock().await;
        // A subscription has opened the stream already, with more than this one would have.
        if !self.machine().state().subscriptions().is_empty() {
            return;
        }
        match self.listen(&BTreeSet::new(), &[], authorization).await {
            // Some newer servers declare list changes and do not have subscriptions.
            Err(error) if error.code == code::METHOD_NOT_FOUND => {
                tracing::debug!(error = %error, "a session cannot be notified of changes");
            }
            Err(error) => tracing::warn!(error = %error, "a session cannot be notified of changes"),
            Ok(()) => {}
        }
    }

    /// Gives a notification to those who listen to the client outside of calls.
    fn publish(&self, notification: &jsonrpc::Notification) {
        let params = notification.params.clone().unwrap_or(Raw::EMPTY_OBJECT);
        self.events.send(PeerEvent::Notification(notification.method.clone(), params));
    }

    /// The next message that belongs to no call; `None` when the session has ended. The service coalesces changes while
    /// this is not polled. For one reader at a time.
    pub(crate) fn poll_push(&self, task: &mut Task<'_>) -> Poll<Option<Bytes>> {
        let mut listening = self.listening.lock();
        loop {
            listening.waker = Some(task.waker().clone());
            match self.next_unsolicited(task) {
                Unsolicited::Message(text) => return Poll::Ready(Some(text)),
                Unsolicited::Over => return Poll::Ready(None),
                Unsolicited::NotReady => return Poll::Pending,
                Unsolicited::Nothing => {}
            }
            if let Some(notification) = listening.unsent.pop_front() {
                if let Some(text) = self.lowered(notification) {
                    return Poll::Ready(Some(text));
                }
                continue;
            }
            let Some(reply) = &mut listening.reply else { return Poll::Pending };
            match std::task::ready!(reply.poll_event(task)) {
                Event::Notification(notification) => {
                    if let Some(text) = self.lowered(notification) {
                        return Poll::Ready(Some(text));
                    }
                }
                Event::Unknown { method, params } => {
                    return Poll::Ready(Some(notification_text(&method, &params)));
                }
                Event::Outcome(_) => listening.reply = None,
                Event::ServerRequest(_) | Event::Disconnect { .. } => {}
            }
        }
    }

    /// A change as the client's revision has it; `None` if it has none.
    fn lowered(&self, Notification { method, params }: Notification) -> Option<Bytes> {
        let translation = self.machine().state().translation();
        let params = translation.lower_notification(method, params)?;
        Some(notification_text(method.as_str(), &params))
    }

    fn next_unsolicited(&self, task: &mut Task<'_>) -> Unsolicited {
        loop {
            let mut machine = self.machine();
            if machine.is_outbox_closed() {
                return Unsolicited::Over;
            }
            if !machine.state().is_ready() {
                return Unsolicited::NotReady;
            }
            let withdrawn =
                machine.withdraw_unsolicited(|responder| responder.poll_withdrawn(task).is_ready());
            let step = if withdrawn.is_none() { machine.next_unsolicited() } else { None };
            drop(machine);
            if let Some((id, _)) = withdrawn {
                return Unsolicited::Message(cancellation_text(&id));
            }
            match step {
                None => return Unsolicited::Nothing,
                Some(UnsolicitedStep::Notify(method, params)) => {
                    return Unsolicited::Message(notification_text(&method, &params));
                }
                Some(UnsolicitedStep::Request(request)) => {
                    return Unsolicited::Message(request_text(&request));
                }
                Some(UnsolicitedStep::Refuse(unsendable)) => {
                    unsendable.responder.answer(Err(unsendable.error))
                }
            }
        }
    }

    /// Wakes the task that waits in [`LegacySession::poll_push`].
    pub(crate) fn wake_pushes(&self) {
        let waker = self.listening.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Completes when the client has sent `notifications/initialized`.
    pub(super) async fn until_ready(self: Arc<Self>) {
        let mut ready = self.ready.subscribe();
        // The sender lives as long as the session does.
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Registers a request to the client, and writes it. `None` if the client's revision cannot express it; its sender
    /// has the error then.
    pub(super) fn send_request(&self, from: &mut SentRequests, request: ServerRequest) -> Option<Bytes> {
        let ServerRequest { method, params, responder } = request;
        let sent = self.machine().send_request(from, method, params, responder);
        match sent {
            Ok(request) => Some(request_text(&request)),
            Err(unsendable) => {
                unsendable.responder.answer(Err(unsendable.error));
                None
            }
        }
    }

    /// Takes the client's response to a request of ours.
    pub(crate) fn response(&self, response: Response) {
        let answered = self.machine().receive_response(response);
        match answered {
            Some(answered) => {
                let (responder, answer) = answered.into_answer();
                responder.answer(answer);
            }
            // It may have crossed the withdrawal.
            None => tracing::debug!("a response to no request of ours"),
        }
    }

    /// Whether the client is notified of changes.
    pub(super) fn is_listening(&self) -> bool {
        self.listening.lock().reply.is_some()
    }

    /// Cancels the subscriptions of stateless requests, which do not end by themselves.
    pub(super) fn end_subscriptions(&self) {
        let ended = self.machine().end_subscriptions();
        drop(ended);
    }

    /// Ends the session, when the client is gone for good: cancels its calls, and gives up all requests to it.
    pub(crate) fn close(&self) {
        let closed = self.machine().close();
        drop(closed);
        self.end_pushes();
        self.events.close(CloseReason::lost("the session has ended"));
    }

    /// Sends no more messages outside of calls.
    pub(crate) fn end_pushes(&self) {
        let unsent = self.machine().close_outbox();
        let Listening { reply, waker, .. } = std::mem::take(&mut *self.listening.lock());
        drop((unsent, reply));
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl PeerTransport for LegacySession {
    fn id(&self) -> SessionId {
        self.id
    }

    fn send(&self, message: ToPeer) -> Result<(), ToPeer> {
        let queued = match message {
            ToPeer::Request(ServerRequest { method, params, responder }) => {
                let queued = self.machine().queue_request(method, params.clone(), responder);
                queued.map_err(|responder| ToPeer::Request(ServerRequest { method, params, responder }))
            }
            ToPeer::Notification(method, params) => {
                let queued = self.machine().queue_notification(method, params);
                queued.map_err(|(method, params)| ToPeer::Notification(method, params))
            }
        };
        match &queued {
            Ok(()) => self.wake_pushes(),
            Err(_) => {
                tracing::debug!("a message outside of calls was refused, as its session does not take it")
            }
        }
        queued
    }

    fn events(&self) -> &PeerChannel {
        &self.events
    }
}

/// The changes that a listen stream has and nobody has read: of resources in `wanted`, and of lists. At most `room`.
fn unsent(stream: &mut Reply, wanted: &BTreeSet<ByteString>, room: usize) -> Vec<Notification> {
    let mut task = Task::from_waker(Waker::noop());
    let mut unsent = Vec::new();
    while unsent.len() < room {
        let notification = match stream.poll_event(&mut task) {
            Poll::Ready(Event::Notification(notification)) => notification,
            Poll::Pending | Poll::Ready(Event::Outcome(_)) => break,
            // A change may follow it.
            Poll::Ready(_) => continue,
        };
        let uri = notification.params.member("uri").and_then(|uri| uri.as_string());
        let is_wanted = |uri: ByteString| wanted.iter().any(|wanted| uri::contains(wanted, &uri));
        let is_change = notification.method != Method::Acknowledged;
        if is_change && uri.is_none_or(is_wanted) {
            unsent.push(notification);
        }
    }
    unsent
}

/// The most changes of replaced streams that wait for a client. What is beyond is lost.
const MAX_UNSENT: usize = 1_024;
