use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_protocol::{Raw, session::parked::Call};
use anyport_service::{Context, Event, Outcome, Relay, Reply, emit};
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep_until},
};
use tracing::{Instrument as _, Span};

use super::{
    attached_request::{AttachedRequest, caller, outcome_of_call},
    counters::Counters,
    parked_calls::ParkedCalls,
    state_sealer::Binding,
    task::{Happened, Open, input_required_inline},
    urls,
};

/// A call of which nothing came yet. Most calls end with their outcome and need no more than this; any other event gives the
/// call a task of its own, in which it can be parked.
pub(super) struct OnlyOutcome {
    calls: Arc<ParkedCalls>,
    counters: Counters,
    binding: Binding,
    context: Context,
    round: u32,
    /// When the call began, on the clock of the parked calls.
    began: Duration,
    /// The end of the time that the call may run, once it has been waited for.
    timeout: Option<Pin<Box<Sleep>>>,
    span: Span,
    has_task: bool,
}

impl OnlyOutcome {
    /// The call of `context`, after `round` rounds in which URLs were visited.
    pub(super) fn new(
        (calls, counters): (Arc<ParkedCalls>, Counters),
        binding: Binding,
        context: Context,
        round: u32,
        began: Duration,
    ) -> Self {
        Self {
            calls,
            counters,
            binding,
            context,
            round,
            began,
            timeout: None,
            span: Span::current(),
            has_task: false,
        }
    }

    /// Whether the call has run as long as it may; else `task` is woken when it has.
    fn is_late(&mut self, task: &mut Task<'_>) -> bool {
        if self.timeout.is_none() {
            let due = self.calls.limits.call_timeout_max.and_then(|limit| self.began.checked_add(limit));
            let Some(due) = due.and_then(|due| self.calls.instant(due)) else { return false };
            self.timeout = Some(Box::pin(sleep_until(due)));
        }
        self.timeout.as_mut().is_some_and(|timeout| timeout.as_mut().poll(task).is_ready())
    }

    /// Goes on in a task, which begins with what `happened`.
    fn start_task(&mut self, reply: Reply, happened: Happened) -> Reply {
        self.has_task = true;
        self.timeout = None;
        let (calls, counters) = (self.calls.clone(), self.counters.clone());
        let (binding, context) = (self.binding.clone(), self.context.clone());
        let (round, span) = (self.round, self.span.clone());
        let name = binding.name.to_string();
        let call = Call::new(calls.limits.call(), name, self.began, 0, caller(&context));
        emit::reply(move |emitter| {
            let (end, ended) = oneshot::channel();
            let attached = AttachedRequest::new(&context, emitter, end);
            let shared = (calls.clone(), counters.clone());
            let mut open = Open::new(reply, call, attached, binding.clone(), shared);
            open.take(happened);
            tokio::spawn(open.run().instrument(span));
            async move {
                let outcome = outcome_of_call(ended).await;
                urls::outcome(&calls, &counters, outcome, &binding, &context, round)
            }
        })
    }
}

impl Relay for OnlyOutcome {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::InputRequired(_) => Outcome::from(input_required_inline()),
            outcome => {
                urls::outcome(&self.calls, &self.counters, outcome, &self.binding, &self.context, self.round)
            }
        }
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        if !self.has_task {
            let happened = match reply.poll_event(task) {
                Poll::Ready(Event::Outcome(outcome)) => {
                    return Poll::Ready(Event::Outcome(self.outcome(outcome)));
                }
                Poll::Ready(event) => Happened::CallEvent(event),
                Poll::Pending if self.is_late(task) => Happened::Time,
                Poll::Pending => return Poll::Pending,
            };
            let begun = mem::replace(reply, Reply::ready(Ok(Raw::NULL)));
            *reply = self.start_task(begun, happened);
        }
        reply.poll_event(task)
    }
}
