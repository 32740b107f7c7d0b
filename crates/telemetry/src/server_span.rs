use std::{fmt, time::SystemTime};

use anyport_service::{Context, Reply, Request, Service};
use tower_layer::Layer;

use crate::{
    Telemetry,
    durations::Side,
    operation::{Operation, address},
    span::{Measured, Recorded},
    trace_context::{TraceContext, trace_state},
};

/// Measures the calls that come in: makes a `ServerSpan`. It stands outside everything else, so that its span covers whatever refuses a
/// call, and the audit log has its trace.
#[derive(Clone, Debug)]
pub struct ServerSpanLayer(Telemetry);

/// A service whose calls have server spans.
pub struct ServerSpan<S> {
    inner: S,
    telemetry: Telemetry,
}

impl ServerSpanLayer {
    /// Reports to `telemetry`.
    pub fn new(telemetry: Telemetry) -> Self {
        Self(telemetry)
    }
}

impl<S> Layer<S> for ServerSpanLayer {
    type Service = ServerSpan<S>;

    fn layer(&self, inner: S) -> ServerSpan<S> {
        ServerSpan { inner, telemetry: self.0.clone() }
    }
}

impl<S> fmt::Debug for ServerSpan<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSpan").finish_non_exhaustive()
    }
}

impl<S: Service> Service for ServerSpan<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let operation = Operation::incoming(&request, &context);
        let Some(sampler) = self.telemetry.sampler() else {
            let measured = Measured::new(self.telemetry.clone(), Side::Server, operation, None);
            return self.inner.call(request, context).relay(measured);
        };
        // "The receiver extracts the context from `params._meta` and uses it as the remote parent." What surrounds the message, such as
        // the HTTP request, comes after it.
        let of_message = context.traceparent().and_then(TraceContext::of);
        let headers = context.trace_headers().filter(|_| of_message.is_none());
        let parent =
            of_message.or_else(|| headers.and_then(|headers| TraceContext::of(&headers.traceparent)));
        let mut own = parent.map_or_else(TraceContext::root, TraceContext::child);
        own.is_sampled = sampler.samples(own, parent);
        let span = own.is_sampled.then(|| {
            let state = match headers {
                Some(headers) => headers.tracestate.clone(),
                None => request.params.member("_meta").and_then(|meta| meta.member("tracestate")),
            };
            let mut attributes = operation.attributes(self.telemetry.redact());
            attributes.extend(context.address().map(|ip| address("client.address", &ip.to_string())));
            Box::new(Recorded {
                context: own,
                parent,
                has_remote_parent: parent.is_some(),
                trace_state: parent.and(state).as_ref().and_then(trace_state),
                attributes,
                started: SystemTime::now(),
            })
        });
        let measured = Measured::new(self.telemetry.clone(), Side::Server, operation, span);
        let context = context.with_traceparent(own.to_member());
        self.inner.call(request, context).relay(measured)
    }
}
