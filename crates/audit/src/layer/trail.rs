use std::{
    fmt,
    future::ready,
    sync::{Arc, OnceLock},
};

use anyport_protocol::{Raw, failure::Failure};
use anyport_service::{Admission, CallTrail, Context, Request};
use bytestring::ByteString;
use tokio::time::Instant;

use super::{noted::Noted, request};
use crate::{
    AuditLog, Caller, Mode, Outcome, OutcomeKind, Unavailable, line::Line,
    redacted_arguments::RedactedArguments,
};

/// What is known of a call while it runs.
pub(super) struct Trail {
    pub(super) log: AuditLog,
    number: u64,
    started: Instant,
    /// What else follows the call.
    outer: Option<Arc<dyn CallTrail>>,
    context: Said,
    method: ByteString,
    name: Option<ByteString>,
    /// The error is the size of those that are too large.
    arguments: Result<Option<Raw>, usize>,
    bytes_in: usize,
    noted: Noted,
    /// Whether the record of its beginning was given to the log.
    has_begun: OnceLock<()>,
    /// Whether that of its end was.
    has_ended: OnceLock<()>,
}

/// What a context says of a call: the context itself holds the trail.
struct Said {
    principal: anyport_service::Principal,
    address: Option<std::net::IpAddr>,
    client_info: Option<Raw>,
    revision: &'static str,
    traceparent: Option<Raw>,
}

impl Trail {
    pub(super) fn new(log: &AuditLog, request: &Request, context: &Context) -> Arc<Self> {
        let arguments = request::arguments(request).map_or(Ok(None), |arguments| log.kept(arguments));
        Arc::new(Self {
            log: log.clone(),
            number: log.next_call(),
            started: Instant::now(),
            context: Said {
                principal: context.principal().clone(),
                address: context.address(),
                client_info: context.client_info().cloned(),
                revision: context.revision().as_str(),
                traceparent: request::traceparent(context).cloned(),
            },
            method: request.method.clone(),
            name: request::named(request).map(|name| request::kept(request, name)),
            arguments: arguments.map(|raw| raw.map(|raw| request::kept_raw(request, raw))),
            bytes_in: request.params.raw().as_str().len(),
            outer: context.trail().cloned(),
            noted: Noted::default(),
            has_begun: OnceLock::new(),
            has_ended: OnceLock::new(),
        })
    }

    /// Whether the record of the beginning was given to the log.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.get().is_some()
    }

    /// The limit or rule that refused the call.
    pub(super) fn refusing(&self) -> Option<&str> {
        self.noted.refused_by()
    }

    /// Has the beginning recorded, behind whatever is under way.
    pub(super) fn begin(&self) {
        if self.has_begun.set(()).is_ok() {
            self.log.record(&self.line("begin"));
        }
    }

    /// Has the end recorded behind the answer.
    pub(super) fn end(&self, outcome: &Outcome, bytes: u64) {
        let _ = self.has_ended.set(());
        match outcome.kind {
            // A stream that was let in is no refusal.
            OutcomeKind::Refused if !self.has_begun() => {
                self.log.record_refusal(&self.caller(), outcome.refused_by.as_deref(), || {
                    self.ended(outcome, bytes)
                });
            }
            _ => self.log.record(&self.ended(outcome, bytes)),
        }
    }

    /// Has the end recorded. Completes once that is durable.
    pub(super) fn end_durably(
        &self,
        outcome: &Outcome,
        bytes: u64,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send + use<> {
        let _ = self.has_ended.set(());
        self.log.durable(&self.ended(outcome, bytes))
    }

    /// The record of the end: it is understood without that of the beginning.
    fn ended<'a>(&'a self, outcome: &'a Outcome, bytes: u64) -> Line<'a> {
        Line {
            duration_us: Some(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)),
            bytes_out: Some(bytes),
            outcome: Some(outcome),
            ..self.line(if self.has_begun() { "end" } else { "call" })
        }
    }

    /// A record of the call as it is known now.
    fn line(&self, event: &'static str) -> Line<'_> {
        let redaction = self.log.redaction();
        let item = self.noted.item();
        let arguments = self.arguments.as_ref().ok().and_then(Option::as_ref);
        let Said { principal, address, client_info, revision, traceparent } = &self.context;
        Line {
            revision,
            name: self.name.as_deref().map(|name| redaction.text(name)),
            item: item.map(|item| redaction.text(item)),
            upstream: self.noted.upstream(),
            arguments: arguments.map(|arguments| RedactedArguments { arguments, redaction }),
            cached: self.noted.cached(),
            arguments_omitted: self.arguments.as_ref().err().copied(),
            bytes_in: Some(self.bytes_in as u64),
            trace: traceparent.as_ref().and_then(request::trace_id),
            ..Line::new(event, self.number, redaction.text(&*self.method))
                .caller(principal, *address)
                .client(client_info.as_ref(), redaction)
        }
    }

    /// Whose refusals are counted together.
    fn caller(&self) -> Caller {
        Caller::of(&self.context.principal, self.context.address)
    }
}

impl Trail {
    /// Whether the call may go to its upstream server `name`, as [`CallTrail::to_upstream`] says.
    fn admission(&self, name: &str) -> Option<Admission> {
        self.noted.note_upstream(name);
        // What is read for it later, such as a list that has changed, is no part of the call.
        let is_settled = self.has_begun() || self.has_ended.get().is_some();
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
        let written = self.log.durable(&self.line("begin"));
        Some(Box::pin(async move { written.await.map_err(|_| refused) }))
    }
}

impl CallTrail for Trail {
    fn to_upstream(&self, name: &str) -> Option<Admission> {
        let outer = self.outer.as_ref().and_then(|outer| outer.to_upstream(name));
        match (outer, self.admission(name)) {
            (None, admission) | (admission, None) => admission,
            (Some(outer), Some(admission)) => Some(Box::pin(async move {
                outer.await?;
                admission.await
            })),
        }
    }

    fn uses(&self, name: &str) {
        self.outer.iter().for_each(|outer| outer.uses(name));
        self.noted.note_item(name, self.name.as_deref());
    }

    fn answered_from_cache(&self, name: &str) {
        self.outer.iter().for_each(|outer| outer.answered_from_cache(name));
        self.noted.note_cached(name);
    }

    fn refused_by(&self, what: &str) {
        self.outer.iter().for_each(|outer| outer.refused_by(what));
        self.noted.note_refusal(what);
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("call", &self.number).finish_non_exhaustive()
    }
}
