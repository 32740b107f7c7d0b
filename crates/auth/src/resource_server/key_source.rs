//! Where the keys of an issuer come from, and how long they are used.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyport_metrics::{Counter, Metrics};
use anyport_service::Clock;
use anyport_transport::{client::http::Endpoint, http::CredentialError};
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    cache::TokenHash, claims::Moment, key_set::KeySet, limits::VerifierLimits, refusal::invalid,
    refusal::unavailable, remote::fetcher,
};
use crate::{
    client_address::network,
    discover::document,
    error::Error,
    fetch::{Fetcher, successful},
    server_metadata::{ServerMetadata, server_metadata_places},
};

/// Where keys are.
#[derive(Clone, Debug)]
pub(super) enum KeyPlace {
    /// In the configuration.
    Given(Arc<KeySet>),
    /// At a URL.
    Remote(Box<RemoteKeys>),
}

/// Keys that are fetched.
#[derive(Clone, Debug)]
pub(super) struct RemoteKeys {
    pub(super) named_by: NamedBy,
    /// With its proxies and certificates.
    pub(super) endpoint: Endpoint,
}

/// Who says where keys are.
#[derive(Clone, Debug)]
pub(super) enum NamedBy {
    /// The configuration: at this URL.
    Url(String),
    /// The metadata of this issuer.
    Issuer(String),
}

/// The keys of an issuer: fetched once for all that wait, used for a while, and fetched again early when a token names another.
pub(super) struct KeySource {
    place: KeyPlace,
    limits: VerifierLimits,
    fetches: Counter,
    refusals: Counter,
    clock: Clock,
    /// When [`KeySource::keys`] must be asked again even for tokens that were verified, in milliseconds of `clock`.
    due: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    set: Option<Fetched>,
    /// When the last attempt failed, if none has succeeded since.
    failed: Option<Instant>,
    /// The fetches that unknown keys have caused lately.
    sought: VecDeque<Sought>,
    /// Ends when the present fetch does.
    running: Option<watch::Receiver<()>>,
}

/// A fetch that an unknown key has caused.
struct Sought {
    at: Instant,
    by: Seeker,
}

/// For what an unknown key is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Seeker {
    /// The id of the key, as a hash.
    id: TokenHash,
    /// The network of the client.
    network: IpAddr,
}

impl Seeker {
    /// For a token with the key `id`, which a client of `address` presents.
    pub(super) fn new(id: Option<&str>, address: Option<IpAddr>) -> Self {
        Self { id: TokenHash::of(id.unwrap_or_default(), ""), network: network(address) }
    }
}

struct Fetched {
    keys: Arc<KeySet>,
    at: Instant,
    wall: SystemTime,
}

/// What there is to verify with.
pub(super) enum Keys {
    /// These keys.
    Known(Arc<KeySet>),
    /// Those of the fetch that is under way.
    Awaited(Fetching),
}

/// A fetch that is under way.
pub(super) struct Fetching(watch::Receiver<()>);

impl Fetching {
    /// Waits for its end, whatever that is.
    pub(super) async fn done(mut self) {
        // The task drops its side when it ends.
        while self.0.changed().await.is_ok() {}
    }
}

/// The time between attempts while there is nothing to verify with.
const RETRY: Duration = Duration::from_secs(5);

impl KeySource {
    pub(super) fn new(place: KeyPlace, limits: VerifierLimits, metrics: &Metrics) -> Self {
        let fetches = metrics.counter("anyport_key_set_fetches", "Fetches of key sets that verify tokens.");
        let refusals = metrics.refusals("max_key_refetches");
        let due = if matches!(place, KeyPlace::Given(_)) { u64::MAX } else { 0 };
        let (clock, due) = (Clock::new(), AtomicU64::new(due));
        Self { place, limits, fetches, refusals, clock, due, state: Mutex::default() }
    }

