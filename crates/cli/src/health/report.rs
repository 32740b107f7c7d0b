//! All that is known of how a program is.

use std::time::Duration;

use anyport_knowledge::machine::{Machine, Memory, rounded, tasks};
use anyport_layers::LoadShedLimits;
use anyport_metrics::Metrics;
use anyport_service::{Overload, OverloadCause};
use anyport_transport::{FileDescriptors, http};
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
    /// How many wait for one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<i64>,
}

/// How much there may be of what is counted.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    calls: usize,
    parked: usize,
    buffered: usize,
    http_pool: usize,
    connections: usize,
    descriptors_percent: u32,
    memory: LoadShedLimits,
}

/// What the process may run out of.
pub(super) struct Strain {
    /// Its file descriptors, where the system counts them.
    pub(super) descriptors: Option<FileDescriptors>,
    /// Why new calls are refused, if they are.
    pub(super) overload: Option<OverloadCause>,
}

impl Bounds {
    /// Those of `limits`, with `connections` of clients.
    pub(crate) fn of(limits: &Limits, connections: usize) -> Self {
        Self {
            connections,
            descriptors_percent: limits.http.max_descriptors_percent,
            memory: limits.load_shed,
            calls: limits.edge.max_concurrent_calls,
            parked: limits.park.parked_total,
            buffered: limits.buffers.bytes,
            http_pool: limits.http_pool.total,
        }
    }

    /// Whether memory is bounded at all.
    pub(super) fn bound_memory(&self) -> bool {
        self.memory.max_memory_percent < 100 || self.memory.max_memory_bytes.is_some()
    }

    /// Why new work is to be refused with this memory; `now` says whether it is.
    pub(super) fn overload(&self, memory: &Memory, now: &Overload) -> Option<OverloadCause> {
        let LoadShedLimits { max_memory_percent, max_memory_bytes, .. } = self.memory;
        let current = now.cause().map(|cause| cause.limit);
        // What is refused is accepted again a little below the limit, so that the state does not change with every call.
        let bound =
            |limit: &str, value: f64| if current == Some(limit) { value * ACCEPT_AGAIN } else { value };
        let percent = memory.percent();
        if max_memory_percent < 100 && percent > bound("max_memory_percent", f64::from(max_memory_percent)) {
            let why = format!("memory is used to {percent} %");
            return Some(OverloadCause { limit: "max_memory_percent", why });
        }
        let max =
            max_memory_bytes.filter(|max| memory.process as f64 > bound("max_memory_bytes", *max as f64))?;
        let why = format!("the process uses {} of {max} bytes of memory", memory.process);
        Some(OverloadCause { limit: "max_memory_bytes", why })
    }
}

/// The part of a limit of memory below which new work is accepted again.
const ACCEPT_AGAIN: f64 = 0.98;

impl Report {
    pub(super) fn new(
        system: Machine,
        uptime: Duration,
        metrics: &Metrics,
        (bounds, Strain { descriptors, overload }): (Bounds, Strain),
        dependencies: IndexMap<String, Dependency>,
    ) -> Self {
        let mut pools = pools(metrics, bounds);
        let mut reasons = Vec::new();
        if let Some(OverloadCause { limit, why }) = overload {
            reasons.push(format!("new calls are refused: {why} ({limit})"));
        }
        if let Some(FileDescriptors { open, max, .. }) = descriptors {
            let percent = bounds.descriptors_percent;
            if open as f64 * 100.0 >= max as f64 * f64::from(percent) {
                reasons.push(format!(
                    "new connections are refused: {open} of {max} file descriptors are open (max_descriptors_percent)"
                ));
            }
        }
        if system.cpu_percent > BUSY_PERCENT {
            reasons.push(format!("processors are used to {} %", system.cpu_percent));
        }
        if system.memory_percent > BUSY_PERCENT {
            reasons.push(format!("memory is used to {} %", system.memory_percent));
        }
        reasons.extend(pools.iter().filter(|(_, pool)| pool.is_nearly_used_up()).map(|(name, pool)| {
            format!("{name}: {} of {} are in use", pool.in_use, pool.max.unwrap_or_default())
        }));
        if let Some(FileDescriptors { open, max, .. }) = descriptors {
            let (in_use, max) = (i64::try_from(open).unwrap_or(i64::MAX), usize::try_from(max).ok());
            pools.insert("file_descriptors", Pool { in_use, max, waiting: None });
        }
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
    let value = |gauge: &str| Some(samples.iter().find(|sample| sample.name == gauge)?.value);
    let pool = |name: &'static str, gauge: &str, max: Option<usize>| {
        Some((name, Pool { in_use: value(gauge)?, max, waiting: None }))
    };
    let waiting = value("anyport_http_pool_waiting");
    let http_pool = pool("upstream_http_calls", "anyport_http_pool_in_use", Some(bounds.http_pool));
    let all = [
        pool("calls", "anyport_calls_running", Some(bounds.calls)),
        pool("parked_calls", "anyport_parked_calls", Some(bounds.parked)),
        pool("connections", "anyport_connections", Some(bounds.connections)),
        pool("buffered_bytes", "anyport_buffered_bytes", Some(bounds.buffered)),
        pool("upstream_connections", "anyport_upstream_connections", None),
        http_pool.map(|(name, pool)| (name, Pool { waiting, ..pool })),
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
    fn bounds() -> Bounds {
        let memory = LoadShedLimits::default().max_memory_percent(50).max_memory_bytes(1_000);
        let (calls, parked, buffered, http_pool, connections) = (10, 10, 100, 10, 10);
        Bounds { calls, parked, buffered, http_pool, connections, descriptors_percent: 80, memory }
    }

    const CALM_PROCESS: Strain = Strain { descriptors: None, overload: None };

    fn dependency(kind: &'static str, status: DependencyStatus) -> Dependency {
        Dependency {
            status,
            kind,
            since: None,
            latency_ms: None,
            last_error: None,
            durability: None,
            warning: None,
        }
    }

    fn status(
        system: Machine,
        metrics: &Metrics,
        all: &[(&str, &'static str, DependencyStatus)],
    ) -> (Status, Vec<String>) {
        let all = all.iter().map(|(name, kind, status)| ((*name).to_owned(), dependency(kind, *status)));
        let report =
            Report::new(system, Duration::from_secs(1), metrics, (bounds(), CALM_PROCESS), all.collect());
        (report.status, report.reasons)
    }

    #[test]
    fn too_little_memory_refuses_until_there_is_more() {
        let (bounds, now) = (bounds(), Overload::default());
        let with = |available, process| Memory { total: 100, available, process };
        let limit = |memory: Memory, now: &Overload| bounds.overload(&memory, now).map(|cause| cause.limit);
        assert_eq!(limit(with(50, 1_000), &now), None);
        assert_eq!(limit(with(49, 1_000), &now), Some("max_memory_percent"));
        assert_eq!(limit(with(50, 1_001), &now), Some("max_memory_bytes"));
        now.set(bounds.overload(&with(49, 0), &now));
        assert_eq!(limit(with(50, 0), &now), Some("max_memory_percent"), "not far enough below it");
        assert_eq!(limit(with(51, 0), &now), None);
        // What is refused is a reason.
        let report = |strain| {
            let at = Duration::from_secs(1);
            Report::new(CALM, at, &Metrics::new(), (bounds, strain), IndexMap::new())
        };
        let refused = report(Strain { descriptors: None, overload: now.cause() });
        assert_eq!(refused.status, Status::Degraded);
        assert_eq!(refused.reasons, ["new calls are refused: memory is used to 51 % (max_memory_percent)"]);
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
