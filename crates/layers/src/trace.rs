use std::{
    pin::Pin,
    task::{Context as Task, Poll},
};

use futures_core::Stream;
use tracing::{Span, debug};

use anyport_service::{Context, Event, Outcome, Reply, Request, Service};

/// Gives every call a span with its method, name, caller and revision, and logs its outcome. Arguments and results are
/// never logged: they may contain secrets.
#[derive(Debug)]
pub struct Trace<S> {
    inner: S,
}

impl<S> Trace<S> {
    /// Traces the calls of `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Service> Service for Trace<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let span = tracing::debug_span!(
            "call",
            method = &*request.method,
            name = tracing::field::Empty,
            principal = %context.principal(),
            revision = context.revision().as_str(),
        );
        if span.is_disabled() {
            return self.inner.call(request, context);
        }
        if let Some(name) = request.name() {
            span.record("name", &*name);
        }
        let entered = span.enter();
        match self.inner.call(request, context).into_ready() {
            Ok(outcome) => {
                report(&outcome);
                Reply::ready(outcome)
            }
            Err(reply) => {
                drop(entered);
                Reply::pending(Traced { reply, span })
            }
        }
    }
}

struct Traced {
    reply: Reply,
    span: Span,
}

impl Stream for Traced {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        let this = &mut *self;
        let _entered = this.span.enter();
        let event = this.reply.poll_event(task);
        if let Poll::Ready(Event::Outcome(outcome)) = &event {
            report(outcome);
        }
        event.map(Some)
    }
}

fn report(outcome: &Outcome) {
    match outcome {
        Outcome::Result(result) => debug!(bytes = result.as_str().len(), "answered"),
        Outcome::InputRequired(_) => debug!("asked"),
        Outcome::Error(error) => debug!(code = error.code, error = &*error.message, "refused"),
        Outcome::Failed(failure) => debug!(?failure, "failed"),
    }
}
