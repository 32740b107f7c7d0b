//! Metrics: counters and gauges that cost an atomic addition each, in a registry that is a value.
//!
//! A program makes a [`Metrics`] and passes it to the parts that count; there is no global registry. A part without one
//! counts for itself. Two parts that register the same name share the number.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    encoding::text,
    metrics::{counter, family::Family, gauge},
    registry::Registry,
};

/// The numbers of a program, or of one part of it. Clones hold the same numbers.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<Table>>);

/// Counts what happened. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Counter(counter::Counter);

/// How many there are of something now. Clones are the same number.
#[derive(Clone, Debug, Default)]
pub struct Gauge(gauge::Gauge);

/// So many more of what a [`Gauge`] tells, until it is dropped.
#[derive(Debug)]
pub struct Held(Gauge, i64);

/// A number as it was when [`Metrics::snapshot`] looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its name, as [`Metrics::render`] writes it.
    pub name: String,
    /// The label's name and value, if it has a label.
    pub label: Option<(&'static str, &'static str)>,
    /// The number.
    pub value: i64,
}

/// The name of the counter of refusals, as [`Metrics::render`] writes it. Its label `limit` is the name that the limit
/// has in the configuration and in the words of the refusal.
pub const REFUSALS: &str = "anyport_limit_refusals_total";

#[derive(Default)]
struct Table {
    registry: Registry,
    refusals: Option<Refusals>,
    counters: BTreeMap<&'static str, Counter>,
    gauges: BTreeMap<&'static str, Gauge>,
}

/// By limit.
struct Refusals {
    family: Family<[(&'static str, &'static str); 1], counter::Counter>,
    limits: BTreeMap<&'static str, Counter>,
}

const LIMIT: &str = "limit";

impl Metrics {
    /// No numbers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counter of what was refused by the limit of this name: `anyport_limit_refusals_total{limit="..."}`.
    pub fn refusals(&self, limit: &'static str) -> Counter {
        let mut table = self.lock();
        let Table { registry, refusals, .. } = &mut *table;
        let refusals = refusals.get_or_insert_with(|| {
            let family = Family::default();
            let name = REFUSALS.trim_end_matches("_total");
            registry.register(name, "What was refused, by the limit that refused it", family.clone());
            Refusals { family, limits: BTreeMap::new() }
        });
        let counter = refusals.limits.entry(limit).or_insert_with(|| {
            let labels = [(LIMIT, limit)];
            Counter(refusals.family.get_or_create(&labels).clone())
        });
        counter.clone()
    }

    /// Returns the counter `name`, which is rendered with the suffix `_total`. `help` describes it in a sentence; the
    /// first registration decides.
    pub fn counter(&self, name: &'static str, help: &str) -> Counter {
        let mut table = self.lock();
        let Table { registry, counters, .. } = &mut *table;
        let counter = counters.entry(name).or_insert_with(|| {
            let counter = Counter::default();
            registry.register(name, help.trim_end_matches('.'), counter.0.clone());
            counter
        });
        counter.clone()
    }

    /// Returns the gauge `name`. `help` describes it in a sentence; the first registration decides.
    pub fn gauge(&self, name: &'static str, help: &str) -> Gauge {
        let mut table = self.lock();
        let Table { registry, gauges, .. } = &mut *table;
        let gauge = gauges.entry(name).or_insert_with(|| {
            let gauge = Gauge::default();
            registry.register(name, help.trim_end_matches('.'), gauge.0.clone());
            gauge
        });
        gauge.clone()
    }

    /// All numbers as they are now: refusals, counters, gauges, each kind by name.
    pub fn snapshot(&self) -> Vec<Sample> {
        let table = self.lock();
        let refusals = table.refusals.iter().flat_map(|refusals| &refusals.limits);
        let refusals = refusals.map(|(limit, counter)| Sample {
            name: REFUSALS.to_owned(),
            label: Some((LIMIT, *limit)),
            value: counter.signed(),
        });
        let counters = table.counters.iter().map(|(name, counter)| Sample {
            name: format!("{name}_total"),
            label: None,
            value: counter.signed(),
        });
        let gauges = table.gauges.iter().map(|(name, gauge)| Sample {
            name: (*name).to_owned(),
            label: None,
            value: gauge.value(),
        });
        refusals.chain(counters).chain(gauges).collect()
    }

    /// All numbers as text for a collector: OpenMetrics 1.0, `application/openmetrics-text; version=1.0.0`.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a `String` does not fail.
        let _ = text::encode(&mut text, &self.lock().registry);
        text
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counter {
    /// Counts one more.
    pub fn increment(&self) {
        self.0.inc();
    }

    /// How many were counted.
    pub fn value(&self) -> u64 {
        self.0.get()
    }

    fn signed(&self) -> i64 {
        i64::try_from(self.value()).unwrap_or(i64::MAX)
    }
}

impl Gauge {
    /// One more, until what is returned is dropped.
    pub fn hold(&self) -> Held {
        self.hold_many(1)
    }

    /// So many more, until what is returned is dropped.
    pub fn hold_many(&self, count: usize) -> Held {
        let mut held = Held(self.clone(), 0);
        held.grow(count);
        held
    }

    /// How many there are.
    pub fn value(&self) -> i64 {
        self.0.get()
    }
}

impl Held {
    /// So many more than before.
    pub fn grow(&mut self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.0.0.inc_by(count);
        self.1 += count;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.dec_by(self.1);
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.snapshot()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_one_name_are_one_number_and_clones_see_it() {
        let metrics = Metrics::new();
        metrics.clone().refusals("max_things").increment();
        metrics.refusals("max_things").increment();
        metrics.refusals("max_others");
        let held = metrics.gauge("things", "Things there are").hold();
        assert_eq!(metrics.gauge("things", "Otherwise").value(), 1);
        let sample = |name: &str, label, value| Sample { name: name.to_owned(), label, value };
        let refusals = |limit, value| sample(REFUSALS, Some(("limit", limit)), value);
        assert_eq!(
            metrics.snapshot(),
            [refusals("max_others", 0), refusals("max_things", 2), sample("things", None, 1)]
        );
        let mut many = metrics.gauge("things", "Things there are").hold_many(3);
        many.grow(2);
        assert_eq!(metrics.gauge("things", "Things there are").value(), 6);
        drop((held, many));
        assert_eq!(metrics.gauge("things", "Things there are").value(), 0);
    }

    #[test]
    fn it_is_written_as_open_metrics() {
        let metrics = Metrics::new();
        metrics.counter("calls", "Calls that were made.").increment();
        metrics.refusals("max_things").increment();
        assert_eq!(
            metrics.render(),
            "# HELP calls Calls that were made.\n# TYPE calls counter\ncalls_total 1\n\
             # HELP anyport_limit_refusals What was refused, by the limit that refused it.\n\
             # TYPE anyport_limit_refusals counter\n\
             anyport_limit_refusals_total{limit=\"max_things\"} 1\n# EOF\n"
        );
    }
}
