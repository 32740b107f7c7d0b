//! One connection to a server, shared by its calls: the state machine of the protocol under one lock, for any [`Driver`].
//!
//! # How a driver uses it
//! - A message that came: read it (`anyport_protocol::jsonrpc::read`), then [`Multiplexer::handle`] with
//!   [`Input::received`]. Messages on the response stream of a call go through [`Driver::poll_call`] instead, on the task of
//!   the caller.
//! - What the connection wants done comes back: messages of its own by [`Driver::send`], the request of a call by
//!   [`Driver::start`], everything about the channel by [`Driver::control`]. All are called without the lock.
//! - [`Multiplexer`] is the transport of a [`Connection`](super::Connection); each call is a
//!   [`CallReply`](super::call_reply::CallReply).
//!
//! Wakers are taken under the lock and woken after it. The only task of a connection is its timer, which lives while the
//! connection waits for a time.

use std::{
    sync::{Arc, OnceLock, Weak, atomic::AtomicBool},
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use anyport_protocol::{
    failure::{CloseReason, Failure},
    session::client::{
        Action, Actions, Attribution, CallEvent, CallFacts, CallId, CallTable, Channel, ClientConnection,
        ConnectionConfig, Input, NegotiatedSession, NegotiationError, Outgoing, PreparedRequest,
        ServerRequestId,
    },
};
use anyport_service::{Clock, Context, Peer, SessionId, peer::PeerChannel, sync::Lock};
use smallvec::SmallVec;
use tokio::{sync::Notify, time::sleep_until};

use super::{caller::Caller, opening::ConnectOptions, unexpected_messages::UnexpectedMessages};

/// How the messages of one connection travel.
pub(crate) trait Driver: Sized + Send + Sync + 'static {
    /// The response stream of one call; `()` where all calls share one channel.
    type CallStream: Send + Unpin + 'static;

    /// Why no further call may be sent now.
    fn refuse(&self, connection: &Multiplexer<Self>) -> Option<Failure>;

    /// Sends messages of the connection's own: those of one step, each after the one before it.
    fn send(&self, connection: &Multiplexer<Self>, messages: SmallVec<[Outgoing; 2]>);

    /// Sends the request of a call: the first time, or again in a renewed session.
    fn start(
        &self,
        connection: &Multiplexer<Self>,
        call: CallId,
        request: &PreparedRequest,
        context: &Context,
    ) -> Self::CallStream;

    /// Reads the response stream of a call. Polled by the caller's own task, and only when nothing waits for it.
    fn poll_call(&self, stream: &mut Self::CallStream, task: &mut Task<'_>) -> Poll<Input>;

    /// A request of the server's is about to reach the caller of this call, whichever stream it came on.
    fn asked(&self, stream: &mut Self::CallStream) {
        let _ = stream;
    }

    /// Does something about the channel.
    fn control(&self, connection: &Multiplexer<Self>, control: Control);
}

/// What a driver does about its channel.
#[derive(Debug)]
pub(crate) enum Control {
    /// The connection is open.
    Negotiated(Arc<NegotiatedSession>),
    /// Nothing could be agreed.
    Refused(NegotiationError),
    /// Open the channel anew; its connection is taken over with [`Multiplexer::detach`].
    Reopen,
    /// Open the shared stream of a session: see [`Action::OpenSharedStream`].
    OpenSharedStream {
        /// The session.
        generation: u32,
    },
    /// Close the channel.
    Close(CloseReason),
}

/// One connection to a server, shared by its calls.
pub(crate) struct Multiplexer<D: Driver> {
    pub(crate) driver: D,
    pub(crate) options: Arc<ConnectOptions>,
    state: Lock<State>,
    /// When the connection was made.
    clock: Clock,
    session: OnceLock<Arc<NegotiatedSession>>,
    pub(super) id: SessionId,
    /// What the server says outside any call, and why the connection is over: closed once nothing of the channel is left.
    pub(crate) events: PeerChannel,
    pub(super) attribution: Lock<Option<Attribution>>,
    /// Whether the server has no stream for what belongs to no call.
    pub(super) is_silent: AtomicBool,
    unexpected: UnexpectedMessages,
    rearmed: Arc<Notify>,
    this: Weak<Self>,
}

struct State {
    connection: ClientConnection<Caller>,
    /// Of the readers of calls.
    wakers: CallTable<Waker>,
    /// Of those who hold a request of the server's and want to know when it is withdrawn.
    withdrawals: Vec<(ServerRequestId, Waker)>,
    /// When the timer wakes; `None` while there is none.
    timer: Option<Duration>,
}

/// A connection, and when it was made: what stays the same when its channel is opened anew.
pub(crate) struct Machine {
    connection: ClientConnection<Caller>,
    clock: Clock,
}

impl Machine {
    pub(crate) fn new(options: &ConnectOptions, channel: Channel) -> Self {
        let config = ConnectionConfig {
            channel,
            revision: options.revision,
            legacy_first: options.legacy_first,
            capabilities: options.capabilities.clone(),
            client_info: options.client_info.clone(),
            probe_timeout: options.probe_timeout,
            open_timeout: options.open_timeout,
            max_open_requests: options.max_open_requests,
            call_queue: options.call_queue,
            call_queue_bytes: WAITING,
            max_open_questions: options.max_open_questions,
            roots_hold: options.roots_hold,
            log_hold: options.log_hold,
            max_message_bytes: options.limits.bytes,
        };
        Self { connection: ClientConnection::new(config), clock: Clock::new() }
    }
}

impl<D: Driver> Multiplexer<D> {
    pub(crate) fn new(driver: D, options: Arc<ConnectOptions>, machine: Machine) -> Arc<Self> {
        let events = PeerChannel::new(options.event_queue);
        let Machine { connection, clock } = machine;
        let state = State { connection, wakers: CallTable::default(), withdrawals: Vec::new(), timer: None };
        Arc::new_cyclic(|this| Self {
            driver,
            options,
            state: Lock::new(state),
            clock,
            session: OnceLock::new(),
            id: SessionId::next(),
            events,
            attribution: Lock::default(),
            is_silent: AtomicBool::default(),
            unexpected: UnexpectedMessages::default(),
            rearmed: Arc::default(),
            this: this.clone(),
        })
    }

    /// The connection, for the next channel; what is left here is over.
    pub(crate) fn detach(&self) -> Machine {
        let mut over = Machine::new(&self.options, Channel::Shared).connection;
        over.close(&mut Actions::new());
        let connection = std::mem::replace(&mut self.state.lock().connection, over);
        Machine { connection, clock: self.clock }
    }

    /// What was negotiated, once that is done.
    pub(crate) fn session(&self) -> Option<&Arc<NegotiatedSession>> {
        self.session.get()
    }

    /// The server, outside any call.
    pub(crate) fn peer(self: &Arc<Self>) -> Peer {
        Peer::new(self.clone())
    }

    pub(crate) fn weak(&self) -> Weak<Self> {
        self.this.clone()
    }

    /// Counts what is not a message.
    pub(crate) fn count(&self, why: &str, text: &[u8]) {
        self.unexpected.note(why, text);
    }

    #[cfg(test)]
    pub(crate) fn unexpected(&self) -> u64 {
        self.unexpected.count()
    }

    /// Takes what happened.
    pub(crate) fn handle(&self, input: Input) {
        self.act(&[], |connection, now, out| connection.handle(now, input, out));
    }

    /// Takes text that came; `text` is for the log, where it is not a message.
    pub(crate) fn handle_text(&self, input: Input, text: &[u8]) {
        self.act(text, |connection, now, out| connection.handle(now, input, out));
    }

    /// Does one step of the connection, and then what it wants done.
    pub(crate) fn act<T>(
        &self,
        text: &[u8],
        step: impl FnOnce(&mut ClientConnection<Caller>, Duration, &mut Actions) -> T,
    ) -> T {
        self.step(None, text, step)
    }

    /// As [`Multiplexer::act`]; `reader` is the call whose reader runs this, and need not be woken.
    fn step<T>(
        &self,
        reader: Option<CallId>,
        text: &[u8],
        step: impl FnOnce(&mut ClientConnection<Caller>, Duration, &mut Actions) -> T,
    ) -> T {
        let mut actions = Actions::new();
        let mut wakers = SmallVec::<[Waker; 4]>::new();
        let mut state = self.state.lock();
        // Under the lock, so that it never goes back.
        let now = self.clock.now();
        let result = step(&mut state.connection, now, &mut actions);
        for action in &actions {
            state.take_wakers(action, reader, &mut wakers);
        }
        let starts_timer = self.rearm(&mut state);
        drop(state);
        if starts_timer {
            self.start_timer();
        }
        let mut messages = SmallVec::new();
        for action in actions {
            match action {
                Action::Send(message) => messages.push(message),
                // Its waker was taken; its stream is dropped with the reply.
                Action::Wake(_) | Action::CloseStream(_) | Action::Withdrawn(_) => {}
                action => {
                    self.flush(&mut messages);
                    self.perform(action, text);
                }
            }
        }
        self.flush(&mut messages);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Sends the messages of a step so far.
    fn flush(&self, messages: &mut SmallVec<[Outgoing; 2]>) {
        if !messages.is_empty() {
            self.driver.send(self, std::mem::take(messages));
        }
    }

    fn perform(&self, action: Action, text: &[u8]) {
        match action {
            Action::Send(_) | Action::Wake(_) | Action::CloseStream(_) | Action::Withdrawn(_) => {}
            Action::Negotiated(session) => {
                let _ = self.session.set(session.clone());
                self.driver.control(self, Control::Negotiated(session));
            }
            Action::Refused(error) => self.driver.control(self, Control::Refused(error)),
            Action::Reopen => self.driver.control(self, Control::Reopen),
            Action::OpenSharedStream { generation } => {
                self.driver.control(self, Control::OpenSharedStream { generation });
            }
            Action::Close(reason) => self.driver.control(self, Control::Close(reason)),
            Action::Unsolicited(message) => self.unsolicited(message),
            Action::Attributed(attribution) => {
                let mut known = self.attribution.lock();
                *known = (*known).max(Some(attribution));
            }
            Action::Count(why) => self.count(why, text),
        }
    }

    /// Whether an answer to a request of the server's is still wanted; else `task`, if there is one, is woken when it is
    /// not any more.
    pub(crate) fn is_awaited(&self, request: ServerRequestId, task: Option<&Task<'_>>) -> bool {
        let mut state = self.state.lock();
        let is_awaited = state.connection.is_awaited(request);
        if let Some(task) = task.filter(|_| is_awaited) {
            state.withdrawals.retain(|(id, waker)| *id != request || !waker.will_wake(task.waker()));
            state.withdrawals.push((request, task.waker().clone()));
        }
        is_awaited
    }

    /// Begins a call; returns whether it is to be sent at once.
    pub(super) fn begin(&self, facts: CallFacts<Caller>) -> Result<(CallId, bool), Failure> {
        if let Some(failure) = self.driver.refuse(self) {
            return Err(failure);
        }
        let begun = self.act(&[], |connection, now, out| {
            let call = connection.call(now, facts, out)?;
            Ok((call, connection.take_send(call)))
        });
        if let (Err(Failure::Overloaded { .. }), Some(buffers)) = (&begun, &self.options.buffers) {
            buffers.refusals().open_requests.increment();
        }
        begun
    }

    /// The next event of a call; if there is none, its reader is woken when there is one.
    pub(crate) fn poll_event(&self, call: CallId, task: &Task<'_>) -> Option<CallEvent> {
        let mut state = self.state.lock();
        let event = state.connection.next_event(call);
        match &event {
            Some(CallEvent::Finished { .. }) => drop(state.wakers.remove(call)),
            Some(_) => {}
            None => state.register(call, task.waker()),
        }
        event
    }

    /// Takes what came on the call's own stream, and returns the call's next event. Its reader, which polled that stream, was
    /// registered by [`Multiplexer::poll_event`] and is not woken.
    pub(crate) fn handle_own(&self, call: CallId, input: Input) -> Option<CallEvent> {
        let event = self.step(Some(call), &[], |connection, now, out| {
            connection.handle(now, input, out);
            connection.next_event(call)
        });
        if let Some(CallEvent::Finished { .. }) = event {
            // Else a connection would keep a waker of every call that it ever had.
            let waker = self.state.lock().wakers.remove(call);
            drop(waker);
        }
        event
    }

    /// How many readers wait to be woken.
    #[cfg(test)]
    pub(crate) fn waiting_readers(&self) -> usize {
        self.state.lock().wakers.len()
    }

    /// Ends a call whose reader is gone.
    pub(crate) fn abandon(&self, call: CallId) {
        self.act(&[], |connection, now, out| connection.abandon(now, call, out));
        let waker = self.state.lock().wakers.remove(call);
        drop(waker);
    }

    /// Ends the connection from our side.
    pub(crate) fn close(&self) {
        self.act(&[], |connection, _, out| connection.close(out));
    }

    /// Notes when the timer has to wake; returns whether one is to be started.
    fn rearm(&self, state: &mut State) -> bool {
        let due = state.connection.poll_timeout();
        match (due, state.timer) {
            (None, None) => false,
            (Some(due), None) => {
                state.timer = Some(due);
                true
            }
            (Some(due), Some(timer)) if timer <= due => false,
            (due, Some(_)) => {
                // Earlier than it would wake, or not at all any more.
                state.timer = due.or(state.timer);
                self.rearmed.notify_one();
                false
            }
        }
    }

    fn start_timer(&self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            self.state.lock().timer = None;
            return;
        };
        let (this, rearmed, clock) = (self.weak(), self.rearmed.clone(), self.clock);
        runtime.spawn(async move {
            while let Some(due) = this.upgrade().and_then(|connection| connection.next_timeout()) {
                // Beyond the clock is never.
                let Some(due) = clock.instant(due) else {
                    rearmed.notified().await;
                    continue;
                };
                tokio::select! {
                    () = sleep_until(due) => {}
                    () = rearmed.notified() => continue,
                }
                if let Some(connection) = this.upgrade() {
                    connection.handle(Input::Timeout);
                }
            }
        });
    }

    /// When the timer wakes next; `None` if it is not needed any more.
    fn next_timeout(&self) -> Option<Duration> {
        let mut state = self.state.lock();
        state.timer = state.connection.poll_timeout();
        state.timer
    }
}

impl State {
    fn register(&mut self, call: CallId, waker: &Waker) {
        match self.wakers.get_mut(call) {
            Some(registered) => registered.clone_from(waker),
            None => self.wakers.insert(call, waker.clone()),
        }
    }

    fn take_wakers(&mut self, action: &Action, reader: Option<CallId>, wakers: &mut SmallVec<[Waker; 4]>) {
        match action {
            Action::Wake(call) if Some(*call) != reader => wakers.extend(self.wakers.remove(*call)),
            Action::Withdrawn(request) => {
                wakers
                    .extend(self.withdrawals.extract_if(.., |(id, _)| id == request).map(|(_, waker)| waker));
            }
            _ => {}
        }
        if let Action::Send(Outgoing::Response { .. }) = action
            && !self.withdrawals.is_empty()
        {
            // An answered request is not awaited any more.
            let connection = &self.connection;
            self.withdrawals.retain(|(id, _)| connection.is_awaited(*id));
        }
    }
}

/// Bytes of what a server says of a call that may wait for the reader of the call, where others share the connection; a
/// larger message waits alone.
const WAITING: usize = 256 << 10;
