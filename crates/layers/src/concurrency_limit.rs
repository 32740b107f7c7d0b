use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context as Task, Poll, Waker},
};

use anyport_metrics::{Counter, Gauge, Held, Metrics};
use anyport_protocol::failure::Failure;
use anyport_service::{
    Context, Event, Presence, Principal, Relay, Reply, Request, Service, SessionId, sync::Lock,
};
use foldhash::fast::RandomState;
use tower_layer::Layer;

/// Limits how many calls run at once: makes a [`ConcurrencyLimit`]. The calls of all services that it is put around count together.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimitLayer {
    limits: Limits,
    counted: Counted,
    calls: RunningCalls,
}

/// The calls that run now. Clones are one count: give it to several layers, and their services share the places of the limit
/// ([`ConcurrencyLimitLayer::counted_in`]).
#[derive(Clone, Debug, Default)]
pub struct RunningCalls(Arc<Lock<Calls>>);

impl RunningCalls {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().count
    }
}

impl ConcurrencyLimitLayer {
    /// At most `limit` calls at once (`max_concurrent_calls`). Refusals are counted in `metrics`.
    pub fn new(limit: usize, metrics: &Metrics) -> Self {
        let counted = Counted {
            all: metrics.refusals("max_concurrent_calls"),
            caller: metrics.refusals("max_calls_per_caller"),
            running: metrics.gauge("anyport_calls_running", "Calls that run"),
        };
        Self { limits: Limits { all: limit, caller: limit }, counted, calls: RunningCalls::default() }
    }

    /// Counts the calls in `calls`, with those of other layers.
    #[must_use]
    pub fn counted_in(mut self, calls: RunningCalls) -> Self {
        self.calls = calls;
        self
    }

    /// At most `limit` of these calls are of one caller (`max_calls_per_caller`).
    #[must_use]
    pub fn per_caller(mut self, limit: usize) -> Self {
        self.limits.caller = limit;
        self
    }
}

impl<S> Layer<S> for ConcurrencyLimitLayer {
    type Service = ConcurrencyLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { limits, counted, calls } = self.clone();
        ConcurrencyLimit { inner, running: Running::new(limits, counted, calls) }
    }
}

/// Lets so many calls run at once and refuses the rest with [`Failure::Overloaded`].
///
/// Refusing beats queueing here: the caller learns at once that it should come back, and what is accepted stays
/// fast. Listen streams are no calls in this sense and are not counted.
///
/// A call whose client has disconnected runs as long as its place is not needed: where a call would be refused, the one
/// whose client has been gone for longest is ended instead.
#[derive(Debug)]
pub struct ConcurrencyLimit<S> {
    inner: S,
    running: Arc<Running>,
}

impl<S> ConcurrencyLimit<S> {
    /// At most `limit` calls at once (`max_concurrent_calls`).
    pub fn new(inner: S, limit: usize) -> Self {
        let limits = Limits { all: limit, caller: limit };
        Self { inner, running: Running::new(limits, Counted::default(), RunningCalls::default()) }
    }

    /// At most `limit` of these calls are of one caller (`max_calls_per_caller`).
    ///
    /// A caller is an authenticated principal; without authentication, a session or connection; without either, all calls
    /// are one caller's.
    #[must_use]
    pub fn per_caller(self, limit: usize) -> Self {
        let limits = Limits { caller: limit, ..self.running.limits };
        let Running { counted, calls, .. } = &*self.running;
        Self { running: Running::new(limits, counted.clone(), calls.clone()), ..self }
    }

    /// The number of calls that run now.
    pub fn running(&self) -> usize {
        self.running.calls.count()
    }
}

impl<S: Service> Service for ConcurrencyLimit<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        if request.is_listen() {
            return self.inner.call(request, context);
        }
        match self.running.begin(&context) {
            Ok(permit) => self.inner.call(request, context).relay(permit),
            Err(failure) => Reply::failed(failure),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    all: usize,
    caller: usize,
}

/// Counts the refusals, by the limit, and the calls that run.
#[derive(Clone, Debug, Default)]
struct Counted {
    all: Counter,
    caller: Counter,
    running: Gauge,
}

/// The calls that run.
#[derive(Debug)]
struct Running {
    limits: Limits,
    counted: Counted,
    calls: RunningCalls,
}

#[derive(Debug, Default)]
struct Calls {
    count: usize,
    by_caller: HashMap<Caller, usize, RandomState>,
    /// The calls that outlive the connection of their client.
    detachable: HashMap<u64, Detachable, RandomState>,
    last: u64,
}

/// The caller whose calls are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Caller {
    Session(SessionId),
    Principal(Principal),
}

