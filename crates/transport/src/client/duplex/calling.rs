use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use anyport_protocol::{
    Error, Id, Method, Raw, jsonrpc,
    meta::LogLevel,
    session::{cancelled_params, client::NegotiatedSession},
};
use anyport_service::{Context, Event, Outcome, Reply, Request};
use futures_core::Stream;
use tokio::sync::oneshot;

use super::hub::{Hub, Slot};
use crate::client::carrier::{Transport, hop};

/// One call: from its request to its outcome. Dropping it before tells the server that nobody waits any more.
struct Calling {
    hub: Arc<Hub>,
    id: u64,
    stage: Stage,
}

enum Stage {
    /// The server is told to log as verbosely as the caller wants; the request follows.
    Raising(Box<Raising>),
    Sent,
    Over,
}

struct Raising {
    answer: oneshot::Receiver<jsonrpc::RpcResult>,
    request: Request,
    params: Raw,
}

impl Transport for Arc<Hub> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let Some(agreement) = self.agreement() else {
            return Reply::error(Error::internal("the connection is not open yet"));
        };
        let modern = agreement.revision().is_modern();
        let method = request.known();
        if method == Some(Method::Discover) && !modern {
            return Reply::ready(Ok(agreement.discovered().clone()));
        }
        let id = self.next_id();
        let token = context.progress_token().map(|_| Raw::trusted(id.to_string().into_bytes()));
        let params =
            match agreement.params(&request.method, &request.params, &hop(&context, &self.opening, token)) {
                Ok(params) => params,
                Err(refused) => return Reply::error(agreement.refused(&request.method, &refused)),
            };
        let chosen = !modern && !context.log_level_is_default();
        let wanted: Option<LogLevel> = context.log_level().filter(|_| chosen && agreement.offers("logging"));
        let slot = Slot {
            context,
            method,
            params: (*request.params).clone(),
            events: VecDeque::new(),
            outcome: None,
            reader: None,
            questions: 0,
            lacked: None,
        };
        let holds = match self.begin(id, slot) {
            Ok(holds) => holds,
            Err(error) => return Reply::error(error),
        };
        let stage = match wanted.and_then(|level| self.raise(level)) {
            Some(answer) => Stage::Raising(Box::new(Raising { answer, request, params })),
            None => {
                self.send_request(id, &request.method, &params);
                Stage::Sent
            }
        };
        if holds && method.is_some_and(Method::may_ask) {
            self.give_held(id);
        }
        Reply::pending(Calling { hub: self.clone(), id, stage })
    }

    fn tell(&self, method: &str, params: &Raw) {
        Hub::tell(self, method, Some(params));
    }

    fn close(&self) {
        Hub::close(self);
    }
}

impl Stream for Calling {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        let this = &mut *self;
        if let Stage::Raising(raising) = &mut this.stage {
            // Whatever the server says of it: the call is what is wanted, its logs come if they can.
            let _ = ready!(Pin::new(&mut raising.answer).poll(task));
            this.hub.send_request(this.id, &raising.request.method, &raising.params);
            this.stage = Stage::Sent;
        }
        if matches!(this.stage, Stage::Over) {
            return Poll::Ready(None);
        }
        let mut state = this.hub.lock();
        let Some(slot) = state.calls.get_mut(&this.id) else { return Poll::Ready(None) };
        if let Some(event) = slot.events.pop_front() {
            return Poll::Ready(Some(event));
        }
        let Some(outcome) = slot.outcome.take() else {
            match &mut slot.reader {
                Some(reader) => reader.clone_from(task.waker()),
                none => *none = Some(task.waker().clone()),
            }
            return Poll::Pending;
        };
        let slot = state.calls.remove(&this.id);
        this.hub.drop_questions(&mut state, this.id);
        if let (Some(slot), Ok(_)) = (&slot, &outcome) {
            state.subscribed.granted(slot.method, &slot.params);
        }
        drop(state);
        this.stage = Stage::Over;
        let outcome = match (slot, this.hub.agreement()) {
            (Some(slot), Some(agreement)) => carried(agreement, slot, outcome),
            _ => Outcome::from(outcome),
        };
        Poll::Ready(Some(Event::Outcome(outcome)))
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Over) {
            return;
        }
        let mut state = self.hub.lock();
        let slot = state.calls.remove(&self.id);
        self.hub.drop_questions(&mut state, self.id);
        drop(state);
        // 2026-07-28, cancellation §Transport-Specific: on stdio the client sends `notifications/cancelled`. One whose
        // answer is here already needs none.
        let open = slot.as_ref().is_some_and(|slot| slot.outcome.is_none());
        if open && matches!(self.stage, Stage::Sent) {
            self.hub.notify(Method::Cancelled, Some(&cancelled_params(&Id::from(self.id))));
        }
        // Questions that its caller has not taken are let fall outside of the lock.
        drop(slot);
    }
}

/// The outcome for the caller, in the newest vocabulary.
fn carried(agreement: &NegotiatedSession, slot: Slot, outcome: jsonrpc::RpcResult) -> Outcome {
    let to = slot.context.revision();
    let outcome = match outcome {
        // Such a caller knows an older server's codes.
        Err(error) if !to.is_modern() && !agreement.revision().is_modern() => Err(error.in_older_words()),
        Err(_) if slot.lacked.is_some() => {
            let required = slot.lacked.unwrap_or(Raw::EMPTY_OBJECT);
            Err(Error::missing_capability(&required))
        }
        outcome => agreement.outcome(slot.method, &slot.params, to, outcome),
    };
    match outcome {
        Ok(result) if agreement.revision().is_modern() => Outcome::of_result(result),
        outcome => Outcome::from(outcome),
    }
}
