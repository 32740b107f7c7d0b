use std::{
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, Waker, ready},
    time::Duration,
};

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::failure::Failure;
use anyport_service::{Context, Event, Outcome, Relay, Reply, Request, Service, sync::Lock};
use tokio::time::{Instant, Sleep, sleep_until};
use tower_layer::Layer;

/// Limits how long a call may take: makes a [`Timeout`].
#[derive(Clone, Debug)]
pub struct TimeoutLayer {
    limit: Duration,
    expired: Counter,
}

impl TimeoutLayer {
    /// Gives every call at most `limit` (`call_timeout`). Calls that are ended are counted in `metrics`.
    pub fn new(limit: Duration, metrics: &Metrics) -> Self {
        Self { limit, expired: metrics.refusals("call_timeout") }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout { expired: self.expired.clone(), ..Timeout::new(inner, self.limit) }
    }
}

/// Ends a call that takes longer than its limit with [`Failure::Timeout`].
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
        let reply = self.inner.call(request, context.with_deadline(deadline));
        reply.relay(Timed { deadline, limit: self.limit, expired: self.expired.clone(), timer: None })
    }
}

/// Ends a reply at its deadline.
struct Timed {
    deadline: Instant,
    limit: Duration,
    expired: Counter,
    /// Made once the reply has to be waited for.
    timer: Option<Timer>,
}

struct Timer {
    sleep: Pin<Box<Sleep>>,
    clock: Arc<Lock<Clock>>,
}

impl Timer {
    fn new(deadline: Instant) -> Self {
        let clock = Clock { deadline, open: 0, since: deadline, waker: None };
        Self { sleep: Box::pin(sleep_until(deadline)), clock: Arc::new(Lock::new(clock)) }
    }

    /// Whether the deadline is over, as it is by now.
    fn poll(&mut self, task: &mut Task<'_>) -> Poll<()> {
        let deadline = {
            let mut clock = self.clock.lock();
            if clock.open > 0 {
                clock.waker = Some(task.waker().clone());
                return Poll::Pending;
            }
            clock.deadline
        };
        if self.sleep.deadline() != deadline {
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(task)
    }
}

/// The call's deadline, which moves on by every moment in which a server request is open.
struct Clock {
    deadline: Instant,
    open: usize,
    since: Instant,
    waker: Option<Waker>,
}

/// Held by a server request until it is settled.
struct Open(Arc<Lock<Clock>>);

impl Open {
    fn new(clock: &Arc<Lock<Clock>>) -> Self {
        let mut state = clock.lock();
        if state.open == 0 {
            state.since = Instant::now();
        }
        state.open += 1;
        Self(clock.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.open -= 1;
        if state.open == 0 {
            let stood_still = state.since.elapsed();
            state.deadline = state.deadline.checked_add(stood_still).unwrap_or(state.deadline);
            let waker = state.waker.take();
            // A waker may run foreign code: not under the lock.
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl Relay for Timed {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        outcome
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        let timer = self.timer.get_or_insert_with(|| Timer::new(self.deadline));
        if let Poll::Ready(mut event) = reply.poll_event(task) {
            if let Event::ServerRequest(request) = &mut event {
                request.responder.hold(Open::new(&timer.clock));
            }
            return Poll::Ready(event);
        }
        ready!(timer.poll(task));
        self.expired.increment();
        let failure = Failure::Timeout { limit: "call_timeout", after: self.limit };
        // What the call still does ends here.
        *reply = Reply::failed(failure);
        reply.poll_event(task)
    }
}
