//! Answers that are still fresh.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{Method, Raw, json::Members, settings, uri::contains};
use anyport_service::{Notification, Principal, sync::Lock};
use lru::LruCache;
use tokio::time::Instant;

/// Keeps a server's answers for as long as they say, or until the server says that they changed.
///
/// Every client has one of its own. Several clients of the *same server* may share one with
/// [`Builder::cache`](crate::Builder::cache): what is public is then kept for all of them, what is private for those of the
/// same named principal.
///
/// 2026-07-28, caching §Cache Scope Field: "Caches MUST NOT be shared across authorization contexts".
#[derive(Clone)]
pub struct Cache(Arc<Lock<Store>>);

settings! {
    /// The limits of a [`Cache`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CacheLimits {
        /// The number of stored answers; 0 stores none.
        #[default(1_000)]
        pub entries: usize,
        /// The size of all answers in bytes. An answer that takes more than a quarter of it is not stored.
        #[default(16 MiB)]
        pub bytes: usize,
        /// The longest time that an answer is stored, whatever its `ttlMs` is.
        #[default(1 day)]
        pub ttl: Duration,
    }
}

struct Store {
    kept: LruCache<Key, Entry>,
    bytes: usize,
    limits: CacheLimits,
    /// How often something was forgotten: an answer that was on its way then is not kept.
    forgotten: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    whose: Whose,
    method: Method,
    /// As they are written: other spellings of the same params only cost a request.
    params: Raw,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Whose {
    Everybody,
    Named(Principal),
    /// Who has no name may be anybody.
    Client(u64),
}

struct Entry {
    result: Raw,
    until: Instant,
}

/// A client's view of a cache.
pub(crate) struct ClientCache {
    cache: Cache,
    own: Whose,
}

/// When a request was sent, as far as the cache is concerned.
#[derive(Clone, Copy)]
pub(crate) struct Mark(u64);

impl Cache {
    /// An empty one.
    pub fn new(limits: CacheLimits) -> Self {
        let kept = match NonZeroUsize::new(limits.entries) {
            Some(entries) => LruCache::new(entries),
            None => LruCache::new(NonZeroUsize::MIN),
        };
        Self(Arc::new(Lock::new(Store { kept, bytes: 0, limits, forgotten: 0 })))
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.forget(|_| true);
    }

    /// How many answers are kept, fresh or not.
    pub fn len(&self) -> usize {
        self.0.lock().kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn forget(&self, is: impl Fn(&Key) -> bool) {
        let mut store = self.0.lock();
        store.forgotten += 1;
        let stale: Vec<Key> =
            store.kept.iter().filter(|(key, _)| is(key)).map(|(key, _)| key.clone()).collect();
        stale.iter().for_each(|key| store.remove(key));
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(CacheLimits::default())
    }
}

impl Store {
    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.kept.pop(key) {
            self.bytes -= size(key, &entry);
        }
    }
}

impl ClientCache {
    pub(crate) fn new(cache: Cache, principal: &Principal) -> Self {
        static CLIENTS: AtomicU64 = AtomicU64::new(0);
        let own = match principal.is_authenticated() {
            true => Whose::Named(principal.clone()),
            false => Whose::Client(CLIENTS.fetch_add(1, Ordering::Relaxed)),
        };
        Self { cache, own }
    }

    /// The answer to a request, if it is fresh.
    pub(crate) fn get(&self, method: Method, params: &Raw) -> Option<Raw> {
        let now = Instant::now();
        let mut store = self.cache.0.lock();
        for whose in [&self.own, &Whose::Everybody] {
            let key = Key { whose: whose.clone(), method, params: params.clone() };
            match store.kept.get(&key) {
                // 2026-07-28, caching §Freshness Calculation: "now < t_received + ttlMs".
                Some(entry) if now < entry.until => return Some(entry.result.clone()),
                Some(_) => store.remove(&key),
                None => {}
            }
        }
        None
    }

    /// To be asked for before a request is sent.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.cache.0.lock().forgotten)
    }

    /// Keeps the answer to a request that was sent at `mark`, if it may be kept.
    pub(crate) fn put(&self, mark: Mark, method: Method, params: &Raw, result: &Raw) {
        let member = |name| Members::find(result.as_str(), name);
        // 2026-07-28, caching §TTL Field: absent and negative ones are 0.
        let ttl =
            member("ttlMs").and_then(|ttl| ttl.parse().ok()).map(Duration::from_millis).unwrap_or_default();
        // An unknown scope is the stricter one.
        let whose = match member("cacheScope") {
            Some("\"public\"") => Whose::Everybody,
            _ => self.own.clone(),
        };
        let mut store = self.cache.0.lock();
        let CacheLimits { entries, bytes, ttl: longest } = store.limits;
        let Some(until) = Instant::now().checked_add(ttl.min(longest)) else { return };
        let key = Key { whose, method, params: params.clone() };
        let entry = Entry { result: result.clone(), until };
        let size = size(&key, &entry);
        if entries == 0 || ttl.is_zero() || store.forgotten != mark.0 || size > bytes / 4 {
            return;
        }
        store.remove(&key);
        store.bytes += size;
        if let Some((key, entry)) = store.kept.push(key, entry) {
            store.bytes -= self::size(&key, &entry);
        }
        while store.bytes > bytes {
            let Some((key, entry)) = store.kept.pop_lru() else { break };
            store.bytes -= self::size(&key, &entry);
        }
    }

    /// Forgets the answers of these methods.
    pub(crate) fn forget(&self, methods: &[Method]) {
        self.cache.forget(|key| methods.contains(&key.method));
    }

    /// Forgets what was read at `uri`, and at what it is a part of, or has as a part.
    ///
    /// 2026-07-28, schema ResourceUpdatedNotificationParams: the URI "might be a sub-resource of the one that the client
    /// actually subscribed to".
    pub(crate) fn forget_resource(&self, uri: &str) {
        self.cache.forget(|key| {
            key.method == Method::ResourcesRead
                && key
                    .params
                    .member("uri")
                    .and_then(|uri| uri.as_string())
                    .is_some_and(|read| contains(&read, uri) || contains(uri, &read))
        });
    }

    /// Forgets what changed.
    ///
    /// 2026-07-28, caching §Interaction with Notifications: "the notification **invalidates** the cached response".
    pub(crate) fn heard(&self, told: &Notification) {
        match told.method {
            Method::ToolsChanged => self.forget(&[Method::ToolsList]),
            Method::PromptsChanged => self.forget(&[Method::PromptsList]),
            Method::ResourcesChanged => {
                self.forget(&[Method::ResourcesList, Method::TemplatesList]);
            }
            Method::ResourceUpdated => {
                if let Some(uri) = told.params.member("uri").and_then(|uri| uri.as_string()) {
                    self.forget_resource(&uri);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn clear(&self) {
        self.cache.clear();
    }
}

fn size(key: &Key, entry: &Entry) -> usize {
    key.params.as_str().len() + entry.result.as_str().len() + size_of::<Key>() + size_of::<Entry>()
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.0.lock();
        f.debug_struct("Cache").field("entries", &store.kept.len()).field("bytes", &store.bytes).finish()
    }
}
