//! Calls: on the connection that is there, or once it is; made again when their connection was lost, if that is safe.

use std::{
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context as Task, Poll},
};

use anyport_adapters::check_input_required;
use anyport_protocol::{
    Error, Method,
    failure::Failure,
    json::Splice,
    jsonrpc::{ConnectionRefusal, code},
    progress::Increasing,
};
use anyport_service::{
    Answer, AnswerSink, Context, Event, InputMode, Outcome, Reply, Request, Responder, ServerRequest, Service,
};
use futures_core::Stream;
use tokio::time::{Sleep, sleep, timeout};

use crate::{
    IsolationPolicy,
    breaker::counts,
    call::CallGuard,
    deferred::deferred,
    era::Era,
    isolation::Share,
    pool::{EraCalls, Pool},
    slot::{Slot, State, Up, UpGuard},
    subscriptions::resubscribe,
    tool_listing::list_tools,
    tools::sent_headers,
    watch::DISCONNECT_GRACE,
};

impl Service for EraCalls {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.pool.attempt(request, context, RetryState::new(self.era))
    }
}

impl Pool {
    /// Calls on the connection that is there, or once it is.
    pub(crate) fn attempt(&self, request: Request, context: Context, retried: RetryState) -> Reply {
        if *self.0.closed.borrow() {
            return Reply::failed(Failure::ShuttingDown);
        }
        if request.is_listen() {
            return resubscribe::listen(self.clone(), request, context);
        }
        let asks = request.known().is_some_and(Method::may_ask);
        let preferred = retried.preferred;
        let hold = self.hold(&context, preferred, asks);
        if let Some(up) = hold.slot().up() {
            return self.through(hold, &up, request, context, retried);
        }
        let pool = self.clone();
        deferred(async move {
            match pool.up_for(hold, &context, preferred, asks).await {
                Ok((hold, up)) => pool.through(hold, &up, request, context, retried),
                Err(failure) => Reply::failed(failure),
            }
        })
    }

    /// Makes a call on the connection `up`, or on the next one if this one takes no calls any more.
    pub(crate) fn through(
        &self,
        hold: CallGuard,
        up: &Arc<Up>,
        request: Request,
        context: Context,
        retried: RetryState,
    ) -> Reply {
        // It may have been given another caller's roots while this call waited for it.
        if self.0.isolation != IsolationPolicy::Shared && up.has_roots_of_another(&context) {
            drop(hold);
            return self.attempt(request, context, retried);
        }
        // Else it might be closed while the call is under way, though nobody has cancelled that.
        let Some(on) = up.enter() else {
            drop(hold);
            return self.attempt(request, context, retried);
        };
        let slot = hold.slot();
        let sent = match Era::of(up.session.revision()) {
            Era::Modern => self.0.tools.with_headers(&request, context.clone()),
            Era::Legacy => context.clone(),
        };
        match up.service.call(request.clone(), sent).into_ready() {
            Ok(outcome) => self.settle(slot, &on, outcome, request, context, retried),
            Err(reply) => {
                Reply::pending(RetriableCall::new(self.clone(), request, context, reply, (hold, on), retried))
            }
        }
    }

