//! What Linux tells about this process. Elsewhere, the time that passes stands for the time on a core.

use std::{
    fs,
    sync::OnceLock,
    time::{Duration, Instant},
};

/// How long this thread was on a core. Other than the time that passes, it does not grow while others are.
pub(crate) fn of_thread() -> Duration {
    // The count is brought up to date when the core is given away.
    std::thread::yield_now();
    let nanoseconds = || {
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split(' ').next()?.parse().ok()
    };
    nanoseconds().map_or_else(passed, Duration::from_nanos)
}

/// How long all threads of this process were on a core, those that ended included.
pub(crate) fn of_process() -> Duration {
    // Times stand behind the name, in hundredths of a second.
    let hundredths = || {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
        let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
        Some(user + system)
    };
    hundredths().map_or_else(passed, |hundredths| Duration::from_millis(10 * hundredths))
}

/// The most memory that this process had, in MiB.
pub(crate) fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))?;
    kib.trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
}

fn passed() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
