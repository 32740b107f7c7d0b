//! Rates that several processes keep together: portions of them are records of a store that all have.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use anyport_layers::{Given, NoPortion, Period, Portion, PortionSource, PortionTaken, Rate, RateKey};
use anyport_store::{Bucket, Collection, Error, Store};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What was given of each rate of each caller, address, server and tool: a record of a few bytes, which ends when all of it has come back.
pub static RATES: Bucket =
    Bucket::new("limit").max_age(Duration::from_secs(7 * 24 * 60 * 60)).max_bytes(64 << 20);

/// A source of portions in a store.
///
/// A portion is taken by one write that expects what was read (compare-and-set), so that no call is given twice. One whose outcome is unknown
/// counts as given, and is not used.
pub struct StoredPortions {
    store: Arc<dyn Store>,
    records: Collection<Record>,
    processes: AtomicU32,
}

/// What was given of one rate.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Record {
    /// See [`Given::all_back_at`].
    all_back_at: u64,
}

const FORMAT: u8 = 1;
/// How often a portion is tried to take, where each try is several that others were faster than.
const TRIES: u32 = 4;

impl StoredPortions {
    /// Takes portions from `store`, which must have been opened with [`RATES`].
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { records: Collection::new(store.clone(), &RATES, FORMAT), store, processes: AtomicU32::new(1) }
    }

    async fn taken(&self, key: &RateKey, rate: &Rate, wanted: NonZeroU32) -> Result<Portion, NoPortion> {
        let id = id(key, rate.period());
        // Longer than anything that can have been given takes to come back.
        let ttl = rate.interval().saturating_mul(rate.at_once().get()) + Duration::from_secs(60);
        for _ in 0..TRIES {
            let mut given = Err(Duration::ZERO);
            let written = self.records.update(&id, Some(ttl), |record| {
                let mut all = Given { all_back_at: record.unwrap_or_default().all_back_at };
                given = all.give(rate, wanted, self.now());
                Record { all_back_at: all.all_back_at }
            });
            match written.await {
                Ok(_) => {
                    self.processes.store(self.heard_of().await, Ordering::Relaxed);
                    return given.map_err(NoPortion::Until);
                }
                Err(Error::Conflict(_)) => {}
                Err(error) => {
                    tracing::debug!(%error, "no portion of a rate can be taken");
                    // Without the store, one that is not heard of may be there all the same.
                    self.processes.fetch_max(self.heard_of().await, Ordering::Relaxed);
                    return Err(NoPortion::Unavailable);
                }
            }
        }
        Err(NoPortion::Unavailable)
    }

    /// Nanoseconds since 1970, by the clock that all members share.
    fn now(&self) -> u64 {
        let since = self.store.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The processes that are heard of; those of before where that is not known.
    async fn heard_of(&self) -> u32 {
        match self.store.members_of(&RATES).others().await {
            Ok(others) => u32::try_from(others.len()).unwrap_or(u32::MAX).saturating_add(1),
            Err(_) => self.processes.load(Ordering::Relaxed),
        }
    }
}

impl PortionSource for StoredPortions {
    fn take<'a>(&'a self, key: &'a RateKey, rate: &'a Rate, wanted: NonZeroU32) -> PortionTaken<'a> {
        Box::pin(self.taken(key, rate, wanted))
    }

    fn processes(&self) -> NonZeroU32 {
        NonZeroU32::new(self.processes.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN)
    }
}

/// The record of a rate: names of callers may be too long for an id.
fn id(key: &RateKey, period: Period) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    let mut key = key;
    while let RateKey::Other(of) = key {
        add("other");
        key = of;
    }
    match key {
        RateKey::Other(_) => {}
        RateKey::Caller { principal, network } => {
            add("caller");
            add(&principal.to_string());
            add(&network.map(|network| network.to_string()).unwrap_or_default());
        }
        RateKey::Address(address) => {
            add("address");
            add(&address.to_string());
        }
        RateKey::Upstream(name) => {
            add("upstream");
            add(name);
        }
        RateKey::Tool { upstream, tool } => {
            add("tool");
            add(upstream);
            add(tool);
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    let period = match period {
        Period::Second => "second",
        Period::Minute => "minute",
        Period::Hour => "hour",
        Period::Day => "day",
    };
    format!("{}/{period}", HEXLOWER.encode(&digest[..16]))
}

impl fmt::Debug for StoredPortions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredPortions").field("processes", &self.processes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use anyport_layers::{RateLimiter as _, Rates, SharedRateLimiter, Taken};
    use anyport_metrics::Metrics;
    use anyport_service::Principal;
    use anyport_store::{MemoryStore, Options, SqliteStore};
    use tokio::task::JoinSet;

    use super::*;

    fn ada() -> RateKey {
        RateKey::Caller { principal: Principal::named("ada"), network: None }
    }

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    /// How many of 400 calls at once, by eight processes, are let through of 100 an hour.
    async fn counted(stores: [Arc<dyn Store>; 8]) -> usize {
        let rates: Rates = [Rate::new(number(100), Period::Hour)].into_iter().collect();
        let mut calls = JoinSet::new();
        for store in stores {
            let limiter = SharedRateLimiter::new(Arc::new(StoredPortions::new(store)));
            for _ in 0..50 {
                let (limiter, rates) = (limiter.clone(), rates.clone());
                calls.spawn(async move {
                    match limiter.take(&ada(), &rates) {
                        Taken::Now(taken) => taken.is_ok(),
                        Taken::Later(taken) => taken.await.is_ok(),
                    }
                });
            }
        }
        calls.join_all().await.into_iter().filter(|is_counted| *is_counted).count()
    }

    /// Invariant: Processes that share a store let through no more calls together than a rate says, however they race.
    #[tokio::test]
    async fn processes_that_race_let_through_no_more_than_the_rate() {
        let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(&[&RATES], &Metrics::new()));
        let in_memory = counted([(); 8].map(|()| memory.clone())).await;
        let folder = tempfile::tempdir().unwrap();
        let sqlite = || -> Arc<dyn Store> {
            Arc::new(SqliteStore::new(folder.path().to_owned(), &[&RATES], Options::default()))
        };
        let in_a_file = counted([(); 8].map(|()| sqlite())).await;
        for counted in [in_memory, in_a_file] {
            // A process that has no more calls leaves a part of its portion.
            assert!((70..=100).contains(&counted), "{counted}");
        }
    }

    #[test]
    fn every_key_and_period_has_a_record_of_its_own() {
        let address = "192.0.2.1".parse().unwrap();
        let keys = [
            ada(),
            RateKey::Caller { principal: Principal::named("ad"), network: None },
            RateKey::Caller { principal: Principal::anonymous(), network: Some(address) },
            RateKey::Address(address),
            RateKey::Other(Box::new(ada())),
            RateKey::Upstream("a".into()),
            RateKey::Upstream("ab".into()),
            RateKey::Tool { upstream: "a".into(), tool: "b".into() },
            RateKey::Tool { upstream: "ab".into(), tool: "".into() },
        ];
        let ids: HashSet<String> =
            keys.iter().flat_map(|key| [Period::Second, Period::Day].map(|period| id(key, period))).collect();
        assert_eq!(ids.len(), keys.len() * 2);
    }
}
