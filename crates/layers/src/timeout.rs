use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as Task, Poll, Waker},
    time::Duration,
};

use anyport_protocol::{Error, jsonrpc::Reason};
use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use anyport_metrics::{Counter, Metrics};
use anyport_service::{Context, Event, Outcome, Reply, Request, Service};

/// Ends a call that takes longer than its limit with -32603 `timeout`.
///
/// The clock stands still while the caller has a question to answer: a person's time is not the server's.
/// Listen streams have no limit.
#[derive(Debug)]
pub struct Timeout<S> {
    inner: S,
    limit: Duration,
    expired: Counter,
}

impl<S> Timeout<S> {
    /// Gives every call of `inner` at most `limit` (`call_timeout`).
    pub fn new(inner: S, limit: Duration) -> Self {
        Self { inner, limit, expired: Counter::default() }
    }

    /// Counts the calls that were ended in `metrics`.
    #[must_use]
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.expired = metrics.refusals("call_timeout");
        self
    }
}

impl<S: Service> Service for Timeout<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        if request.is_listen() {
            return self.inner.call(request, context);
        }
        // A limit beyond the clock's range is no limit.
        let Some(deadline) = Instant::now().checked_add(self.limit) else {
            return self.inner.call(request, context);
        };
        match self.inner.call(request, context.with_deadline(deadline)).into_ready() {
            Ok(outcome) => Reply::ready(outcome),
            Err(reply) => Reply::pending(Timed {
                reply,
                limit: self.limit,
                expired: self.expired.clone(),
                sleep: Box::pin(sleep_until(deadline)),
                clock: Arc::new(Mutex::new(Clock { deadline, open: 0, since: deadline, waker: None })),
            }),
        }
    }
}

struct Timed {
    reply: Reply,
    limit: Duration,
    expired: Counter,
    sleep: Pin<Box<Sleep>>,
    clock: Arc<Mutex<Clock>>,
}

/// The call's deadline, which moves on by every moment in which a question is open.
struct Clock {
    deadline: Instant,
    open: usize,
    since: Instant,
    waker: Option<Waker>,
}

/// Held by a question until it is settled.
struct Open(Arc<Mutex<Clock>>);

impl Open {
    fn new(clock: &Arc<Mutex<Clock>>) -> Self {
        let mut state = clock.lock().unwrap_or_else(PoisonError::into_inner);
        if state.open == 0 {
            state.since = Instant::now();
        }
        state.open += 1;
        Self(clock.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.open -= 1;
        if state.open == 0 {
            let stood_still = state.since.elapsed();
            state.deadline = state.deadline.checked_add(stood_still).unwrap_or(state.deadline);
            if let Some(waker) = state.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Stream for Timed {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        if let Poll::Ready(mut event) = self.reply.poll_event(task) {
            if let Event::ServerRequest(question) = &mut event {
                question.responder.hold(Open::new(&self.clock));
            }
            return Poll::Ready(Some(event));
        }
        let deadline = {
            let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
            if clock.open > 0 {
                clock.waker = Some(task.waker().clone());
                return Poll::Pending;
            }
            clock.deadline
        };
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        std::task::ready!(self.sleep.as_mut().poll(task));
        self.expired.increment();
        let message = format!("the call took longer than {} ms (call_timeout)", self.limit.as_millis());
        let error = Error::internal(message).with_reason(Reason::Timeout);
        Poll::Ready(Some(Event::Outcome(Outcome::Error(error))))
    }
}