impl Caller {
    /// A principal that proved its identity can open any number of sessions, which are all its own.
    fn of(context: &Context) -> Self {
        match (context.principal().is_authenticated(), context.session_id()) {
            (false, Some(session)) => Self::Session(session),
            _ => Self::Principal(context.principal().clone()),
        }
    }
}

#[derive(Debug)]
struct Detachable {
    presence: Presence,
    caller: Caller,
    /// The task that waits for the call.
    waker: Option<Waker>,
}

impl Running {
    fn new(limits: Limits, counted: Counted, calls: RunningCalls) -> Arc<Self> {
        Arc::new(Self { limits, counted, calls })
    }

    /// Takes a place for a call.
    fn begin(self: &Arc<Self>, context: &Context) -> Result<Permit, Failure> {
        let caller = Caller::of(context);
        let mut calls = self.calls.0.lock();
        let mut ended = None;
        if calls.by_caller.get(&caller).is_some_and(|count| *count >= self.limits.caller) {
            ended = calls.end_detached(Some(&caller));
            if ended.is_none() && self.limits.caller < self.limits.all {
                self.counted.caller.increment();
                return Err(overloaded("max_calls_per_caller", "calls of one caller", self.limits.caller));
            }
        }
        if calls.count >= self.limits.all {
            ended = calls.end_detached(None);
            if ended.is_none() {
                self.counted.all.increment();
                return Err(overloaded("max_concurrent_calls", "calls", self.limits.all));
            }
        }
        calls.count += 1;
        *calls.by_caller.entry(caller.clone()).or_default() += 1;
        calls.last += 1;
        let number = calls.last;
        let presence = context.presence().cloned();
        let kind = if presence.is_some() { Kind::Detachable } else { Kind::Attached };
        if let Some(presence) = presence {
            calls.detachable.insert(number, Detachable { presence, caller: caller.clone(), waker: None });
        }
        drop(calls);
        if let Some(Detachable { waker, .. }) = ended {
            self.counted.all.increment();
            // A waker may run foreign code: not under the lock.
            waker.into_iter().for_each(Waker::wake);
        }
        let counted = self.counted.running.hold();
        Ok(Permit { running: self.clone(), caller, number, kind, _counted: counted })
    }
}

impl Calls {
    /// Ends the call, of `caller` if that is given, whose client has been disconnected for longest.
    fn end_detached(&mut self, caller: Option<&Caller>) -> Option<Detachable> {
        let detachable = self.detachable.iter();
        let of_caller = detachable.filter(|(_, call)| caller.is_none_or(|caller| call.caller == *caller));
        let gone =
            of_caller.filter_map(|(number, call)| Some((call.presence.disconnected_since()?, *number)));
        let (_, number) = gone.min()?;
        let call = self.detachable.remove(&number)?;
        self.leave(&call.caller);
        Some(call)
    }

    fn leave(&mut self, caller: &Caller) {
        self.count -= 1;
        if let Some(count) = self.by_caller.get_mut(caller) {
            *count -= 1;
            if *count == 0 {
                self.by_caller.remove(caller);
            }
        }
    }
}

fn overloaded(limit: &'static str, what: &str, value: usize) -> Failure {
    Failure::Overloaded { limit, why: format!("{value} {what} are running ({limit}); try again later") }
}

/// The place of a call, until the call is over.
struct Permit {
    running: Arc<Running>,
    caller: Caller,
    number: u64,
    kind: Kind,
    _counted: Held,
}

/// How a call holds its place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Until it is over.
    Attached,
    /// Until it is over, or its client has disconnected and the place is needed.
    Detachable,
    /// Not any more.
    Ended,
}

impl Relay for Permit {
    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        if self.kind == Kind::Detachable {
            match self.running.calls.0.lock().detachable.get_mut(&self.number) {
                Some(call) if call.waker.as_ref().is_none_or(|waker| !waker.will_wake(task.waker())) => {
                    call.waker = Some(task.waker().clone());
                }
                Some(_) => {}
                // It was ended.
                None => {
                    let why = "the call was ended, since its client had disconnected and its place was needed \
                               (max_concurrent_calls); call again";
                    let limit = "max_concurrent_calls";
                    *reply = Reply::failed(Failure::Overloaded { limit, why: why.into() });
                    self.kind = Kind::Ended;
                }
            }
        }
        reply.poll_event(task)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut calls = self.running.calls.0.lock();
        let has_place = match self.kind {
            Kind::Attached => true,
            // The place of a call that was ended is another one's.
            Kind::Detachable => calls.detachable.remove(&self.number).is_some(),
            Kind::Ended => false,
        };
        if has_place {
            calls.leave(&self.caller);
        }
    }
}
