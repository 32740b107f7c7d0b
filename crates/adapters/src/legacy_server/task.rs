//! The task of one call: it owns the reply, passes events to the state machine, and carries out its actions.

use std::{
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context as Task, Poll},
};

use anyport_protocol::{
    Error, Method, Raw,
    failure::Failure,
    json::Splice,
    jsonrpc::{Reason, RpcResult},
    session::parked::{Attachment, Call, CallRecord, Effect, Event as CallEvent, Full, Key},
};
use tokio::{sync::mpsc, time};

use super::{
    attached_request::{AttachedRequest, Command, arrive},
    counters::Counters,
    parked_calls::ParkedCalls,
    state_sealer::{Binding, Resume},
};
use anyport_metrics::Held;
use anyport_service::{Event, Outcome, Reply, Responder};

/// One call, from its first request to its outcome.
pub(super) struct Open {
    // Dropped before the answerers: the server hears of the cancelled call before it hears of its questions.
    reply: Option<Reply>,
    answerers: BTreeMap<Key, Responder>,
    call: Call,
    attached: Vec<AttachedRequest>,
    last_key: Key,
    last_attachment: Attachment,
    /// The name under which the call is known, once it was parked, what is sent to it there, and that it is counted.
    parked: Option<(u128, mpsc::UnboundedReceiver<Command>, Held)>,
    is_over: bool,
    binding: Binding,
    calls: Arc<ParkedCalls>,
    counters: Counters,
}

/// The events that the task awaits.
pub(super) enum Happened {
    Gone(Attachment),
    Withdrawn(Key),
    Command(Command),
    CallEvent(Event),
    Time,
}

impl Open {
    /// The call that `reply` is of; `request` made it.
    pub(super) fn new(
        reply: Reply,
        call: Call,
        request: AttachedRequest,
        binding: Binding,
        (calls, counters): (Arc<ParkedCalls>, Counters),
    ) -> Self {
        Self {
            reply: Some(reply),
            answerers: BTreeMap::new(),
            call,
            attached: vec![request],
            last_key: 0,
            last_attachment: 0,
            parked: None,
            is_over: false,
            binding,
            calls,
            counters,
        }
    }

    /// Runs until the call is over.
    pub(super) async fn run(mut self) {
        while !self.is_over {
            let happened = self.next().await;
            self.take(happened);
        }
    }

    async fn next(&mut self) -> Happened {
        let wakes = self.call.wakes().and_then(|at| self.calls.instant(at));
        let mut sleep = pin!(async {
            match wakes {
                Some(at) => time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        });
        poll_fn(|task| match self.poll(task) {
            Poll::Pending => sleep.as_mut().poll(task).map(|()| Happened::Time),
            ready => ready,
        })
        .await
    }

    fn poll(&mut self, task: &mut Task<'_>) -> Poll<Happened> {
        for request in &mut self.attached {
            if request.end.poll_closed(task).is_ready() {
                return Poll::Ready(Happened::Gone(request.attachment));
            }
        }
        for (key, responder) in &mut self.answerers {
            if responder.poll_withdrawn(task).is_ready() {
                return Poll::Ready(Happened::Withdrawn(*key));
            }
        }
        if let Some((_, commands, _)) = &mut self.parked
            && let Poll::Ready(Some(command)) = commands.poll_recv(task)
        {
            return Poll::Ready(Happened::Command(command));
        }
        // A client that reads slowly slows its own call down.
        for request in &mut self.attached {
            std::task::ready!(request.emitter.poll_room(&mut request.writer, task));
        }
        match &mut self.reply {
            Some(reply) => reply.poll_event(task).map(Happened::CallEvent),
            None => Poll::Pending,
        }
    }

    /// Takes what happened.
    pub(super) fn take(&mut self, happened: Happened) {
        match happened {
            Happened::Gone(attachment) => {
                self.attached.retain(|request| request.attachment != attachment);
                self.tell(CallEvent::Detached(attachment));
            }
            Happened::Withdrawn(key) => {
                self.answerers.remove(&key);
                self.tell(CallEvent::Withdrawn(key));
            }
            Happened::Command(Command::Retry { round, answers, digest, caller, request }) => {
                self.last_attachment += 1;
                let came = (round, answers, digest, caller);
                let (request, retry) = arrive(request, self.last_attachment, came);
                self.attached.push(request);
                self.tell(CallEvent::Retry(retry));
            }
            Happened::Command(Command::Drain) => self.tell(CallEvent::Drain),
            Happened::CallEvent(event) => self.hear(event),
            Happened::Time => self.tell(CallEvent::Tick),
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::ServerRequest(question) => {
                self.last_key += 1;
                let key = self.last_key;
                self.answerers.insert(key, question.responder);
                self.tell(CallEvent::ServerRequest { key, method: question.method, params: question.params });
            }
            Event::Notification(told) if told.method == Method::ElicitationComplete => {
                self.calls.elicitations.complete_by(&told.params);
            }
            Event::Notification(told) => {
                self.tell(CallEvent::Notification { method: told.method, params: told.params });
            }
            // Without an attached request the notification is dropped: it may be outdated by the next retry.
            Event::Unknown { method, params } => {
                for request in &self.attached {
                    request.emitter.push(Event::Unknown { method: method.clone(), params: params.clone() });
                }
            }
            // No transport to a client that retries has streams that can be resumed.
            Event::Disconnect { .. } => {}
            Event::Outcome(outcome) => {
                self.reply = None;
                self.tell(match outcome {
                    Outcome::Failed(failure) if failure.is_lost_connection() => {
                        CallEvent::Lost(failure.to_error())
                    }
                    outcome => CallEvent::Outcome(rpc_result(outcome)),
                });
            }
        }
    }

    /// Passes an event to the state machine, and carries out its actions.
    fn tell(&mut self, said: CallEvent) {
        let mut effects = VecDeque::from(self.call.handle(self.calls.now(), said));
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Place => {
                    let placed = self.place().map_or_else(CallEvent::Full, |()| CallEvent::Placed);
                    effects.extend(self.call.handle(self.calls.now(), placed));
                }
                effect => self.carry_out(effect),
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Answer(key, answer) => self.answer(key, Ok(answer)),
            Effect::Refuse(key, error) => self.answer(key, Err(error)),
            Effect::Cancel => self.reply = None,
            Effect::Tell(to, method, params) => {
                if let Some(request) = self.attached.iter().find(|request| request.attachment == to) {
                    request.tell(method, params);
                }
            }
            Effect::Ask(to, round, requests) => {
                let asked = self.asked(round, &requests);
                self.end(to, asked.map_or_else(Outcome::Error, Outcome::InputRequired));
            }
            Effect::End(to, outcome) => self.end(to, outcome.into()),
            Effect::Late(to) => {
                let after = self.calls.limits.call_timeout_max.unwrap_or_default();
                let late = Failure::Timeout { limit: "call_timeout_max", after };
                self.end(to, late.of_upstream(self.calls.seals.upstream()).into());
            }
            Effect::Count(limit) => self.counters.refused(limit),
            Effect::Over(ended) => self.over(ended),
            // Carried out by the caller of this function.
            Effect::Place => {}
        }
    }

