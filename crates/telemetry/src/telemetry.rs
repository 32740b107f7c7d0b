use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyport_metrics::{Counter, Metrics};
use anyport_service::sync::Lock;
use anyport_transport::client::http::Fault;
use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::InstrumentationScope,
    metrics::v1::{ResourceMetrics, ScopeMetrics},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    Options, Sampler, TelemetryLimits, attribute::named, collector::Collector, durations::Durations,
    moment::nanoseconds, numbers::numbers, redact::Redact,
};

/// Takes spans and durations, and sends them. Clones are the same.
///
/// Nothing waits for the collector: spans wait in a queue, and one for which there is no room is dropped and counted.
#[derive(Clone)]
pub struct Telemetry(Arc<Shared>);

struct Shared {
    sampler: Option<Sampler>,
    spans: mpsc::Sender<Span>,
    /// Half of the queue is full.
    filled: Notify,
    dropped: Counter,
    durations: Durations,
    redact: Redact,
    stop: watch::Sender<bool>,
    tasks: Lock<JoinSet<()>>,
}

/// What is sent with every request.
#[derive(Clone)]
struct Sent {
    resource: Resource,
    scope: InstrumentationScope,
}

/// The spans of one request.
const BATCH: usize = 512;

impl Telemetry {
    /// Begins to send as `options` say. What is dropped or lost is counted in `metrics`, whose numbers are sent. Texts that callers have
    /// written go through `redact`.
    ///
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the URL of a collector is none, or a header cannot be sent.
    pub fn start(
        options: &Options,
        limits: TelemetryLimits,
        metrics: &Metrics,
        redact: Redact,
    ) -> Result<Self, Fault> {
        let traces = options.traces.as_ref().map(Collector::new).transpose()?;
        let numbers = options.metrics.as_ref().map(Collector::new).transpose()?;
        let (spans, queue) = mpsc::channel(limits.queue.max(1));
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            sampler: traces.as_ref().map(|_| options.sampler),
            spans,
            filled: Notify::new(),
            dropped: metrics.refusals("telemetry_queue"),
            durations: Durations::new(limits.series, metrics.refusals("telemetry_series")),
            redact,
            stop,
            tasks: Lock::default(),
        });
        let sent = Sent {
            resource: Resource {
                attributes: options.resource.iter().map(|(name, value)| named(name, value)).collect(),
                ..Resource::default()
            },
            scope: InstrumentationScope {
                name: "anyport".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            },
        };
        let lost = metrics.counter("anyport_telemetry_lost_spans", "Spans that the collector did not accept");
        let failures =
            metrics.counter("anyport_telemetry_failures", "Requests that the collector did not accept");
        let mut tasks = shared.tasks.lock();
        if let Some(collector) = traces {
            let sender =
                SpanSender { collector, queue, sent: sent.clone(), lost, failures: failures.clone() };
            tasks.spawn(sender.run(shared.clone(), options.span_interval, stopped.clone()));
        }
        if let Some(collector) = numbers {
            let sender = NumberSender { collector, metrics: metrics.clone(), sent, failures };
            tasks.spawn(sender.run(shared.clone(), options.metric_interval, stopped));
        }
        drop(tasks);
        Ok(Self(shared))
    }

    /// Sends what waits, within `patience`, and ends.
    pub async fn shut_down(&self, patience: Duration) {
        let _ = self.0.stop.send(true);
        let mut tasks = std::mem::take(&mut *self.0.tasks.lock());
        // What cannot be sent in this time is lost: the program ends.
        let _ = timeout(patience, async { while tasks.join_next().await.is_some() {} }).await;
        tasks.shutdown().await;
    }

    /// Which traces are recorded; `None`: spans go nowhere.
    pub(crate) fn sampler(&self) -> Option<Sampler> {
        self.0.sampler
    }

    pub(crate) fn durations(&self) -> &Durations {
        &self.0.durations
    }

    pub(crate) fn redact(&self) -> &Redact {
        &self.0.redact
    }

    /// Queues a span that has ended.
    pub(crate) fn send(&self, span: Span) {
        if self.0.spans.try_send(span).is_err() {
            self.0.dropped.increment();
        }
        if self.0.spans.capacity() <= self.0.spans.max_capacity() / 2 {
            self.0.filled.notify_one();
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("sampler", &self.0.sampler).finish_non_exhaustive()
    }
}

struct SpanSender {
    collector: Collector,
    queue: mpsc::Receiver<Span>,
    sent: Sent,
    lost: Counter,
    failures: Counter,
}

impl SpanSender {
    async fn run(mut self, shared: Arc<Shared>, interval: Duration, mut stopped: watch::Receiver<bool>) {
        let mut reporter = Reporter::new("spans", self.failures.clone());
        loop {
            let is_last = tokio::select! {
                () = sleep(interval) => false,
                () = shared.filled.notified() => false,
                () = stopping(&mut stopped) => true,
            };
            while let Some(batch) = self.batch() {
                let count = batch.len();
                if !reporter.report(self.collector.send(&self.sent.spans(batch)).await) {
                    (0..count).for_each(|_| self.lost.increment());
                }
            }
            if is_last {
                return;
            }
        }
    }

    /// What waits, as much as one request takes.
    fn batch(&mut self) -> Option<Vec<Span>> {
        let first = self.queue.try_recv().ok()?;
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(span) = self.queue.try_recv()
        {
            batch.push(span);
        }
        Some(batch)
    }
}

struct NumberSender {
    collector: Collector,
    metrics: Metrics,
    sent: Sent,
    failures: Counter,
}

impl NumberSender {
    async fn run(self, shared: Arc<Shared>, interval: Duration, mut stopped: watch::Receiver<bool>) {
        let since = nanoseconds(SystemTime::now());
        let mut reporter = Reporter::new("metrics", self.failures.clone());
        loop {
            let is_last = tokio::select! {
                () = sleep(interval) => false,
                () = stopping(&mut stopped) => true,
            };
            let now = nanoseconds(SystemTime::now());
            let mut metrics = shared.durations.metrics(since, now);
            metrics.extend(numbers(&self.metrics, since, now));
            let message = ExportMetricsServiceRequest {
                resource_metrics: vec![ResourceMetrics {
                    resource: Some(self.sent.resource.clone()),
                    scope_metrics: vec![ScopeMetrics {
                        scope: Some(self.sent.scope.clone()),
                        metrics,
                        ..ScopeMetrics::default()
                    }],
                    ..ResourceMetrics::default()
                }],
            };
            reporter.report(self.collector.send(&message).await);
            if is_last {
                return;
            }
        }
    }
}

/// Completes once the end is requested, or the last handle is gone.
async fn stopping(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|is_stopped| *is_stopped).await;
}

impl Sent {
    fn spans(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(self.scope.clone()),
                    spans,
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        }
    }
}

/// Logs when sending begins to fail, and when it works again, and nothing between.
struct Reporter {
    what: &'static str,
    failures: Counter,
    is_failing: bool,
}

impl Reporter {
    fn new(what: &'static str, failures: Counter) -> Self {
        Self { what, failures, is_failing: false }
    }

    /// Whether it was accepted.
    fn report<E: fmt::Display>(&mut self, sent: Result<(), E>) -> bool {
        let (what, was_failing) = (self.what, self.is_failing);
        self.is_failing = sent.is_err();
        match sent {
            Ok(()) if was_failing => tracing::info!("{what} reach the collector again"),
            Ok(()) => {}
            Err(error) => {
                self.failures.increment();
                if !was_failing {
                    tracing::warn!(%error, "{what} do not reach the collector, and are lost until they do");
                }
            }
        }
        !self.is_failing
    }
}
