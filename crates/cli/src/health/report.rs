//! All that is known of how a program is.

use std::time::Duration;

use anyport_knowledge::machine::{Machine, rounded, tasks};
use anyport_metrics::Metrics;
use anyport_transport::http;
use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::dependency::{Dependency, DependencyStatus};
use crate::listen::Limits;

/// How a program is.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// healthy; degraded if processors, memory or a pool are used above 90 %, or something that is needed is not there; unhealthy if
    /// nothing of what it serves is there
    pub(crate) status: Status,
    /// Why it is not healthy
    pub(crate) reasons: Vec<String>,
    /// When this was found out, ISO 8601
    pub(crate) timestamp: String,
    /// The machine
    pub(crate) system: Machine,
    /// This program
    pub(crate) application: Application,
    /// What there is a limited number of
    pub(crate) pools: IndexMap<&'static str, Pool>,
    /// What it needs, by name
    pub(crate) dependencies: IndexMap<String, Dependency>,
}

/// How a program is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Healthy,
    Degraded,
    Unhealthy,
}

/// This program.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Application {
    /// How many tasks run or wait, connections and calls among them
    pub(crate) pending_tasks: usize,
    /// For how long the program has been there, in seconds
    pub(crate) uptime_seconds: f64,
    /// Version of the program
    pub(crate) version: &'static str,
}

/// Something that there is a limited number of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Pool {
    /// How many are in use
    pub(crate) in_use: i64,
    /// How many there may be
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max: Option<usize>,
}

/// How much there may be of what is counted.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    calls: usize,
    parked: usize,
    buffered: usize,
}

impl Bounds {
    /// Those of `limits`.
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            calls: limits.edge.max_concurrent_calls,
            parked: limits.park.parked_total,
            buffered: limits.buffers.bytes,
        }
    }
}

impl Report {
    pub(super) fn new(
        system: Machine,
        uptime: Duration,
        metrics: &Metrics,
        bounds: Bounds,
        dependencies: IndexMap<String, Dependency>,
    ) -> Self {
        let pools = pools(metrics, bounds);
        let mut reasons = Vec::new();
        if system.cpu_percent > BUSY_PERCENT {
            reasons.push(format!("processors are used to {} %", system.cpu_percent));
        }
        if system.memory_percent > BUSY_PERCENT {
            reasons.push(format!("memory is used to {} %", system.memory_percent));
        }
        reasons.extend(pools.iter().filter(|(_, pool)| pool.is_nearly_used_up()).map(|(name, pool)| {
            format!("{name}: {} of {} are in use", pool.in_use, pool.max.unwrap_or_default())
        }));
        let missing = dependencies.iter().filter(|(_, one)| one.status == DependencyStatus::Unhealthy);
        reasons.extend(missing.map(|(name, one)| match one.kind == *name {
            true => format!("the {name} is not there"),
            false => format!("the {} {name} is not there", one.kind),
        }));
        let status = match reasons.is_empty() {
            true => Status::Healthy,
            false if serves_nothing(&dependencies) => Status::Unhealthy,
            false => Status::Degraded,
        };
        let application = Application {
            pending_tasks: tasks(),
            uptime_seconds: rounded(uptime.as_secs_f64()),
            version: env!("CARGO_PKG_VERSION"),
        };
        let timestamp = format!("{:.3}", Timestamp::now());
        Self { status, reasons, timestamp, system, application, pools, dependencies }
    }

    /// Everything but the status.
    pub(super) fn details(&self) -> Value {
        let mut all = json!(self);
        if let Some(all) = all.as_object_mut() {
            all.shift_remove("status");
        }
        all
    }
}

/// Above how much of something that is limited a program is degraded, in percent.
const BUSY_PERCENT: f64 = 90.0;

