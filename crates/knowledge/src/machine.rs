//! The machine that a program runs on: its processors and its memory.

use std::time::{Duration, Instant};

use anyport_service::sync::Lock;
use schemars::JsonSchema;
use serde::Serialize;
use sysinfo::{
    CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, MemoryRefreshKind, Pid, ProcessRefreshKind,
    ProcessesToUpdate, RefreshKind, System,
};

use crate::cgroup::GroupMemory;

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

/// The memory that a program can use: of its container, where that has a bound, else of the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// All of it, in bytes.
    pub total: u64,
    /// The part that is left, in bytes. The page cache counts as left.
    pub available: u64,
    /// The resident memory of this process, in bytes.
    pub process: u64,
}

impl Memory {
    /// The used part, in percent.
    pub fn percent(&self) -> f64 {
        let used = self.total.saturating_sub(self.available);
        if self.total == 0 { 0.0 } else { rounded(100.0 * used as f64 / self.total as f64) }
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
    memory: Option<(Instant, Memory)>,
}

impl MachineSampler {
    /// Begins to look. The use of the processors is known from the second look on.
    pub fn new() -> Self {
        let kinds = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_cpu_usage())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        Self(Lock::new(Sampled {
            system: System::new_with_specifics(kinds),
            at: Instant::now(),
            memory: None,
        }))
    }

    /// The use of the processors is the mean since the last check, so that a check does not have to wait.
    pub fn sample(&self) -> Machine {
        let mut sampled = self.0.lock();
        if sampled.at.elapsed() >= MINIMUM_CPU_UPDATE_INTERVAL {
            sampled.system.refresh_cpu_usage();
            sampled.at = Instant::now();
        }
        let memory = sampled.memory();
        Machine {
            cpu_percent: rounded(f64::from(sampled.system.global_cpu_usage())),
            memory_percent: memory.percent(),
            memory_available_mb: rounded(memory.available as f64 / f64::from(1 << 20)),
        }
    }

    /// The memory, as it was within the last [`MEMORY_INTERVAL`].
    pub fn memory(&self) -> Memory {
        self.0.lock().memory()
    }
}

impl Default for MachineSampler {
    fn default() -> Self {
        Self::new()
    }
}

/// The time for which a look at the memory is good.
pub const MEMORY_INTERVAL: Duration = Duration::from_millis(250);

/// The resident memory of this process in bytes, where Linux tells it: `sysinfo` would raise the limit of open files of the process to
/// look at it.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))?;
    Some(kib.parse::<u64>().ok()?.saturating_mul(1024))
}

impl Sampled {
    /// The resident memory of this process in bytes, as other systems tell it.
    fn resident(&mut self) -> u64 {
        let process = Pid::from_u32(std::process::id());
        let kinds = ProcessRefreshKind::nothing().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), false, kinds);
        self.system.process(process).map_or(0, sysinfo::Process::memory)
    }

    /// Looks at the memory, unless that was done within the [`MEMORY_INTERVAL`].
    fn memory(&mut self) -> Memory {
        // A timer of the same interval may be a little early.
        if let Some((at, memory)) = self.memory
            && at.elapsed() < MEMORY_INTERVAL / 2
        {
            return memory;
        }
        self.system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let process = resident().unwrap_or_else(|| self.resident());
        let (total, available) = (self.system.total_memory(), self.system.available_memory());
        let (total, available) = match GroupMemory::of_process() {
            Some(group) if group.max < total => {
                (group.max, group.max.saturating_sub(group.used).min(available))
            }
            _ => (total, available),
        };
        let memory = Memory { total, available, process };
        self.memory = Some((Instant::now(), memory));
        memory
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
