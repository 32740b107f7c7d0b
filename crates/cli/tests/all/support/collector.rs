//! An OpenTelemetry collector: OTLP over HTTP, decoded by the messages of the OpenTelemetry project.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::Metric,
    trace::v1::Span,
};
use prost::Message as _;

use super::PATIENCE;

/// A collector that lives as long as the test.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    taken: Arc<(Mutex<Taken>, Condvar)>,
}

/// What was sent to a collector.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// The heads of the requests.
    pub(crate) heads: Vec<String>,
    /// All bytes of the bodies.
    pub(crate) bytes: Vec<u8>,
    pub(crate) spans: Vec<Span>,
    /// The attributes of what sent spans.
    pub(crate) resource: Vec<KeyValue>,
    /// The metrics of the last request with metrics.
    pub(crate) metrics: Vec<Metric>,
}

impl Collector {
    /// Accepts everything.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::<(Mutex<Taken>, Condvar)>::default();
        let shared = taken.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || while serve(&stream, &shared).is_some() {});
            }
        });
        Self { address, taken }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has been sent, once it fits.
    pub(crate) fn until(&self, fits: impl Fn(&Taken) -> bool) -> Taken {
        let (taken, changed) = &*self.taken;
        let guard = taken.lock().unwrap();
        let (guard, waited) = changed.wait_timeout_while(guard, PATIENCE, |taken| !fits(taken)).unwrap();
        let names: Vec<_> =
            guard.spans.iter().map(|span| (&span.name, attribute(&span.attributes, "error.type"))).collect();
        assert!(!waited.timed_out(), "the collector has only {names:?}");
        guard.clone()
    }
}

fn serve(stream: &TcpStream, shared: &(Mutex<Taken>, Condvar)) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    {
        let mut taken = shared.0.lock().unwrap();
        if head.starts_with("POST /v1/traces ") {
            let message = ExportTraceServiceRequest::decode(&*body).unwrap();
            for of_resource in message.resource_spans {
                taken.resource = of_resource.resource.unwrap().attributes;
                taken.spans.extend(of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        } else if head.starts_with("POST /v1/metrics ") {
            let message = ExportMetricsServiceRequest::decode(&*body).unwrap();
            let scopes = message.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
            taken.metrics = scopes.flat_map(|scope| scope.metrics).collect();
        } else {
            panic!("{head}");
        }
        taken.heads.push(head);
        taken.bytes.extend(&body);
    }
    shared.1.notify_all();
    let mut stream = stream;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")
        .ok()
}

/// The text of an attribute; that of a number in digits.
pub(crate) fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

/// The trace context that goes on from a span.
pub(crate) fn traceparent(span: &Span) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("00-{}-{}-01", hex(&span.trace_id), hex(&span.span_id))
}
