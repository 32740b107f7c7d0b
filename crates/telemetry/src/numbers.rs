//! The metrics of the program as OTLP, under the names that `/metrics` has.

use anyport_metrics::{Metrics, Sample};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, Sum, metric::Data, number_data_point::Value,
};

use crate::attribute::named;

/// The numbers of `metrics` as they are now; counters began at `since`.
pub(crate) fn numbers(metrics: &Metrics, since: u64, now: u64) -> Vec<Metric> {
    let mut all: Vec<Metric> = Vec::new();
    for sample in metrics.snapshot() {
        let point = point(&sample, since, now);
        // Samples of one name stand beside each other.
        match all.last_mut() {
            Some(metric) if metric.name == sample.name => match &mut metric.data {
                Some(Data::Sum(sum)) => sum.data_points.push(point),
                Some(Data::Gauge(gauge)) => gauge.data_points.push(point),
                _ => {}
            },
            _ => all.push(metric(sample, point)),
        }
    }
    all
}

fn metric(sample: Sample, point: NumberDataPoint) -> Metric {
    let data = if is_counter(&sample) {
        Data::Sum(Sum {
            data_points: vec![point],
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        })
    } else {
        Data::Gauge(Gauge { data_points: vec![point] })
    };
    Metric { name: sample.name, data: Some(data), ..Metric::default() }
}

fn point(sample: &Sample, since: u64, now: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: sample.label.iter().map(|(name, value)| named(name, value)).collect(),
        start_time_unix_nano: if is_counter(sample) { since } else { 0 },
        time_unix_nano: now,
        value: Some(Value::AsInt(sample.value)),
        ..NumberDataPoint::default()
    }
}

/// By the suffix that only counters have.
fn is_counter(sample: &Sample) -> bool {
    sample.name.ends_with("_total")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_sums_and_labels_are_attributes() {
        let metrics = Metrics::new();
        metrics.refusals("max_a").increment();
        metrics.refusals("max_b");
        let held = metrics.gauge("things", "Things").hold_many(3);
        let all = numbers(&metrics, 1, 2);
        let [refusals, things] = &all[..] else { panic!("{all:?}") };
        let Some(Data::Sum(sum)) = &refusals.data else { panic!("{refusals:?}") };
        assert!(sum.is_monotonic && refusals.name == "anyport_limit_refusals_total");
        let values: Vec<_> = sum.data_points.iter().map(|point| point.value).collect();
        assert_eq!(values, [Some(Value::AsInt(1)), Some(Value::AsInt(0))]);
        assert_eq!(sum.data_points[0].attributes, [named("limit", "max_a")]);
        let Some(Data::Gauge(gauge)) = &things.data else { panic!("{things:?}") };
        assert_eq!(gauge.data_points[0].value, Some(Value::AsInt(3)));
        drop(held);
    }
}
