use std::task::{Context as Task, Poll, ready};

use anyport_service::{Context, Event, Outcome, Relay, Reply, Request, Service};
use tower_layer::Layer;
use tracing::{Span, debug};

/// Traces the calls of a service: makes a [`Trace`].
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer;

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Trace::new(inner)
    }
}

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
        let reply = span.in_scope(|| self.inner.call(request, context));
        reply.relay(Traced { span })
    }
}

/// Polls a reply within its call's span.
struct Traced {
    span: Span,
}

impl Relay for Traced {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        self.span.in_scope(|| report(&outcome));
        outcome
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        let event = ready!(self.span.in_scope(|| reply.poll_event(task)));
        Poll::Ready(match event {
            Event::Outcome(outcome) => Event::Outcome(self.outcome(outcome)),
            event => event,
        })
    }
}

fn report(outcome: &Outcome) {
    match outcome {
        Outcome::Result(result) => debug!(bytes = result.as_str().len(), "answered"),
        Outcome::InputRequired(_) => debug!("asked"),
        Outcome::Error(error) => debug!(code = error.code, error = &*error.message, "refused"),
        Outcome::Failed(failure) => debug!(%failure, "failed"),
    }
}
