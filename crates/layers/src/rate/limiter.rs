use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_metrics::Metrics;
use anyport_protocol::failure::Failure;
use anyport_service::{Admission, Context, Principal, address};
use bytestring::ByteString;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use governor::{
    clock::{Clock, DefaultClock, Reference as _},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use super::rate::{Period, Rate, Rates};

/// Counts calls, by what they have in common, against rates.
///
/// A trait, since several processes that serve the same clients are to count together.
pub trait RateLimiter: Send + Sync + 'static {
    /// Counts one more call of `key`, which may be called as often as all of `rates` say. The error is the rate that has no room for it. The
    /// call is not counted then, or by shorter rates only.
    fn take(&self, key: &RateKey, rates: &Rates) -> Taken;
}

/// Whether one more call may be made.
pub enum Taken {
    /// It is known at once.
    Now(Result<(), RateExceeded>),
    /// Others are asked first.
    Later(Pin<Box<dyn Future<Output = Result<(), RateExceeded>> + Send>>),
}

/// What calls that are counted together have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RateKey {
    /// Who calls. See [`RateKey::caller`].
    Caller {
        /// Its identity.
        principal: Principal,
        /// Where it is, if its identity is not known.
        network: Option<IpAddr>,
    },
    /// Where the client is. See [`RateKey::address`].
    Address(IpAddr),
    /// The same for requests that use nothing, such as lists: they have the same rates, and use up none of the calls.
    Other(Box<Self>),
    /// The server behind a gateway that is called.
    Upstream(Arc<str>),
    /// Its tool that is called.
    Tool {
        /// The name of the server.
        upstream: Arc<str>,
        /// The tool's own name.
        tool: ByteString,
    },
}

impl RateKey {
    /// Who calls with `context`: its principal, and one that is unauthenticated by its address.
    pub fn caller(context: &Context) -> Self {
        let principal = context.principal().clone();
        let network = context.address().filter(|_| principal.is_anonymous()).map(address::network);
        Self::Caller { principal, network }
    }

    /// A client at `address`: a user of IPv6 has a network of 2^64 addresses, which count as one.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(address::network(address))
    }

    /// The name of a limit, as the configuration has it.
    pub fn limit(&self, period: Period) -> &'static str {
        use Period::{Day, Hour, Minute, Second};
        match (self, period) {
            (Self::Other(of), period) => of.limit(period),
            (Self::Caller { .. }, Second) => "calls_per_second",
            (Self::Caller { .. }, Minute) => "principal.calls_per_minute",
            (Self::Caller { .. }, Hour) => "principal.calls_per_hour",
            (Self::Caller { .. }, Day) => "principal.calls_per_day",
            (Self::Address(_), Second) => "address.calls_per_second",
            (Self::Address(_), Minute) => "address.calls_per_minute",
            (Self::Address(_), Hour) => "address.calls_per_hour",
            (Self::Address(_), Day) => "address.calls_per_day",
            (Self::Upstream(_), Second) => "upstream.calls_per_second",
            (Self::Upstream(_), Minute) => "upstream.calls_per_minute",
            (Self::Upstream(_), Hour) => "upstream.calls_per_hour",
            (Self::Upstream(_), Day) => "upstream.calls_per_day",
            (Self::Tool { .. }, Second) => "tool.calls_per_second",
            (Self::Tool { .. }, Minute) => "tool.calls_per_minute",
            (Self::Tool { .. }, Hour) => "tool.calls_per_hour",
            (Self::Tool { .. }, Day) => "tool.calls_per_day",
        }
    }
}

/// In words, for who calls.
impl fmt::Display for RateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(of) => of.fmt(f),
            Self::Caller { .. } => f.write_str("this caller"),
            Self::Address(_) => f.write_str("this address"),
            Self::Upstream(name) => f.write_str(name),
            Self::Tool { upstream, tool } => write!(f, "the tool {tool:.128} of {upstream}"),
        }
    }
}

/// A rate that has no room for one more call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateExceeded {
    /// The rate.
    pub rate: Rate,
    /// The time until there is room.
    pub retry_in: Duration,
}

impl RateExceeded {
    /// Why a call of `key` is refused.
    pub fn failure(&self, key: &RateKey) -> Failure {
        let limit = key.limit(self.rate.period());
        let why = match key {
            RateKey::Other(of) => return self.failure(of),
            RateKey::Caller { .. } | RateKey::Address(_) => {
                format!("{key} makes more than {} ({limit})", self.rate)
            }
            RateKey::Upstream(_) | RateKey::Tool { .. } => {
                format!("{key} takes no more than {} ({limit})", self.rate)
            }
        };
        Failure::RateLimited { limit, why, retry_in: self.retry_in }
    }
}

/// A limiter whose refusals are counted.
#[derive(Clone)]
pub struct CountedRateLimiter {
    limiter: Arc<dyn RateLimiter>,
    metrics: Metrics,
}

