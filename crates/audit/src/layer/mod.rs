//! The layers that make records of calls.
//!
//! - `request`: what a request says of its call. `noted`: what it turns out to be while it runs. `outcome`: what is recorded of how it
//!   ended. `trail`: all of these, until they are a record.
//! - [`call_log`]: a line of the program's log for each call.

mod call_log;
mod noted;
mod outcome;
mod request;
mod trail;

use std::{
    pin::Pin,
    sync::Arc,
    task::{self, Context as Task, Poll},
};

use anyport_protocol::failure::Failure;
use anyport_service::{Context, Event as ReplyEvent, Outcome as ReplyOutcome, Reply, Request, Service, emit};
use futures_core::Stream;
use tower_layer::Layer;

pub use self::call_log::{CALL_LOG, CallLogLayer, CallLogged};
use self::trail::Trail;
use crate::{AuditLog, Mode, Outcome, OutcomeKind, Unavailable};

/// Records the calls of a service: makes a [`Recorded`]. It stands outside whatever refuses calls.
#[derive(Clone, Debug)]
pub struct RecordLayer(AuditLog);

/// A service whose calls are recorded.
#[derive(Debug)]
pub struct Recorded<S> {
    inner: S,
    log: AuditLog,
}

/// Tells the log which server a call goes to, and waits there until that may be: makes an [`Upstream`]. It stands around each server.
#[derive(Clone, Debug)]
pub struct UpstreamLayer(Arc<str>);

/// A server whose calls the log knows.
#[derive(Debug)]
pub struct Upstream<S> {
    inner: Arc<S>,
    name: Arc<str>,
}

impl RecordLayer {
    /// Records calls in `log`.
    pub fn new(log: AuditLog) -> Self {
        Self(log)
    }
}

impl<S> Layer<S> for RecordLayer {
    type Service = Recorded<S>;

    fn layer(&self, inner: S) -> Recorded<S> {
        Recorded { inner, log: self.0.clone() }
    }
}

impl UpstreamLayer {
    /// Tells of calls to the server `name`.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }
}

impl<S> Layer<S> for UpstreamLayer {
    type Service = Upstream<S>;

    fn layer(&self, inner: S) -> Upstream<S> {
        Upstream { inner: Arc::new(inner), name: self.0.clone() }
    }
}

impl<S: Service> Service for Upstream<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let Some(admission) = context.trail().and_then(|trail| trail.to_upstream(&self.name)) else {
            return self.inner.call(request, context);
        };
        let inner = self.inner.clone();
        emit::after(admission, move || inner.call(request, context))
    }
}

impl<S: Service> Service for Recorded<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let trail = Trail::new(&self.log, &request, &context);
        if request.is_listen() {
            trail.begin();
        }
        let context = context.with_trail(trail.clone());
        let reply = self.inner.call(request, context);
        let recorder = Recorder { trail, bytes: 0, is_over: false };
        match self.log.mode() {
            Mode::On => reply.relay(recorder),
            Mode::Required => Reply::pending(Durable { reply, recorder, written: None }),
        }
    }
}

/// Records the end of a call. A reply that is dropped before is a call that was cancelled.
struct Recorder {
    trail: Arc<Trail>,
    bytes: u64,
    is_over: bool,
}

impl Recorder {
    fn see(&mut self, event: &ReplyEvent) {
        let bytes = match event {
            ReplyEvent::Notification(notification) => notification.params.as_str().len(),
            ReplyEvent::Unknown { params, .. } => params.as_str().len(),
            ReplyEvent::ServerRequest(request) => request.params.as_str().len(),
            ReplyEvent::Disconnect { .. } | ReplyEvent::Outcome(_) => 0,
        };
        self.bytes += bytes as u64;
    }

    /// What is recorded of `outcome`, with the bytes of the whole reply.
    fn said(&mut self, outcome: &ReplyOutcome) -> (Outcome, u64) {
        self.is_over = true;
        let (said, bytes) = outcome::said(outcome, self.trail.refusing());
        (said, self.bytes + bytes as u64)
    }

    /// Has the end recorded behind the answer.
    fn record(&mut self, outcome: &ReplyOutcome) {
        let (said, bytes) = self.said(outcome);
        self.trail.end(&said, bytes);
    }
}

impl anyport_service::Relay for Recorder {
    fn outcome(&mut self, outcome: ReplyOutcome) -> ReplyOutcome {
        self.record(&outcome);
        outcome
    }

    fn poll(&mut self, reply: &mut Reply, waker: &mut Task<'_>) -> Poll<ReplyEvent> {
        Poll::Ready(match task::ready!(reply.poll_event(waker)) {
            ReplyEvent::Outcome(outcome) => ReplyEvent::Outcome(self.outcome(outcome)),
            event => {
                self.see(&event);
                event
            }
        })
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if !self.is_over {
            self.trail.end(&Outcome::of(OutcomeKind::Cancelled), self.bytes);
        }
    }
}

/// A reply whose outcome goes out once the record of it is durable.
struct Durable {
    reply: Reply,
    recorder: Recorder,
    /// The outcome, and what completes when its record is durable.
    written: Option<(Option<ReplyOutcome>, Writing)>,
}

type Writing = Pin<Box<dyn Future<Output = Result<(), Unavailable>> + Send>>;

impl Stream for Durable {
    type Item = ReplyEvent;

    fn poll_next(mut self: Pin<&mut Self>, waker: &mut Task<'_>) -> Poll<Option<ReplyEvent>> {
        let this = &mut *self;
        if this.written.is_none() {
            match task::ready!(this.reply.poll_event(waker)) {
                ReplyEvent::Outcome(outcome) => {
                    if let Some(outcome) = this.write(outcome) {
                        return Poll::Ready(Some(ReplyEvent::Outcome(outcome)));
                    }
                }
                event => {
                    this.recorder.see(&event);
                    return Poll::Ready(Some(event));
                }
            }
        }
        let Some((outcome, written)) = &mut this.written else { return Poll::Pending };
        let written = task::ready!(written.as_mut().poll(waker));
        let Some(outcome) = outcome.take() else { return Poll::Pending };
        let is_done = this.recorder.trail.has_begun();
        Poll::Ready(Some(ReplyEvent::Outcome(match written {
            Ok(()) => outcome,
            Err(_) => Failure::AuditUnavailable { is_done }.into(),
        })))
    }
}

impl Durable {
    /// Begins to write the record of the end. Returns the outcome if it may go out at once: a refusal, after which nothing was done.
    fn write(&mut self, outcome: ReplyOutcome) -> Option<ReplyOutcome> {
        let (said, bytes) = self.recorder.said(&outcome);
        let trail = &self.recorder.trail;
        if said.kind == OutcomeKind::Refused {
            trail.end(&said, bytes);
            return Some(outcome);
        }
        self.written = Some((Some(outcome), Box::pin(trail.end_durably(&said, bytes))));
        None
    }
}