    /// The next step for a call that ended with `outcome`.
    fn settle(
        &self,
        slot: &Arc<Slot>,
        on: &UpGuard,
        outcome: Outcome,
        request: Request,
        context: Context,
        retried: RetryState,
    ) -> Reply {
        let is_modern = !slot.is_legacy();
        match &outcome {
            Outcome::Failed(failure) if counts(failure) => self.call_failed(slot, on.up(), &context, failure),
            Outcome::Failed(_) => {}
            _ => {
                on.up().has_worked.store(true, Ordering::Relaxed);
                slot.failures.clear();
            }
        }
        let lost = match &outcome {
            Outcome::Failed(failure) if failure.is_lost_connection() => failure.root().clone(),
            Outcome::Error(error) if error.code == code::URL_ELICITATION_REQUIRED => {
                slot.sent_to_urls(&context, error);
                return Reply::ready(outcome);
            }
            Outcome::Error(error) if error.refusal.is_some() => {
                return self.refused(slot, on, error.clone(), request, context, retried);
            }
            // An inline caller sees nothing of it: its adapter checks it.
            Outcome::InputRequired(required) if context.input_mode() == InputMode::InputRequired => {
                let checked = check_input_required(required, &context);
                return checked.map_or_else(Reply::failed, |()| Reply::ready(outcome));
            }
            Outcome::Result(page) if request.known() == Some(Method::ToolsList) => {
                // A legacy server does not know the annotation, so nothing about it is invalid there.
                let valid = self.0.tools.learn(page).filter(|_| is_modern);
                return Reply::ready(valid.map_or(outcome, Outcome::Result));
            }
            _ => return Reply::ready(outcome),
        };
        if retried.reissues < REISSUES && !retried.asked && self.is_repeatable(&lost, &request) {
            self.0.metrics.reissued.increment();
            tracing::debug!(upstream = self.0.name, method = %request.method, "a call is made again");
            let (pool, mut state) = (self.clone(), slot.state.subscribe());
            return deferred(async move {
                // The connection may be whole, and only this call's stream cut.
                let gone = async { drop(state.wait_for(|state| !matches!(state, State::Up(_))).await) };
                let _ = timeout(DISCONNECT_GRACE, gone).await;
                pool.attempt(request, context, RetryState { reissues: retried.reissues + 1, ..retried })
            });
        }
        Reply::failed(self.lost(lost, &request, retried.asked && !retried.answered))
    }

    /// The next step for a call that a server refused before it processed it, for our connection's sake.
    ///
    /// Our side of the connection notes that, of modern servers alone. An error of a legacy server is the answer to its call,
    /// whatever its code: it has agreed on a revision in `initialize`, and checks none per request.
    ///
    /// What the server has sent for a call shows that it began to process it, whatever its error says.
    fn refused(
        &self,
        slot: &Arc<Slot>,
        on: &UpGuard,
        error: Error,
        request: Request,
        context: Context,
        retried: RetryState,
    ) -> Reply {
        match error.refusal {
            Some(ConnectionRefusal::UnsupportedRevision)
                if retried.reissues < REISSUES && !retried.has_begun =>
            {
                self.0.metrics.reissued.increment();
                self.outdated(slot, on.up());
                self.attempt(request, context, RetryState { reissues: REISSUES, ..retried })
            }
            Some(ConnectionRefusal::HeaderMismatch)
                if request.known() == Some(Method::ToolsCall) && !retried.has_begun =>
            {
                self.headers_refused(error, request, context, retried)
            }
            // Of this connection alone: a caller that has another one to us must not act on it.
            _ => Reply::error(Error { refusal: None, ..error }),
        }
    }

    /// The next step for a call that the server refused because of its headers, before it did anything.
    ///
    /// 2026-07-28, streamable-http §Client Behavior: "If the server rejects a request with a `HeaderMismatch` error because
    /// required `Mcp-Param-*` headers are missing or do not match the body, the client SHOULD call `tools/list` to check for
    /// changes to the tool's `inputSchema`, then retry the original request with the appropriate headers."
    fn headers_refused(
        &self,
        error: Error,
        request: Request,
        context: Context,
        retried: RetryState,
    ) -> Reply {
        if sent_headers(&context) {
            // The caller derived them from the list that it knows, so it is the client that has to read the list again.
            let data = error.data.map(|data| Splice::retain(&data, |name| name != "upstreamCode").finish());
            let data = data.filter(|data| data.as_str() != "{}");
            return Reply::error(Error { code: code::HEADER_MISMATCH, data, ..error });
        }
        let error = Error { refusal: None, ..error };
        if retried.has_listed {
            return Reply::error(error);
        }
        let pool = self.clone();
        deferred(async move {
            let listing = EraCalls { pool: pool.clone(), era: retried.preferred };
            match list_tools(&listing, &context, || false).await {
                Ok(()) => pool.attempt(request, context, RetryState { has_listed: true, ..retried }),
                Err(_) => Reply::error(error),
            }
        })
    }

