use std::{
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, Waker, ready},
    time::Duration,
};

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::{Method, failure::Failure};
use anyport_service::{Context, Event, Outcome, Relay, Reply, Request, Service, sync::Lock};
use tokio::time::{Instant, Sleep, sleep_until};
use tower_layer::Layer;

/// Limits how long a call may take: makes a [`Timeout`].
#[derive(Clone)]
pub struct TimeoutLayer(Policy);

impl TimeoutLayer {
    /// Gives every call at most `limit` (`call_timeout`). Calls that are ended are counted in `metrics`.
    pub fn new(limit: Duration, metrics: &Metrics) -> Self {
        let expired =
            Expired { limit: metrics.refusals("call_timeout"), max: metrics.refusals("call_timeout_max") };
        Self(Policy { expired, ..Policy::new(limit) })
    }

    /// Lets each progress notification of a call restart its timeout, up to `max` in all (`call_timeout_max`).
    #[must_use]
    pub fn max(mut self, max: Duration) -> Self {
        self.0.limits.max = Some(max);
        self
    }

    /// Names the upstream server that the calls go to, for errors.
    #[must_use]
    pub fn upstream(mut self, name: impl Into<Arc<str>>) -> Self {
        self.0.upstream = Some(name.into());
        self
    }

    /// Notifies `observer` of each call that is ended without having sent anything, with the time at which it began. A server
    /// of which this is said again and again hangs.
    #[must_use]
    pub fn on_silence(mut self, observer: impl Fn(&Context, Instant) + Send + Sync + 'static) -> Self {
        self.0.silence = Some(Arc::new(observer));
        self
    }
}

/// Is notified of calls that are ended without having sent anything.
type SilenceObserver = Arc<dyn Fn(&Context, Instant) + Send + Sync>;

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timeout { inner, policy: Arc::new(self.0.clone()) }
    }
}

/// Ends a call that takes longer than its limit with [`Failure::Timeout`].
///
/// The clock stands still while the caller has a question to answer: a person's time is not the server's.
/// Listen streams have no limit.
pub struct Timeout<S> {
    inner: S,
    policy: Arc<Policy>,
}

/// What is the same for all calls of a layer. They share it.
#[derive(Clone)]
struct Policy {
    limits: Limits,
    expired: Expired,
    upstream: Option<Arc<str>>,
    silence: Option<SilenceObserver>,
}

/// The limits of a call.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The time of the whole call; with `max`, the time without progress.
    limit: Duration,
    /// The time of the whole call, if progress restarts the timeout.
    max: Option<Duration>,
}

/// Counts the calls that were ended, by the limit.
#[derive(Clone, Debug, Default)]
struct Expired {
    limit: Counter,
    max: Counter,
}

impl Policy {
    fn new(limit: Duration) -> Self {
        let limits = Limits { limit, max: None };
        Self { limits, expired: Expired::default(), upstream: None, silence: None }
    }
}

impl<S> Timeout<S> {
    /// Gives every call of `inner` at most `limit` (`call_timeout`).
    pub fn new(inner: S, limit: Duration) -> Self {
        Self { inner, policy: Arc::new(Policy::new(limit)) }
    }

    /// Lets each progress notification of a call restart its timeout, up to `max` in all (`call_timeout_max`).
    ///
    /// 2025-11-25, lifecycle §Timeouts: "Implementations MAY choose to reset the timeout clock when receiving a progress
    /// notification corresponding to the request [...] However, implementations SHOULD always enforce a maximum timeout,
    /// regardless of progress notifications".
    #[must_use]
    pub fn max(mut self, max: Duration) -> Self {
        Arc::make_mut(&mut self.policy).limits.max = Some(max);
        self
    }
}

impl<S: Service> Service for Timeout<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        if request.is_listen() {
            return self.inner.call(request, context);
        }
        let (limits, began) = (&self.policy.limits, Instant::now());
        let deadlines = Deadlines::of(limits, began);
        let context = match limits.max.map_or(deadlines.limit, |_| deadlines.max) {
            Some(end) => context.with_deadline(end),
            None => context,
        };
        let silent = self.policy.silence.is_some().then(|| context.clone());
        let reply = self.inner.call(request, context);
        if deadlines.next().is_none() {
            return reply;
        }
        reply.relay(Timed { policy: self.policy.clone(), began, deadlines, silent, timer: None })
    }
}

/// When a call is ended. A time beyond the clock's range is no limit.
#[derive(Clone, Copy)]
struct Deadlines {
    limit: Option<Instant>,
    max: Option<Instant>,
}

impl Deadlines {
    /// Those of a call that began at `began`.
    fn of(limits: &Limits, began: Instant) -> Self {
        Self {
            limit: began.checked_add(limits.limit),
            max: limits.max.and_then(|max| began.checked_add(max)),
        }
    }

    /// The deadline that comes first.
    fn next(&self) -> Option<Instant> {
        self.limit.into_iter().chain(self.max).min()
    }

