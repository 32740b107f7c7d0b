//! The histograms of the conventions: `mcp.server.operation.duration` and `mcp.client.operation.duration`.

use std::{borrow::Cow, collections::HashMap, time::Duration};

use anyport_metrics::Counter;
use anyport_service::sync::Lock;
use bytestring::ByteString;
use opentelemetry_proto::tonic::{
    common::v1::KeyValue,
    metrics::v1::{AggregationTemporality, Histogram, HistogramDataPoint, Metric, metric::Data},
};

use crate::{
    attribute::{text, truth},
    operation::{End, Operation, cut},
    redact::Redact,
};

/// Which end of a call is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Server,
    Client,
}

/// The durations of calls, by series.
#[derive(Debug)]
pub(crate) struct Durations {
    series: Lock<HashMap<Series, Buckets>>,
    most: usize,
    beyond: Counter,
}

/// What calls are told apart by. There are only so many, whatever callers do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Series {
    side: Side,
    /// `None`: all that are beyond the limit.
    of: Option<Kind>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    method: &'static str,
    revision: &'static str,
    target: Option<(&'static str, ByteString)>,
    error: Option<Cow<'static, str>>,
    transport: Option<&'static str>,
}

#[derive(Clone, Debug, Default)]
struct Buckets {
    counts: [u64; BOUNDS.len() + 1],
    sum: f64,
    min: f64,
    max: f64,
}

/// "This metric SHOULD be specified with ExplicitBucketBoundaries of" these seconds.
const BOUNDS: [f64; 14] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

impl Durations {
    /// At most `most` series; calls of others are counted in `beyond`.
    pub(crate) fn new(most: usize, beyond: Counter) -> Self {
        Self { series: Lock::default(), most, beyond }
    }

    pub(crate) fn record(
        &self,
        side: Side,
        operation: &Operation,
        (end, lasted): (&End, Duration),
        redact: &Redact,
    ) {
        // The name of a call that was refused, or cancelled before anyone looked for it, may be any text.
        let target = operation.named_target().filter(|_| !end.may_be_unknown());
        let kind = Kind {
            method: operation.method_of_metric(),
            revision: operation.revision,
            target: target.map(|(key, name)| (key, name.clone())),
            error: end.error_type.clone(),
            transport: operation.network.map(|network| network.transport),
        };
        let mut all = self.series.lock();
        let series = Series { side, of: Some(kind) };
        if let Some(buckets) = all.get_mut(&series) {
            return buckets.add(lasted);
        }
        // What is kept shares no bytes with the request, and shows no secret that stands in a name.
        let own = |mut kind: Kind| {
            kind.target =
                kind.target.map(|(key, name)| (key, ByteString::from(cut(&redact(&name)).to_owned())));
            kind
        };
        let series = Series { side, of: series.of.map(own) };
        let series = if all.contains_key(&series) || all.len() < self.most {
            series
        } else {
            self.beyond.increment();
            Series { side, of: None }
        };
        all.entry(series).or_default().add(lasted);
    }

    /// The histograms, whose numbers begin at `since`.
    pub(crate) fn metrics(&self, since: u64, now: u64) -> Vec<Metric> {
        let mut points = [Vec::new(), Vec::new()];
        for (series, buckets) in self.series.lock().iter() {
            points[series.side as usize].push(buckets.point(series.attributes(), since, now));
        }
        let metrics = DESCRIBED.into_iter().zip(points).filter(|(_, points)| !points.is_empty());
        let metrics = metrics.map(|((name, description), data_points)| Metric {
            name: name.to_owned(),
            description: description.to_owned(),
            unit: "s".to_owned(),
            data: Some(Data::Histogram(Histogram {
                data_points,
                aggregation_temporality: AggregationTemporality::Cumulative.into(),
            })),
            ..Metric::default()
        });
        metrics.collect()
    }
}

/// By [`Side`].
const DESCRIBED: [(&str, &str); 2] = [
    (
        "mcp.server.operation.duration",
        "MCP request or notification duration as observed on the receiver from the time it was received until the result or ack is sent.",
    ),
    (
        "mcp.client.operation.duration",
        "The duration of the MCP request or notification as observed on the sender from the time it was sent until the response or ack is received.",
    ),
];

