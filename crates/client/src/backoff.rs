use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// How long to wait before trying again what failed `failures` times before this time: 100 ms, doubled every time, up to
/// 30 s; up to a quarter less, so that the clients of a server that was restarted do not come back all at once.
pub(crate) fn backoff(failures: u32) -> Duration {
    let whole = Duration::from_millis(100 << failures.min(9)).min(MAX);
    // Every `RandomState` has keys of its own.
    let random = RandomState::new().hash_one(failures) % 256;
    whole - whole / 1024 * u32::try_from(random).unwrap_or_default()
}

const MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_its_limit_and_varies() {
        for failures in 0..40 {
            let whole = Duration::from_millis(100 << failures.min(9)).min(MAX);
            let waits: Vec<_> = (0..20).map(|_| backoff(failures)).collect();
            assert!(waits.iter().all(|wait| (whole * 3 / 4..=whole).contains(wait)), "{waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]));
        }
    }
}
