//! The layers that make records of calls.

use std::{
    fmt,
    future::{Future, ready},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{self, Context as Task, Poll},
};

use anyport_protocol::{Error, Method, Raw, failure::Failure, jsonrpc::Reason};
use anyport_service::{
    Admission, CallTrail, Context, Event as ReplyEvent, Outcome as ReplyOutcome, Reply, Request, Service,
    emit, sync::Lock,
};
use futures_core::Stream;
use serde::Deserialize;
use tokio::time::Instant;
use tower_layer::Layer;

use crate::{AuditLog, Call, Caller, Event, Mode, Outcome, OutcomeKind, Unavailable, record::cut};

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
        emit::reply(|emitter| async move {
            match admission.await {
                Ok(()) => emitter.relay(inner.call(request, context)).await,
                Err(failure) => failure.into(),
            }
        })
    }
}

impl<S: Service> Service for Recorded<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let trail = Arc::new(Trail::new(&self.log, &request, &context));
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

/// What is known of a call while it runs.
struct Trail {
    log: AuditLog,
    started: Instant,
    /// Empty once it has ended.
    call: Lock<Box<Call>>,
    arguments: Option<Raw>,
    upstream: OnceLock<Box<str>>,
    item: OnceLock<Box<str>>,
    refused_by: OnceLock<Box<str>>,
    /// Whether the record of its beginning was given to the log.
    has_begun: OnceLock<()>,
    /// Whether that of its end was.
    has_ended: OnceLock<()>,
}

impl Trail {
    fn new(log: &AuditLog, request: &Request, context: &Context) -> Self {
        let kept = arguments(request).map_or(Ok(None), |arguments| log.kept(&arguments));
        let call = Box::new(Call {
            call: log.next_call(),
            caller: caller(context),
            revision: context.revision().as_str().to_owned(),
            method: cut(&request.method),
            name: request.name().map(|name| cut(&name)),
            arguments_omitted: kept.as_ref().err().copied(),
            bytes_in: Some(request.params.raw().as_str().len() as u64),
            trace: context.traceparent().and_then(trace_id),
            ..Call::default()
        });
        Self {
            arguments: kept.unwrap_or_default(),
            log: log.clone(),
            started: Instant::now(),
            call: Lock::new(call),
            upstream: OnceLock::new(),
            item: OnceLock::new(),
            refused_by: OnceLock::new(),
            has_begun: OnceLock::new(),
            has_ended: OnceLock::new(),
        }
    }

    /// The call as it is known now.
    fn call(&self) -> Box<Call> {
        self.known(self.call.lock().clone())
    }

    /// `call`, with what was learnt of it since.
    fn known(&self, mut call: Box<Call>) -> Box<Call> {
        call.upstream = self.upstream.get().map(|name| name.to_string());
        let item = self.item.get().map(|item| cut(item));
        call.item = item.filter(|item| call.name.as_ref() != Some(item));
        call
    }

    /// Has the beginning recorded, behind whatever is under way.
    fn begin(&self) {
        if self.has_begun.set(()).is_ok() {
            self.log.record(Event::Begin(self.call()), self.arguments.clone());
        }
    }

    /// The record of the end, and the arguments: it is understood without that of the beginning.
    fn end(&self, outcome: Outcome, bytes: u64) -> (Event, Option<Raw>) {
        let _ = self.has_ended.set(());
        let mut call = self.known(std::mem::take(&mut *self.call.lock()));
        call.duration_us = Some(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX));
        call.bytes_out = Some(bytes);
        call.outcome = Some(outcome);
        let event = if self.has_begun.get().is_some() { Event::End(call) } else { Event::Call(call) };
        (event, self.arguments.clone())
    }
}

impl CallTrail for Trail {
    fn to_upstream(&self, name: &str) -> Option<Admission> {
        // A call that goes to several names the first.
        let _ = self.upstream.set(name.into());
        // What is read for it later, such as a list that has changed, is no part of the call.
        let is_settled = self.has_begun.get().is_some() || self.has_ended.get().is_some();
        if self.log.mode() == Mode::On || is_settled {
            return None;
        }
        let refused = Failure::AuditUnavailable { is_done: false };
        // While nothing can be written, what is refused for it has one record and not two.
        if self.log.is_unavailable() {
            return Some(Box::pin(ready(Err(refused))));
        }
        if self.has_begun.set(()).is_err() {
            return None;
        }
        let (log, call, arguments) = (self.log.clone(), self.call(), self.arguments.clone());
        Some(Box::pin(async move { log.durable(Event::Begin(call), arguments).await.map_err(|_| refused) }))
    }

    fn uses(&self, name: &str) {
        let _ = self.item.set(name.into());
    }

