//! Counts calls together with other processes that serve the same clients.

use std::{
    fmt,
    num::NonZeroU32,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use tokio::time::Instant;

use super::{
    limiter::{LocalRateLimiter, RateExceeded, RateKey, RateLimiter, Taken, others},
    portion::Portion,
    rate::{Rate, Rates},
};

/// Where processes that count together take the portions of a rate, such as a store that all of them have.
pub trait PortionSource: Send + Sync + 'static {
    /// Takes at most `wanted` calls of `key` at `rate`.
    fn take<'a>(&'a self, key: &'a RateKey, rate: &'a Rate, wanted: NonZeroU32) -> PortionTaken<'a>;

    /// The number of processes that count together, as far as it is known: this one at least.
    fn processes(&self) -> NonZeroU32;
}

/// A portion that is being taken.
pub type PortionTaken<'a> = Pin<Box<dyn Future<Output = Result<Portion, NoPortion>> + Send + 'a>>;

/// Why there is no portion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPortion {
    /// All calls are given: the next one comes back after this time.
    Until(Duration),
    /// The source cannot be reached. What it may have given by then is lost.
    Unavailable,
}

/// Counts calls together with other processes, which take portions of each rate from one source: the source is asked once for a portion, not
/// for each call.
///
/// All processes together let through what one alone would: a process that ends leaves its portion unused. The first call of a key, and one
/// that needs a new portion, waits for the source. While half of a portion is left, the next is taken in the background. While the source is
/// away, each process lets through its share of each rate: the rate divided by the processes that were last known.
///
/// Rates [of the process](Rate::of_process) are counted in its memory alone.
///
/// Clones count together.
#[derive(Clone)]
pub struct SharedRateLimiter(Arc<Shared>);

struct Shared {
    source: Arc<dyn PortionSource>,
    /// Counts rates of the process.
    of_process: LocalRateLimiter,
    /// Counts shares while the source is away.
    shares: LocalRateLimiter,
    away_until: Mutex<Option<Instant>>,
    keys: DashMap<RateKey, Arc<Portions>, RandomState>,
    looked_up: AtomicU32,
}

/// What is left of the portions of one key.
struct Portions {
    /// All its rates: others make new portions.
    rates: Rates,
    of_process: Rates,
    cells: Mutex<Cells>,
    /// One asks the source, whoever else wants a portion waits for it.
    asking: tokio::sync::Mutex<()>,
}

struct Cells {
    of: Vec<Cell>,
    called: Instant,
}

/// What is left of one rate's portion.
struct Cell {
    rate: Rate,
    left: u32,
    /// How many calls the portion had.
    had: u32,
    lost_at: Instant,
    /// The source has none until then.
    none_until: Option<Instant>,
}

/// What there is of one call's rates.
enum There {
    /// All: the call was counted. The rate of this number is more than half used.
    Counted(Option<usize>),
    /// One rate has no room.
    Exceeded(RateExceeded),
    /// The portion of this number is used up.
    UsedUp(usize),
}

/// For how long the source is not asked after it was away.
const AWAY: Duration = Duration::from_secs(1);
/// How long a key is known that is not called.
const KNOWN: Duration = Duration::from_secs(60);
/// After how many calls those that can be forgotten are looked for.
const FORGET_EVERY: u32 = 4_096;
/// The shortest time for which a refusal of the source is believed.
const REFUSED: Duration = Duration::from_millis(1);

impl SharedRateLimiter {
    /// Takes portions from `source`.
    pub fn new(source: Arc<dyn PortionSource>) -> Self {
        Self(Arc::new(Shared {
            source,
            of_process: LocalRateLimiter::new(),
            shares: LocalRateLimiter::new(),
            away_until: Mutex::default(),
            keys: DashMap::default(),
            looked_up: AtomicU32::new(0),
        }))
    }
}

impl RateLimiter for SharedRateLimiter {
    fn take(&self, key: &RateKey, rates: &Rates) -> Taken {
        if rates.is_empty() {
            return Taken::Now(Ok(()));
        }
        let (key, portions) = self.0.portions(key, rates);
        if let Err(exceeded) = self.0.of_process.count(&key, &portions.of_process) {
            return Taken::Now(Err(exceeded));
        }
        if portions.is_empty() {
            return Taken::Now(Ok(()));
        }
        if self.0.is_away() {
            return Taken::Now(self.0.count_share(&key, &portions));
        }
        match portions.take(Instant::now()) {
            There::Counted(None) => Taken::Now(Ok(())),
            There::Counted(Some(_)) => {
                self.take_ahead(key, portions);
                Taken::Now(Ok(()))
            }
            There::Exceeded(exceeded) => Taken::Now(Err(exceeded)),
            There::UsedUp(_) => {
                let shared = self.0.clone();
                Taken::Later(Box::pin(async move { shared.take_with_others(&key, &portions).await }))
            }
        }
    }
}

impl SharedRateLimiter {
    /// Takes the next portion in the background, unless somebody does.
    fn take_ahead(&self, key: RateKey, portions: Arc<Portions>) {
        if portions.asking.try_lock().is_err() {
            return;
        }
        let shared = self.0.clone();
        tokio::spawn(async move {
            let Ok(_asking) = portions.asking.try_lock() else { return };
            if let Some(number) = portions.low(Instant::now()) {
                shared.ask(&key, &portions, number).await;
            }
        });
    }
}