impl CountedRateLimiter {
    /// Counts what `limiter` refuses in `metrics`, by the names of the limits.
    pub fn new(limiter: Arc<dyn RateLimiter>, metrics: &Metrics) -> Self {
        Self { limiter, metrics: metrics.clone() }
    }

    /// Counts one more call of each key, in their order, until a rate has no room: that is [`Failure::RateLimited`].
    pub fn take<'a>(&self, keys: impl IntoIterator<Item = (RateKey, &'a Rates)>) -> Counted {
        let mut keys = keys.into_iter();
        while let Some((key, rates)) = keys.next() {
            match self.limiter.take(&key, rates) {
                Taken::Now(Ok(())) => {}
                Taken::Now(Err(exceeded)) => return Counted::Now(Err(self.refused(&key, &exceeded))),
                Taken::Later(taken) => {
                    let rest: Vec<_> = keys.map(|(key, rates)| (key, rates.clone())).collect();
                    let this = self.clone();
                    return Counted::Later(Box::pin(async move {
                        taken.await.map_err(|exceeded| this.refused(&key, &exceeded))?;
                        for (key, rates) in &rest {
                            let taken = match this.limiter.take(key, rates) {
                                Taken::Now(taken) => taken,
                                Taken::Later(taken) => taken.await,
                            };
                            taken.map_err(|exceeded| this.refused(key, &exceeded))?;
                        }
                        Ok(())
                    }));
                }
            }
        }
        Counted::Now(Ok(()))
    }

    fn refused(&self, key: &RateKey, exceeded: &RateExceeded) -> Failure {
        self.metrics.refusals(key.limit(exceeded.rate.period())).increment();
        exceeded.failure(key)
    }
}

/// Whether a call may be made, as [`CountedRateLimiter::take`] finds it.
pub enum Counted {
    /// It is known at once.
    Now(Result<(), Failure>),
    /// Others are asked first.
    Later(Admission),
}

/// Counts in the memory of this process. A restart begins anew.
///
/// Clones count together.
#[derive(Clone, Debug, Default)]
pub struct LocalRateLimiter(Arc<Counts<DefaultClock>>);

impl LocalRateLimiter {
    /// The number of keys that are counted by themselves. Further ones count as one of their kind until others were not called for a
    /// while, so that strangers cannot use unbounded memory.
    pub const MAX_KEYS: usize = 100_000;

    /// Nothing was called yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one more call of `key`.
    pub(super) fn count(&self, key: &RateKey, rates: &Rates) -> Result<(), RateExceeded> {
        self.0.take(key, rates)
    }
}

impl RateLimiter for LocalRateLimiter {
    fn take(&self, key: &RateKey, rates: &Rates) -> Taken {
        Taken::Now(self.count(key, rates))
    }
}

#[derive(Debug)]
struct Counts<C: Clock> {
    by_key: DashMap<RateKey, Count<C>, RandomState>,
    clock: C,
    began: C::Instant,
    /// The number of keys that were looked up, as often as they were.
    looked_up: AtomicU32,
}

/// What was called of one key.
#[derive(Debug)]
struct Count<C: Clock> {
    rates: Rates,
    /// One for each of the rates.
    cells: Vec<governor::RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>>,
    /// The nanoseconds from the beginning to the last call.
    called: AtomicU64,
}

/// After how many calls those that can be forgotten are looked for.
const FORGET_EVERY: u32 = 4_096;

impl<C: Clock + Default> Default for Counts<C> {
    fn default() -> Self {
        let clock = C::default();
        let (by_key, began) = (DashMap::default(), clock.now());
        Self { by_key, clock, began, looked_up: AtomicU32::new(0) }
    }
}

impl<C: Clock + Clone> Counts<C> {
    fn take(&self, key: &RateKey, rates: &Rates) -> Result<(), RateExceeded> {
        if rates.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        if let Some(count) = self.by_key.get(key).filter(|count| count.rates == *rates) {
            return count.take(now, self.began);
        }
        if self.looked_up.fetch_add(1, Ordering::Relaxed).is_multiple_of(FORGET_EVERY) {
            self.forget(now);
        }
        let is_full = self.by_key.len() >= LocalRateLimiter::MAX_KEYS && !self.by_key.contains_key(key);
        let key = if is_full { others(key) } else { key.clone() };
        let mut count = self.by_key.entry(key).or_insert_with(|| Count::new(rates, &self.clock));
        if count.rates != *rates {
            // They have changed.
            *count = Count::new(rates, &self.clock);
        }
        count.take(now, self.began)
    }

    /// Forgets the keys that have their full bursts again: new ones have no more.
    fn forget(&self, now: C::Instant) {
        self.by_key.retain(|_, count| {
            let since = now.duration_since(self.began).as_u64();
            let idle = Duration::from_nanos(since.saturating_sub(count.called.load(Ordering::Relaxed)));
            count.rates.iter().any(|rate| idle < rate.quota().burst_size_replenished_in())
        });
    }
}

