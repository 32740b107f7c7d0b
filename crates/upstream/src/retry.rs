//! Calls: on the connection that is there, or once it is; made again when their connection was lost, if that is safe.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
};

use anyport_protocol::{Error, Method, failure::Failure, jsonrpc::code, progress::Increasing};
use anyport_service::{Context, Event, Outcome, Reply, Request, Service};
use futures_core::Stream;
use tokio::time::timeout;

use crate::{
    call::CallGuard,
    connect::BREATH,
    deferred::deferred,
    era::Era,
    isolation::ConnectionKey,
    pool::Pool,
    slot::{Slot, State, Up},
    subscriptions::resubscribe,
};

impl Service for Pool {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.attempt(request, context, 0)
    }
}

impl Pool {
    /// Calls on the connection that is there, or once it is.
    fn attempt(&self, request: Request, context: Context, reissues: u32) -> Reply {
        if *self.0.closed.borrow() {
            return Reply::failed(Failure::ShuttingDown);
        }
        let asks = request.known().is_some_and(Method::may_ask);
        let hold = self.hold(&context, asks);
        if let Some(up) = hold.slot().up() {
            return self.through(hold, &up, request, context, reissues);
        }
        let pool = self.clone();
        deferred(async move {
            match pool.up_for(hold, &context, asks).await {
                Ok((hold, up)) => pool.through(hold, &up, request, context, reissues),
                Err(failure) => Reply::failed(failure),
            }
        })
    }

    fn through(&self, hold: CallGuard, up: &Up, request: Request, context: Context, reissues: u32) -> Reply {
        let slot = hold.slot();
        if request.is_listen() {
            return match Era::of(up.session.revision()) {
                Era::Modern => resubscribe::listen(self.clone(), request, context),
                Era::Legacy => slot.listen.open(&request.params),
            };
        }
        let reply = up.service.call(request.clone(), context.clone());
        match reply.into_ready() {
            Ok(outcome) => self.settle(slot, outcome, request, context, Told { reissues, ..Told::default() }),
            Err(reply) => {
                let told = Told { reissues, ..Told::default() };
                Reply::pending(RetriableCall::new(self.clone(), request, context, reply, hold, told))
            }
        }
    }

    /// The next step for a call that ended with `outcome`.
    fn settle(
        &self,
        slot: &Arc<Slot>,
        outcome: Outcome,
        request: Request,
        context: Context,
        told: Told,
    ) -> Reply {
        let lost = match &outcome {
            Outcome::Failed(failure) if failure.is_lost_connection() => failure.root().clone(),
            Outcome::Error(error) if error.code == code::URL_ELICITATION_REQUIRED => {
                slot.sent_to_urls(&context, error);
                return Reply::ready(outcome);
            }
            Outcome::Error(error)
                if told.reissues < REISSUES
                    && slot.key == ConnectionKey::Modern
                    && is_other_revision(error) =>
            {
                // It was refused before anything was done.
                self.0.metrics.reissued.increment();
                self.forget_era();
                self.give_up(slot);
                return self.attempt(request, context, REISSUES);
            }
            Outcome::Result(page) if request.known() == Some(Method::ToolsList) => {
                self.0.idempotent.listed(page);
                return Reply::ready(outcome);
            }
            _ => return Reply::ready(outcome),
        };
        if told.reissues < REISSUES && !told.asked && self.is_repeatable(&lost, &request) {
            self.0.metrics.reissued.increment();
            tracing::debug!(upstream = self.0.name, method = %request.method, "a call is made again");
            let (pool, mut state) = (self.clone(), slot.state.subscribe());
            return deferred(async move {
                // The connection may be whole, and only this call's stream cut.
                let gone = async { drop(state.wait_for(|state| !matches!(state, State::Up(_))).await) };
                let _ = timeout(BREATH, gone).await;
                pool.attempt(request, context, told.reissues + 1)
            });
        }
        Reply::failed(self.lost(lost, &request, told.asked))
    }

    /// Whether a call that was lost may be made again: the server has not seen it, or it changes nothing.
    fn is_repeatable(&self, lost: &Failure, request: &Request) -> bool {
        matches!(lost, Failure::NotSent(_)) || self.0.idempotent.twice(request)
    }

    /// The failure of a call whose connection was lost, and that is not made again.
    fn lost(&self, failure: Failure, request: &Request, asked: bool) -> Failure {
        // A call that waited for an answer, or that cannot have done anything, did not get to its end.
        let unfinished = asked || self.0.idempotent.twice(request);
        let failure = match failure {
            Failure::Disconnected(reason) if !unfinished => Failure::OutcomeUnknown(reason),
            Failure::OutcomeUnknown(reason) if unfinished => Failure::Disconnected(reason),
            failure => failure,
        };
        failure.of_upstream(&*self.0.name)
    }
}

/// What has reached the caller of a call so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// How often the call was made again.
    reissues: u32,
    /// Whether a server request has reached the caller.
    asked: bool,
}

/// A call under way. When its connection is lost it is made again, if that is safe.
pub(crate) struct RetriableCall {
    pool: Pool,
    /// The request, until the call is settled.
    call: Option<(Request, Context)>,
    reply: Reply,
    hold: Option<CallGuard>,
    told: Told,
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
        hold: CallGuard,
        told: Told,
    ) -> Self {
        Self {
            pool,
            call: Some((request, context)),
            reply,
            hold: Some(hold),
            told,
            progress: Increasing::default(),
        }
    }
}

impl Stream for RetriableCall {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        loop {
            match std::task::ready!(self.reply.poll_event(task)) {
                Event::Outcome(outcome) => {
                    let Some((request, context)) = self.call.take() else {
                        return Poll::Ready(Some(Event::Outcome(outcome)));
                    };
                    // It ends with this block, before the call is made again.
                    let Some(hold) = self.hold.take() else {
                        return Poll::Ready(Some(Event::Outcome(outcome)));
                    };
                    self.reply = self.pool.settle(hold.slot(), outcome, request, context, self.told);
                }
                Event::Notification(notification) => {
                    if self.progress.admits(notification.method, &notification.params) {
                        return Poll::Ready(Some(Event::Notification(notification)));
                    }
                }
                event => {
                    if matches!(event, Event::ServerRequest(_)) {
                        self.told.asked = true;
                        if let Some(hold) = &mut self.hold {
                            hold.asked();
                        }
                    }
                    return Poll::Ready(Some(event));
                }
            }
        }
    }
}

/// How often a call is made again at most.
const REISSUES: u32 = 2;

/// Whether a server that was modern does not speak our revision any more: it answered -32022.
fn is_other_revision(error: &Error) -> bool {
    let code = error.data.as_ref().and_then(|data| data.member("upstreamCode"));
    code.is_some_and(|old| old.as_str().parse() == Ok(code::UNSUPPORTED_PROTOCOL_VERSION))
}