/// Whether none of the servers and documents is there.
fn serves_nothing(dependencies: &IndexMap<String, Dependency>) -> bool {
    let mut served = dependencies.values().filter(|one| one.kind != "store").peekable();
    served.peek().is_some() && served.all(|one| one.status == DependencyStatus::Unhealthy)
}

fn pools(metrics: &Metrics, bounds: Bounds) -> IndexMap<&'static str, Pool> {
    let samples = metrics.snapshot();
    let pool = |name: &'static str, gauge: &str, max: Option<usize>| {
        let in_use = samples.iter().find(|sample| sample.name == gauge)?.value;
        Some((name, Pool { in_use, max }))
    };
    let all = [
        pool("calls", "anyport_calls_running", Some(bounds.calls)),
        pool("parked_calls", "anyport_parked_calls", Some(bounds.parked)),
        pool("buffered_bytes", "anyport_buffered_bytes", Some(bounds.buffered)),
        pool("upstream_connections", "anyport_upstream_connections", None),
    ];
    all.into_iter().flatten().collect()
}

impl Pool {
    fn is_nearly_used_up(&self) -> bool {
        self.max.is_some_and(|max| max > 0 && self.in_use as f64 * 100.0 > max as f64 * BUSY_PERCENT)
    }
}

impl From<Status> for http::HealthStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Healthy => Self::Healthy,
            Status::Degraded => Self::Degraded,
            Status::Unhealthy => Self::Unhealthy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Machine = Machine { cpu_percent: 5.0, memory_percent: 5.0, memory_available_mb: 1e3 };
    const BOUNDS: Bounds = Bounds { calls: 10, parked: 10, buffered: 100 };

    fn dependency(kind: &'static str, status: DependencyStatus) -> Dependency {
        Dependency { status, kind, since: None, latency_ms: None, last_error: None }
    }

    fn status(
        system: Machine,
        metrics: &Metrics,
        all: &[(&str, &'static str, DependencyStatus)],
    ) -> (Status, Vec<String>) {
        let all = all.iter().map(|(name, kind, status)| ((*name).to_owned(), dependency(kind, *status)));
        let report = Report::new(system, Duration::from_secs(1), metrics, BOUNDS, all.collect());
        (report.status, report.reasons)
    }

    #[test]
    fn what_is_used_above_90_percent_or_is_down_degrades_and_nothing_to_serve_is_unhealthy() {
        use DependencyStatus::{Healthy, Unhealthy, Unknown};
        let (none, metrics) = (&Metrics::new(), Metrics::new());
        assert_eq!(status(CALM, none, &[]).0, Status::Healthy);
        let busy = Machine { cpu_percent: 90.1, ..CALM };
        assert_eq!(status(busy, none, &[]), (Status::Degraded, vec!["processors are used to 90.1 %".into()]));
        assert_eq!(status(Machine { memory_percent: 90.0, ..CALM }, none, &[]).0, Status::Healthy);
        let calls = metrics.gauge("anyport_calls_running", "Calls").hold_many(9);
        assert_eq!(status(CALM, &metrics, &[]).0, Status::Healthy);
        let more = metrics.gauge("anyport_calls_running", "Calls").hold();
        assert_eq!(
            status(CALM, &metrics, &[]),
            (Status::Degraded, vec!["calls: 10 of 10 are in use".into()])
        );
        drop((calls, more));
        let (up, down) = (("a", "upstream", Healthy), ("b", "upstream", Unhealthy));
        let (unused, store) = (("c", "upstream", Unknown), ("store", "store", Unhealthy));
        assert_eq!(status(CALM, none, &[up, unused]).0, Status::Healthy);
        assert_eq!(
            status(CALM, none, &[up, down]),
            (Status::Degraded, vec!["the upstream b is not there".into()])
        );
        assert_eq!(status(CALM, none, &[up, store]).0, Status::Degraded);
        assert_eq!(status(CALM, none, &[down, unused]).0, Status::Degraded);
        assert_eq!(status(CALM, none, &[down]).0, Status::Unhealthy);
    }
}