    /// Whether a call that was lost may be made again: the server has not seen it, or it changes nothing.
    fn is_repeatable(&self, lost: &Failure, request: &Request) -> bool {
        matches!(lost, Failure::NotSent(_)) || self.0.tools.is_idempotent(request)
    }

    /// The failure of a call whose connection was lost, and that is not made again.
    ///
    /// `waits`: whether the call waited for the answer to a server request, and had received none.
    fn lost(&self, failure: Failure, request: &Request, waits: bool) -> Failure {
        // Such a call, or one that cannot have done anything, did not get to its end.
        let unfinished = waits || self.0.tools.is_idempotent(request);
        let failure = match failure {
            Failure::Disconnected(reason) if !unfinished => Failure::OutcomeUnknown(reason),
            Failure::OutcomeUnknown(reason) if unfinished => Failure::Disconnected(reason),
            failure => failure,
        };
        failure.of_upstream(&*self.0.name)
    }
}

/// What was done for a call so far, and what of it has reached the caller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryState {
    /// The era that the call prefers, of a server that speaks both.
    preferred: Era,
    /// How often the call was made again.
    reissues: u32,
    /// Whether the tools were listed for the headers of the call.
    has_listed: bool,
    /// Whether a server request has reached the caller.
    asked: bool,
    /// Whether the server has received the answer to one, or learned that there is none: with it the call went on.
    answered: bool,
    /// Whether anything of the call has reached the caller.
    has_begun: bool,
}

impl RetryState {
    /// The state of a new call.
    pub(crate) fn new(preferred: Era) -> Self {
        Self { preferred, reissues: 0, has_listed: false, asked: false, answered: false, has_begun: false }
    }
}

/// A call under way. When its connection is lost it is made again, if that is safe.
pub(crate) struct RetriableCall {
    pool: Pool,
    /// The request, until the call is settled.
    call: Option<(Request, Context)>,
    reply: Reply,
    /// The call's place, and its connection.
    hold: Option<(CallGuard, UpGuard)>,
    retried: RetryState,
    /// Whether a server request of this call's was settled on the caller's side; there is none before the first.
    answered: Option<Arc<AtomicBool>>,
    /// Ends the call if nothing of it has come by then (`first_byte_timeout`).
    first_byte: Option<Pin<Box<Sleep>>>,
    /// How far the caller knows the call to be: 2026-07-28, progress §Progress Flow: "The `progress` value MUST
    /// increase with each notification", though a call that is made again begins anew.
    progress: Increasing,
}

impl RetriableCall {
    pub(crate) fn new(
        pool: Pool,
        request: Request,
        context: Context,
        reply: Reply,
        hold: (CallGuard, UpGuard),
        retried: RetryState,
    ) -> Self {
        let first_byte = pool.0.limits.first_byte_timeout.map(|after| Box::pin(sleep(after)));
        Self {
            pool,
            call: Some((request, context)),
            reply,
            hold: Some(hold),
            retried,
            answered: None,
            first_byte,
            progress: Increasing::default(),
        }
    }

    /// Ends the call if its first message is late. Returns whether that is so.
    fn is_late(&mut self, task: &mut Task<'_>) -> bool {
        let is_due = self.first_byte.as_mut().is_some_and(|timer| timer.as_mut().poll(task).is_ready());
        if !is_due {
            return false;
        }
        self.first_byte = None;
        let (Some((_, context)), Some((hold, on))) = (self.call.take(), self.hold.take()) else {
            return false;
        };
        let after = self.pool.0.limits.first_byte_timeout.unwrap_or_default();
        let failure =
            Failure::NoFirstByte { limit: "first_byte_timeout", after }.of_upstream(&*self.pool.0.name);
        self.pool.0.metrics.silent.increment();
        self.pool.call_failed(hold.slot(), on.up(), &context, &failure);
        // What the server still does is cancelled here.
        self.reply = Reply::failed(failure);
        true
    }

