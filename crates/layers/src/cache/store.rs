//! Stored results, and running calls.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use anyport_protocol::{Raw, json::Splice};
use lru::LruCache;
use tokio::{sync::watch, time::Instant};

use super::{
    key::Key,
    limits::CacheLimits,
    rule::{CacheRule, stated},
};
use anyport_metrics::{Counter, Metrics};
use anyport_service::{Outcome, sync::Lock};

/// Held for the time of a look into a table, never while anything runs.
pub(super) struct Store {
    limits: CacheLimits,
    state: Lock<State>,
}

struct State {
    kept: LruCache<Key, Kept>,
    /// The size of all stored results.
    bytes: usize,
    /// Calls that run now and that others may wait for.
    running: HashMap<Key, Running>,
    /// Of the last call that began to run.
    number: u64,
    counters: Counters,
}

struct Kept {
    result: Raw,
    until: Instant,
    bytes: usize,
    /// Whether it says how long it holds.
    is_stated: bool,
}

impl Kept {
    /// The result as it is answered now: one that says how long it holds says how long it still holds.
    fn result(&self, now: Instant) -> Raw {
        if !self.is_stated {
            return self.result.clone();
        }
        let left = u64::try_from((self.until - now).as_millis()).unwrap_or(u64::MAX);
        let left = Raw::from(serde_json::Value::from(left));
        Splice::retain(&self.result, |key| key != "ttlMs").with("ttlMs", &left).finish()
    }
}

struct Running {
    number: u64,
    told: watch::Receiver<Option<Told>>,
}

#[derive(Default)]
struct Counters {
    hits: Counter,
    misses: Counter,
    shared: Counter,
    evictions: Counter,
    too_large: Counter,
}

/// The message for waiting calls.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Ended(Outcome),
    /// The call is its caller's own.
    Uncacheable,
}

pub(super) enum Found {
    Kept(Raw),
    /// No equal call is stored or running: the caller runs, and others may wait for it.
    Leader(Leader),
    /// Somebody is asking this right now.
    Follower(Waiting),
}

/// A call that runs for all who ask the same. Dropping it lets another take its place.
pub(super) struct Leader {
    store: Arc<Store>,
    key: Key,
    number: u64,
    since: Instant,
    rule: CacheRule,
    told: watch::Sender<Option<Told>>,
}

pub(super) struct Waiting(watch::Receiver<Option<Told>>);

impl Waiting {
    /// The outcome of the running call; `None` if it was cancelled.
    pub(super) async fn told(&mut self) -> Option<Told> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

/// The size of an entry beside its text.
const OVERHEAD: usize = 256;

/// One result takes at most this part of all bytes, lest it drive out everything else.
const LARGEST: usize = 8;

impl Store {
    pub(super) fn new(limits: CacheLimits) -> Self {
        let state = State {
            kept: LruCache::unbounded(),
            bytes: 0,
            running: HashMap::new(),
            number: 0,
            counters: Counters::default(),
        };
        Self { limits, state: Lock::new(state) }
    }

    /// How long answers are kept unless something else is said.
    pub(super) fn ttl(&self) -> Duration {
        self.limits.ttl
    }

    pub(super) fn count(&self, metrics: &Metrics) {
        self.lock().counters = Counters {
            hits: metrics.counter("anyport_cache_hits", "Calls that were answered from the cache."),
            misses: metrics.counter("anyport_cache_misses", "Calls that ran, and whose result may be kept."),
            shared: metrics.counter("anyport_cache_shared", "Calls that waited for an equal one."),
            evictions: metrics.counter("anyport_cache_evictions", "Kept results that had to make room."),
            too_large: metrics.refusals("cache_bytes"),
        };
    }

    pub(super) fn enter(self: &Arc<Self>, key: &Key, rule: &CacheRule) -> Found {
        let now = Instant::now();
        let mut state = self.lock();
        if let Some(result) = state.fresh(key, now) {
            state.counters.hits.increment();
            return Found::Kept(result);
        }
        if let Some(running) = state.running.get(key) {
            state.counters.shared.increment();
            return Found::Follower(Waiting(running.told.clone()));
        }
        state.counters.misses.increment();
        state.number += 1;
        let number = state.number;
        let (told, waiting) = watch::channel(None);
        state.running.insert(key.clone(), Running { number, told: waiting });
        drop(state);
        Found::Leader(Leader {
            store: self.clone(),
            key: key.clone(),
            number,
            since: now,
            rule: rule.clone(),
            told,
        })
    }

