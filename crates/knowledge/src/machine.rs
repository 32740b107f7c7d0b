//! The machine that a program runs on: its processors and its memory.

use std::time::Instant;

use anyport_service::sync::Lock;
use schemars::JsonSchema;
use serde::Serialize;
use sysinfo::{CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind, RefreshKind, System};

/// Above how much of the processors or of the memory the server calls itself degraded, in percent.
const BUSY_PERCENT: f64 = 90.0;

/// The machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Machine {
    /// How much of all processors was in use since the last check, in percent
    pub cpu_percent: f64,
    /// How much of the memory is in use, in percent
    pub memory_percent: f64,
    /// How much memory is left, in MiB
    pub memory_available_mb: f64,
}

impl Machine {
    /// Whether processors or memory are used above 90 %.
    pub fn is_busy(&self) -> bool {
        self.cpu_percent > BUSY_PERCENT || self.memory_percent > BUSY_PERCENT
    }
}

/// Looks at the machine.
#[derive(Debug)]
pub struct MachineSampler(Lock<Sampled>);

/// The machine, as it was when it was last looked at.
#[derive(Debug)]
struct Sampled {
    system: System,
    at: Instant,
}

impl MachineSampler {
    /// Begins to look. The use of the processors is known from the second look on.
    pub fn new() -> Self {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_cpu_usage())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        Self(Lock::new(Sampled { system: System::new_with_specifics(kinds), at: Instant::now() }))
    }

    /// The use of the processors is the mean since the last check, so that a check does not have to wait.
    pub fn sample(&self) -> Machine {
        let mut sampled = self.0.lock();
        if sampled.at.elapsed() >= MINIMUM_CPU_UPDATE_INTERVAL {
            sampled.system.refresh_cpu_usage();
            sampled.at = Instant::now();
        }
        sampled.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let (total, available) = memory(&sampled.system);
        let used = total.saturating_sub(available);
        Machine {
            cpu_percent: rounded(f64::from(sampled.system.global_cpu_usage())),
            memory_percent: if total == 0 { 0.0 } else { rounded(100.0 * used as f64 / total as f64) },
            memory_available_mb: rounded(available as f64 / f64::from(1 << 20)),
        }
    }
}

impl Default for MachineSampler {
    fn default() -> Self {
        Self::new()
    }
}

/// All memory and what is left of it, in bytes: of the container, where its bound is the narrower one.
fn memory(system: &System) -> (u64, u64) {
    let all = (system.total_memory(), system.available_memory());
    match system.cgroup_limits() {
        Some(limits) if limits.total_memory < all.0 => (limits.total_memory, limits.free_memory.min(all.1)),
        _ => all,
    }
}

/// How many tasks there are, where there is a runtime.
pub fn tasks() -> usize {
    tokio::runtime::Handle::try_current().map_or(0, |runtime| runtime.metrics().num_alive_tasks())
}

/// To two digits behind the point: more would be noise.
pub fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
