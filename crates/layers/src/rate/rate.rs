use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

/// How many calls there may be in a period.
///
/// Calls come back evenly (the generic cell rate algorithm, GCRA): of 600 a minute, one every 100 ms. After a pause, `burst` of them
/// may be made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    calls: NonZeroU32,
    period: Period,
    burst: NonZeroU32,
    is_of_process: bool,
}

/// The time that a [`Rate`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// A second.
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// 24 hours, which begin with any call.
    Day,
}

impl Rate {
    /// So many calls in `period`. After a pause, all of them may be made at once.
    pub const fn new(calls: NonZeroU32, period: Period) -> Self {
        Self { calls, period, burst: calls, is_of_process: false }
    }

    /// After a pause, `burst` calls may be made at once.
    #[must_use]
    pub const fn burst(self, burst: NonZeroU32) -> Self {
        Self { burst, ..self }
    }

    /// Every process has so many for itself, whoever counts: it protects the process.
    #[must_use]
    pub const fn of_process(self) -> Self {
        Self { is_of_process: true, ..self }
    }

    /// Whether every process counts for itself.
    pub(super) fn is_of_process(&self) -> bool {
        self.is_of_process
    }

    /// The number of calls in the period.
    pub fn calls(&self) -> NonZeroU32 {
        self.calls
    }

    /// The number of calls at once after a pause.
    pub fn at_once(&self) -> NonZeroU32 {
        self.burst
    }

    /// The time after which one more call may be made.
    pub fn interval(&self) -> Duration {
        // The longest rate has one call a nanosecond.
        (self.period.length() / self.calls.get()).max(Duration::from_nanos(1))
    }

    /// The share of one of so many processes.
    #[must_use]
    pub(super) fn share(&self, processes: NonZeroU32) -> Self {
        let share = |calls: NonZeroU32| NonZeroU32::new(calls.get() / processes).unwrap_or(NonZeroU32::MIN);
        Self { calls: share(self.calls), burst: share(self.burst), ..*self }
    }

    /// The time that it is about.
    pub fn period(&self) -> Period {
        self.period
    }

    pub(super) fn quota(&self) -> governor::Quota {
        // Only a time of zero makes no quota.
        let quota = governor::Quota::with_period(self.interval());
        quota.unwrap_or(governor::Quota::per_second(self.calls)).allow_burst(self.burst)
    }
}

/// In words: "600 calls a minute".
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, period) = (self.calls, self.period);
        match calls.get() {
            1 => write!(f, "1 call {period}"),
            calls => write!(f, "{calls} calls {period}"),
        }
    }
}

impl Period {
    fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "a second",
            Self::Minute => "a minute",
            Self::Hour => "an hour",
            Self::Day => "a day",
        })
    }
}

/// Rates that hold together, the shortest period first. None of them: as often as one likes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rates(Arc<[Rate]>);

impl Rates {
    /// Whether there is no limit.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Rate> {
        self.0.iter()
    }
}

impl FromIterator<Rate> for Rates {
    fn from_iter<I: IntoIterator<Item = Rate>>(rates: I) -> Self {
        let mut rates: Vec<Rate> = rates.into_iter().collect();
        rates.sort_by_key(|rate| rate.period);
        Self(rates.into())
    }
}
