use std::collections::HashMap;

use anyport_service::Principal;
use tokio::time::{advance, sleep};

use super::*;
use crate::rate::{Given, Period};

/// A source in memory, with the clock of the test.
struct Memory {
    given: Mutex<HashMap<String, Given>>,
    asked: AtomicU32,
    is_away: Mutex<bool>,
    began: Instant,
    processes: u32,
    takes: Duration,
}

impl Memory {
    fn new(processes: u32) -> Arc<Self> {
        Arc::new(Self {
            given: Mutex::default(),
            asked: AtomicU32::new(0),
            is_away: Mutex::new(false),
            began: Instant::now(),
            processes,
            takes: Duration::from_millis(1),
        })
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    fn set_away(&self, is_away: bool) {
        *self.is_away.lock().unwrap() = is_away;
    }
}

impl PortionSource for Memory {
    fn take<'a>(&'a self, key: &'a RateKey, rate: &'a Rate, wanted: NonZeroU32) -> PortionTaken<'a> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            sleep(self.takes).await;
            if *self.is_away.lock().unwrap() {
                return Err(NoPortion::Unavailable);
            }
            let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap();
            let mut given = self.given.lock().unwrap();
            let given = given.entry(format!("{key:?} {rate}")).or_default();
            given.give(rate, wanted, now).map_err(NoPortion::Until)
        })
    }

    fn processes(&self) -> NonZeroU32 {
        number(self.processes)
    }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn ada() -> RateKey {
    RateKey::Caller { principal: Principal::named("ada"), network: None }
}

fn rates(rates: impl IntoIterator<Item = Rate>) -> Rates {
    rates.into_iter().collect()
}

async fn take(limiter: &SharedRateLimiter, rates: &Rates) -> Result<(), RateExceeded> {
    match limiter.take(&ada(), rates) {
        Taken::Now(taken) => taken,
        Taken::Later(taken) => taken.await,
    }
}

/// The number of calls that are let through of so many, which come to each limiter in turn.
async fn counted(limiters: &[SharedRateLimiter], rates: &Rates, calls: usize) -> usize {
    let mut counted = 0;
    for limiter in limiters.iter().cycle().take(calls) {
        counted += usize::from(take(limiter, rates).await.is_ok());
    }
    counted
}

/// Invariant: Processes that count together never let through more than a rate says, and lose a part of it only if one of them has no use for it.
#[tokio::test(start_paused = true)]
async fn processes_together_let_through_what_one_would() {
    let (source, rates) = (Memory::new(2), rates([Rate::new(number(160), Period::Hour)]));
    let limiters = [(); 2].map(|()| SharedRateLimiter::new(source.clone()));
    assert_eq!(counted(&limiters, &rates, 400).await, 160);
    assert!(source.asked() < 40, "{} portions, and none for each call", source.asked());
    let exceeded = take(&limiters[0], &rates).await.unwrap_err();
    assert_eq!(exceeded.rate.to_string(), "160 calls an hour");
    advance(exceeded.retry_in).await;
    assert_eq!(counted(&limiters, &rates, 10).await, 1, "one has come back");
}

#[tokio::test(start_paused = true)]
async fn one_call_waits_and_the_next_portion_is_taken_ahead() {
    let (source, rates) = (Memory::new(1), rates([Rate::new(number(800), Period::Minute)]));
    let limiter = SharedRateLimiter::new(source.clone());
    let mut waited = 0;
    for _ in 0..500 {
        match limiter.take(&ada(), &rates) {
            Taken::Now(taken) => taken.unwrap(),
            Taken::Later(taken) => {
                waited += 1;
                taken.await.unwrap();
            }
        }
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(waited, 1);
    assert!(source.asked() <= 11, "{}", source.asked());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_remembered_until_there_is_room() {
    let (source, rates) = (Memory::new(1), rates([Rate::new(number(2), Period::Minute)]));
    let limiter = SharedRateLimiter::new(source.clone());
    assert_eq!(counted(std::slice::from_ref(&limiter), &rates, 100).await, 2);
    assert!(source.asked() <= 4, "refused calls cost the source nothing: {}", source.asked());
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_share_a_portion_and_none_is_counted_twice() {
    let (source, rates) =
        (Memory::new(1), rates([Rate::new(number(16), Period::Minute), Rate::new(number(40), Period::Hour)]));
    let limiter = SharedRateLimiter::new(source.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (limiter, rates) = (limiter.clone(), rates.clone());
        tasks.spawn(async move { take(&limiter, &rates).await.is_ok() });
    }
    let counted = tasks.join_all().await.into_iter().filter(|is_counted| *is_counted).count();
    assert_eq!(counted, 16);
    for _ in 0..10 {
        advance(Duration::from_secs(60)).await;
        let _ = take(&limiter, &rates).await;
    }
    let exceeded = loop {
        advance(Duration::from_secs(4)).await;
        if let Err(exceeded) = take(&limiter, &rates).await {
            break exceeded;
        }
    };
    assert_eq!(exceeded.rate.period(), Period::Hour);
}

#[tokio::test(start_paused = true)]
async fn a_process_has_its_share_while_the_source_is_away() {
    let (source, rates) = (Memory::new(4), rates([Rate::new(number(40), Period::Hour)]));
    let limiter = SharedRateLimiter::new(source.clone());
    source.set_away(true);
    assert_eq!(counted(std::slice::from_ref(&limiter), &rates, 100).await, 10);
    let exceeded = take(&limiter, &rates).await.unwrap_err();
    assert_eq!(exceeded.rate.to_string(), "40 calls an hour", "as it is in the configuration");
    assert_eq!(source.asked(), 1, "it is left alone for a second");
    source.set_away(false);
    advance(AWAY).await;
    assert_eq!(take(&limiter, &rates).await, Ok(()));
    assert_eq!(source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_portion_that_is_not_used_is_lost() {
    let (source, rates) = (Memory::new(1), rates([Rate::new(number(80), Period::Minute)]));
    let limiter = SharedRateLimiter::new(source.clone());
    take(&limiter, &rates).await.unwrap();
    assert_eq!(source.asked(), 1);
    // Ten calls of 750 ms each.
    advance(Duration::from_millis(7_600)).await;
    take(&limiter, &rates).await.unwrap();
    assert_eq!(source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn rates_of_the_process_need_no_source() {
    let source = Memory::new(1);
    let limiter = SharedRateLimiter::new(source.clone());
    let rates = rates([Rate::new(number(3), Period::Second).of_process()]);
    assert_eq!(counted(std::slice::from_ref(&limiter), &rates, 5).await, 3);
    assert_eq!(source.asked(), 0);
}
