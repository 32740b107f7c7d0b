use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context as Task, Poll, ready},
};

use anyport_protocol::Error;
use anyport_service::{Context, Event, Outcome, Relay, Reply, Request, Service};
use bytestring::ByteString;
use tower_layer::Layer;

/// Catches the panics of a service: makes a [`CatchPanic`].
#[derive(Clone, Copy, Debug, Default)]
pub struct CatchPanicLayer;

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic::new(inner)
    }
}

/// Turns a panic of the inner service into an internal error, so that one handler cannot end a process that
/// serves others. What the panic said goes to the log, never to the caller.
#[derive(Debug)]
pub struct CatchPanic<S> {
    inner: S,
}

impl<S> CatchPanic<S> {
    /// Catches the panics of `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Service> Service for CatchPanic<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let method = request.method.clone();
        // The state that a panic may have left half changed is the handler's own; ours is never shared into it.
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request, context))) {
            Ok(reply) => reply.relay(Caught { method }),
            Err(panic) => Reply::error(panicked(&method, &*panic)),
        }
    }
}

/// Catches what a reply panics with when it is polled.
struct Caught {
    method: ByteString,
}

impl Relay for Caught {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        outcome
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        let error = match catch_unwind(AssertUnwindSafe(|| reply.poll_event(task))) {
            Ok(event) => return Poll::Ready(ready!(event)),
            Err(panic) => panicked(&self.method, &*panic),
        };
        // What is left of it may panic as well when it is dropped.
        let left = mem::replace(reply, Reply::error(error));
        drop(catch_unwind(AssertUnwindSafe(|| drop(left))));
        reply.poll_event(task)
    }
}

/// The error that a panic becomes for the caller of `method`. What the panic said goes to the log.
pub fn panicked(method: &str, panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    tracing::error!(method, panic = text, "a handler panicked");
    Error::internal("the handler failed; the server's log says why")
}