    /// Whether the deadline of the whole call comes first although there is progress.
    fn is_max(&self) -> bool {
        self.max.is_some_and(|max| self.limit.is_none_or(|limit| max <= limit))
    }

    fn move_by(&mut self, by: Duration) {
        let moved = |deadline: Option<Instant>| deadline.and_then(|deadline| deadline.checked_add(by));
        *self = Self { limit: moved(self.limit), max: moved(self.max) };
    }
}

/// Ends a reply at its deadline.
struct Timed {
    policy: Arc<Policy>,
    began: Instant,
    deadlines: Deadlines,
    /// The context for the observer of silence, until the call has sent something.
    silent: Option<Context>,
    /// Made once the reply has to be waited for.
    timer: Option<Timer>,
}

struct Timer {
    /// Set for a deadline of the clock, which may have moved on since.
    sleep: Option<Pin<Box<Sleep>>>,
    clock: Arc<Lock<Clock>>,
}

impl Timer {
    fn new(deadlines: Deadlines) -> Self {
        let clock = Clock { deadlines, open: 0, since: Instant::now(), waker: None };
        let sleep = deadlines.next().map(|next| Box::pin(sleep_until(next)));
        Self { sleep, clock: Arc::new(Lock::new(clock)) }
    }

    /// Waits for the deadline, as it is by then. Returns whether it is that of the whole call although there is progress.
    fn poll(&mut self, task: &mut Task<'_>) -> Poll<bool> {
        loop {
            let deadlines = {
                let mut clock = self.clock.lock();
                if clock.open > 0 {
                    clock.waker = Some(task.waker().clone());
                    return Poll::Pending;
                }
                clock.deadlines
            };
            let (Some(next), Some(sleep)) = (deadlines.next(), &mut self.sleep) else {
                return Poll::Pending;
            };
            // A deadline only moves on, so the timer that is set is early at most, and is not set anew for each progress.
            ready!(sleep.as_mut().poll(task));
            if sleep.deadline() >= next {
                return Poll::Ready(deadlines.is_max());
            }
            sleep.as_mut().reset(next);
        }
    }
}

/// The call's deadlines, which move on by every moment in which a server request is open.
struct Clock {
    deadlines: Deadlines,
    open: usize,
    since: Instant,
    waker: Option<Waker>,
}

impl Clock {
    /// Whether a deadline has passed by an event of the call, and if so, whether it is that of the whole call. With progress,
    /// the call's time without any begins anew (`restart`); other events change nothing.
    fn passed(&mut self, restart: Option<Duration>) -> Option<bool> {
        // What is still open moves the deadlines once it is settled.
        let now = if self.open > 0 { self.since } else { Instant::now() };
        let Deadlines { limit, max } = self.deadlines;
        let has_passed = |end: Option<Instant>| self.open == 0 && end.is_some_and(|end| end <= now);
        if has_passed(max) || restart.is_none() && has_passed(limit) {
            return Some(self.deadlines.is_max());
        }
        if let Some(restart) = restart {
            self.deadlines.limit = now.checked_add(restart);
        }
        None
    }
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
            state.deadlines.move_by(stood_still);
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
        let timer = self.timer.get_or_insert_with(|| Timer::new(self.deadlines));
        let is_max = match reply.poll_event(task) {
            // It came in time, or nearly: there is nothing left to end.
            Poll::Ready(outcome @ Event::Outcome(_)) => return Poll::Ready(outcome),
            Poll::Ready(mut event) => {
                self.silent = None;
                let reports = matches!(&event, Event::Notification(said) if said.method == Method::Progress);
                let Limits { limit, max } = self.policy.limits;
                let restart = max.filter(|_| reports).map(|_| limit);
                // A reply that always has an event would never have to wait for the timer.
                let passed = timer.clock.lock().passed(restart);
                match passed {
                    Some(is_max) => is_max,
                    None => {
                        if let Event::ServerRequest(request) = &mut event {
                            request.responder.hold(Open::new(&timer.clock));
                        }
                        return Poll::Ready(event);
                    }
                }
            }
            Poll::Pending => ready!(timer.poll(task)),
        };
        // What the call still does ends here.
        *reply = Reply::failed(self.expire(is_max));
        if let Some((context, observer)) = self.silent.take().zip(self.policy.silence.as_ref()) {
            observer(&context, self.began);
        }
        reply.poll_event(task)
    }
}

impl Timed {
    fn expire(&self, is_max: bool) -> Failure {
        let failure = self.failure(is_max);
        match &self.policy.upstream {
            Some(name) => failure.of_upstream(name.clone()),
            None => failure,
        }
    }

    fn failure(&self, is_max: bool) -> Failure {
        let Policy { limits, expired, .. } = &*self.policy;
        match limits.max {
            Some(after) if is_max => {
                expired.max.increment();
                Failure::Timeout { limit: "call_timeout_max", after }
            }
            Some(_) => {
                expired.limit.increment();
                Failure::NoProgress { limit: "call_timeout", after: limits.limit }
            }
            None => {
                expired.limit.increment();
                Failure::Timeout { limit: "call_timeout", after: limits.limit }
            }
        }
    }
}
