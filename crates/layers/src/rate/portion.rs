//! How a rate is given out in portions, so that processes that count together need no word with each other for each call.

use std::{num::NonZeroU32, time::Duration};

use super::rate::Rate;

/// What was given of one rate of one key to all processes together.
///
/// The generic cell rate algorithm (GCRA), as [`Rate`] has it: what is given comes back, one call after each interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// When all that was given has come back: nanoseconds since 1970, by the clock that all processes share.
    pub all_back_at: u64,
}

/// Calls that a process may let through without asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portion {
    /// How many.
    pub calls: NonZeroU32,
    /// For how long: until they would have come back. What is not used by then is lost.
    pub lasts: Duration,
}

/// A process takes at most this part of what all of them have.
const PART: u32 = 8;

impl Portion {
    /// The calls that one of so many processes asks for at once. So few that the others still get some, and so many that it seldom asks.
    pub(super) fn wanted(rate: &Rate, processes: NonZeroU32) -> NonZeroU32 {
        let calls = rate.calls().get() / processes.get().saturating_mul(PART);
        NonZeroU32::new(calls).unwrap_or(NonZeroU32::MIN).min(rate.at_once())
    }
}

impl Given {
    /// Gives at most `wanted` calls at `now`, nanoseconds since 1970.
    ///
    /// # Errors
    /// There is none; the time until there is one.
    pub fn give(&mut self, rate: &Rate, wanted: NonZeroU32, now: u64) -> Result<Portion, Duration> {
        let interval = rate.interval().as_nanos();
        let most = interval * u128::from(rate.at_once().get());
        // A clock that is ahead, or a rate that was lower, leaves a time that this rate never has.
        let owed = u128::from(self.all_back_at.saturating_sub(now)).min(most);
        let room = most - owed;
        let calls = (room / interval).min(wanted.get().into());
        let Some(calls) = u32::try_from(calls).ok().and_then(NonZeroU32::new) else {
            return Err(nanoseconds(interval - room));
        };
        let taken = interval * u128::from(calls.get());
        let back = u128::from(now).saturating_add(owed).saturating_add(taken);
        self.all_back_at = u64::try_from(back).unwrap_or(u64::MAX);
        Ok(Portion { calls, lasts: nanoseconds(taken) })
    }
}

fn nanoseconds(number: u128) -> Duration {
    Duration::from_nanos(u64::try_from(number).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Period;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn what_was_given_comes_back_evenly() {
        let rate = Rate::new(number(60), Period::Minute).burst(number(4));
        let mut given = Given::default();
        let of = |calls, seconds| Ok(Portion { calls: number(calls), lasts: Duration::from_secs(seconds) });
        assert_eq!(given.give(&rate, number(3), 0), of(3, 3));
        assert_eq!(given.give(&rate, number(3), 0), of(1, 1), "there is one more");
        assert_eq!(given.give(&rate, number(3), SECOND / 4), Err(Duration::from_millis(750)));
        assert_eq!(given.give(&rate, number(3), SECOND), of(1, 1));
        assert_eq!(
            given.give(&rate, number(9), 3_600 * SECOND),
            of(4, 4),
            "a pause gives no more than the burst"
        );
        let mut ahead = Given { all_back_at: u64::MAX };
        assert_eq!(ahead.give(&rate, number(1), SECOND), Err(Duration::from_secs(1)));
    }

    #[test]
    fn the_largest_rates_do_not_overflow() {
        for rate in [
            Rate::new(NonZeroU32::MAX, Period::Second),
            Rate::new(number(1), Period::Day).burst(NonZeroU32::MAX),
        ] {
            let mut given = Given { all_back_at: u64::MAX };
            let _ = given.give(&rate, NonZeroU32::MAX, 0);
            assert!(given.give(&rate, NonZeroU32::MAX, u64::MAX).is_ok());
            assert!(Given::default().give(&rate, NonZeroU32::MAX, 0).is_ok());
            assert!(Portion::wanted(&rate, NonZeroU32::MAX) == number(1));
        }
    }

    /// Invariant: What processes that count together are given of a rate is never more than one alone would let through.
    #[test]
    fn no_window_has_more_than_the_rate() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let rate = Rate::new(number(random.u32(1..500)), Period::Minute).burst(number(random.u32(1..50)));
            let (mut given, mut now, mut portions) = (Given::default(), 0, Vec::new());
            for _ in 0..200 {
                now += random.u64(..2 * SECOND);
                if let Ok(portion) = given.give(&rate, number(random.u32(1..20)), now) {
                    portions.push((now, u128::from(portion.calls.get())));
                }
            }
            for (first, (begin, _)) in portions.iter().enumerate() {
                let mut sum = 0;
                for (end, calls) in &portions[first..] {
                    sum += calls;
                    let back = u128::from(end - begin) / rate.interval().as_nanos();
                    assert!(sum <= u128::from(rate.at_once().get()) + back + 1, "seed {seed}");
                }
            }
        }
    }
}