    pub(super) fn clear(&self) {
        let mut state = self.lock();
        let kept = std::mem::replace(&mut state.kept, LruCache::unbounded());
        let running = std::mem::take(&mut state.running);
        state.bytes = 0;
        drop(state);
        drop((kept, running));
    }

    /// The number of stored results, and their size.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.lock();
        (state.kept.len(), state.bytes)
    }

    fn keep(&self, state: &mut State, call: &Leader, result: &Raw) -> Vec<Kept> {
        let key = &call.key;
        let bytes = key.len() + result.as_str().len() + OVERHEAD;
        if bytes > self.limits.bytes / LARGEST {
            state.counters.too_large.increment();
            return Vec::new();
        }
        // Beyond what the clock can tell is as good as for ever, and bounded all the same.
        let until = call.since.checked_add(call.rule.ttl_of(result));
        let Some(until) = until.filter(|until| *until > Instant::now()) else {
            return Vec::new();
        };
        // A copy of its own: what is shared with the reply may lie in a larger buffer.
        let is_stated = stated(result).is_some();
        let result = Raw::trusted(result.as_str().as_bytes().to_vec());
        let mut gone = Vec::new();
        state.bytes += bytes;
        if let Some((_, old)) = state.kept.push(key.clone(), Kept { result, until, bytes, is_stated }) {
            state.bytes -= old.bytes;
            gone.push(old);
        }
        while state.kept.len() > self.limits.entries || state.bytes > self.limits.bytes {
            let Some((_, old)) = state.kept.pop_lru() else { break };
            state.bytes -= old.bytes;
            state.counters.evictions.increment();
            gone.push(old);
        }
        gone
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn fresh(&mut self, key: &Key, now: Instant) -> Option<Raw> {
        let kept = self.kept.get(key)?;
        if kept.until > now {
            return Some(kept.result(now));
        }
        if let Some(stale) = self.kept.pop(key) {
            self.bytes -= stale.bytes;
        }
        None
    }

    /// Takes the call of this number off the table. Whether it stood there: else everything was cleared meanwhile, and what
    /// it answers may be old.
    fn leave(&mut self, key: &Key, number: u64) -> bool {
        let stands = self.running.get(key).is_some_and(|running| running.number == number);
        if stands {
            self.running.remove(key);
        }
        stands
    }
}

impl Leader {
    /// Ends a call: stores its result if it is cacheable, and gives the outcome to all waiting calls.
    pub(super) fn end(self, outcome: &Outcome) {
        let Outcome::Result(result) = outcome else {
            return match outcome {
                // Its state is for its caller alone, and good once.
                Outcome::InputRequired(_) => self.part(),
                _ => self.tell(Told::Ended(outcome.clone())),
            };
        };
        let mut state = self.store.lock();
        let mut gone = Vec::new();
        if state.leave(&self.key, self.number) && !is_failure(result) {
            gone = self.store.keep(&mut state, &self, result);
        }
        drop(state);
        drop(gone);
        self.told.send_replace(Some(Told::Ended(outcome.clone())));
    }

    /// The call is its caller's own.
    pub(super) fn part(self) {
        self.tell(Told::Uncacheable);
    }

    fn tell(self, told: Told) {
        // Later calls no longer find it.
        self.store.lock().leave(&self.key, self.number);
        self.told.send_replace(Some(told));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        // Before those who wait learn of it, so that one of them can take the place.
        self.store.lock().leave(&self.key, self.number);
    }
}

/// 2026-07-28, server/tools §Error Handling: a tool's own failures are results with `isError: true`.
fn is_failure(result: &Raw) -> bool {
    result.member("isError").is_some_and(|is_error| is_error.as_str() != "false")
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, bytes) = self.size();
        f.debug_struct("Store").field("entries", &entries).field("bytes", &bytes).finish_non_exhaustive()
    }
}
