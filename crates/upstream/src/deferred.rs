//! Replies of services that are not there yet.

use std::{
    future::Future,
    pin::Pin,
    task::{Context as Task, Poll},
};

use anyport_service::{Event, Reply};
use futures_core::Stream;

/// The reply that `future` will have.
pub(crate) fn deferred(future: impl Future<Output = Reply> + Send + 'static) -> Reply {
    Reply::stream(Deferred::Waiting(Box::pin(future)))
}

enum Deferred {
    Waiting(Pin<Box<dyn Future<Output = Reply> + Send>>),
    There(Reply),
}

impl Stream for Deferred {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        loop {
            match &mut *self {
                Self::Waiting(future) => {
                    let reply = std::task::ready!(future.as_mut().poll(task));
                    *self = Self::There(reply);
                }
                Self::There(reply) => return reply.poll_event(task).map(Some),
            }
        }
    }
}
