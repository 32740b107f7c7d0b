//! A span from its begin to its end.

use std::time::SystemTime;

use anyport_service::{Outcome, Relay};
use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    trace::v1::{Span, SpanFlags, Status, span::SpanKind, status::StatusCode},
};
use tokio::time::Instant;

use crate::{
    durations::Side,
    moment::nanoseconds,
    operation::{End, Operation, cut},
    telemetry::Telemetry,
    trace_context::TraceContext,
};

/// Measures one call: its duration, and its span if that is recorded. A reply that is dropped before it ends is a call that was
/// cancelled.
pub(crate) struct Measured {
    telemetry: Telemetry,
    side: Side,
    operation: Operation,
    started: Instant,
    /// Boxed: nearly all calls of a busy server are not recorded.
    span: Option<Box<Recorded>>,
    is_over: bool,
}

/// What is kept of a span that is recorded.
pub(crate) struct Recorded {
    pub(crate) context: TraceContext,
    pub(crate) parent: Option<TraceContext>,
    /// Whether the parent is of another program.
    pub(crate) has_remote_parent: bool,
    pub(crate) trace_state: Option<String>,
    pub(crate) attributes: Vec<KeyValue>,
    pub(crate) started: SystemTime,
}

impl Measured {
    pub(crate) fn new(
        telemetry: Telemetry,
        side: Side,
        operation: Operation,
        span: Option<Box<Recorded>>,
    ) -> Self {
        Self { telemetry, side, operation, started: Instant::now(), span, is_over: false }
    }

    fn end(&mut self, end: &End) {
        self.is_over = true;
        let lasted = self.started.elapsed();
        let redact = self.telemetry.redact();
        self.telemetry.durations().record(self.side, &self.operation, (end, lasted), redact);
        let Some(recorded) = self.span.take() else { return };
        let Recorded { context, parent, has_remote_parent, trace_state, mut attributes, started } = *recorded;
        attributes.extend(end.attributes(self.side == Side::Client));
        let begun = nanoseconds(started);
        let lasted = u64::try_from(lasted.as_nanos()).unwrap_or(u64::MAX);
        // "Span status SHOULD be set to `ERROR` when `error.type` attribute is present."
        let status = end.error_type.as_ref().map(|_| Status {
            message: end.message.as_ref().map(|text| cut(&redact(text)).to_owned()).unwrap_or_default(),
            code: StatusCode::Error.into(),
        });
        let mut flags = SpanFlags::ContextHasIsRemoteMask as u32 | u32::from(context.is_sampled);
        if has_remote_parent {
            flags |= SpanFlags::ContextIsRemoteMask as u32;
        }
        self.telemetry.send(Span {
            trace_id: context.trace_id.to_be_bytes().to_vec(),
            span_id: context.span_id.to_be_bytes().to_vec(),
            trace_state: trace_state.unwrap_or_default(),
            parent_span_id: parent.map(|parent| parent.span_id.to_be_bytes().to_vec()).unwrap_or_default(),
            flags,
            name: self.operation.span_name(redact),
            kind: match self.side {
                Side::Server => SpanKind::Server,
                Side::Client => SpanKind::Client,
            }
            .into(),
            start_time_unix_nano: begun,
            // By the clock that never goes back.
            end_time_unix_nano: begun.saturating_add(lasted),
            attributes,
            status,
            ..Span::default()
        });
    }
}

impl Relay for Measured {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        self.end(&End::of(&outcome));
        outcome
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(&End::cancelled());
        }
    }
}