    fn refused_by(&self, what: &str) {
        let _ = self.refused_by.set(what.into());
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("call", &self.call.lock().call).finish_non_exhaustive()
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

    /// The record of the end.
    fn end(&mut self, outcome: &ReplyOutcome) -> (Event, Option<Raw>, bool) {
        self.is_over = true;
        let (said, bytes) = said(outcome, self.trail.refused_by.get().map(|by| &**by));
        let is_refusal = said.kind == OutcomeKind::Refused;
        let (event, arguments) = self.trail.end(said, self.bytes + bytes as u64);
        (event, arguments, is_refusal)
    }

    /// Has the end recorded behind the answer.
    fn record(&mut self, outcome: &ReplyOutcome) {
        let (event, arguments, is_refusal) = self.end(outcome);
        match is_refusal {
            true => self.trail.log.record_refusal(event, arguments),
            false => self.trail.log.record(event, arguments),
        }
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
            let (event, arguments) = self.trail.end(Outcome::of(OutcomeKind::Cancelled), self.bytes);
            self.trail.log.record(event, arguments);
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
        let is_done = this.recorder.trail.has_begun.get().is_some();
        Poll::Ready(Some(ReplyEvent::Outcome(match written {
            Ok(()) => outcome,
            Err(_) => Failure::AuditUnavailable { is_done }.into(),
        })))
    }
}

impl Durable {
    /// Begins to write the record of the end. Returns the outcome if it may go out at once: a refusal, after which nothing was done.
    fn write(&mut self, outcome: ReplyOutcome) -> Option<ReplyOutcome> {
        let (event, arguments, is_refusal) = self.recorder.end(&outcome);
        let log = self.recorder.trail.log.clone();
        if is_refusal {
            log.record_refusal(event, arguments);
            return Some(outcome);
        }
        let written = async move { log.durable(event, arguments).await };
        self.written = Some((Some(outcome), Box::pin(written)));
        None
    }
}

/// The caller of a call.
fn caller(context: &Context) -> Caller {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Info {
        name: Option<String>,
        version: Option<String>,
    }
    let info: Info = context.client_info().and_then(|info| info.decode().ok()).unwrap_or_default();
    let (client, client_version) = (info.name.as_deref().map(cut), info.version.as_deref().map(cut));
    let address = context.address();
    Caller { client, client_version, address, ..Caller::of(context.principal()) }
}

/// What a call passes to its tool, prompt or completion.
fn arguments(request: &Request) -> Option<Raw> {
    request.params.member(match request.known()? {
        Method::ToolsCall | Method::PromptsGet => "arguments",
        Method::Complete => "argument",
        _ => return None,
    })
}

/// The trace id of a `traceparent`: 32 hexadecimal digits after the version (W3C Trace Context, section 3.2.2.3).
fn trace_id(traceparent: &Raw) -> Option<String> {
    let text = traceparent.as_string()?;
    let id = text.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_ascii_lowercase())
}

/// What a record says of an outcome, and the bytes of it.
fn said(outcome: &ReplyOutcome, refused_by: Option<&str>) -> (Outcome, usize) {
    match outcome {
        ReplyOutcome::Result(result) => {
            // A guard refuses a call of a tool by a result that its model can read.
            let kind = match (outcome.is_error(), refused_by) {
                (true, Some(_)) => OutcomeKind::Refused,
                (true, None) => OutcomeKind::ToolError,
                (false, _) => OutcomeKind::Ok,
            };
            let refused_by = refused_by.filter(|_| kind == OutcomeKind::Refused).map(str::to_owned);
            (Outcome { refused_by, ..Outcome::of(kind) }, result.as_str().len())
        }
        ReplyOutcome::InputRequired(result) => {
            (Outcome::of(OutcomeKind::InputRequired), result.as_str().len())
        }
        ReplyOutcome::Error(error) => (of_error(error, refused_by.map(str::to_owned)), bytes_of(error)),
        ReplyOutcome::Failed(failure) => {
            let error = failure.to_error();
            (
                of_error(&error, refusing(failure).map(str::to_owned).or(refused_by.map(str::to_owned))),
                bytes_of(&error),
            )
        }
    }
}

fn bytes_of(error: &Error) -> usize {
    error.message.len() + error.data.as_ref().map_or(0, |data| data.as_str().len())
}

fn of_error(error: &Error, refused_by: Option<String>) -> Outcome {
    let refused_by = refused_by.or_else(|| {
        // What this program refuses by itself; the reasons of servers are no `Reason`s.
        let what = match error.reason? {
            Reason::Forbidden => error.data.as_ref()?.member("rule")?.as_string()?.to_string(),
            Reason::InsufficientScope => "scope".to_owned(),
            Reason::Quarantined => "pin".to_owned(),
            Reason::Overloaded => "overloaded".to_owned(),
            Reason::RateLimited => "rate_limited".to_owned(),
            _ => return None,
        };
        Some(what)
    });
    let is_forbidden = error.reason == Some(Reason::Forbidden);
    let kind = if refused_by.is_some() || is_forbidden { OutcomeKind::Refused } else { OutcomeKind::Error };
    let reason = error.reason.map(|reason| reason.as_str().to_owned());
    Outcome { kind, code: Some(error.code), reason, refused_by }
}

/// The limit that refuses a call with `failure`, if it is one.
fn refusing(failure: &Failure) -> Option<&str> {
    match failure.root() {
        Failure::Overloaded { limit, .. } | Failure::RateLimited { limit, .. } => Some(limit),
        Failure::AuditUnavailable { is_done: false } => Some("audit"),
        _ => None,
    }
}
