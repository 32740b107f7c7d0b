use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context as Task, Poll},
};

use anyport_protocol::Error;
use futures_core::Stream;

use anyport_service::{Context, Event, Outcome, Reply, Request, Service};

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
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request, context).into_ready())) {
            Ok(Ok(outcome)) => Reply::ready(outcome),
            Ok(Err(reply)) => Reply::pending(Caught { reply: Some(reply), method }),
            Err(panic) => Reply::error(panicked(&method, &*panic)),
        }
    }
}

struct Caught {
    reply: Option<Reply>,
    method: bytestring::ByteString,
}

impl Stream for Caught {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        let Some(mut reply) = self.reply.take() else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| (reply.poll_event(task), reply))) {
            Ok((event, reply)) => {
                self.reply = Some(reply);
                event.map(Some)
            }
            Err(panic) => {
                let error = panicked(&self.method, &*panic);
                Poll::Ready(Some(Event::Outcome(Outcome::Error(error))))
            }
        }
    }
}

/// The outcome of a panic for the caller of `method`. The panic's message goes to the log.
pub fn panicked(method: &str, panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    tracing::error!(method, panic = text, "a handler panicked");
    Error::internal("the handler failed; the server's log says why")
}