    /// Notes that the server has begun with the call.
    fn begun(&mut self) {
        self.first_byte = None;
        self.retried.has_begun = true;
        if let Some((hold, _)) = &self.hold {
            hold.slot().failures.clear();
        }
    }
}

impl Stream for RetriableCall {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        loop {
            let event = match self.reply.poll_event(task) {
                Poll::Ready(event) => event,
                Poll::Pending if self.is_late(task) => continue,
                Poll::Pending => return Poll::Pending,
            };
            match event {
                Event::Outcome(outcome) => {
                    let Some((request, context)) = self.call.take() else {
                        return Poll::Ready(Some(Event::Outcome(outcome)));
                    };
                    // It ends with this block, before the call is made again.
                    let Some((hold, on)) = self.hold.take() else {
                        return Poll::Ready(Some(Event::Outcome(outcome)));
                    };
                    self.first_byte = None;
                    let is_answered = |answered: &Arc<AtomicBool>| answered.load(Ordering::Acquire);
                    let answered = self.retried.answered || self.answered.as_ref().is_some_and(is_answered);
                    let retried = RetryState { answered, ..self.retried };
                    self.reply = self.pool.settle(hold.slot(), &on, outcome, request, context, retried);
                }
                Event::Notification(notification) => {
                    self.begun();
                    if self.progress.admits(notification.method, &notification.params) {
                        return Poll::Ready(Some(Event::Notification(notification)));
                    }
                }
                Event::ServerRequest(request) => {
                    self.begun();
                    self.retried.asked = true;
                    if let Some((hold, _)) = &mut self.hold {
                        hold.asked();
                    }
                    let roots = match (request.method, &self.hold, &self.call) {
                        (Method::ListRoots, Some((hold, on)), Some((_, context)))
                            if hold.slot().is_legacy() =>
                        {
                            Some((Arc::downgrade(on.up()), Share::own(context)))
                        }
                        _ => None,
                    };
                    let answered = self.answered.get_or_insert_default().clone();
                    let responder =
                        Responder::new(NotesAnswer { responder: request.responder, answered, roots });
                    return Poll::Ready(Some(Event::ServerRequest(ServerRequest { responder, ..request })));
                }
                event => {
                    self.begun();
                    return Poll::Ready(Some(event));
                }
            }
        }
    }
}

/// Answers a server request, and notes that the call goes on with that.
struct NotesAnswer {
    responder: Responder,
    answered: Arc<AtomicBool>,
    /// The connection, and the caller of whom the server learns the roots.
    roots: Option<(Weak<Up>, Share)>,
}

impl AnswerSink for NotesAnswer {
    fn answer(self: Box<Self>, answer: Option<Answer>) {
        let Self { responder, answered, roots } = *self;
        // Nobody receives the answer to a request that was withdrawn, such as with its connection.
        if !responder.is_withdrawn() {
            answered.store(true, Ordering::Release);
        }
        // Dropped, it says that there is no answer.
        if let Some(answer) = answer {
            if answer.is_ok()
                && let Some((up, caller)) = roots
                && let Some(up) = up.upgrade()
            {
                up.learns_roots_of(caller);
            }
            responder.answer(answer);
        }
    }

    fn is_withdrawn(&self) -> bool {
        self.responder.is_withdrawn()
    }

    fn poll_withdrawn(&mut self, task: &mut Task<'_>) -> Poll<()> {
        self.responder.poll_withdrawn(task)
    }
}

/// How often a call is made again at most, after a lost connection or a refused revision.
const REISSUES: u32 = 1;