impl Shared {
    /// What is known of a key, and the key that it counts as.
    fn portions(&self, key: &RateKey, rates: &Rates) -> (RateKey, Arc<Portions>) {
        if let Some(known) = self.keys.get(key).filter(|known| known.rates == *rates) {
            return (key.clone(), known.clone());
        }
        if self.looked_up.fetch_add(1, Ordering::Relaxed).is_multiple_of(FORGET_EVERY) {
            let now = Instant::now();
            self.keys.retain(|_, portions| now.duration_since(portions.cells().called) < KNOWN);
        }
        let is_full = self.keys.len() >= LocalRateLimiter::MAX_KEYS && !self.keys.contains_key(key);
        let key = if is_full { others(key) } else { key.clone() };
        let mut known = self.keys.entry(key.clone()).or_insert_with(|| Arc::new(Portions::of(rates)));
        if known.rates != *rates {
            // They have changed.
            *known = Arc::new(Portions::of(rates));
        }
        let portions = known.clone();
        drop(known);
        (key, portions)
    }

    /// Counts a call once there is a portion for it.
    async fn take_with_others(&self, key: &RateKey, portions: &Portions) -> Result<(), RateExceeded> {
        loop {
            let _asking = portions.asking.lock().await;
            match portions.take(Instant::now()) {
                There::Counted(_) => return Ok(()),
                There::Exceeded(exceeded) => return Err(exceeded),
                There::UsedUp(_) if self.is_away() => return self.count_share(key, portions),
                There::UsedUp(number) => self.ask(key, portions, number).await,
            }
        }
    }

    /// Takes a portion of the rate of this number.
    async fn ask(&self, key: &RateKey, portions: &Portions, number: usize) {
        let rate = portions.cells().of[number].rate;
        let wanted = Portion::wanted(&rate, self.source.processes());
        let taken = self.source.take(key, &rate, wanted).await;
        let now = Instant::now();
        match taken {
            Ok(portion) => portions.cells().of[number].put(portion, now),
            Err(NoPortion::Until(retry_in)) => {
                portions.cells().of[number].none_until = Some(now + retry_in.max(REFUSED));
            }
            Err(NoPortion::Unavailable) => {
                *self.away_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + AWAY);
            }
        }
    }

    fn is_away(&self) -> bool {
        let mut away_until = self.away_until.lock().unwrap_or_else(PoisonError::into_inner);
        *away_until = away_until.filter(|until| Instant::now() < *until);
        away_until.is_some()
    }

    /// Counts a call against the share that this process has of each rate.
    fn count_share(&self, key: &RateKey, portions: &Portions) -> Result<(), RateExceeded> {
        let processes = self.source.processes();
        let whole: Vec<Rate> = portions.cells().of.iter().map(|cell| cell.rate).collect();
        let shares = whole.iter().map(|rate| rate.share(processes)).collect();
        self.shares.count(key, &shares).map_err(|exceeded| {
            let of = whole.iter().find(|rate| rate.period() == exceeded.rate.period());
            RateExceeded { rate: of.copied().unwrap_or(exceeded.rate), ..exceeded }
        })
    }
}

impl Portions {
    fn of(rates: &Rates) -> Self {
        let now = Instant::now();
        let cell = |rate: &Rate| Cell { rate: *rate, left: 0, had: 0, lost_at: now, none_until: None };
        let shared = rates.iter().filter(|rate| !rate.is_of_process());
        Self {
            rates: rates.clone(),
            of_process: rates.iter().filter(|rate| rate.is_of_process()).copied().collect(),
            cells: Mutex::new(Cells { of: shared.map(cell).collect(), called: now }),
            asking: tokio::sync::Mutex::default(),
        }
    }

    fn cells(&self) -> std::sync::MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.cells().of.is_empty()
    }

    /// Counts a call, if every rate has room for it.
    fn take(&self, now: Instant) -> There {
        let mut cells = self.cells();
        cells.called = now;
        for (number, cell) in cells.of.iter_mut().enumerate() {
            if cell.left > 0 && now < cell.lost_at {
                continue;
            }
            cell.left = 0;
            return match cell.none_until.filter(|until| now < *until) {
                Some(until) => {
                    There::Exceeded(RateExceeded { rate: cell.rate, retry_in: until.duration_since(now) })
                }
                None => There::UsedUp(number),
            };
        }
        cells.of.iter_mut().for_each(|cell| cell.left -= 1);
        There::Counted(cells.of.iter().position(|cell| cell.is_low(now)))
    }

    /// The first rate whose portion is more than half used.
    fn low(&self, now: Instant) -> Option<usize> {
        self.cells().of.iter().position(|cell| cell.is_low(now))
    }
}

impl Cell {
    /// Adds a portion.
    fn put(&mut self, Portion { calls, lasts }: Portion, now: Instant) {
        if now >= self.lost_at {
            self.left = 0;
        }
        self.left = self.left.saturating_add(calls.get());
        (self.had, self.lost_at, self.none_until) = (self.left, now + lasts, None);
    }

    fn is_low(&self, now: Instant) -> bool {
        self.left < self.had / 2 && self.none_until.is_none_or(|until| until <= now)
    }
}

impl fmt::Debug for SharedRateLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRateLimiter").field("keys", &self.0.keys.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