/// What stands for all further keys of the kind of `key`. No key is the same.
pub(super) fn others(key: &RateKey) -> RateKey {
    match key {
        RateKey::Other(of) => RateKey::Other(Box::new(others(of))),
        RateKey::Caller { .. } => RateKey::Caller { principal: Principal::named(""), network: None },
        RateKey::Address(_) => RateKey::Address(Ipv6Addr::UNSPECIFIED.into()),
        RateKey::Upstream(_) => RateKey::Upstream("".into()),
        RateKey::Tool { upstream, .. } => {
            RateKey::Tool { upstream: upstream.clone(), tool: ByteString::default() }
        }
    }
}

impl<C: Clock + Clone> Count<C> {
    fn new(rates: &Rates, clock: &C) -> Self {
        let cell = |rate: &Rate| governor::RateLimiter::direct_with_clock(rate.quota(), clock.clone());
        Self { rates: rates.clone(), cells: rates.iter().map(cell).collect(), called: AtomicU64::new(0) }
    }

    fn take(&self, now: C::Instant, began: C::Instant) -> Result<(), RateExceeded> {
        self.called.store(now.duration_since(began).as_u64(), Ordering::Relaxed);
        for (cell, rate) in self.cells.iter().zip(self.rates.iter()) {
            cell.check()
                .map_err(|not_until| RateExceeded { rate: *rate, retry_in: not_until.wait_time_from(now) })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use anyport_protocol::Revision;
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn per(calls: u32, period: Period) -> Rate {
        Rate::new(NonZeroU32::new(calls).unwrap(), period)
    }

    fn of(principal: Principal) -> RateKey {
        RateKey::caller(&Context::new(principal, Revision::NEWEST))
    }

    fn ada() -> RateKey {
        of(Principal::named("ada"))
    }

    #[test]
    fn calls_come_back_evenly_after_a_burst() {
        let counts = Counts::<FakeRelativeClock>::default();
        let rates: Rates = [per(60, Period::Minute).burst(NonZeroU32::new(2).unwrap())].into_iter().collect();
        assert_eq!((counts.take(&ada(), &rates), counts.take(&ada(), &rates)), (Ok(()), Ok(())));
        let refused = counts.take(&ada(), &rates).unwrap_err();
        assert_eq!(refused.retry_in, Duration::from_secs(1));
        assert_eq!(counts.take(&of(Principal::named("bob")), &rates), Ok(()));
        let Failure::RateLimited { limit, why, .. } = refused.failure(&ada()) else { panic!() };
        assert_eq!(limit, "principal.calls_per_minute");
        assert_eq!(why, "this caller makes more than 60 calls a minute (principal.calls_per_minute)");
        counts.clock.advance(Duration::from_secs(1));
        assert_eq!(counts.take(&ada(), &rates), Ok(()));
        assert!(counts.take(&ada(), &rates).is_err());
    }

    #[test]
    fn every_rate_of_a_key_holds_and_new_ones_begin_anew() {
        let counts = Counts::<FakeRelativeClock>::default();
        let rates: Rates = [per(3, Period::Day), per(1, Period::Second)].into_iter().collect();
        for _ in 0..3 {
            assert_eq!(counts.take(&ada(), &rates), Ok(()));
            counts.clock.advance(Duration::from_secs(2));
        }
        assert_eq!(counts.take(&ada(), &rates).unwrap_err().rate.period(), Period::Day);
        let more: Rates = [per(4, Period::Day)].into_iter().collect();
        assert_eq!(counts.take(&ada(), &more), Ok(()));
    }

    #[test]
    fn an_ipv6_network_counts_as_one_client() {
        let of = |address: &str| RateKey::address(address.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    /// Invariant: Strangers with any number of addresses cannot make the table of rates larger than its bound.
    #[test]
    fn keys_beyond_the_bound_count_as_one_until_others_can_be_forgotten() {
        let counts = Counts::<FakeRelativeClock>::default();
        let rates: Rates = [per(1, Period::Hour)].into_iter().collect();
        let key = |number: usize| RateKey::Upstream(number.to_string().into());
        for number in 0..LocalRateLimiter::MAX_KEYS {
            assert_eq!(counts.take(&key(number), &rates), Ok(()));
        }
        let beyond = |number| counts.take(&key(LocalRateLimiter::MAX_KEYS + number), &rates);
        assert_eq!((beyond(1), beyond(2).is_err()), (Ok(()), true), "together, they have the rate of one");
        assert_eq!(counts.by_key.len(), LocalRateLimiter::MAX_KEYS + 1);
        counts.clock.advance(Duration::from_secs(3_601));
        for number in 0..FORGET_EVERY {
            let _ = beyond(number.try_into().unwrap());
        }
        assert!(counts.by_key.len() <= FORGET_EVERY as usize, "{}", counts.by_key.len());
    }
}
