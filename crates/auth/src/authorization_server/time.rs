use std::time::UNIX_EPOCH;

use anyport_store::Clock;

/// The time in seconds since 1970.
pub(crate) fn seconds_since_1970(clock: &Clock) -> u64 {
    clock.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
