use std::{fmt, sync::Arc, time::SystemTime};

use anyport_protocol::{
    Raw,
    json::Splice,
    meta::key::{BAGGAGE, TRACEPARENT, TRACESTATE},
};
use anyport_service::{Context, Network, Reply, Request, Service};

use crate::{
    Telemetry,
    durations::Side,
    operation::{Operation, address, port},
    span::{Measured, Recorded},
    trace_context::{TraceContext, trace_state},
};

/// A connection to a server whose calls have client spans. The trace context of the span goes to the server.
pub struct ClientSpan {
    inner: Arc<dyn Service>,
    telemetry: Telemetry,
    peer: Peer,
}

/// The server of a connection, as its spans name it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name in the configuration: `anyport.upstream`.
    pub name: Arc<str>,
    /// The revision that was agreed on.
    pub revision: &'static str,
    /// How it is reached.
    pub network: Option<Network>,
    /// Its host, or the path of its socket.
    pub address: Option<Arc<str>>,
    /// Its port.
    pub port: Option<u16>,
}

impl ClientSpan {
    /// Reports the calls of `inner`, which is a connection to `peer`, to `telemetry`.
    pub fn new(inner: Arc<dyn Service>, peer: Peer, telemetry: Telemetry) -> Self {
        Self { inner, telemetry, peer }
    }
}

impl fmt::Debug for ClientSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSpan").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Service for ClientSpan {
    fn call(&self, request: Request, context: Context) -> Reply {
        let operation = Operation::of(&request, self.peer.revision, self.peer.network);
        let Some(sampler) = self.telemetry.sampler() else {
            let measured = Measured::new(self.telemetry.clone(), Side::Client, operation, None);
            return self.inner.call(request, context).relay(measured);
        };
        // The server span has put its own into the context. A call that no client has made begins a trace.
        let parent = context.traceparent().and_then(TraceContext::of);
        let own = match parent {
            Some(parent) => parent.child(),
            None => {
                let root = TraceContext::root();
                TraceContext { is_sampled: sampler.samples(root, None), ..root }
            }
        };
        let span = own.is_sampled.then(|| {
            let mut attributes = operation.attributes(self.telemetry.redact());
            attributes.push(address("anyport.upstream", &self.peer.name));
            attributes.extend(self.peer.address.as_ref().map(|host| address("server.address", host)));
            attributes.extend(self.peer.port.map(port));
            let state = request.params.member("_meta").and_then(|meta| meta.member("tracestate"));
            Box::new(Recorded {
                context: own,
                parent,
                has_remote_parent: false,
                trace_state: parent.and(state).as_ref().and_then(trace_state),
                attributes,
                started: SystemTime::now(),
            })
        });
        let measured = Measured::new(self.telemetry.clone(), Side::Client, operation, span);
        let member = own.to_member();
        let request = carrying(request, &context, &member);
        let context = context.with_traceparent(member);
        self.inner.call(request, context).relay(measured)
    }
}

/// The request with `traceparent` in its `_meta` (2026-07-28, basic §_meta: the keys `traceparent`, `tracestate` and `baggage`), and with the
/// `tracestate` and `baggage` of the HTTP request that it came by if it has none of its own. A `tracestate` whose `traceparent` is not valid
/// stays behind (W3C Trace Context, section 3.3: "If the vendor failed to parse traceparent, it MUST NOT attempt to parse tracestate"). All
/// else stays byte for byte.
fn carrying(request: Request, context: &Context, traceparent: &Raw) -> Request {
    let params = request.params.raw();
    let meta = request.params.member("_meta").filter(Raw::is_object).unwrap_or(Raw::EMPTY_OBJECT);
    let has_own = meta.member(TRACEPARENT).as_ref().and_then(TraceContext::of).is_some();
    let headers = context.trace_headers().filter(|_| !has_own);
    let (state, baggage) = match headers {
        Some(headers) => {
            let is_valid = TraceContext::of(&headers.traceparent).is_some();
            (headers.tracestate.as_ref().filter(|_| is_valid), headers.baggage.as_ref())
        }
        None => (None, None),
    };
    let stays = |key: &str| match key {
        TRACEPARENT => false,
        // It belongs to the `traceparent` that it came with.
        TRACESTATE => has_own,
        BAGGAGE => baggage.is_none(),
        _ => true,
    };
    let further = [(TRACESTATE, state), (BAGGAGE, baggage)];
    let meta = Splice::retain(&meta, stays).with(TRACEPARENT, traceparent);
    let meta = further
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .fold(meta, |meta, (key, value)| meta.with(key, value));
    let params = Splice::retain(params, |key| key != "_meta").with("_meta", &meta.finish()).finish();
    Request { method: request.method, params: params.into() }
}
