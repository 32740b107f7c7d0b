use std::{
    pin::Pin,
    task::{Context as Task, Poll},
};

use anyport_protocol::Method;
use anyport_service::{Context, Event, Notification, Reply, Request};
use futures_core::Stream;

use super::{Pool, Told, slot::CallGuard};

/// A call under way. When its connection is lost it is made again, if that is safe.
pub(super) struct RetriableCall {
    pool: Pool,
    /// What is called, until it is settled.
    call: Option<(Request, Context)>,
    reply: Reply,
    hold: Option<CallGuard>,
    told: Told,
    /// How far the caller knows the call to be: 2026-07-28, progress §Progress Flow: "The `progress` value MUST
    /// increase with each notification", though a call that is made again begins anew.
    progress: Option<f64>,
}

impl RetriableCall {
    pub(super) fn new(
        pool: Pool,
        request: Request,
        context: Context,
        reply: Reply,
        hold: CallGuard,
        told: Told,
    ) -> Self {
        Self { pool, call: Some((request, context)), reply, hold: Some(hold), told, progress: None }
    }

    /// Whether the caller hears of something new.
    fn is_new(&mut self, notification: &Notification) -> bool {
        if notification.method != Method::Progress {
            return true;
        }
        let Some(now) = notification.params.member("progress").and_then(|now| now.decode::<f64>().ok())
        else {
            return true;
        };
        let again = self.call.is_none();
        if again && self.progress.is_some_and(|told| now <= told) {
            return false;
        }
        self.progress = Some(now);
        true
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
                    if self.is_new(&notification) {
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
