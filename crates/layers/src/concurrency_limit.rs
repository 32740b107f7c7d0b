use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
};

use anyport_protocol::{Error, jsonrpc::Reason};
use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use anyport_metrics::{Counter, Metrics};
use anyport_service::{Context, Event, Reply, Request, Service};

/// Lets so many calls run at once and refuses the rest with -32603 `overloaded`.
///
/// Refusing beats queueing here: the caller learns at once that it should come back, and what is accepted stays
/// fast. Listen streams are no calls in this sense and are not counted.
#[derive(Debug)]
pub struct ConcurrencyLimit<S> {
    inner: S,
    limit: usize,
    running: Arc<Semaphore>,
    refused: Counter,
}

impl<S> ConcurrencyLimit<S> {
    /// At most `limit` calls at once (`max_concurrent_calls`).
    pub fn new(inner: S, limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self { inner, limit, running: Arc::new(Semaphore::new(limit)), refused: Counter::default() }
    }

    /// Counts refusals in `metrics`.
    #[must_use]
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.refused = metrics.refusals("max_concurrent_calls");
        self
    }

    /// Calls that run now.
    pub fn running(&self) -> usize {
        self.limit - self.running.available_permits()
    }
}

impl<S: Service> Service for ConcurrencyLimit<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        if request.is_listen() {
            return self.inner.call(request, context);
        }
        let Ok(permit) = self.running.clone().try_acquire_owned() else {
            self.refused.increment();
            let message = format!("{} calls are running (max_concurrent_calls); try again later", self.limit);
            return Reply::error(Error::internal(message).with_reason(Reason::Overloaded));
        };
        match self.inner.call(request, context).into_ready() {
            Ok(outcome) => Reply::ready(outcome),
            Err(reply) => Reply::pending(Permitted { reply, _permit: permit }),
        }
    }
}

struct Permitted {
    reply: Reply,
    _permit: OwnedSemaphorePermit,
}

impl Stream for Permitted {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        self.reply.poll_event(task).map(Some)
    }
}
