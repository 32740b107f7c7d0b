use std::{
    borrow::Cow,
    fmt,
    future::ready,
    sync::{Arc, OnceLock},
};

use anyport_protocol::{Method, Raw, failure::Failure, json::Splice};
use anyport_service::{Admission, CallTrail, Context, Request};
use bytestring::ByteString;
use tokio::time::Instant;

use crate::{
    AuditLog, Caller, Mode, Outcome, OutcomeKind, Unavailable, line::Line,
    redacted_arguments::RedactedArguments,
};

/// What is known of a call while it runs.
pub(super) struct Trail {
    pub(super) log: AuditLog,
    number: u64,
    started: Instant,
    context: Said,
    method: ByteString,
    name: Option<ByteString>,
    /// The error is the size of those that are too large.
    arguments: Result<Option<Raw>, usize>,
    bytes_in: usize,
    upstream: OnceLock<Box<str>>,
    item: OnceLock<Box<str>>,
    refused_by: OnceLock<Box<str>>,
    /// Whether it is answered from the cache.
    is_cached: OnceLock<()>,
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

/// The bytes of params that a call may keep until it ends. Of larger ones, the parts that are recorded are copied.
const SMALL: usize = 8 << 10;

impl Trail {
    pub(super) fn new(log: &AuditLog, request: &Request, context: &Context) -> Arc<Self> {
        let bytes_in = request.params.raw().as_str().len();
        let is_small = bytes_in <= SMALL;
        let name =
            named(request).map(|name| if is_small { name } else { ByteString::from(name.to_string()) });
        let arguments = arguments(request).map_or(Ok(None), |arguments| log.kept(arguments));
        let arguments =
            arguments.map(|arguments| if is_small { arguments } else { arguments.map(|raw| raw.compact()) });
        Arc::new(Self {
            log: log.clone(),
            number: log.next_call(),
            started: Instant::now(),
            context: Said {
                principal: context.principal().clone(),
                address: context.address(),
                client_info: context.client_info().cloned(),
                revision: context.revision().as_str(),
                traceparent: (context.traceparent())
                    .or_else(|| context.trace_headers().map(|headers| &headers.traceparent))
                    .cloned(),
            },
            method: request.method.clone(),
            name,
            arguments,
            bytes_in,
            upstream: OnceLock::new(),
            item: OnceLock::new(),
            refused_by: OnceLock::new(),
            is_cached: OnceLock::new(),
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
        self.refused_by.get().map(|by| &**by)
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
        let item = self.item.get().map(|item| &**item).filter(|item| Some(*item) != self.name.as_deref());
        let arguments = self.arguments.as_ref().ok().and_then(Option::as_ref);
        let Said { principal, address, client_info, revision, traceparent } = &self.context;
        Line {
            revision,
            name: self.name.as_deref().map(|name| redaction.text(name)),
            item: item.map(|item| redaction.text(item)),
            upstream: self.upstream.get().map(|name| &**name),
            arguments: arguments.map(|arguments| RedactedArguments { arguments, redaction }),
            cached: self.is_cached.get().map(|()| true),
            arguments_omitted: self.arguments.as_ref().err().copied(),
            bytes_in: Some(self.bytes_in as u64),
            trace: traceparent.as_ref().and_then(trace_id),
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

impl CallTrail for Trail {
    fn to_upstream(&self, name: &str) -> Option<Admission> {
        // A call that goes to several names the first.
        let _ = self.upstream.set(name.into());
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

    fn uses(&self, name: &str) {
        let _ = self.item.set(name.into());
    }

    fn answered_from_cache(&self, name: &str) {
        let _ = self.upstream.set(name.into());
        let _ = self.is_cached.set(());
    }

    fn refused_by(&self, what: &str) {
        let _ = self.refused_by.set(what.into());
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("call", &self.number).finish_non_exhaustive()
    }
}

/// The tool, prompt or resource that a request is for; of a completion, that whose argument is completed.
fn named(request: &Request) -> Option<ByteString> {
    match request.known()? {
        Method::Complete => {
            let target = request.params.member("ref")?;
            target.member("name").or_else(|| target.member("uri"))?.as_string()
        }
        _ => request.name(),
    }
}

/// What a call passes to its tool or prompt. A completion passes one argument of them, which is recorded by its name as theirs are.
fn arguments(request: &Request) -> Option<Raw> {
    match request.known()? {
        Method::ToolsCall | Method::PromptsGet => request.params.member("arguments"),
        Method::Complete => {
            let argument = request.params.member("argument")?;
            let (name, value) = (argument.member("name")?.as_string()?, argument.member("value")?);
            Some(Splice::new().with(&name, &value).finish())
        }
        _ => None,
    }
}

/// The trace id of a `traceparent`: 32 hexadecimal digits after the version (W3C Trace Context, section 3.2.2.3).
fn trace_id(traceparent: &Raw) -> Option<Cow<'_, str>> {
    let text = traceparent.as_str().strip_prefix('"')?.strip_suffix('"')?;
    let id = text.split('-').nth(1)?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| match id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(id.to_ascii_lowercase()),
        false => Cow::Borrowed(id),
    })
}