    /// Whether the keys that have verified a token may be gone by now, so that [`KeySource::keys`] must be asked.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        millis(self.clock.since(now)) >= self.due.load(Ordering::Relaxed)
    }

    fn set_due(&self, at: Instant) {
        self.due.store(millis(self.clock.since(at)), Ordering::Relaxed);
    }

    /// The keys to verify with. A set that soon becomes too old is fetched again while it is used, so that callers wait for the
    /// first fetch alone; one that cannot be fetched again is used for `key_set_stale`.
    ///
    /// # Errors
    /// [`CredentialError::Unavailable`] if there is none.
    pub(super) fn keys(self: &Arc<Self>, now: Instant) -> Result<Keys, CredentialError> {
        if let KeyPlace::Given(keys) = &self.place {
            return Ok(Keys::Known(keys.clone()));
        }
        let mut state = self.lock();
        let max_age = self.limits.key_set_max_age;
        let age = state.set.as_ref().map(|set| now.saturating_duration_since(set.at));
        let has_failed = state.failed.is_some();
        match (&state.set, age) {
            (Some(set), Some(age)) if age < max_age || has_failed && age < self.limits.key_set_stale => {
                let keys = set.keys.clone();
                if age >= max_age.mul_f32(REFRESH_AT) {
                    if self.may_try(&state, self.limits.key_refetch_interval, now) {
                        self.start(&mut state);
                    }
                    self.set_due(now + AGAIN);
                }
                Ok(Keys::Known(keys))
            }
            _ if state.running().is_some() || self.may_try(&state, RETRY, now) => {
                Ok(Keys::Awaited(self.start(&mut state)))
            }
            _ => Err(self.unreachable(&state, RETRY, now)),
        }
    }

    /// What to do about a token, made at `iat` by its own word, whose key is not in the set: wait for the set to be fetched again.
    /// That happens `max_key_refetches` times in `key_refetch_interval` for all, and once for each key and each client. A client that
    /// makes keys up keeps others waiting for no longer than that: whatever a fetch is for, it brings all keys.
    ///
    /// # Errors
    /// [`CredentialError::Invalid`], or [`CredentialError::Unavailable`] if the key may be newer than the set.
    pub(super) fn seek(
        self: &Arc<Self>,
        seeker: Seeker,
        iat: Option<f64>,
        now: &Moment,
    ) -> Result<Fetching, CredentialError> {
        if let KeyPlace::Given(_) = self.place {
            return Err(unknown_key());
        }
        let mut state = self.lock();
        match state.may_seek_in(seeker, &self.limits, now.instant) {
            Some(wait) if state.running().is_none() => {
                if wait.is_of_all {
                    self.refusals.increment();
                }
                // The set is known to have been whole when the token was made, unless the token is younger than it.
                let fetched = state.set.as_ref().map(|set| seconds(set.wall));
                let is_younger =
                    iat.zip(fetched).is_some_and(|(iat, at)| iat + now.leeway.as_secs_f64() >= at);
                match is_younger || state.failed.is_some() {
                    true => Err(unavailable("the key of the token is not known yet", wait.time)),
                    false => Err(unknown_key()),
                }
            }
            waits => {
                if waits.is_none() {
                    state.sought.push_back(Sought { at: now.instant, by: seeker });
                }
                Ok(self.start(&mut state))
            }
        }
    }

    /// What is wrong with a token whose key is not in a set that was fetched for it.
    pub(super) fn still_unknown(&self) -> CredentialError {
        let state = self.lock();
        match state.failed {
            Some(_) => unavailable("the keys of the token's issuer cannot be fetched", RETRY),
            None => unknown_key(),
        }
    }

    /// Whether a fetch may be tried: none has failed within `interval`.
    fn may_try(&self, state: &State, interval: Duration, now: Instant) -> bool {
        state.failed.is_none_or(|failed| now.saturating_duration_since(failed) >= interval)
    }

    fn unreachable(&self, state: &State, interval: Duration, now: Instant) -> CredentialError {
        let since = state.failed.map_or(Duration::ZERO, |failed| now.saturating_duration_since(failed));
        unavailable("the keys of the token's issuer cannot be fetched", interval.saturating_sub(since))
    }

    /// The fetch that is under way, or a new one. It belongs to no caller: one that goes away does not end it for the others.
    fn start(self: &Arc<Self>, state: &mut State) -> Fetching {
        if let Some(running) = state.running() {
            return Fetching(running);
        }
        let (done, running) = watch::channel(());
        state.running = Some(running.clone());
        let source = self.clone();
        self.fetches.increment();
        tokio::spawn(async move {
            let within = source.limits.key_fetch_timeout;
            let fetched = timeout(within, source.fetch()).await.unwrap_or_else(|_| Err(too_slow(within)));
            source.settle(fetched);
            drop(done);
        });
        Fetching(running)
    }

    fn settle(&self, fetched: Result<KeySet, Error>) {
        let mut state = self.lock();
        state.running = None;
        let now = Instant::now();
        match fetched {
            Ok(keys) => {
                let keys = match &state.set {
                    Some(older) => keys.succeed(&older.keys),
                    None => keys,
                };
                self.set_due(now + self.limits.key_set_max_age.mul_f32(REFRESH_AT));
                state.set = Some(Fetched { keys: Arc::new(keys), at: now, wall: SystemTime::now() });
                state.failed = None;
            }
            Err(error) => {
                tracing::warn!(%error, "the keys of an issuer cannot be fetched");
                state.failed = Some(now);
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, Error> {
        let RemoteKeys { named_by, endpoint } = match &self.place {
            KeyPlace::Given(_) => return Ok(KeySet::default()),
            KeyPlace::Remote(remote) => &**remote,
        };
        let fetcher = fetcher(endpoint, &self.limits);
        match named_by {
            NamedBy::Url(url) => fetch_keys(url, &fetcher, self.limits.max_keys).await,
            NamedBy::Issuer(issuer) => {
                let (url, is_public) = jwks_uri(issuer, &fetcher).await?;
                fetch_keys(&url, &fetcher.guarded(is_public), self.limits.max_keys).await
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The time between looks at a set that is about to be fetched again.
const AGAIN: Duration = Duration::from_secs(1);
/// The part of its life after which a set is fetched again.
const REFRESH_AT: f32 = 0.9;

/// How long an unknown key is not looked for.
struct SeekPause {
    time: Duration,
    /// Whether that is since the limit of all clients was reached.
    is_of_all: bool,
}

impl State {
    /// The time until an unknown key may cause a fetch for `seeker`; `None` if it may now.
    fn may_seek_in(&mut self, seeker: Seeker, limits: &VerifierLimits, now: Instant) -> Option<SeekPause> {
        let interval = limits.key_refetch_interval;
        let age = |sought: &Sought| now.saturating_duration_since(sought.at);
        while self.sought.pop_front_if(|oldest| age(oldest) >= interval).is_some() {}
        let is_same = |sought: &&Sought| sought.by.id == seeker.id || sought.by.network == seeker.network;
        let pause = |sought: &Sought, is_of_all| SeekPause { time: interval - age(sought), is_of_all };
        if let Some(last) = self.sought.iter().rfind(is_same) {
            return Some(pause(last, false));
        }
        let is_full = self.sought.len() >= limits.max_key_refetches;
        self.sought.front().filter(|_| is_full).map(|oldest| pause(oldest, true))
    }

    fn running(&self) -> Option<watch::Receiver<()>> {
        // A task that panicked has dropped its side without a result.
        self.running.clone().filter(|running| running.has_changed().is_ok())
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// What is wrong if metadata and keys together take too long.
fn too_slow(within: Duration) -> Error {
    let why = format!("has not given its keys within {} s (key_fetch_timeout)", within.as_secs());
    Error::Answer { url: "the issuer".into(), why, is_temporary: true }
}

fn unknown_key() -> CredentialError {
    invalid("the token's key is none of its issuer's")
}

async fn fetch_keys(url: &str, fetcher: &Fetcher, max_keys: usize) -> Result<KeySet, Error> {
    let answer = fetcher.get(url, []).await?;
    let body = successful(url, &answer)?;
    let wrong = |why| Error::Answer {
        url: url.to_owned(),
        why: format!("is no key set: {why}"),
        is_temporary: false,
    };
    KeySet::parse(body, max_keys).map_err(wrong)
}

/// Where the metadata of `issuer` says its keys are, and whether the issuer is on the public internet: what it names then is, too.
async fn jwks_uri(issuer: &str, fetcher: &Fetcher) -> Result<(String, bool), Error> {
    #[derive(Deserialize)]
    struct Keys {
        jwks_uri: Option<String>,
    }
    let unsafe_url = |why| Error::Url { what: "the issuer", url: issuer.to_owned(), why };
    let places = server_metadata_places(issuer).map_err(unsafe_url)?;
    for place in &places {
        let answer = fetcher.get(place.as_str(), []).await?;
        let Some(body) = document(place, &answer)? else { continue };
        let wrong = |why| Error::Server { url: place.to_string(), why };
        ServerMetadata::parse(body, issuer).map_err(wrong)?;
        let named = serde_json::from_slice::<Keys>(body).ok().and_then(|keys| keys.jwks_uri);
        let missing =
            || Error::Answer { url: place.to_string(), why: "names no jwks_uri".into(), is_temporary: false };
        return Ok((named.ok_or_else(missing)?, answer.is_public));
    }
    let tried: Vec<&str> = places.iter().map(url::Url::as_str).collect();
    Err(Error::NoMetadata { issuer: issuer.to_owned(), tried: tried.join(", ") })
}
