//! The stream of one listener.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
};

use anyport_protocol::{Method, Raw, subscription::SubscriptionFilter};
use anyport_service::{Event, Notification, Outcome};
use futures_core::Stream;

use super::hub::{Hub, bytes};

/// The stream of one `subscriptions/listen`: the acknowledgement, then changes, and its result when the server closes.
///
/// 2026-07-28, subscriptions §Acknowledgment: the server "MUST send `notifications/subscriptions/acknowledged` as the
/// first message"; §Graceful Closure: it SHOULD "respond to the original `subscriptions/listen` request with a
/// completion result". The transport, which knows the request's id, adds it to all of these as `subscriptionId`.
pub(crate) struct Listening {
    pub(super) hub: Arc<Hub>,
    pub(super) id: u64,
    pub(super) acknowledged: Option<Notification>,
    pub(super) end: Raw,
}

impl Stream for Listening {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        if let Some(acknowledged) = self.acknowledged.take() {
            return Poll::Ready(Some(Event::Notification(acknowledged)));
        }
        let mut bus = self.hub.bus.lock();
        let closed = bus.closed;
        let Some(listener) = bus.listeners.get_mut(&self.id) else { return Poll::Ready(None) };
        if let Some(change) = listener.waiting.pop_front() {
            listener.known.remove(&change);
            return Poll::Ready(Some(Event::Notification(change.notification())));
        }
        if closed {
            return Poll::Ready(Some(Event::Outcome(Outcome::Result(self.end.clone()))));
        }
        match &mut listener.waker {
            Some(waker) => waker.clone_from(task.waker()),
            none => *none = Some(task.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut bus = self.hub.bus.lock();
        if let Some(listener) = bus.listeners.remove(&self.id) {
            bus.bytes -= bytes(&listener.filter);
        }
    }
}

/// The acknowledgement of what the server agreed to.
pub(super) fn acknowledged(filter: &SubscriptionFilter) -> Notification {
    Notification { method: Method::Acknowledged, params: filter.params() }
}
