use std::{
    sync::Arc,
    task::{Context as Task, Poll, ready},
    time::Instant,
};

use anyport_protocol::Raw;
use anyport_service::{
    Admission, CallTrail, Context, Event, Outcome as ReplyOutcome, Principal, Relay, Reply, Request, Service,
};
use bytestring::ByteString;
use tower_layer::Layer;
use tracing::Level;

use super::{noted::Noted, outcome, request};
use crate::{Outcome, OutcomeKind, Redaction, redacted_arguments::RedactedArguments};

/// The target of the lines, by which filters name them: at `info` one line per call, at `debug` with its redacted arguments.
pub const CALL_LOG: &str = "anyport::calls";

/// The bytes of arguments that a line has at most; of larger ones it has the size.
const MAX_ARGUMENTS: usize = 4 << 10;

/// Writes a line to the program's log at the end of each call: makes a [`CallLogged`]. It stands outside whatever refuses calls. While the
/// level of [`CALL_LOG`] is above `info`, a call costs one comparison.
#[derive(Clone, Debug)]
pub struct CallLogLayer(Redaction);

/// A service whose calls are logged.
#[derive(Debug)]
pub struct CallLogged<S> {
    inner: S,
    redaction: Redaction,
}

impl CallLogLayer {
    /// Logs calls; names and arguments as `redaction` says.
    pub fn new(redaction: Redaction) -> Self {
        Self(redaction)
    }
}

impl<S> Layer<S> for CallLogLayer {
    type Service = CallLogged<S>;

    fn layer(&self, inner: S) -> CallLogged<S> {
        CallLogged { inner, redaction: self.0.clone() }
    }
}

impl<S: Service> CallLogged<S> {
    #[cold]
    fn logged(&self, request: Request, context: Context) -> Reply {
        let line = Arc::new(CallLine::new(&self.redaction, &request, &context));
        let reply = self.inner.call(request, context.with_trail(line.clone()));
        reply.relay(Ending { line, is_over: false })
    }
}

impl<S: Service> Service for CallLogged<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        match tracing::enabled!(target: CALL_LOG, Level::INFO) {
            true => self.logged(request, context),
            false => self.inner.call(request, context),
        }
    }
}

/// What is known of a call while it runs.
struct CallLine {
    redaction: Redaction,
    started: Instant,
    method: ByteString,
    name: Option<ByteString>,
    /// At the level `debug`. The error is the size of those that are too large.
    arguments: Option<Result<Raw, usize>>,
    principal: Principal,
    revision: &'static str,
    traceparent: Option<Raw>,
    noted: Noted,
}

impl CallLine {
    fn new(redaction: &Redaction, request: &Request, context: &Context) -> Self {
        let arguments = match tracing::enabled!(target: CALL_LOG, Level::DEBUG) {
            true => request::arguments(request).filter(|_| redaction.records_arguments()),
            false => None,
        };
        Self {
            redaction: redaction.clone(),
            started: Instant::now(),
            method: request.method.clone(),
            name: request::named(request).map(|name| request::kept(request, name)),
            arguments: arguments.map(|raw| match raw.as_str().len() {
                bytes if bytes > MAX_ARGUMENTS => Err(bytes),
                _ => Ok(request::kept_raw(request, raw)),
            }),
            principal: context.principal().clone(),
            revision: context.revision().as_str(),
            traceparent: request::traceparent(context).cloned(),
            noted: Noted::default(),
        }
    }

    fn write(&self, outcome: &Outcome) {
        let text = |text: &str| self.redaction.text(text.to_owned()).into_owned();
        let (arguments, bytes) = match &self.arguments {
            Some(Ok(arguments)) => {
                let redacted = RedactedArguments { arguments, redaction: &self.redaction };
                (Some(redacted.json().into_owned()), None)
            }
            Some(Err(bytes)) => (None, Some(*bytes)),
            None => (None, None),
        };
        let item = self.noted.item();
        let micros = self.started.elapsed().as_micros();
        tracing::info!(
            target: CALL_LOG,
            method = text(&self.method),
            name = self.name.as_deref().map(text),
            item = item.map(text),
            upstream = self.noted.upstream(),
            principal = %self.principal,
            revision = self.revision,
            outcome = outcome.kind.as_str(),
            code = outcome.code,
            reason = outcome.reason.as_deref(),
            refused_by = outcome.refused_by.as_deref(),
            cached = self.noted.cached(),
            // A call of centuries would lose a fraction.
            duration_ms = micros as f64 / 1_000.0,
            trace = self.traceparent.as_ref().and_then(request::trace_id).as_deref(),
            arguments = arguments.map(tracing::field::display),
            arguments_bytes = bytes,
            "call"
        );
    }
}

impl CallTrail for CallLine {
    fn to_upstream(&self, name: &str) -> Option<Admission> {
        self.noted.note_upstream(name);
        None
    }

    fn uses(&self, name: &str) {
        self.noted.note_item(name, self.name.as_deref());
    }

    fn answered_from_cache(&self, name: &str) {
        self.noted.note_cached(name);
    }

    fn refused_by(&self, what: &str) {
        self.noted.note_refusal(what);
    }
}

impl std::fmt::Debug for CallLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallLine").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Writes the line where the call ends. A reply that is dropped before is a call that was cancelled.
struct Ending {
    line: Arc<CallLine>,
    is_over: bool,
}

impl Relay for Ending {
    fn outcome(&mut self, outcome: ReplyOutcome) -> ReplyOutcome {
        self.is_over = true;
        self.line.write(&outcome::said(&outcome, self.line.noted.refused_by()).0);
        outcome
    }

    fn poll(&mut self, reply: &mut Reply, waker: &mut Task<'_>) -> Poll<Event> {
        Poll::Ready(match ready!(reply.poll_event(waker)) {
            Event::Outcome(outcome) => Event::Outcome(self.outcome(outcome)),
            event => event,
        })
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.is_over {
            self.line.write(&Outcome::of(OutcomeKind::Cancelled));
        }
    }
}