    fn answer(&mut self, key: Key, answer: RpcResult) {
        if let Some(responder) = self.answerers.remove(&key) {
            responder.answer(answer);
        }
    }

    fn end(&mut self, to: Attachment, outcome: Outcome) {
        if let Some(at) = self.attached.iter().position(|request| request.attachment == to) {
            // It fails when the client is gone, which ends nothing else.
            let _ = self.attached.swap_remove(at).end.send(outcome);
        }
    }

    fn asked(&self, round: u32, requests: &Raw) -> Result<Raw, Error> {
        let Some((call, ..)) = &self.parked else {
            return Err(Error::internal("a call was asked to wait that has no place"));
        };
        let way = Resume::Parked { call: *call, round };
        let state = self.calls.seals.seal(way, &self.binding, self.calls.expiry())?;
        Ok(self.calls.signed(input_required(requests, &state)))
    }

    /// A place for the call among those that are parked. It keeps the one that it has.
    fn place(&mut self) -> Result<(), Full> {
        if self.parked.is_some() {
            return Ok(());
        }
        // Without randomness nothing can be sealed either, and the error is reported then.
        let mut id = [0; 16];
        let _ = getrandom::fill(&mut id);
        let id = u128::from_le_bytes(id);
        let (handle, commands) = mpsc::unbounded_channel();
        self.calls.lot().take(id, &self.binding.principal, handle)?;
        self.parked = Some((id, commands, self.counters.parked()));
        Ok(())
    }

    /// Gives the place back, and answers those who came in the meantime.
    fn over(&mut self, ended: CallRecord) {
        self.is_over = true;
        let Some((id, mut commands, _counted)) = self.parked.take() else { return };
        let now = self.calls.now();
        self.calls.lot().end(now, id, &self.binding.principal, ended.clone());
        while let Ok(command) = commands.try_recv() {
            if let Command::Retry { round, digest, request, .. } = command {
                let told = ended.answer(now, round, digest, &self.binding.name);
                let _ = request.end.send(told.into());
            }
        }
    }
}

/// A task that is dropped, since the program stops or the server's code panicked, leaves no question open and no place
/// taken.
impl Drop for Open {
    fn drop(&mut self) {
        self.reply = None;
        if !self.is_over {
            self.over(CallRecord::Abandoned(Reason::Lost));
        }
        for (_, responder) in std::mem::take(&mut self.answerers) {
            responder.answer(Err(Error::internal("the call is over")));
        }
    }
}

/// An `InputRequiredResult`.
pub(super) fn input_required(requests: &Raw, state: &str) -> Raw {
    Splice::new()
        .with("resultType", &Raw::string("input_required"))
        .with("inputRequests", requests)
        .with("requestState", &Raw::string(state))
        .finish()
}

/// The server's outcome as an event of the state machine, which stores the response for a retry as it will be sent.
fn rpc_result(outcome: Outcome) -> RpcResult {
    let failure = match outcome {
        Outcome::Result(result) => return Ok(result),
        Outcome::Error(error) => return Err(error),
        Outcome::Failed(failure) => *failure,
        Outcome::InputRequired(_) => input_required_inline(),
    };
    Err(failure.to_error())
}

/// The failure of a call with a result that no server of the caller's revision may send.
pub(super) fn input_required_inline() -> Failure {
    let why = "the server answered input_required to a caller whose requests it sends inline";
    Failure::InvalidPeer(why.into())
}
