use std::time::Duration;

/// How long to wait before trying again what fails: longer each time, up to a limit.
///
/// Each wait is up to a quarter less, by chance, so that many who lost the same server do not come back all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub first: Duration,
    /// The longest one.
    pub most: Duration,
}

impl Backoff {
    /// The wait after `failures` in a row before the last one: each doubles it.
    pub fn after(self, failures: u32) -> Duration {
        let whole = self.first.saturating_mul(1 << failures.min(16)).min(self.most);
        // Without random numbers everybody waits for as long as may be.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        whole - (whole / 4).mul_f64(1.0 - f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_limit_and_varies() {
        let backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(30) };
        for (failures, whole) in [(0, 100), (1, 200), (8, 25_600), (9, 30_000), (u32::MAX, 30_000)] {
            let whole = Duration::from_millis(whole);
            let waits: Vec<_> = (0..20).map(|_| backoff.after(failures)).collect();
            assert!(waits.iter().all(|wait| (whole * 3 / 4..=whole).contains(wait)), "{waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
        assert_eq!(Backoff { first: Duration::MAX, most: Duration::ZERO }.after(3), Duration::ZERO);
    }
}