impl Series {
    fn attributes(&self) -> Vec<KeyValue> {
        let Some(kind) = &self.of else { return vec![truth("otel.metric.overflow", true)] };
        let mut attributes =
            vec![text("mcp.method.name", kind.method), text("mcp.protocol.version", kind.revision)];
        attributes.extend(kind.target.as_ref().map(|(key, name)| text(key, &**name)));
        attributes.extend(kind.error.as_ref().map(|error| text("error.type", &**error)));
        attributes.extend(kind.transport.map(|transport| text("network.transport", transport)));
        attributes
    }
}

impl Buckets {
    fn add(&mut self, lasted: Duration) {
        let seconds = lasted.as_secs_f64();
        let is_first = self.counts == [0; BOUNDS.len() + 1];
        self.min = if is_first { seconds } else { self.min.min(seconds) };
        self.max = self.max.max(seconds);
        self.sum += seconds;
        self.counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
    }

    fn point(&self, attributes: Vec<KeyValue>, since: u64, now: u64) -> HistogramDataPoint {
        HistogramDataPoint {
            attributes,
            start_time_unix_nano: since,
            time_unix_nano: now,
            count: self.counts.iter().sum(),
            sum: Some(self.sum),
            bucket_counts: self.counts.to_vec(),
            explicit_bounds: BOUNDS.to_vec(),
            min: Some(self.min),
            max: Some(self.max),
            ..HistogramDataPoint::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use anyport_metrics::Metrics;
    use anyport_protocol::{Method, Raw};
    use anyport_service::Request;

    use super::*;

    fn call(name: &str) -> Operation {
        let params = Raw::trusted_text(format!(r#"{{"name":"{name}"}}"#));
        Operation::of(&Request::new(Method::ToolsCall, params), "2026-07-28", None)
    }

    fn points(durations: &Durations) -> Vec<HistogramDataPoint> {
        let data = durations.metrics(1, 2).into_iter().filter_map(|metric| metric.data);
        data.flat_map(|data| match data {
            Data::Histogram(histogram) => histogram.data_points,
            other => panic!("{other:?}"),
        })
        .collect()
    }

    #[test]
    fn durations_fall_into_the_buckets_of_the_convention() {
        let durations = Durations::new(10, Counter::default());
        for milliseconds in [0, 10, 11, 400_000] {
            let lasted = Duration::from_millis(milliseconds);
            durations.record(Side::Server, &call("a"), (&End::default(), lasted), &plain());
        }
        let [point] = &points(&durations)[..] else { panic!() };
        assert_eq!((point.count, point.min, point.max), (4, Some(0.0), Some(400.0)));
        // A bound belongs to the bucket below it.
        assert_eq!(point.bucket_counts, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(point.explicit_bounds, BOUNDS);
    }

    fn plain() -> Redact {
        std::sync::Arc::new(|text| Cow::Borrowed(text))
    }

    #[test]
    fn a_cancelled_call_has_no_name_and_a_secret_in_a_name_is_covered() {
        let durations = Durations::new(10, Counter::default());
        for index in 0..5 {
            let call = call(&format!("none{index}"));
            durations.record(Side::Server, &call, (&End::cancelled(), Duration::ZERO), &plain());
        }
        assert_eq!(points(&durations).len(), 1);
        let redact: Redact = std::sync::Arc::new(|text| Cow::Owned(text.replace("hunter2", "***")));
        for _ in 0..2 {
            durations.record(Side::Server, &call("hunter2"), (&End::default(), Duration::ZERO), &redact);
        }
        let points = points(&durations);
        let text = format!("{points:?}");
        assert!(points.len() == 2 && text.contains("***") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn callers_cannot_make_series_without_end() {
        let refusals = Metrics::new().refusals("telemetry_series");
        let durations = Durations::new(2, refusals.clone());
        let refused = End { error_type: Some("-32602".into()), code: Some(-32_602), ..End::default() };
        // Names that do not exist are one series.
        for index in 0..5 {
            let call = call(&format!("none{index}"));
            durations.record(Side::Server, &call, (&refused, Duration::ZERO), &plain());
        }
        assert_eq!(points(&durations).len(), 1);
        for name in ["a", "b", "c", "a"] {
            durations.record(Side::Server, &call(name), (&End::default(), Duration::ZERO), &plain());
        }
        let points = points(&durations);
        let overflow = |point: &&HistogramDataPoint| point.attributes[0].key == "otel.metric.overflow";
        assert_eq!(points.iter().find(overflow).map(|point| point.count), Some(2));
        assert_eq!((points.len(), refusals.value()), (3, 2));
    }
}
